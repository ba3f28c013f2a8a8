"""The closed catalogue of errors that leave a flow. Nothing here knows HTTP; `web/problems` has the one table.

Every error carries a text for the caller, and where it is about one input, the name of that field.
"""


class ConsentryError(Exception):
    """Something the caller can be told. `field` names the input at fault, if one is."""

    def __init__(self, text: str, *, field: str | None = None) -> None:
        super().__init__(text)
        self.text = text
        self.field = field


class Invalid(ConsentryError):
    """The input is not acceptable; the text says what to change."""


class Unauthenticated(ConsentryError):
    """No credentials, or wrong ones. The text never says which part was wrong."""


class Forbidden(ConsentryError):
    """Known, but without the scope that this needs."""


class NotFound(ConsentryError):
    """Not there, or not yours: the two are never told apart."""


class Conflict(ConsentryError):
    """Not possible in the present state."""


class TooLarge(ConsentryError):
    """More than the route takes."""


class KeyReused(ConsentryError):
    """The idempotency key was used before, with another request."""


class KeyInFlight(ConsentryError):
    """The first request with this idempotency key has not finished."""


class Overloaded(ConsentryError):
    """Too much at once; nothing was done, and the same request may be sent again."""


class Unavailable(ConsentryError):
    """The database cannot be reached; nothing was acknowledged, and the same request may be sent again."""


class BadSignature(ConsentryError):
    """A webhook whose signature is missing, malformed or wrong."""


class Unparsable(ConsentryError):
    """A verified webhook body that the adapter cannot read; it is kept and quarantined."""


class UnsafeDatabase(ConsentryError):
    """A server setting or a role under which the guarantee would not hold; the text names it and the fix."""


class PolicyInvalid(ConsentryError):
    """A policy file that cannot be loaded; the text names file and key."""
