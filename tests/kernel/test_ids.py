"""Ids sort by time, carry their lane, look like UUIDv7, and are read back from sids of the right kind only."""

import itertools
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.kernel.errors import NotFound
from consentry.kernel.ids import LANES, Ids, from_sid, lane_of_id, to_sid

LANE = st.integers(0, LANES - 1)


@given(LANE, st.integers(0, 2**48 - 1), st.binary(min_size=9, max_size=9))
def test_an_id_is_a_uuid_of_version_7_with_its_time_and_lane(lane: int, now_ms: int, noise: bytes) -> None:
    found = Ids(now_ms=lambda: now_ms, random=lambda size: (noise * size)[:size]).new(lane)
    read = uuid.UUID(bytes=found)
    assert (read.version, read.variant) == (7, uuid.RFC_4122)
    assert int.from_bytes(found[:6], "big") == now_ms
    assert lane_of_id(found) == lane


def test_later_ids_sort_behind_earlier_ones_in_every_lane() -> None:
    clock = itertools.count(1_790_000_000_000)
    ids = Ids(now_ms=lambda: next(clock))
    made = [ids.new(lane) for lane in (255, 0, 128, 7) * 50]
    assert made == sorted(made)


def test_ids_of_one_millisecond_differ() -> None:
    ids = Ids(now_ms=lambda: 1)
    assert len({ids.new(0) for _ in range(20_000)}) == 20_000


def test_all_the_randomness_that_was_asked_for_is_in_the_id() -> None:
    blocks = [bytes(9), b"\xff" * 9]
    zeros, ones = (Ids(now_ms=lambda: 0, random=lambda _, b=block: b * 1024).new(0) for block in blocks)  # type: ignore[misc]
    assert (int.from_bytes(zeros, "big") ^ int.from_bytes(ones, "big")).bit_count() == 66


def test_two_makers_share_no_randomness() -> None:
    one, other = Ids(now_ms=lambda: 1), Ids(now_ms=lambda: 1)
    assert {one.new(0) for _ in range(1000)} & {other.new(0) for _ in range(1000)} == set()


@given(st.binary(min_size=16, max_size=16), st.sampled_from(["SM", "MM", "XE", "CR"]))
def test_a_sid_reads_back_as_its_id_in_either_case(identity: bytes, prefix: str) -> None:
    sid = to_sid(prefix, identity)
    assert len(sid) == 34
    assert from_sid(sid, "SM", "MM", "XE", "CR") == identity
    assert from_sid(prefix + sid[2:].upper(), prefix) == identity


@pytest.mark.parametrize(
    "sid",
    [
        "",
        "SM",
        "SM" + "0" * 31,
        "SM" + "0" * 33,
        "XX" + "0" * 32,
        "sm" + "0" * 32,
        "SM" + "g" * 32,
        "SM" + "0" * 32 + "\n",
        "SM" + "٣" * 32,
        "SM" + "0" * 31 + "\ud800",
        "0" * 34,
        "S\u017fM" + "0" * 31,
        "SM" + "x" * 100_000,
    ],
)
def test_what_is_no_sid_of_this_kind_is_not_found(sid: str) -> None:
    with pytest.raises(NotFound) as caught:
        from_sid(sid, "SM", "MM")
    assert len(caught.value.text) < 300
