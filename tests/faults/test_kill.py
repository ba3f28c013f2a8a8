"""kill -9 of the server, of a worker and of PostgreSQL, under load: what was acknowledged holds (I1, I2, I4)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.served import Gateway, Load, eventually


@pytest.fixture
def gateway(tmp_path: Path) -> Iterator[Gateway]:
    """A data directory with nothing running."""
    made = Gateway(tmp_path / "data")
    yield made
    made.end()


def test_a_server_that_is_killed_under_load_loses_nothing_it_acknowledged(gateway: Gateway) -> None:
    server = gateway.start()
    load = Load(gateway)
    with load.running():
        eventually(lambda: len(load.sent) >= 200 and len(load.stopped) >= 10)
        gateway.kill(server)

    gateway.start()

    load.judge()


def test_a_database_that_is_killed_under_load_comes_back_and_has_lost_nothing_it_acknowledged(gateway: Gateway) -> None:
    gateway.start()
    load = Load(gateway)
    with load.running():
        eventually(lambda: len(load.sent) >= 200 and len(load.stopped) >= 10)
        gateway.kill_database()
        before = len(load.sent) + 20
        eventually(lambda: len(load.sent) >= before)

    assert gateway.call("GET", "/readyz")[0] == 200
    load.judge()


def test_what_a_killed_worker_had_in_flight_becomes_unknown_while_a_new_worker_carries_on(gateway: Gateway) -> None:
    slow, other = [f"+14155554{n:03d}" for n in range(5)], "+14155555000"
    gateway.start("api")
    gateway.furnish([*slow, other])
    for phone in slow:
        gateway.script(phone, {"delay_s": 30})
    worker = gateway.start("worker")
    sent = [gateway.send(phone, "slow")[1]["sid"] for phone in slow]
    eventually(lambda: all(gateway.on_phone(phone) for phone in slow))

    gateway.kill(worker)
    waiting = gateway.send(other, "in between")[1]["sid"]
    gateway.start("worker")

    eventually(lambda: gateway.message(waiting)["status"] == "delivered")
    eventually(lambda: all(gateway.message(sid)["status"] == "unknown" for sid in sent))
    assert [gateway.on_phone(phone) for phone in slow] == [[(sid, "slow")] for sid in sent]
