"""What Twilio's error codes mean in our closed classes (channels.md §1.4, twilio-contract.md §1.6)."""

from typing import Final

from consentry.kernel.message import FailureClass as F

CLASSES: Final[dict[str, F]] = {
    "20003": F.AUTH,
    "20404": F.AUTH,
    "20429": F.THROTTLED,
    "20500": F.AMBIGUOUS,
    "20503": F.TRANSIENT,
    "21211": F.INVALID_RECIPIENT,
    "21212": F.AUTH,
    "21408": F.AUTH,
    "21606": F.AUTH,
    "21608": F.BAD_REQUEST,
    "21610": F.OPTED_OUT,
    "21611": F.THROTTLED,
    "21612": F.BAD_REQUEST,
    "21614": F.INVALID_RECIPIENT,
    "21635": F.INVALID_RECIPIENT,
    "21659": F.AUTH,
    "30001": F.THROTTLED,
    "30002": F.SENDER_RESTRICTED,
    "30003": F.TEMPORARILY_UNREACHABLE,
    "30005": F.GONE,
    "30006": F.INVALID_RECIPIENT,
    "30007": F.SPAM,
    "30010": F.QUOTA,
    "30022": F.THROTTLED,
    "30023": F.THROTTLED,
    "30027": F.THROTTLED,
    "30034": F.SENDER_RESTRICTED,
    "63001": F.AUTH,
    "63002": F.AUTH,
    "63003": F.INVALID_RECIPIENT,
    "63005": F.CONTENT,
    "63006": F.CONTENT,
    "63007": F.AUTH,
    "63008": F.AUTH,
    "63009": F.TRANSIENT,
    "63012": F.TRANSIENT,
    "63013": F.CONTENT,
    "63014": F.BLOCKED,
    "63015": F.NEVER_OPTED_IN,
    "63016": F.OUTSIDE_WINDOW,
    "63018": F.THROTTLED,
    "63024": F.INVALID_RECIPIENT,
    "63033": F.OPTED_OUT,
    "63036": F.UNAVAILABLE,
    "63038": F.QUOTA,
    "63049": F.CAPPED,
    "63051": F.SENDER_RESTRICTED,
}
MARKETING_ONLY: Final = frozenset({"63033"})
"""A WhatsApp user who opted out of marketing still gets the rest."""
_TOLL_FREE: Final = ("+1800", "+1833", "+1844", "+1855", "+1866", "+1877", "+1888")


def classify(code: str, sender: str) -> F | None:
    """Give the class of a code. 30004 is a STOP on a toll-free number, and says little elsewhere."""
    if code == "30004":
        return F.OPTED_OUT if sender.startswith(_TOLL_FREE) else F.UNAVAILABLE
    return CLASSES.get(code)
