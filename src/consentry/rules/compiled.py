"""A policy set made quick to ask: what holds on a day for a channel and a category."""

import datetime as dt
from typing import Final

import msgspec

from consentry.rules.policy import (
    Confirmation,
    ConsentExpiry,
    ConsentRequired,
    KeywordSet,
    PolicySet,
    RevocationScope,
    Rule,
)

_LEVELS: Final = {"none": 0, "implied": 1, "express": 2}


class Requirement(msgspec.Struct, frozen=True):
    """What a message of one category needs on one channel, and which rules say so."""

    level: str
    rules: tuple[str, ...]


class Policy:
    """Answers questions about a policy set; answers are kept for the day they hold."""

    def __init__(self, loaded: PolicySet) -> None:
        self.digest = loaded.digest
        self.default_category = loaded.pack.default_category
        self._rules = loaded.rules
        self._requirements: dict[tuple[str, str, dt.date], Requirement] = {}
        self._words: dict[tuple[str, dt.date], dict[str, tuple[str, str]]] = {}

    def requirement(self, channel: str, category: str, day: dt.date) -> Requirement | None:
        """Give the consent that is needed, or None if no rule speaks: then nothing may be sent.

        A rule that names the category speaks before one that says `*`; among those the strictest wins.
        """
        key = (channel, category, day)
        if key not in self._requirements:
            if len(self._requirements) > 4096:  # noqa: PLR2004 - topics are callers' words; the cache must not grow with them
                self._requirements.clear()
            found = self._find_requirement(channel, category, day)
            if found is None:
                return None
            self._requirements[key] = found
        return self._requirements[key]

    def _find_requirement(self, channel: str, category: str, day: dt.date) -> Requirement | None:
        spoken = [
            (rule, body) for rule, body in self._in_force(channel, category, day) if isinstance(body, ConsentRequired)
        ]
        named = [pair for pair in spoken if category in pair[0].scope.categories] or spoken
        if not named:
            return None
        strictest = max((body.level for _, body in named), key=_LEVELS.__getitem__)
        return Requirement(strictest, tuple(rule.id for rule, _ in named))

    def expiry_s(self, event: str, channel: str, day: dt.date) -> int | None:
        """Give the seconds after which a grant of this event runs out, the shortest that any rule says."""
        found = [
            body.expires_after_s
            for _, body in self._in_force(channel, "*", day)
            if isinstance(body, ConsentExpiry) and body.event == event
        ]
        return min(found, default=None)

    def revocation_reach(self, event: str, channel: str, day: dt.date) -> tuple[bool, str]:
        """Tell whether a revocation reaches all senders of the account, and which rule says so. The widest wins."""
        found = [
            (body.sender == "all", rule.id)
            for rule, body in self._in_force(channel, "*", day)
            if isinstance(body, RevocationScope) and body.event == event
        ]
        return max(found, default=(True, "house.default.widest"))

    def confirmation(self, category: str, channel: str, day: dt.date) -> tuple[Confirmation, str] | None:
        """Give the one message that answers a keyword, if the policy has one."""
        for rule, body in self._in_force(channel, category, day):
            if isinstance(body, Confirmation) and category in rule.scope.categories:
                return body, rule.id
        return None

    def keywords(self, channel: str, day: dt.date) -> dict[str, tuple[str, str]]:
        """Give word → (meaning, rule id) for whole-message matching; words stand without spaces."""
        key = (channel, day)
        if key not in self._words:
            sets = [(r, b) for r, b in self._in_force(channel, "*", day) if isinstance(b, KeywordSet)]
            sets.sort(key=lambda pair: pair[1].means == "stop")  # a word that means two things means stop
            self._words = {key: {w.replace(" ", ""): (b.means, r.id) for r, b in sets for w in b.words}}
        return self._words[key]

    def _in_force(self, channel: str, category: str, day: dt.date) -> list[tuple[Rule, object]]:
        return [(rule, body) for rule, body in self._rules if rule.in_force(day) and rule.reaches(channel, category)]
