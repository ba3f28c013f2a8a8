"""Group commit: everybody gets their own answer, a bad item fails alone, and nobody is left waiting."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.kernel.errors import Invalid, Overloaded, Unavailable
from consentry.store.batcher import Batcher


class Store:
    """Work that doubles numbers, refuses some, and can be held back by the test."""

    def __init__(self, *, bad: Sequence[int] = (), error: type[Exception] = Invalid) -> None:
        self.batches: list[list[int]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.busy = 0
        self.busiest = 0
        self._bad = bad
        self._error = error

    async def work(self, items: Sequence[int]) -> list[int | Exception]:
        """Do one batch."""
        self.batches.append(list(items))
        self.busy += 1
        self.busiest = max(self.busy, self.busiest)
        try:
            await self.open.wait()
            if {*items} & {*self._bad}:
                raise self._error(f"bad: {items}")
            return [item * 2 for item in items]
        finally:
            self.busy -= 1


async def turns(count: int = 5) -> None:
    """Let the loop turn."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_everybody_gets_their_own_result() -> None:
    store = Store()
    batcher = Batcher(store.work)
    assert await asyncio.gather(*(batcher.submit(n) for n in range(1000))) == [n * 2 for n in range(1000)]


async def test_what_is_submitted_in_one_turn_shares_a_batch_in_order() -> None:
    store = Store()
    batcher = Batcher(store.work)
    await asyncio.gather(*(batcher.submit(n) for n in range(5)))
    assert store.batches == [[0, 1, 2, 3, 4]]


async def test_what_arrives_while_all_are_busy_is_the_next_batch() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.work, in_flight=1)
    first = batcher.submit(0)
    await turns()
    later = [batcher.submit(n) for n in (1, 2, 3)]
    await turns()
    assert store.batches == [[0]]

    store.open.set()
    await asyncio.gather(first, *later)

    assert store.batches == [[0], [1, 2, 3]]


async def test_an_idle_batcher_waits_for_nothing() -> None:
    store = Store()
    assert await Batcher(store.work).submit(4) == 8
    assert store.batches == [[4]]


async def test_no_more_batches_than_allowed_are_under_way_and_none_is_too_large() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.work, in_flight=2, most=3)
    futures = [batcher.submit(n) for n in range(20)]
    await turns()
    store.open.set()
    await asyncio.gather(*futures)
    assert store.busiest == 2
    assert max(map(len, store.batches)) == 3
    assert [n for batch in store.batches for n in batch] == list(range(20))


@pytest.mark.parametrize("bad", [[0], [7], [15], [3, 4], [0, 15]])
async def test_a_bad_item_fails_alone(bad: list[int]) -> None:
    batcher = Batcher(Store(bad=bad).work)
    found = await asyncio.gather(*(batcher.submit(n) for n in range(16)), return_exceptions=True)
    assert [n for n, result in enumerate(found) if isinstance(result, Invalid)] == bad
    assert [result for result in found if not isinstance(result, Invalid)] == [n * 2 for n in range(16) if n not in bad]


async def test_an_outage_fails_the_whole_batch_at_once() -> None:
    store = Store(bad=[3], error=Unavailable)
    batcher = Batcher(store.work, splits=lambda error: not isinstance(error, Unavailable))
    found = await asyncio.gather(*(batcher.submit(n) for n in range(8)), return_exceptions=True)
    assert [type(result) for result in found] == [Unavailable] * 8
    assert store.batches == [list(range(8))]


async def test_a_result_that_is_an_error_is_raised_for_its_item_only() -> None:
    async def work(items: Sequence[int]) -> list[int | Exception]:
        return [Invalid("odd") if item % 2 else item for item in items]

    batcher = Batcher(work)
    found = await asyncio.gather(*(batcher.submit(n) for n in range(4)), return_exceptions=True)
    assert [type(result) for result in found] == [int, Invalid, int, Invalid]


async def test_work_that_answers_for_fewer_than_it_was_given_leaves_nobody_waiting() -> None:
    async def work(items: Sequence[int]) -> list[int | Exception]:
        return list(items[:-1])

    batcher = Batcher(work)
    futures = [batcher.submit(n) for n in range(3)]
    async with asyncio.timeout(0.3):
        found = await asyncio.gather(*futures, return_exceptions=True)
    assert isinstance(found[-1], Exception)


async def test_more_than_may_wait_are_refused_and_the_others_served() -> None:
    store = Store()
    batcher = Batcher(store.work, waiting=3)
    kept = [batcher.submit(n) for n in range(3)]
    with pytest.raises(Overloaded):
        batcher.submit(3)
    assert await asyncio.gather(*kept) == [0, 2, 4]
    assert await batcher.submit(4) == 8


async def test_a_caller_who_gives_up_hurts_nobody() -> None:
    store = Store(bad=[2])
    store.open.clear()
    batcher = Batcher(store.work)
    futures = [batcher.submit(n) for n in range(5)]
    await turns()
    futures[1].cancel()
    futures[2].cancel()
    store.open.set()
    found = await asyncio.gather(*futures, return_exceptions=True)
    assert [found[0], found[3], found[4]] == [0, 6, 8]
    assert isinstance(found[1], asyncio.CancelledError)


async def test_draining_waits_for_what_is_queued_and_under_way() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.work, in_flight=1, most=2)
    futures = [batcher.submit(n) for n in range(5)]
    draining = asyncio.create_task(batcher.drain())
    await turns()
    assert not draining.done()
    store.open.set()
    await draining
    assert [future.result() for future in futures] == [0, 2, 4, 6, 8]


async def test_draining_ends_when_work_fails() -> None:
    batcher = Batcher(Store(bad=range(5), error=Unavailable).work)
    futures = [batcher.submit(n) for n in range(5)]
    async with asyncio.timeout(0.3):
        await batcher.drain()
    assert all(isinstance(future.exception(), Unavailable) for future in futures)


async def test_an_idle_batcher_is_drained() -> None:
    await Batcher(Store().work).drain()


async def test_a_batch_that_is_cancelled_leaves_nobody_waiting_and_the_batcher_whole() -> None:
    store = Store()
    store.open.clear()
    batcher = Batcher(store.work, in_flight=1)
    futures = [batcher.submit(n) for n in range(3)]
    await turns()
    for task in list(batcher._tasks):
        task.cancel()
    await turns()
    store.open.set()
    async with asyncio.timeout(0.3):
        found = await asyncio.gather(*futures, return_exceptions=True)
        assert await batcher.submit(9) == 18
    assert [isinstance(result, (Exception, asyncio.CancelledError)) for result in found] == [True] * 3


@given(st.lists(st.integers(0, 50), max_size=60), st.sets(st.integers(0, 50), max_size=4), st.integers(1, 7))
def test_any_mix_of_good_and_bad_is_answered_rightly(items: list[int], bad: set[int], most: int) -> None:
    async def all_of_them() -> list[int | BaseException]:
        batcher = Batcher(Store(bad=sorted(bad)).work, most=most)
        return await asyncio.gather(*(batcher.submit(item) for item in items), return_exceptions=True)

    found = asyncio.run(all_of_them())
    assert [None if isinstance(result, Invalid) else result for result in found] == [
        None if item in bad else item * 2 for item in items
    ]
