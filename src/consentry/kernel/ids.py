"""Ids that sort by time and carry their lane, and the sids that callers see.

An id is 16 bytes: 48 bits of Unix milliseconds, the UUIDv7 version and variant bits, random bits, and in the last byte
the lane (RFC 9562 leaves these bits to the implementation). A look-up by sid therefore knows its lane.
"""

import os
import re
import time
from collections.abc import Callable
from typing import Final

from consentry.kernel.errors import NotFound

ID_BYTES: Final = 16
LANES: Final = 256
_RANDOM_BLOCK: Final = 8192
_SID = re.compile(r"[A-Z]{2}[0-9a-f]{32}", re.IGNORECASE)


class Ids:
    """Makes ids; one instance a process, its sources of time and randomness can be handed in."""

    def __init__(
        self,
        *,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._now_ms = now_ms
        self._random = random
        self._block = b""
        self._offset = 0

    def new(self, lane: int) -> bytes:
        """Give a fresh id in a lane (0 to 255)."""
        if self._offset + 9 > len(self._block):
            self._block = self._random(_RANDOM_BLOCK)
            self._offset = 0
        noise = self._block[self._offset : self._offset + 9]
        self._offset += 9
        head = self._now_ms() & 0xFFFFFFFFFFFF
        return (
            head.to_bytes(6, "big")
            + bytes((0x70 | noise[0] & 0x0F, noise[1], 0x80 | noise[2] & 0x3F))
            + noise[3:9]
            + bytes((lane,))
        )


def lane_of_id(identity: bytes) -> int:
    """Give the lane that an id carries."""
    return identity[ID_BYTES - 1]


def to_sid(prefix: str, identity: bytes) -> str:
    """Write an id as a sid: two letters and 32 lower-case hex digits."""
    return prefix + identity.hex()


def from_sid(sid: str, *prefixes: str) -> bytes:
    """Read the id out of a sid.

    Errors: NotFound if it is no sid, or not one of these prefixes: a sid that cannot exist is a thing that is not there.
    """
    if not _SID.fullmatch(sid) or sid[:2] not in prefixes:
        raise NotFound(f"{sid[:34]!r} is not a sid of {' or '.join(prefixes)}")
    return bytes.fromhex(sid[2:])
