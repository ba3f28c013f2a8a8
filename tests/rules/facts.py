"""Facts for tests of rules: cells, heads, senders and small policies. Instants count in seconds around one noon."""

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from consentry.kernel.consent import Cell, Head
from consentry.rules.compiled import Policy
from consentry.rules.fold import micros
from consentry.rules.gate import SenderFacts
from consentry.rules.policy import load
from consentry.settings import bundled

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
POLICY = Policy(load(bundled("policies")))
XE = "XE" + "1" * 32
CAUSE = "ca" * 16
HOUR_AGO = NOW - timedelta(hours=1)
_numbers = itertools.count(1)

PACK = 'name = "default"\nposture = "strict"\nfiles = ["rules.toml"]\ndefault_category = "marketing"\n'
RULE = """
[[rule]]
id = "test.rule"
version = 1
kind = "consent_required"
status = "settled"
effective_from = 2026-01-01
source = "A test"
verified_on = 2026-01-01
[rule.scope]
channels = ["*"]
categories = ["*"]
[rule.body]
level = "express"
"""
ONLY_OTP = RULE.replace('categories = ["*"]', 'categories = ["otp"]').replace('"express"', '"none"')


def cell(
    event: str,
    *,
    at: float = 0,
    channel: str = "sms",
    sender: str = "all",
    purpose: str | None = None,
    origin: str = "",
    lifts: bool = False,
    expires: datetime | None = None,
    record: str | None = None,
) -> Cell:
    """Give one cell; `at` is in seconds after an hour ago. A grant is for marketing, everything else for all."""
    return Cell(
        event=event,
        channel=channel,
        sender=sender,
        purpose=purpose or ("marketing" if event.startswith("grant.") else "all"),
        origin=origin,
        lifts=lifts,
        at=micros(HOUR_AGO + timedelta(seconds=at)),
        record=record or f"{next(_numbers):032x}",
        recorded=micros(HOUR_AGO),
        expires=0 if expires is None else micros(expires),
    )


def head(*cells: Cell) -> Head:
    """Give a head of these cells."""
    return Head(len(cells), cells)


def sender(**changed: Any) -> SenderFacts:
    """Give a sender on sms that is in a service."""
    given: dict[str, Any] = {"sid": XE, "channel": "sms", "services": ("MGpool",), **changed}
    return SenderFacts(**given)


def write_policy(folder: Path, rules: str, pack: str = PACK) -> Path:
    """Write a policy of one file, and give its folder."""
    (folder / "packs").mkdir(exist_ok=True)
    (folder / "packs" / "default.toml").write_text(pack)
    (folder / "rules.toml").write_text(rules)
    return folder


def policy_of(folder: Path, rules: str) -> Policy:
    """Load a policy of one file."""
    return Policy(load(write_policy(folder, rules)))
