"""One frozen configuration, read once from the environment and the command line; it refuses to be wrong."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal

import msgspec

from consentry.kernel.errors import Invalid
from consentry.kernel.urls import is_absolute_http

_PACKAGE: Final = Path(__file__).parent
_DEFAULT_DATA_DIR: Final = "./consentry-data"
_TRUE: Final = frozenset({"1", "true", "yes", "on"})
_FALSE: Final = frozenset({"", "0", "false", "no", "off"})
_HOST: Final = r"(?:\[[^\]@]*\]|[^:\[\],/?#@]*)(?::\d{1,5})?"
# A mark of URLs inside a password moves its parts: the driver would then complain about, and show, half of it.
_DATABASE: Final = re.compile(
    rf"postgres(?:ql)?://(?:[^:/?#@]*(?::[^/?#@]*)?@)?{_HOST}(?:,{_HOST})*(?:/[^/?#@]*)?(?:\?[^#@]*)?"
)

Role = Literal["all", "api", "worker"]


class Settings(msgspec.Struct, frozen=True):
    """What one process needs to know. Lengths carry their unit."""

    data_dir: Path
    database_url: str | None = None
    owner_url: str | None = None
    master_key: str | None = None
    host: str = "127.0.0.1"
    port: int = 8080
    role: Role = "all"
    public_url: str | None = None
    """The address under which platforms and customers reach us: what webhook signatures are computed over."""
    allow_private_egress: bool = False
    policies_dir: Path | None = None
    ready_file: Path | None = None
    share_port: bool = False
    """Whether other processes listen on the same port: the kernel spreads connections over them."""
    lease_s: float = 5.0
    lease_margin_s: float = 1.0

    @property
    def base_url(self) -> str:
        """The public base URL, without a slash at the end."""
        return (self.public_url or f"http://{_in_url(self.host)}:{self.port}").rstrip("/")


def bundled(name: Literal["sql", "policies"]) -> Path:
    """Give the folder of bundled files: inside an installed package, beside `src` in a checkout."""
    inside = _PACKAGE / name
    return inside if inside.is_dir() else _PACKAGE.parents[1] / name


def from_environment(
    environment: Mapping[str, str] = os.environ,
    *,
    data_dir: Path | None = None,
    host: str | None = None,
    port: int | None = None,
    role: Role = "all",
    ready_file: Path | None = None,
    share_port: bool = False,
) -> Settings:
    """Read the settings; what the command line says wins over `CONSENTRY_…` variables.

    Errors: Invalid names the variable and what it may be.
    """
    return Settings(
        data_dir=(data_dir or Path(environment.get("CONSENTRY_DATA_DIR") or _DEFAULT_DATA_DIR)).resolve(),
        database_url=_database(environment, "CONSENTRY_DATABASE_URL"),
        owner_url=_database(environment, "CONSENTRY_OWNER_URL"),
        master_key=environment.get("CONSENTRY_MASTER_KEY") or None,
        host=host or environment.get("CONSENTRY_HOST") or "127.0.0.1",
        port=port if port is not None else _port(environment.get("CONSENTRY_PORT") or "8080"),
        role=role,
        public_url=_url(environment.get("CONSENTRY_PUBLIC_URL")),
        allow_private_egress=_flag(environment, "CONSENTRY_ALLOW_PRIVATE_EGRESS"),
        policies_dir=Path(environment["CONSENTRY_POLICIES_DIR"]) if environment.get("CONSENTRY_POLICIES_DIR") else None,
        ready_file=ready_file,
        share_port=share_port,
    )


def _flag(environment: Mapping[str, str], name: str) -> bool:
    word = environment.get(name, "").strip().lower()
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise Invalid(f"{name} is {word!r}; use 1 or 0", field=name)


def _database(environment: Mapping[str, str], name: str) -> str | None:
    url = environment.get(name) or None
    if url is not None and not _DATABASE.fullmatch(url):
        shape = "postgresql://user:password@host:port/database, with special characters in percent form"
        raise Invalid(f"{name} is no URL of a database; write {shape}", field=name)
    return url


def _port(text: str) -> int:
    if not text.isdecimal() or not 0 <= int(text) <= 65535:  # noqa: PLR2004 - the range of TCP ports
        raise Invalid(f"CONSENTRY_PORT is {text!r}; use a number from 0 to 65535", field="CONSENTRY_PORT")
    return int(text)


def _url(text: str | None) -> str | None:
    if not text:
        return None
    if not is_absolute_http(text) or "?" in text or "#" in text:
        wanted = "https:// or http://, a host, and at most a path, such as https://consent.example.com"
        raise Invalid(f"CONSENTRY_PUBLIC_URL must be {wanted}", field="CONSENTRY_PUBLIC_URL")
    return text.rstrip("/")


def _in_url(host: str) -> str:
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - this is the text of a URL, nothing is bound here
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
