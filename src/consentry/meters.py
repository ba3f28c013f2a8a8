"""What is counted, for Prometheus: no account, no address, no sender in a label."""

from typing import Final

from prometheus_client import Counter, Gauge, Histogram

_FAST: Final = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 7.5)

DECISIONS: Final = Counter(
    "consentry_gate_decisions", "Decisions of the gate, at accept and at hand-off", ("stage", "channel", "verdict")
)
HANDOFFS: Final = Counter("consentry_handoffs", "Hand-offs to providers by what became of them", ("channel", "state"))
SIGNALS: Final = Counter(
    "consentry_signals", "Records appended to the ledger; alert on their absence", ("channel", "event")
)
OPT_OUT_SECONDS: Final = Histogram(
    "consentry_opt_out_acknowledged_seconds", "From the commit of an opt-out to its acknowledgement", buckets=_FAST
)
QUARANTINED: Final = Counter("consentry_webhooks_quarantined", "Verified webhook bodies that could not be read")
BAD_SIGNATURES: Final = Counter(
    "consentry_webhook_bad_signatures",
    "Webhooks refused for their signature; a rotated secret drops opt-outs",
    ("provider",),
)
CALLBACKS: Final = Counter("consentry_callbacks", "Deliveries to customers' servers", ("kind", "outcome"))
UNKNOWN: Final = Counter("consentry_messages_unknown", "Hand-offs whose outcome nobody knows")
QUEUE: Final = Gauge("consentry_outbox_messages", "Messages that wait")
QUEUE_AGE: Final = Gauge("consentry_outbox_oldest_seconds", "How long the oldest due message has waited")
