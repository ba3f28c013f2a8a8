"""One HTTP/1.1 connection: one request at a time, its reply read by httptools.

The owner of a connection calls `prepare`, looks at its deadline, and calls `write`; nothing is awaited between these,
and `write` hands the bytes to the socket before it returns (asyncio and uvloop 0.23 both try the system call at once, which a test watches).
"""

import asyncio
import select
from collections.abc import Callable
from typing import cast

import httptools

from consentry.kernel.calls import HttpReply
from consentry.net.failures import BadReply, ConnectionLost, NetError, ReadTimeout

MAX_HEAD_BYTES = 65_536
# A chunk of one byte is six on the wire; beyond eight the rest is padding meant to keep us reading.
_MAX_OVERHEAD = 8
_FIRST_FINAL = 200
_SWITCHING = 101
_LOWEST = 100
_TICK_SLACK_S = 0.001  # timers of uvloop are rounded to the millisecond and may fire that much too early


class Connection(asyncio.Protocol):
    """Speaks on one transport; tells `on_lost` once when that is gone."""

    def __init__(self, label: str, max_body: int, on_lost: Callable[["Connection"], None]) -> None:
        self.idle_since = 0.0
        self._label = label
        self._max_body = max_body
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._reusable = True
        self._answer: asyncio.Future[HttpReply] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._read_s = self._total_at = self._last_at = 0.0
        self._headers: list[tuple[str, str]] = []
        self._chunks: list[bytes] = []
        self._status = self._size = self._head_size = self._wire_size = 0
        self._bodiless = self._has_end = False

    # --- for the owner -------------------------------------------------------------------------------------------

    def prepare(self, *, bodiless: bool, read_s: float, total_at: float) -> asyncio.Future[HttpReply]:
        """Get ready for one reply, so that nothing is left to do between the last look at a deadline and the write."""
        now = self._loop.time()
        self._read_s, self._total_at, self._last_at = read_s, total_at, now
        self._headers, self._chunks = [], []
        self._status = self._size = self._head_size = self._wire_size = 0
        self._bodiless, self._has_end = bodiless, False
        self._answer = answer = self._loop.create_future()
        due = min(now + read_s, total_at)
        # The timer outlives a reply and is only moved when it would ring too late: one timer for many requests.
        if self._timer is None or self._timer.when() > due:
            self._set_timer(due)
        return answer

    def write(self, request: bytes) -> None:
        """Hand the request to the socket, all in one piece."""
        if self._transport is not None:
            self._transport.write(request)

    def stand_down(self) -> None:
        """Forget a `prepare` after which nothing was written."""
        self._answer = None

    def abort(self) -> None:
        """Drop the connection now, without a word to the other side."""
        self._reusable = False
        if self._transport is not None:
            self._transport.abort()

    def may_return(self) -> bool:
        """Tell whether another request may follow on this connection, as far as we have heard."""
        return self._reusable and self._transport is not None and not self._transport.is_closing()

    def is_fresh(self) -> bool:
        """Tell whether an idle connection is still silent and open, asking the kernel and not only the event loop.

        A close that arrived but was not yet read would cost an outcome nobody knows; one poll costs a microsecond.
        """
        return self.may_return() and not self._poll.poll(0)

    # --- for the event loop --------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport and watch its descriptor."""
        # A cast, since the transports of uvloop have the methods and not the base class.
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Feed the parser; words nobody asked for end the connection."""
        if self._answer is None:
            self.abort()
            return
        self._last_at = self._loop.time()
        self._wire_size += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail(BadReply(f"{self._label} does not speak HTTP/1.1"))
        limit = MAX_HEAD_BYTES
        if self._status:
            limit += _MAX_OVERHEAD * self._max_body
        if self._wire_size > limit and self._answer is not None:
            self._fail(BadReply(f"{self._label} sent a reply without end"))

    def eof_received(self) -> None:
        """End the reply that only the end of the connection delimits."""
        self._end(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """Settle the reply that was awaited and tell the pool."""
        self._reusable = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._end(exc)
        self._on_lost(self)

    # --- for the parser ------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Notice a second reply to one request."""
        if self._answer is None:
            self._reusable = False

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header; trailers are dropped."""
        if self._status:
            return
        self._head_size += len(name) + len(value)
        key = name.decode("latin-1").lower()
        if key == "content-length" or (key == "transfer-encoding" and b"chunked" in value.lower()):
            self._has_end = True
        self._headers.append((key, value.decode("latin-1").rstrip(" \t")))

    def on_headers_complete(self) -> None:
        """Skip interim heads, refuse impossible ones, and end a reply to HEAD here."""
        if self._answer is None:
            return
        status = self._parser.get_status_code()
        if status < _LOWEST or status == _SWITCHING or self._parser.get_http_version() not in {"1.1", "1.0"}:
            self._fail(BadReply(f"{self._label} does not speak HTTP/1.1"))
        elif self._head_size > MAX_HEAD_BYTES:
            self._fail(BadReply(f"{self._label} sent headers that are too large"))
        elif status < _FIRST_FINAL:
            self._headers.clear()
            self._has_end = False
        else:
            self._status = status
            if self._bodiless:
                # httptools cannot be told that no body follows, so this parser is of no further use.
                self._finish(reusable=False)

    def on_body(self, body: bytes) -> None:
        """Keep a piece of the body, up to the cap; beyond it the rest is not worth a connection."""
        if self._answer is None:
            return
        room = self._max_body - self._size
        self._size += len(body)
        if self._size <= self._max_body:
            self._chunks.append(body)
            return
        self._chunks.append(body[:room])
        self._finish(reusable=False)
        self.abort()

    def on_message_complete(self) -> None:
        """End a reply whose length was announced."""
        if self._answer is not None and self._status:
            self._finish(reusable=self._parser.should_keep_alive())

    # --- inside --------------------------------------------------------------------------------------------------

    def _end(self, exc: Exception | None) -> None:
        if self._answer is None:
            return
        if exc is None and self._status and not self._has_end:
            self._finish(reusable=False)
        else:
            self._fail(ConnectionLost(f"{self._label} went away before its reply was complete"))

    def _finish(self, *, reusable: bool) -> None:
        answer, self._answer = self._answer, None
        # An answer may come before the whole request has left, and the next request must not queue behind the rest.
        self._reusable = self._reusable and reusable and not self._is_writing()
        if answer is not None and not answer.done():
            answer.set_result(HttpReply(self._status, tuple(self._headers), b"".join(self._chunks)))

    def _fail(self, error: NetError) -> None:
        answer, self._answer = self._answer, None
        if answer is not None and not answer.done():
            answer.set_exception(error)
        self.abort()

    def _is_writing(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    def _set_timer(self, due: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._answer is None:
            return
        now = self._loop.time()
        if self._is_writing():
            self._last_at = now  # the request is still leaving, so nobody is late with an answer
        due = min(self._last_at + self._read_s, self._total_at)
        if now + _TICK_SLACK_S >= due:
            self._fail(ReadTimeout(f"{self._label} did not answer in time"))
        else:
            self._set_timer(due)
