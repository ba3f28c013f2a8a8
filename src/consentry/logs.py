"""Structured logs: one JSON object a line, with no personal data, no secret and no message text.

Events are named, values are ids, counts and classes. Addresses go through `kernel.address.mask` at the call; as a second
wall the formatter masks whatever looks like a telephone number or an e-mail address, and drops control characters.
"""

import datetime as dt
import logging
import re
import sys
from typing import Any, Final, TextIO

import msgspec

_NAME: Final = "consentry"
# With a plus (also as %2B) people's spaces and marks may stand between the digits; without one, only whole runs count.
_PHONE = re.compile(r"(?:\+|%2[Bb])\d[\d ().\-]{4,20}\d|(?<![\w.+-])\d{10,15}(?![\w.])")
_EMAIL = re.compile(r"[^\s\"'<>@]{1,64}(?:@|%40)[^\s\"'<>@]{1,255}")
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}
_KEPT: Final = 5


class JsonLines(logging.Formatter):
    """Writes a record as one JSON line; extra values become keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": clean(_event(record)),
        }
        for key, value in record.__dict__.items():
            if key not in _STANDARD:
                line[f"{key}_" if key in line else key] = _safe(value)
        if record.exc_info and record.exc_info[0] is not None:
            # The class and the place, never the text: an exception's text may quote what it choked on.
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record.exc_info[2])
        return msgspec.json.encode(line).decode()


def clean(text: str) -> str:
    """Mask addresses, and put a space for what cannot be printed."""
    masked = _EMAIL.sub("•••@•••", _PHONE.sub(lambda found: found.group()[:_KEPT] + "•••", text))
    return masked if masked.isprintable() else "".join(char if char.isprintable() else " " for char in masked)


def _event(record: logging.LogRecord) -> str:
    try:
        said = record.getMessage()
    except Exception:
        said = str(record.msg)  # the arguments do not fit: what they hold may be personal
    # Behind the first line, asyncio and others show objects with the text of their exceptions.
    return said if record.name.partition(".")[0] == _NAME else said.partition("\n")[0]


def _safe(value: object) -> object:
    match value:
        case None | bool() | int() | float():
            return value
        case dict():
            return {clean(str(key)): _safe(held) for key, held in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_safe(held) for held in value]
    try:
        return type(value).__name__ if isinstance(value, BaseException) else clean(str(value))
    except Exception:
        return type(value).__name__


def configure(level: str = "INFO", stream: TextIO | None = None) -> None:
    """Send every log of this process to one stream as JSON lines."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_NAME).setLevel(level)


def get(part: str) -> logging.Logger:
    """Give the logger of one part of the program."""
    return logging.getLogger(f"{_NAME}.{part}")


def _where(traceback: Any) -> str:
    places = []
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if _NAME in code.co_filename:
            places.append(f"{code.co_name}:{traceback.tb_lineno}")
        traceback = traceback.tb_next
    return " > ".join(places[-4:])
