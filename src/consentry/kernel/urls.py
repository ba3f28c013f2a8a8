"""Which URLs a customer may name for callbacks and media: absolute, http or https, a valid host name."""

import re
from typing import Final
from urllib.parse import urlsplit

_HOST = re.compile(r"[A-Za-z0-9.\-:]+")
_LONGEST: Final = 4000


def is_absolute_http(url: str) -> bool:
    """Tell whether a URL can be called. A host name with an underscore is none (twilio-contract §1.2)."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    return (
        len(url) <= _LONGEST
        and parts.scheme in {"http", "https"}
        and _HOST.fullmatch(host) is not None
        and port != 0
        and url.isprintable()
        and " " not in url
    )
