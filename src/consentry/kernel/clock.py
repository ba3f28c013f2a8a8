"""The only place that asks what time it is; everything else is handed a clock or an instant."""

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the wall time in UTC and a monotonic time in seconds."""

    def now(self) -> datetime:
        """Give the current instant, aware and in UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go backwards, for deadlines."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """Give the current instant, aware and in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never go backwards, for deadlines."""
        return time.monotonic()
