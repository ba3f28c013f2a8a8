"""Policy files are strict: what is misspelt, unsourced or said twice is refused by file and key, never passed over."""

import datetime as dt
import shutil
from pathlib import Path

import pytest
from tests.rules.facts import PACK, RULE, policy_of, write_policy

from consentry.kernel.errors import PolicyInvalid
from consentry.rules.compiled import Requirement
from consentry.rules.policy import Kind, load
from consentry.settings import bundled

DAY = dt.date(2026, 11, 24)
CONFIRMATION = RULE.replace("consent_required", "confirmation").replace(
    'level = "express"', 'within_s = 60\ntext = "ok"'
)
EXPIRY = RULE.replace("consent_required", "consent_expiry").replace(
    'level = "express"', 'event = "grant.explicit"\nexpires_after_s = 60'
)
REACH = RULE.replace("consent_required", "revocation_scope").replace(
    'level = "express"', 'event = "revoke.keyword"\nsender = "said"'
)
WORDS = RULE.replace("consent_required", "keyword_set").replace(
    'level = "express"', 'means = "stop"\nlanguage = "fr"\nwords = ["arrêt", "ne plus"]'
)


def renamed(rule: str, name: str, **changes: str) -> str:
    """Give a rule under another id, with texts changed."""
    text = rule.replace("test.rule", name)
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    return text


def test_the_bundled_policies_load_and_require_an_opt_in_everywhere() -> None:
    policies = load(bundled("policies"))
    assert policies.pack.name == "default"
    assert {rule.kind for rule, _ in policies.rules} == set(Kind)
    assert len(policies.digest) == 32


def test_every_bundled_file_is_in_a_pack() -> None:
    folder = bundled("policies")
    files = {str(f.relative_to(folder)) for f in folder.rglob("*.toml") if f.parent.name != "packs"}
    assert files == set(load(folder).pack.files)


@pytest.mark.parametrize(
    "rule", [RULE, EXPIRY, REACH, WORDS, CONFIRMATION.replace('["*"]\n[rule.b', '["help_reply"]\n[rule.b')]
)
def test_every_kind_of_rule_can_be_read(tmp_path: Path, rule: str) -> None:
    assert len(load(write_policy(tmp_path, rule)).rules) == 1


@pytest.mark.parametrize(
    "old,new,words",
    [
        ("version = 1", "version = 1\nversoin = 2", "versoin"),
        ("[rule.scope]", "[rule.scope]\nplaces = []", "places"),
        ("[rule.body]", "[rule.body]\nlevl = 1", "levl"),
        ('level = "express"', 'level = "expres"', "expres"),
        ('source = "A test"', "", "source"),
        ('source = "A test"', 'source = " "', "has no source"),
        ("verified_on = 2026-01-01", "", "verified_on"),
        ("verified_on = 2026-01-01", "verified_on = 2026-02-30", "Invalid date"),
        ('status = "settled"', 'status = "likely"', "likely"),
        ('kind = "consent_required"', 'kind = "consent"', "consent"),
        ("version = 1", 'version = "1"', "version"),
        ('channels = ["*"]', 'channels = ["smss"]', "smss"),
        ('channels = ["*"]', "channels = []", "empty"),
        ('categories = ["*"]', 'categories = ["marketting"]', "marketting"),
        ("[[rule]]", "[[rulez]]", "rule"),
        ("[[rule]]", "[[rule]", "rules.toml"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_named_with_its_key(tmp_path: Path, old: str, new: str, words: str) -> None:
    assert old in RULE
    with pytest.raises(PolicyInvalid, match=r"policies/rules\.toml") as caught:
        load(write_policy(tmp_path, RULE.replace(old, new)))
    assert words in caught.value.text


@pytest.mark.parametrize(
    "rule,words",
    [
        (EXPIRY.replace('categories = ["*"]', 'categories = ["marketing"]'), "must have categories"),
        (REACH.replace('categories = ["*"]', 'categories = ["marketing"]'), "must have categories"),
        (REACH.replace("revoke.keyword", "revoke.keywrod"), "revoke.keywrod"),
        (CONFIRMATION, "must name its categories"),
        (WORDS.replace("arrêt", "ARRÊT"), "ARRÊT"),
        (WORDS.replace("arrêt", "arrêt!"), "arrêt!"),
        (WORDS.replace("arrêt", ""), "no message is compared with"),
    ],
)
def test_a_rule_that_could_never_speak_is_refused(tmp_path: Path, rule: str, words: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        load(write_policy(tmp_path, rule))
    assert words in caught.value.text


@pytest.mark.parametrize(
    "pack,words",
    [
        (PACK.replace("rules.toml", "gone.toml"), "policies/gone.toml: cannot be read"),
        (PACK.replace("posture", "postur"), "policies/packs/default.toml"),
        (PACK + "more = 1\n", "more"),
    ],
)
def test_a_pack_that_is_wrong_is_named(tmp_path: Path, pack: str, words: str) -> None:
    with pytest.raises(PolicyInvalid) as caught:
        load(write_policy(tmp_path, RULE, pack))
    assert words in caught.value.text


def test_a_version_that_stands_in_two_places_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PolicyInvalid, match=r"test\.rule version 1 stands in two places"):
        load(write_policy(tmp_path, RULE + RULE))


def test_text_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    folder = write_policy(tmp_path, RULE)
    (folder / "rules.toml").write_bytes(b'x = "\xff"')
    with pytest.raises(PolicyInvalid, match=r"rules\.toml"):
        load(folder)


def test_the_digest_changes_with_every_byte_of_every_file(tmp_path: Path) -> None:
    shutil.copytree(bundled("policies"), tmp_path / "p")
    seen = {load(tmp_path / "p").digest}
    for file in sorted((tmp_path / "p").rglob("*.toml")):
        file.write_bytes(file.read_bytes() + b"\n")
        seen.add(load(tmp_path / "p").digest)
    assert len(seen) == 1 + len(list((tmp_path / "p").rglob("*.toml")))


def test_the_digest_does_not_depend_on_where_the_files_stand(tmp_path: Path) -> None:
    shutil.copytree(bundled("policies"), tmp_path / "elsewhere")
    assert load(tmp_path / "elsewhere").digest == load(bundled("policies")).digest


def test_what_is_only_proposed_never_holds(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, RULE.replace("settled", "proposed"))
    assert policy.requirement("sms", "marketing", DAY) is None


@pytest.mark.parametrize(
    "day,holds",
    [("2025-12-31", False), ("2026-01-01", True), ("2026-06-30", True), ("2026-07-01", False), ("2026-07-02", False)],
)
def test_a_rule_holds_from_its_first_day_and_not_on_its_last(tmp_path: Path, day: str, holds: bool) -> None:
    dated = RULE.replace("effective_from = 2026-01-01", "effective_from = 2026-01-01\neffective_until = 2026-07-01")
    found = policy_of(tmp_path, dated).requirement("sms", "marketing", dt.date.fromisoformat(day))
    assert (found is not None) is holds


def test_a_rule_that_names_the_category_speaks_before_one_for_all(tmp_path: Path) -> None:
    named = renamed(RULE, "test.named", **{'categories = ["*"]': 'categories = ["otp"]', "express": "implied"})
    policy = policy_of(tmp_path, RULE + named)
    assert policy.requirement("sms", "otp", DAY) == Requirement("implied", ("test.named",))
    assert policy.requirement("sms", "marketing", DAY) == Requirement("express", ("test.rule",))


def test_among_rules_that_speak_alike_the_strictest_wins(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, renamed(RULE, "test.none", express="none") + RULE)
    assert policy.requirement("sms", "otp", DAY) == Requirement("express", ("test.none", "test.rule"))


def test_the_shortest_life_of_an_opt_in_wins(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, EXPIRY + renamed(EXPIRY, "test.short", **{"_s = 60": "_s = 30"}))
    assert policy.expiry_s("grant.explicit", "sms", DAY) == 30
    assert policy.expiry_s("grant.implicit", "sms", DAY) is None


def test_the_widest_reach_of_a_revocation_wins_and_silence_means_all(tmp_path: Path) -> None:
    policy = policy_of(tmp_path, REACH + renamed(REACH, "test.wide", said="all"))
    assert policy.revocation_reach("revoke.keyword", "sms", DAY) == (True, "test.wide")
    assert policy.revocation_reach("revoke.preference", "sms", DAY) == (True, "house.default.widest")


def test_a_word_that_two_rules_read_differently_means_stop(tmp_path: Path) -> None:
    starts = renamed(WORDS, "test.start", **{'means = "stop"': 'means = "start"'})
    for number, rules in enumerate((WORDS + starts, starts + WORDS)):
        (tmp_path / str(number)).mkdir()
        assert policy_of(tmp_path / str(number), rules).keywords("sms", DAY)["arrêt"] == ("stop", "test.rule")
