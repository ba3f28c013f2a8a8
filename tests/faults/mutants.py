"""Ways to break the guarantee, one at a time: each takes away one thing that it rests on, and must be seen to.

Every mutant is a context manager over the processes it is to break; `MUTANTS` lists them by name.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

from consentry.app import Process
from consentry.flows.attempt import Attempts
from consentry.store.ledger import Ledger

Mutant = Callable[..., AbstractContextManager[None]]


@contextmanager
def share_lock_removed(*processes: Process) -> Iterator[None]:
    """A hand-off reads heads without locking them: an opt-out no longer waits for a lease that is being taken."""
    with _statement(processes, "hand_off", "\n  for share of h, s, i\n", "\n"):
        yield


@contextmanager
def wait_removed(*_: Process) -> Iterator[None]:
    """An opt-out is acknowledged at once, whoever still holds a lease."""

    async def at_once(*_: Any, **__: Any) -> None:
        return

    with patch.object(Ledger, "wait_for_leases", at_once):
        yield


@contextmanager
def deadline_removed(*_: Process) -> Iterator[None]:
    """A worker sends however late it is, lease or none."""
    make = Attempts.make

    async def at_any_time(self: Attempts, row: Any, _: float) -> Any:
        return await make(self, row, math.inf)

    with patch.object(Attempts, "make", at_any_time):
        yield


@contextmanager
def comparison_removed(*processes: Process) -> Iterator[None]:
    """A lease is given whatever has happened to the head since the decision."""
    with _statement(processes, "hand_off", "\n  where k.found = k.version and ", "\n  where "):
        yield


MUTANTS: Final[dict[str, Mutant]] = {
    "share_lock_removed": share_lock_removed,
    "wait_removed": wait_removed,
    "deadline_removed": deadline_removed,
    "comparison_removed": comparison_removed,
}


@contextmanager
def _statement(processes: tuple[Process, ...], name: str, old: str, new: str) -> Iterator[None]:
    """Change a statement. Errors: LookupError if it no longer holds what is to be taken away."""
    with ExitStack() as stack:
        for process in processes:
            sql = process.ports.database.sql
            if sql[name].count(old) != 1:
                raise LookupError(f"{name} does not hold {old!r} once; the mutant must follow it")
            stack.enter_context(patch.dict(sql, {name: sql[name].replace(old, new)}))
        yield
