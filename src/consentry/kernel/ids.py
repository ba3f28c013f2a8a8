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
_RANDOM_BLOCK: Final = 9 * 1024
_NOISE_BYTES: Final = 9
_NOISE_MASK: Final = 0x0FFF_3FFF_FFFF_FFFF_FF
_TIME_MASK: Final = 0xFFFF_FFFF_FFFF
_VERSION: Final = 0x7 << 76 | 0b10 << 62
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
        offset = self._offset
        if offset + _NOISE_BYTES > len(self._block):
            self._block, offset = self._random(_RANDOM_BLOCK), 0
        self._offset = offset + _NOISE_BYTES
        noise = int.from_bytes(self._block[offset : self._offset], "big") & _NOISE_MASK
        return ((self._now_ms() & _TIME_MASK) << 80 | _VERSION | noise << 8 | lane).to_bytes(ID_BYTES, "big")


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
