"""Who asks: Basic auth by account token or API key, compared in constant time; what they may do, by scope."""

import base64
import binascii
import hmac
from typing import Final

import msgspec

from consentry.kernel.directory import Principal, Scope
from consentry.kernel.errors import Forbidden, Unauthenticated
from consentry.keyring import Keyring
from consentry.store.directory import Directory

_EVERYTHING: Final = frozenset(str(scope) for scope in Scope)
_MOST_KEPT: Final = 4096
_TEXT: Final = "Authentication Error - invalid username or password"


class _Kept(msgspec.Struct, frozen=True):
    version: int
    principal: Principal


class Authenticator:
    """Turns an Authorization header into a principal; a header that was good is kept until the directory changes."""

    def __init__(self, directory: Directory, keyring: Keyring) -> None:
        self._directory = directory
        self._keyring = keyring
        self._kept: dict[bytes, _Kept] = {}

    def principal(self, header: bytes | None) -> Principal:
        """Give who asks. Errors: Unauthenticated, the same for every way of being wrong."""
        if not header:
            raise Unauthenticated("Authentication Error - No credentials provided")
        kept = self._kept.get(header)
        if kept is not None and kept.version == self._directory.version:
            return kept.principal
        principal = self._check(header)
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[header] = _Kept(self._directory.version, principal)
        return principal

    def _check(self, header: bytes) -> Principal:
        scheme, _, encoded = header.partition(b" ")
        if scheme.lower() != b"basic":
            raise Unauthenticated(_TEXT)
        try:
            user, _, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError) as error:
            raise Unauthenticated(_TEXT) from error
        found = self._by_key(user, secret) if user.startswith("SK") else self._by_token(user, secret)
        if found is None or found.account.status == "closed":
            raise Unauthenticated(_TEXT)
        return found

    def _by_token(self, sid: str, token: str) -> Principal | None:
        account = self._directory.account_by_sid(sid)
        wanted = account.auth_token if account is not None else self._keyring.check.hex()
        same = hmac.compare_digest(wanted.encode(), token.encode())
        return Principal(account, account.sid, _EVERYTHING) if account is not None and same else None

    def _by_key(self, sid: str, secret: str) -> Principal | None:
        key = self._directory.key(sid)
        wanted = key.secret_hash if key is not None else self._keyring.check
        same = hmac.compare_digest(wanted, self._keyring.hash_token(secret))
        if key is None or not same:
            return None
        return Principal(self._directory.account(key.account_id), key.sid, key.scopes)


def require(principal: Principal, scope: Scope) -> None:
    """Errors: Forbidden if the key lacks the scope."""
    if scope not in principal.scopes:
        raise Forbidden(f"this key lacks the scope {scope}")
