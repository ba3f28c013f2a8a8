"""A loopback provider in the shape of Twilio's: it counts hand-offs and notes when each arrived."""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import cast

_BODY = re.compile(rb"Body=(\d+)")


@dataclass
class Provider:
    """Counts what is handed off to it; `arrived` maps the number in a message's body to the instants it came."""

    arrived: dict[int, list[float]] = field(default_factory=dict)
    handed_off: int = 0
    port: int = 0

    async def start(self) -> asyncio.Server:
        """Listen on a free loopback port."""
        server = await asyncio.get_running_loop().create_server(lambda: _Wire(self), "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


class _Wire(asyncio.Protocol):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._got = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._got += data
        while (end := self._got.find(b"\r\n\r\n")) >= 0:
            at = self._got.lower().find(b"content-length: ", 0, end)
            length = int(self._got[at + 16 : self._got.find(b"\r", at)])
            if len(self._got) < end + 4 + length:
                return
            body, self._got = self._got[end + 4 : end + 4 + length], self._got[end + 4 + length :]
            self._answer(body)

    def _answer(self, body: bytes) -> None:
        provider = self._provider
        provider.handed_off += 1
        found = _BODY.search(body)
        if found is not None:
            provider.arrived.setdefault(int(found.group(1)), []).append(time.perf_counter())
        reply = b'{"sid": "SM%032x", "status": "queued"}' % provider.handed_off
        self._transport.write(
            b"HTTP/1.1 201 Created\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % len(reply) + reply
        )
