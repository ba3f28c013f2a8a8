"""A log line is one line of JSON, and neither an address nor the text of an exception ever gets into it."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry import logs


def line(event: str, /, *arguments: object, error: BaseException | None = None, **extra: object) -> dict[str, Any]:
    """Give what one record becomes, read back."""
    info = None if error is None else (type(error), error, error.__traceback__)
    record = logging.getLogger("consentry.test").makeRecord(
        "consentry.test", logging.WARNING, __file__, 1, event, arguments, info, extra=extra
    )
    text = logs.JsonLines().format(record)
    assert text.isprintable()
    found: dict[str, Any] = json.loads(text)
    return found


def raised(error: Exception) -> Exception:
    """Give an error that was raised somewhere."""
    with pytest.raises(type(error)) as caught:
        raise error
    return caught.value


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """What the whole process logs, as text."""
    root, ours = logging.getLogger(), logging.getLogger("consentry")
    before = root.handlers[:], root.level, ours.level
    written = io.StringIO()
    logs.configure("INFO", written)
    yield written
    root.handlers[:], ours.level = before[0], before[2]
    root.setLevel(before[1])


def test_a_line_has_its_event_its_time_and_its_values() -> None:
    found = line("signal.kept", count=3, sid="XE1")
    assert found.pop("at").endswith("+00:00")
    assert found == {"level": "warning", "event": "signal.kept", "count": 3, "sid": "XE1"}


@pytest.mark.parametrize(
    "text",
    [
        "+14155550123",
        "whatsapp:+14155550123",
        "to +14155550123 from +14155550199",
        "ann.smith@b.example",
        "email:ann.smith@b.example",
        "<ann.smith@b.example>",
        "/v1/consents?address=+14155550123",
        "/v1/consents?address=%2B14155550123",
        "address=ann.smith%40b.example",
        "+1 415 555 0123",
        "+1 (415) 555-0123",
        "14155550123",
        "messenger:4155550123",
    ],
)
def test_no_address_is_printed_whole(text: str) -> None:
    for found in (line(text), line("seen %s", text), line("seen", value=text)):
        shown = json.dumps(found, ensure_ascii=False)
        for secret in ("4155550123", "415 555", "555-0123", "ann.smith"):
            assert secret not in shown


def test_an_address_inside_a_value_is_not_printed_either() -> None:
    shown = json.dumps(line("seen", values=["+14155550123", {"to": "ann@b.example"}]), ensure_ascii=False)
    assert "4155550123" not in shown
    assert "ann@" not in shown


@pytest.mark.parametrize("text", ["SM" + "0123456789abcdef" * 2, "2026-11-24T12:00:00", "tls-1.3", "10.20.30.40:8080"])
def test_ids_times_and_hosts_stay_readable(text: str) -> None:
    assert line("seen", value=text)["value"] == text


@pytest.mark.parametrize("text", ["one\ntwo", "one\r\ntwo", "\x1b[31mred", "a\x00b", "a\u2028b", "a\x85b", "a\u202eb"])
def test_a_text_cannot_begin_another_line(text: str) -> None:
    assert line(text)["event"].isprintable()
    assert line("seen", value=text)["value"].isprintable()


def test_the_text_of_an_exception_is_never_printed() -> None:
    error = raised(ValueError("could not read +14155550123 or 'secret words'"))
    found = line("step.failed", error=error)
    assert found["error"] == "ValueError"
    assert "secret" not in json.dumps(found)
    assert "4155550123" not in json.dumps(found)


def test_an_exception_that_was_raised_by_another_is_not_printed_either() -> None:
    error = raised(RuntimeError("outer secret"))
    error.__cause__ = raised(ValueError("inner secret"))
    assert "secret" not in json.dumps(line("step.failed", error=error))


def test_a_value_of_any_type_becomes_text() -> None:
    class Odd(msgspec.Struct):
        name: str

    found = line(
        "seen", odd=object(), raw=b"\xff", struct=Odd("+14155550123"), error_value=raised(ValueError("secret"))
    )
    assert "4155550123" not in json.dumps(found)
    assert "secret" not in json.dumps(found)


@pytest.mark.parametrize("value", [float("nan"), 2**70, {1: 2}, {("a",): 1}, "\ud800", {"a\ud800": 1}, {1, 2}])
def test_a_value_that_json_cannot_hold_does_not_break_the_line(value: object) -> None:
    assert line("seen", value=value)["event"] == "seen"


@given(st.text(st.characters(categories=None), max_size=60))
def test_any_text_is_one_line(text: str) -> None:
    assert line("seen", value=text)["event"] == "seen"
    assert "\n" not in logs.clean(text)


def test_the_whole_process_writes_json_and_libraries_only_warn(stream: io.StringIO) -> None:
    logs.get("worker").info("worker.started", extra={"loop": "dispatch"})
    logs.get("worker").debug("worker.detail")
    logging.getLogger("some.dependency").info("chatter")
    logging.getLogger("some.dependency").warning("to %s", "+14155550123")

    found = [json.loads(text) for text in stream.getvalue().splitlines()]

    assert [each["event"] for each in found] == ["worker.started", "to +1415•••"]


class Broken:
    """A value that cannot be shown."""

    def __str__(self) -> str:
        raise ValueError("secret")


def test_a_value_that_cannot_be_shown_is_named_by_its_type(stream: io.StringIO) -> None:
    logs.get("test").info("broken", extra={"value": Broken()})
    assert json.loads(stream.getvalue())["value"] == "Broken"


def test_arguments_that_do_not_fit_lose_no_line_and_are_not_shown() -> None:
    assert line("to %s and %s", "secret")["event"] == "to %s and %s"


def test_a_value_does_not_take_the_place_of_the_event() -> None:
    found = line("signal.kept", event="revoke.keyword", level=3)
    assert (found["event"], found["event_"], found["level"], found["level_"]) == (
        "signal.kept",
        "revoke.keyword",
        "warning",
        3,
    )


async def test_a_task_that_nobody_waited_for_does_not_print_its_exception(stream: io.StringIO) -> None:
    loop = asyncio.get_running_loop()
    loop.default_exception_handler(
        {"message": "never retrieved", "exception": ValueError("secret"), "future": "secret"}
    )
    assert json.loads(stream.getvalue())["event"] == "never retrieved"
    assert "secret" not in stream.getvalue()
