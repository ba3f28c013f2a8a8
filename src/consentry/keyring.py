"""The master key and what is derived from it: the key of address keys, and the sealing of secrets at rest.

Losing the master key means that no address can be matched with its records any more, so a start with another key than
the database was made with is refused (`check`). Sealing is AES-256-GCM with a fresh 96-bit nonce; the associated data
name the place of the value, so that a sealed value moved to another row does not open (S13).
"""

import base64
import contextlib
import hmac
import os
import secrets
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

from consentry.kernel.errors import Invalid

_KEY_BYTES = 32
_NONCE_BYTES = 12


class Keyring:
    """Keys derived from one master key of 32 bytes."""

    def __init__(self, master: bytes) -> None:
        if len(master) != _KEY_BYTES:
            raise Invalid(f"the master key must be {_KEY_BYTES} bytes, this one has {len(master)}", field="master_key")
        self.address_secret = _derive(master, b"consentry address key v1")
        self.check = hmac.digest(_derive(master, b"consentry check v1"), b"consentry", "sha256")
        self._aead = AESGCM(_derive(master, b"consentry seal v1"))
        self._token_secret = _derive(master, b"consentry api key v1")

    def seal(self, place: str, plain: bytes) -> bytes:
        """Encrypt a value for one place, such as `sender|XE…|configuration`."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._aead.encrypt(nonce, plain, place.encode())

    def open(self, place: str, sealed: bytes) -> bytes:
        """Decrypt a value. Errors: Invalid if it was sealed with another key or for another place."""
        try:
            return self._aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
        except (InvalidTag, ValueError) as error:
            raise Invalid(
                f"the sealed value of {place} does not open with this master key", field="master_key"
            ) from error

    def hash_token(self, token: str) -> bytes:
        """Give the keyed hash under which a random secret is stored; it has 256 bits, so no slow hash is needed (S1)."""
        return hmac.digest(self._token_secret, token.encode(), "sha256")


def load_master(given: str | None, file: Path) -> bytes:
    """Give the master key from configuration (base64), or from its file, which is made on first use (mode 0600).

    Errors: Invalid if it is not base64 of 32 bytes.
    """
    if given is not None:
        return _decode(given, "CONSENTRY_MASTER_KEY")
    try:
        return _decode(file.read_bytes().strip(), str(file))
    except FileNotFoundError:
        return _make(file)


def _make(file: Path) -> bytes:
    # A name of its own, as two containers on one volume have the same process id.
    fresh = file.with_name(f".{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(base64.b64encode(secrets.token_bytes(_KEY_BYTES)) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(fresh, file)  # fails if another process was first: its key counts
    finally:
        fresh.unlink()
    _keep(file.parent)
    return _decode(file.read_bytes().strip(), str(file))


def _keep(folder: Path) -> None:
    """Make the name of the key as durable as the key: records written under a lost one are lost."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _decode(text: str | bytes, where: str) -> bytes:
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError as error:
        raise Invalid(f"{where} is not base64; make one with: openssl rand -base64 32", field="master_key") from error
    if len(key) != _KEY_BYTES:
        raise Invalid(f"{where} must be base64 of {_KEY_BYTES} bytes; it has {len(key)}", field="master_key")
    return key


def _derive(master: bytes, label: bytes) -> bytes:
    return HKDFExpand(algorithm=hashes.SHA256(), length=_KEY_BYTES, info=label).derive(master)
