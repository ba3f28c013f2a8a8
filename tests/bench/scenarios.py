"""What is measured, each figure beside its limit of the same run."""

import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import uvloop
from tests.bench import limits
from tests.bench.load import Make, Result, closed_loop, open_loop
from tests.bench.provider import Provider
from tests.bench.stage import Stage, person


@dataclass(frozen=True)
class Figure:
    """One line of the table: what, how much, the limit beside it, their ratio, and what was asked for."""

    what: str
    value: float
    unit: str
    limit: str = ""
    limit_value: float | None = None
    target: str = ""

    @property
    def ratio(self) -> float | None:
        """The figure over its limit."""
        return self.value / self.limit_value if self.limit_value else None


def run(coroutine: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine on uvloop, as the server does."""

    async def main() -> Any:
        return await coroutine()

    return uvloop.run(main())


def accepted(stage: Stage, seconds: float, processes: str) -> list[Figure]:
    """Accepted messages a second over HTTP at 64 connections, beside pgbench and beside the plain way."""
    limits.make_keys(stage.data_dir)
    figures: list[Figure] = []

    def hammer(make: Make, connections: int = 64, port: int = stage.port) -> Result:
        found: Result = run(lambda: closed_loop(stage.host, port, make, connections=connections, seconds=seconds))
        return found

    def twilio(number: int) -> bytes:
        return stage.twilio(person(number), stage.sender, "hello")

    ours, one_row = 0.0, 0.0
    for _ in range(3):  # in turn, so that both see the same weather
        ours = max(ours, hammer(twilio).rate)
        for clients in (16, 32):
            one_row = max(
                one_row, limits.pgbench(stage.data_dir, limits.ONE_ROW, clients=clients, seconds=round(seconds))
            )
    with other_server(stage, "naive") as port:
        naive = hammer(twilio, port=port)
    with other_server(stage, "bare") as port:
        bare = hammer(twilio, port=port).rate
    native = hammer(lambda n: stage.native(person(n), stage.sender, "hello")).rate
    single = hammer(twilio, connections=1)
    figures.append(
        Figure(
            f"accepted/s, Twilio route, 64 connections, {processes}", ours, "/s", "pgbench, one row", one_row, ">= 0.8x"
        )
    )
    figures.append(Figure("  the same", ours, "/s", "a transaction a request over HTTP", naive.rate, ">= 4x"))
    figures.append(Figure("  the same", ours, "/s", "bare route", bare))
    figures.append(
        Figure(f"accepted/s, /v1/messages, 64 connections, {processes}", native, "/s", "pgbench, one row", one_row)
    )
    figures.append(Figure(f"accept at 1 connection, {processes}, p50", single.percentile_ms(0.5), "ms"))
    return figures


def bulk(stage: Stage) -> list[Figure]:
    """Messages and checks, ten thousand a request."""
    messages = [{"to": person(n), "from": stage.sender, "body": "hello", "purpose": "marketing"} for n in range(10_000)]
    checks = [{"address": person(n), "purpose": "marketing"} for n in range(10_000)]

    def best(path: str, items: list[dict[str, str]]) -> float:
        body = json.dumps({"items": items}).encode()
        request = stage.request(path, body, "application/json")
        found: Result = run(
            lambda: closed_loop(stage.host, stage.port, lambda _: request, connections=2, seconds=4, warm_s=0)
        )
        return found.rate * len(items)

    return [
        Figure("bulk messages gated and accepted", best("/v1/messages/bulk", messages), "/s", target=">= 30,000"),
        Figure("bulk check", best("/v1/consents/check", checks), "addresses/s", target=">= 50,000"),
    ]


def check(stage: Stage, seconds: float) -> list[Figure]:
    """Single checks over HTTP."""

    def make(number: int) -> bytes:
        body = json.dumps({"address": person(number), "purpose": "marketing"}).encode()
        return stage.request("/v1/consents/check", body, "application/json")

    one: Result = run(lambda: closed_loop(stage.host, stage.port, make, connections=1, seconds=seconds))
    many: Result = run(lambda: closed_loop(stage.host, stage.port, make, connections=64, seconds=seconds))
    return [
        Figure("single check, 1 connection, p50", one.percentile_ms(0.5), "ms"),
        Figure("single check, 1 connection, p99", one.percentile_ms(0.99), "ms", target="< 5 ms"),
        Figure("single checks, 64 connections", many.rate, "/s"),
    ]


def stop_latency(stage: Stage, count: int, label: str, target: str = "") -> list[Figure]:
    """STOP to acknowledged, one at a time."""
    sender = next(s["sid"] for s in stage.call("GET", "/v1/senders")["senders"] if s["provider"] == "simulator")
    taken = []
    for number in range(count):
        begun = time.perf_counter()
        phone = f"+1628{(2000000 + hash((label, number)) % 7_000_000):07d}"
        stage.call("POST", "/v1/simulator/inbound", {"sender": sender, "from": phone, "type": "text", "text": "STOP"})
        taken.append((time.perf_counter() - begun) * 1000)
    taken.sort()
    return [
        Figure(f"STOP acknowledged, {label}, p50", taken[count // 2], "ms"),
        Figure(f"STOP acknowledged, {label}, p99", taken[min(count - 1, int(count * 0.99))], "ms", target=target),
    ]


def pipeline(stage: Stage, rate: float, seconds: float, processes: str) -> list[Figure]:
    """An open loop through everything to a loopback provider, with STOPs under way beside it."""
    provider = Provider()

    async def main() -> tuple[Result, dict[int, float], list[Figure]]:
        server = await provider.start()
        address = f"+1500555{provider.port % 10_000:04d}"
        settings = {
            "account_sid": "AC" + "0" * 32,
            "auth_token": "x",
            "api_base_url": f"http://127.0.0.1:{provider.port}",
        }
        new = {
            "channel": "sms",
            "provider": "twilio",
            "address": address,
            "configuration": settings,
            "max_in_flight": 256,
        }
        await asyncio.to_thread(stage.call, "POST", "/v1/senders", new)
        answered: dict[int, float] = {}

        def note(number: int, status: int, now: float) -> None:
            if status == 201:
                answered[number] = now

        def make(number: int) -> bytes:
            return stage.twilio(person(number), address, str(number))

        # Connections and caches warm first; what is measured is the steady state.
        await open_loop(stage.host, stage.port, lambda n: make(-n - 1), rate=rate / 4, seconds=1.5, seed=2)
        offered = asyncio.create_task(
            open_loop(stage.host, stage.port, make, rate=rate, seconds=seconds, answered=note)
        )
        stops = await asyncio.to_thread(stop_latency, stage, int(seconds * 10), f"under {rate:.0f}/s")
        result = await offered
        await _arrived(provider, answered)
        server.close()
        return result, answered, stops

    result, answered, stops = run(main)
    waits = sorted(max(0.0, provider.arrived[n][0] - at) * 1000 for n, at in answered.items() if n in provider.arrived)
    twice = sum(len(times) > 1 for times in provider.arrived.values())
    left = sum(n not in provider.arrived for n in answered)

    def at(share: float) -> float:
        return waits[min(len(waits) - 1, int(len(waits) * share))] if waits else 0.0

    label = f"pipeline, {rate:.0f}/s offered, {processes}"
    return [
        Figure(f"{label}: accepted", len(answered) / result.seconds, "/s"),
        Figure(f"{label}: accept p50", result.percentile_ms(0.5), "ms"),
        Figure(f"{label}: accept p99", result.percentile_ms(0.99), "ms", target="< 30 ms"),
        Figure(f"{label}: accept to hand-off p50", at(0.5), "ms"),
        Figure(f"{label}: accept to hand-off p99", at(0.99), "ms", target="< 100 ms"),
        Figure(f"{label}: left behind", left, "messages", target="0"),
        Figure(f"{label}: handed off twice", twice, "messages", target="0"),
        *stops,
    ]


async def _arrived(provider: Provider, answered: dict[int, float]) -> None:
    until = time.perf_counter() + 10
    for number in answered:
        while number not in provider.arrived and time.perf_counter() < until:  # noqa: ASYNC110 - a protocol fills it
            await asyncio.sleep(0.05)


@contextmanager
def other_server(stage: Stage, kind: str) -> Iterator[int]:
    """Run the plain way, or a bare route, beside the gateway on the same database."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.naive", str(port), kind],
        env=limits.environment(stage.data_dir, "consentry_app") | {"NAIVE_DSN": limits.dsn(stage.data_dir)},
    )
    try:
        until = time.monotonic() + 20
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.wait()
