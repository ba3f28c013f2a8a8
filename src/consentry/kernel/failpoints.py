"""Named places where a test may pause, delay, fail or kill the program. Nothing happens unless a test has set one.

Call sites read `if failpoints.ACTIVE: await failpoints.reach(...)`, so that a program without tests pays for one look
at an empty dictionary.
"""

from collections.abc import Awaitable, Callable
from typing import Final

Action = Callable[[], Awaitable[None]]

ACTIVE: Final[dict[str, Action]] = {}


async def reach(name: str) -> None:
    """Run what a test has set for this place, if anything."""
    action = ACTIVE.get(name)
    if action is not None:
        await action()
