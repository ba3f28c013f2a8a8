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
_PHONE = re.compile(r"\+\d{6,15}")
_EMAIL = re.compile(r"[^\s\"'<>@]{1,64}@[^\s\"'<>@]{1,255}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_STANDARD: Final = frozenset(logging.makeLogRecord({}).__dict__) | {"message", "asctime", "taskName", "color_message"}


class JsonLines(logging.Formatter):
    """Writes a record as one JSON line; extra values become keys."""

    def format(self, record: logging.LogRecord) -> str:
        """Give the line."""
        line: dict[str, Any] = {
            "at": dt.datetime.fromtimestamp(record.created, dt.UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": clean(record.getMessage()),
        }
        for key, value in record.__dict__.items():
            if key not in _STANDARD:
                line[key] = clean(value) if isinstance(value, str) else value
        if record.exc_info and record.exc_info[0] is not None:
            # The class and the place, never the text: an exception's text may quote what it choked on.
            line["error"] = record.exc_info[0].__name__
            line["where"] = _where(record.exc_info[2])
        return msgspec.json.encode(line, enc_hook=str).decode()


def clean(text: str) -> str:
    """Mask addresses and drop control characters."""
    masked = _EMAIL.sub("•••@•••", _PHONE.sub(lambda found: found.group()[:5] + "•••", text))
    return _CONTROL.sub(" ", masked)


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
