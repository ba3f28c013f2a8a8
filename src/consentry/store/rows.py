"""The rows that queries give. One test prepares every query and compares its columns with the Struct named here."""

from datetime import datetime

import msgspec


class VersionRow(msgspec.Struct, frozen=True):
    version: int


class IdRow(msgspec.Struct, frozen=True):
    id: int


class CountRow(msgspec.Struct, frozen=True):
    n: int


class ClockRow(msgspec.Struct, frozen=True):
    now: datetime


class AccountRow(msgspec.Struct, frozen=True):
    account_id: int
    sid: str
    friendly_name: str
    auth_token_sealed: bytes
    status: str
    created_at: datetime


class KeyRow(msgspec.Struct, frozen=True):
    sid: str
    account_id: int
    friendly_name: str
    secret_hash: bytes
    scopes: list[str]
    created_at: datetime


class SenderRow(msgspec.Struct, frozen=True):
    sender_id: int
    sid: str
    account_id: int
    channel: str
    provider: str
    address: str
    friendly_name: str
    configuration_sealed: bytes
    callback_url: str | None
    callback_method: str
    fallback_url: str | None
    fallback_method: str
    status_callback_url: str | None
    status_callback_method: str
    paused: bool
    restricted: bool
    rate_per_s: float | None
    max_in_flight: int
    created_at: datetime
    updated_at: datetime


class InstallationRow(msgspec.Struct, frozen=True):
    key_check: bytes
    sends_paused: bool


class PaceRow(msgspec.Struct, frozen=True):
    granted: int
    wait_s: float


class ReceiptRow(msgspec.Struct, frozen=True):
    deliveries: int


class LockedRow(msgspec.Struct, frozen=True):
    address_key: bytes
    version: int
    state: bytes
    now: datetime


class HeadKeyRow(msgspec.Struct, frozen=True):
    lane: int
    account_id: int
    address_key: bytes
    version: int
    state: bytes


class AcceptHeadRow(msgspec.Struct, frozen=True):
    version: int
    state: bytes
    now: datetime | None


class RecordRow(msgspec.Struct, frozen=True):
    lane: int
    record_id: bytes
    account_id: int
    address_key: bytes
    channel: str
    event: str
    purpose: str
    sender: str
    origin: str
    source: str
    actor: str
    occurred_at: datetime
    recorded_at: datetime
    expires_at: datetime | None
    lifts: bool
    provider: str
    provider_event_id: str
    evidence_id: bytes | None
    evidence_hash: bytes | None
    rule_id: str


class ClaimedRow(msgspec.Struct, frozen=True):
    lane: int
    message_id: bytes
    attempt_no: int
    account_id: int
    address_key: bytes
    sender_id: int
    channel: str
    direction: str
    from_address: str
    to_address: str
    body: str
    media: str | None
    purpose: str
    status: str
    cause_record_id: bytes | None
    cause_at: datetime | None
    valid_until: datetime | None
    status_callback: str | None
    version: int
    state: bytes
    paused: bool
    restricted: bool
    suspended: bool
    sends_paused: bool
    now: datetime


class MessageIdRow(msgspec.Struct, frozen=True):
    lane: int
    message_id: bytes


class SettledRow(msgspec.Struct, frozen=True):
    lane: int
    message_id: bytes
    status: str


class DepthRow(msgspec.Struct, frozen=True):
    n: int
    oldest_s: float


class MessageRow(msgspec.Struct, frozen=True):
    lane: int
    message_id: bytes
    account_id: int
    address_key: bytes
    sender_id: int
    channel: str
    direction: str
    from_address: str
    to_address: str
    body: str
    media: str | None
    num_segments: int
    purpose: str
    status: str
    error_code: int | None
    error_message: str | None
    decision: bytes
    status_callback: str | None
    provider_message_id: str | None
    created_at: datetime
    updated_at: datetime
    sent_at: datetime | None


class ReportedRow(msgspec.Struct, frozen=True):
    account_id: int
    sender_id: int
    address_key: bytes
    channel: str
    status: str
    from_address: str
    to_address: str
    status_callback: str | None
    purpose: str
    has_media: bool
    now: datetime


class AttemptRow(msgspec.Struct, frozen=True):
    attempt_no: int
    state: str
    head_version: int
    decision: bytes
    started_at: datetime
    lease_until: datetime
    finished_at: datetime | None
    provider_message_id: str | None
    error_class: str | None
    provider_code: str | None


class ReservedRow(msgspec.Struct, frozen=True):
    request_hash: bytes


class GotRow(msgspec.Struct, frozen=True):
    got: bool


class IdempotencyRow(msgspec.Struct, frozen=True):
    request_hash: bytes
    status: int | None
    body: bytes | None
    content_type: str | None


class CallbackRow(msgspec.Struct, frozen=True):
    lane: int
    callback_id: bytes
    account_id: int
    sender_id: int
    message_id: bytes
    kind: str
    url: str
    method: str
    fallback_url: str | None
    fallback_method: str
    params: bytes
    token: str
    attempt_no: int


class TickRow(msgspec.Struct, frozen=True):
    fired_at: datetime


class SettingRow(msgspec.Struct, frozen=True):
    name: str
    setting: str


class RoleRow(msgspec.Struct, frozen=True):
    role: str
    in_recovery: bool
    superuser: bool
    bypasses_rls: bool
    owns_tables: bool
    can_change_ledger: bool


class MigrationRow(msgspec.Struct, frozen=True):
    name: str
    checksum: bytes


class PhoneMessageRow(msgspec.Struct, frozen=True):
    message_id: bytes
    from_address: str
    to_address: str
    body: str
    handed_off_at: datetime


class PhoneRow(msgspec.Struct, frozen=True):
    blocked: bool
    script: bytes


class PhoneBehaviourRow(msgspec.Struct, frozen=True):
    account_id: int
    address_key: bytes
    sender_id: int
    blocked: bool
    script: bytes
