"""Secrets open only with the key, and in the place, that they were sealed for; the key file is made once and private."""

import base64
import os
import stat
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from consentry.kernel.errors import Invalid
from consentry.keyring import Keyring, load_master

KEY, OTHER = b"k" * 32, b"o" * 32
PLACE = "sender|XE1|configuration"


def test_what_was_sealed_opens_in_its_place() -> None:
    assert Keyring(KEY).open(PLACE, Keyring(KEY).seal(PLACE, b"secret")) == b"secret"


def test_a_value_that_was_moved_to_another_row_does_not_open() -> None:
    sealed = Keyring(KEY).seal(PLACE, b"secret")
    with pytest.raises(Invalid, match="does not open with this master key"):
        Keyring(KEY).open("sender|XE2|configuration", sealed)


def test_another_key_opens_nothing() -> None:
    sealed = Keyring(KEY).seal(PLACE, b"secret")
    with pytest.raises(Invalid) as caught:
        Keyring(OTHER).open(PLACE, sealed)
    assert "secret" not in caught.value.text


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda sealed: sealed[:5],
        lambda sealed: sealed[:12],
        lambda sealed: sealed[:-1],
        lambda sealed: sealed + b"x",
        lambda sealed: bytes([sealed[0] ^ 1]) + sealed[1:],
        lambda sealed: sealed[:-1] + bytes([sealed[-1] ^ 1]),
    ],
)
def test_a_damaged_value_does_not_open(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(Invalid):
        Keyring(KEY).open(PLACE, damage(Keyring(KEY).seal(PLACE, b"secret")))


def test_sealing_twice_shows_nothing_of_what_is_the_same() -> None:
    keyring = Keyring(KEY)
    assert len({keyring.seal(PLACE, b"secret") for _ in range(100)}) == 100


def test_every_use_has_a_key_of_its_own() -> None:
    keyring = Keyring(KEY)
    assert (
        len({KEY, keyring.address_secret, keyring.check, keyring.hash_token(""), keyring.hash_token("consentry")}) == 5
    )
    assert keyring.check != Keyring(OTHER).check


def test_derived_keys_never_change_between_releases() -> None:
    # The ledger is indexed under the first; a database is recognised by the second; API keys are found by the third.
    keyring = Keyring(KEY)
    assert keyring.address_secret.hex() == "756786fe23a5ca1b123db55b0c23e8388a4581ab3f2ecd35e22a4dfc8d1669a6"
    assert keyring.check.hex() == "17674fe79b63737bbd17dda6380645856695eafe23c771f8179f1e02496d5646"
    assert keyring.hash_token("token").hex() == "74e3c7a9b64b664582365dda52c1ce3b1543850482e6bb2166dae267d7a78bec"


@pytest.mark.parametrize("key", [b"", b"k" * 31, b"k" * 33])
def test_a_key_of_another_length_is_refused(key: bytes) -> None:
    with pytest.raises(Invalid, match="must be 32 bytes"):
        Keyring(key)


def test_the_key_file_is_made_private_and_kept(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    old = os.umask(0)
    try:
        made = load_master(None, file)
    finally:
        os.umask(old)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_master(None, file) == made
    assert [found.name for found in tmp_path.iterdir()] == ["master.key"]


def test_a_key_from_the_configuration_wins_and_makes_no_file(tmp_path: Path) -> None:
    assert load_master(base64.b64encode(KEY).decode(), tmp_path / "master.key") == KEY
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("given", ["", "nonsense!", "a2V5", base64.b64encode(b"k" * 33).decode(), "é" * 44])
def test_a_key_that_is_no_base64_of_32_bytes_is_refused_without_being_shown(given: str, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="CONSENTRY_MASTER_KEY") as caught:
        load_master(given, tmp_path / "master.key")
    assert given == "" or given not in caught.value.text


@pytest.mark.parametrize("content", [b"", b"nonsense!", b"\xff\xfe"])
def test_a_damaged_key_file_is_refused_and_never_replaced(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "master.key"
    file.write_bytes(content)
    with pytest.raises(Invalid, match=r"master\.key"):
        load_master(None, file)
    assert file.read_bytes() == content


def test_many_who_start_at_once_get_one_key(tmp_path: Path) -> None:
    file = tmp_path / "master.key"
    together = threading.Barrier(8)

    def start() -> bytes:
        together.wait()
        return load_master(None, file)

    with ThreadPoolExecutor(8) as pool:
        keys = {future.result() for future in [pool.submit(start) for _ in range(8)]}

    assert keys == {load_master(None, file)}
