"""After the acknowledgement of a STOP no hand-off begins (I1): raced at random, and once for each thing it rests on.

Random load does not find a missing lock, so every mutant runs one interleaving made for it, and the same interleaving
without the mutant is shown to be safe.
"""

import asyncio
import os
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from tests.conftest import Clone
from tests.faults.mutants import comparison_removed, deadline_removed, share_lock_removed, wait_removed
from tests.faults.race import (
    Arena,
    Crowd,
    HandOff,
    Hold,
    Said,
    Trace,
    a_held_message,
    arena,
    stop_while_held,
    violations,
)

from consentry.kernel import failpoints
from consentry.store.outbox import Outbox

_NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
_WITHIN_LEASE_S = 0.4
_BEYOND_LEASE_S = 3.0


def _at(seconds: float) -> datetime:
    return _NOON + timedelta(seconds=seconds)


@pytest.fixture
async def ring(clone: Clone, tmp_path: Path) -> AsyncIterator[Arena]:
    """Two processes and one sender."""
    async with arena(clone, tmp_path) as found:
        yield found


@pytest.fixture
def a_pause_before_the_lease_commits() -> Iterator[None]:
    """Hand-offs run in a transaction that reaches a failpoint after its statement, before its commit."""
    hand_off = Outbox.hand_off

    async def pausing(self: Outbox, connection: Any, batch: Any, lease_s: float) -> set[bytes]:
        async with connection.transaction():
            leased = await hand_off(self, connection, batch, lease_s)
            await failpoints.reach("hand_off.before_commit")
        return leased

    with patch.object(Outbox, "hand_off", pausing):
        yield


# The judge ---------------------------------------------------------------------------------------------------------


def test_the_judge_sees_a_hand_off_after_an_acknowledged_stop() -> None:
    late = HandOff("a", _at(2), "marketing")

    assert violations([Said("a", _at(1))], [late]) == [late]


def test_the_judge_lets_pass_what_began_before_the_acknowledgement() -> None:
    assert violations([Said("a", _at(1))], [HandOff("a", _at(0.9), "marketing"), HandOff("a", _at(1), "otp")]) == []


def test_the_judge_knows_addresses_apart() -> None:
    assert violations([Said("a", _at(1))], [HandOff("b", _at(2), "marketing")], [Said("a", _at(1.5))]) == []


def test_the_judge_lets_pass_what_a_later_opt_in_allows() -> None:
    assert violations([Said("a", _at(1))], [HandOff("a", _at(3), "marketing")], [Said("a", _at(2))]) == []


def test_an_opt_in_before_the_stop_or_after_the_hand_off_excuses_nothing() -> None:
    late = HandOff("a", _at(2), "marketing")

    assert violations([Said("a", _at(1))], [late], [Said("a", _at(0.5)), Said("a", _at(2.5))]) == [late]


def test_a_second_stop_ends_what_an_opt_in_allowed() -> None:
    fine, late = HandOff("a", _at(2.5), "marketing"), HandOff("a", _at(4), "marketing")

    assert violations([Said("a", _at(1)), Said("a", _at(3))], [late, fine], [Said("a", _at(2))]) == [late]


def test_the_judge_allows_one_confirmation_for_each_stop() -> None:
    first, second = (HandOff("a", _at(n), "revocation_confirmation") for n in (2, 3))

    assert violations([Said("a", _at(1))], [second, first]) == [second]


# The race ----------------------------------------------------------------------------------------------------------


async def test_no_hand_off_begins_after_an_acknowledged_stop_in_a_race_of_two_workers(
    clone: Clone, tmp_path: Path
) -> None:
    seed = int(os.environ.get("CONSENTRY_TEST_SEED") or secrets.randbits(32))
    async with arena(clone, tmp_path, senders=8) as found:
        trace = await Crowd(found, seed, people=190, at_once=48).run()

    kinds = Counter(hand_off.purpose for hand_off in trace.hand_offs)
    said = f"CONSENTRY_TEST_SEED={seed}: {len(trace.acks)} STOPs, {len(trace.openings)} opt-ins again, {kinds}"
    assert trace.broken() == [], said
    assert len(trace.acks) >= 150, said
    assert kinds["marketing"] >= 600, said


# The mutants -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("a_pause_before_the_lease_commits")
async def test_with_the_share_lock_a_stop_waits_for_a_lease_that_is_being_committed(ring: Arena) -> None:
    trace = await stop_while_held(ring, "hand_off.before_commit", at_most_s=_WITHIN_LEASE_S)

    assert _outcome(trace) == (1, 0)


@pytest.mark.usefixtures("a_pause_before_the_lease_commits")
async def test_without_the_share_lock_a_hand_off_begins_after_an_acknowledged_stop(ring: Arena) -> None:
    with share_lock_removed(ring.one, ring.two):
        trace = await stop_while_held(ring, "hand_off.before_commit", at_most_s=_WITHIN_LEASE_S)

    assert _outcome(trace) == (1, 1)


async def test_with_the_wait_a_stop_is_acknowledged_after_a_leased_hand_off(ring: Arena) -> None:
    trace = await stop_while_held(ring, "dispatch.before_first_byte", at_most_s=_WITHIN_LEASE_S)

    assert _outcome(trace) == (1, 0)


async def test_without_the_wait_a_hand_off_begins_after_an_acknowledged_stop(ring: Arena) -> None:
    with wait_removed(ring.one, ring.two):
        trace = await stop_while_held(ring, "dispatch.before_first_byte", at_most_s=_WITHIN_LEASE_S)

    assert _outcome(trace) == (1, 1)


async def test_with_the_deadline_a_worker_that_wakes_after_its_lease_sends_nothing(ring: Arena) -> None:
    trace = await stop_while_held(ring, "dispatch.before_first_byte", at_most_s=_BEYOND_LEASE_S)

    assert _outcome(trace) == (0, 0)


async def test_without_the_deadline_a_worker_that_wakes_after_its_lease_sends_after_an_acknowledged_stop(
    ring: Arena,
) -> None:
    with deadline_removed(ring.one, ring.two):
        trace = await stop_while_held(ring, "dispatch.before_first_byte", at_most_s=_BEYOND_LEASE_S)

    assert _outcome(trace) == (1, 1)


async def test_with_the_comparison_a_decision_that_a_stop_overtook_is_made_again(ring: Arena) -> None:
    trace = await stop_while_held(ring, "dispatch.decided", at_most_s=_BEYOND_LEASE_S)

    assert _outcome(trace) == (0, 0)


async def test_without_the_comparison_a_hand_off_begins_after_an_acknowledged_stop(ring: Arena) -> None:
    with comparison_removed(ring.one, ring.two):
        trace = await stop_while_held(ring, "dispatch.decided", at_most_s=_BEYOND_LEASE_S)

    assert _outcome(trace) == (1, 1)


async def test_a_hand_off_that_waits_behind_an_uncommitted_stop_gets_no_lease(ring: Arena) -> None:
    failpoints.ACTIVE["receive.before_commit"] = commit = Hold(_WITHIN_LEASE_S)
    phone, decided = await a_held_message(ring, "dispatch.decided", at_most_s=_BEYOND_LEASE_S)

    async with asyncio.TaskGroup() as group:
        group.create_task(ring.stop(phone, by=ring.two, sender=ring.senders[0]))
        await commit.reached.wait()
        decided.let_go.set()
    trace = await ring.settled()

    assert _outcome(trace) == (0, 0)


def _outcome(trace: Trace) -> tuple[int, int]:
    """Give how many messages left beside the confirmation, and how many of all must not have."""
    return sum(hand_off.purpose == "marketing" for hand_off in trace.hand_offs), len(trace.broken())
