"""Wait for something to come true, with a deadline: the only waiting that tests do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

_T = TypeVar("_T")


async def eventually(look: Callable[[], Awaitable[_T | None]], *, within_s: float = 10.0) -> _T:
    """Look again and again until there is something to see. Errors: AssertionError when the time is over."""
    until = time.monotonic() + within_s
    while True:
        found = await look()
        if found is not None:
            return found
        assert time.monotonic() < until, "it did not come true in time"
        await asyncio.sleep(0.02)
