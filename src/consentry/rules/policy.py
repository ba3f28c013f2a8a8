"""Policy files as strict Structs: what a rule is, and what each kind of rule says."""

import datetime as dt
import hashlib
import tomllib
import unicodedata
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

import msgspec

from consentry.kernel.address import Channel
from consentry.kernel.consent import Category, Event
from consentry.kernel.errors import PolicyInvalid

ANY: Final = "*"
_CHANNELS: Final = frozenset({ANY, *map(str, Channel)})
_CATEGORIES: Final = frozenset({ANY, *map(str, Category)})
_Shape = TypeVar("_Shape")


class Kind(StrEnum):
    """What a rule is about."""

    CONSENT_REQUIRED = "consent_required"
    CONSENT_EXPIRY = "consent_expiry"
    REVOCATION_SCOPE = "revocation_scope"
    CONFIRMATION = "confirmation"
    KEYWORD_SET = "keyword_set"


class ConsentRequired(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The least consent that a message needs."""

    level: Literal["none", "implied", "express"]


class ConsentExpiry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long a grant of this event holds."""

    event: Literal["grant.implicit", "grant.explicit"]
    expires_after_s: int


class RevocationScope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How far a revocation reaches: the sender where it was said, or all senders of the account."""

    event: Event
    sender: Literal["said", "all"]


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The one message that answers a keyword, and how late it may leave."""

    within_s: int
    text: str


class KeywordSet(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words that mean one thing when they are the whole message."""

    means: Literal["stop", "start", "help"]
    language: str
    words: tuple[str, ...]


Body = ConsentRequired | ConsentExpiry | RevocationScope | Confirmation | KeywordSet
_BODY: Final[dict[Kind, type[Body]]] = {
    Kind.CONSENT_REQUIRED: ConsentRequired,
    Kind.CONSENT_EXPIRY: ConsentExpiry,
    Kind.REVOCATION_SCOPE: RevocationScope,
    Kind.CONFIRMATION: Confirmation,
    Kind.KEYWORD_SET: KeywordSet,
}


class Scope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where a rule applies; `*` is everywhere."""

    channels: tuple[str, ...]
    categories: tuple[str, ...]


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One rule as it stands in a file. Dates are half open: from, but not until."""

    id: str
    version: int
    kind: Kind
    status: Literal["settled", "contested", "waived", "proposed", "industry"]
    scope: Scope
    body: dict[str, Any]
    source: str
    verified_on: dt.date
    effective_from: dt.date
    effective_until: dt.date | None = None
    url: str = ""
    confidence: str = ""

    def in_force(self, day: dt.date) -> bool:
        """Tell whether the rule holds on a day. What is only proposed never does."""
        if self.status == "proposed" or day < self.effective_from:
            return False
        return self.effective_until is None or day < self.effective_until

    def reaches(self, channel: str, category: str) -> bool:
        """Tell whether the rule speaks of this channel and category."""
        return _named(self.scope.channels, channel) and _named(self.scope.categories, category)


class Pack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which files are on, and what is presumed when a caller does not say."""

    name: str
    posture: Literal["strict", "mainstream", "permissive"]
    files: tuple[str, ...]
    default_category: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rule: tuple[Rule, ...]


class PolicySet(msgspec.Struct, frozen=True):
    """All loaded rules with their typed bodies, and the digest that every decision cites."""

    pack: Pack
    rules: tuple[tuple[Rule, Body], ...]
    digest: str


def load(folder: Path, pack: str = "default") -> PolicySet:
    """Read a pack and the files it names.

    Errors: PolicyInvalid names the file and the key: unknown keys, a missing source, a version given twice.
    """
    digest = hashlib.sha256()
    chosen = _decode(folder, f"packs/{pack}.toml", Pack, digest)
    rules: list[tuple[Rule, Body]] = []
    for name in chosen.files:
        rules += [(rule, _body(rule, name)) for rule in _decode(folder, name, _File, digest).rule]
    _refuse_twins(rules)
    return PolicySet(pack=chosen, rules=tuple(rules), digest=digest.hexdigest()[:32])


def _decode(folder: Path, name: str, shape: type[_Shape], digest: "hashlib._Hash") -> _Shape:
    try:
        raw = (folder / name).read_bytes()
        digest.update(f"{name}\0{len(raw)}\0".encode() + raw)
        return msgspec.convert(tomllib.loads(raw.decode()), shape)
    except OSError as error:
        raise PolicyInvalid(f"policies/{name}: cannot be read ({error.strerror})", field=name) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, msgspec.ValidationError) as error:
        raise PolicyInvalid(f"policies/{name}: {error}", field=name) from error


def _body(rule: Rule, name: str) -> Body:
    try:
        body = msgspec.convert(rule.body, _BODY[rule.kind])
    except msgspec.ValidationError as error:
        raise PolicyInvalid(f"policies/{name}: rule {rule.id}: {error} (in body)", field=name) from error
    wrong = _unheard(rule, body)
    if wrong:
        raise PolicyInvalid(f"policies/{name}: rule {rule.id} {wrong}", field=name)
    return body


def _unheard(rule: Rule, body: Body) -> str:
    """Say why a rule could not be heeded as it stands: it must not be loaded and then silently never speak."""
    unknown = [*sorted({*rule.scope.channels} - _CHANNELS), *sorted({*rule.scope.categories} - _CATEGORIES)]
    if not rule.source.strip():
        return "has no source"
    if unknown or not rule.scope.channels or not rule.scope.categories:
        return f"has a scope that names nothing known: {', '.join(unknown) or 'it is empty'}"
    if isinstance(body, Confirmation) == (ANY in rule.scope.categories) and not isinstance(body, ConsentRequired):
        return "must name its categories" if isinstance(body, Confirmation) else 'must have categories = ["*"]'
    if isinstance(body, KeywordSet) and (crooked := [word for word in body.words if not _plain(word)]):
        return f"has words that no message is compared with: {', '.join(crooked)}; write them small, without marks"
    return ""


def _plain(word: str) -> bool:
    letters = word.replace(" ", "")
    heard = all(unicodedata.category(letter)[0] in "LNM" for letter in letters)
    return bool(letters) and heard and unicodedata.normalize("NFKC", word).casefold() == word


def _refuse_twins(rules: list[tuple[Rule, Body]]) -> None:
    seen: set[tuple[str, int]] = set()
    for rule, _ in rules:
        if (rule.id, rule.version) in seen:
            raise PolicyInvalid(f"rule {rule.id} version {rule.version} stands in two places", field=rule.id)
        seen.add((rule.id, rule.version))


def _named(names: tuple[str, ...], word: str) -> bool:
    return ANY in names or word in names
