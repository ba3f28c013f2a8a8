-- name: receipt_write (lane, account_id, event_key) -> ReceiptRow
-- First delivery or a repeated one: both write, so that the commit of a repeated one waits for the first's durability.
insert into signal_receipt as r (lane, account_id, event_key, deliveries, first_at, last_at)
values ($1, $2, $3, 1, clock_timestamp(), clock_timestamp())
on conflict (lane, account_id, event_key) do update set deliveries = r.deliveries + 1, last_at = clock_timestamp()
returning r.deliveries;

-- name: heads_create (lanes, account_ids, address_keys)
-- Whichever side comes first creates the rows that both lock; in key order.
insert into consent_head (lane, account_id, address_key, version, state)
select distinct k.lane, k.account_id, k.address_key, 0, ''::bytea
from unnest($1::smallint[], $2::bigint[], $3::bytea[]) k(lane, account_id, address_key)
order by 1, 2, 3
on conflict do nothing;

-- name: heads_lock (lanes, account_ids, address_keys) -> LockedRow
-- The lock that an append and a hand-off dispute: FOR UPDATE here, FOR SHARE there, always in key order. The time is taken
-- outside the locking part, so after the wait for the lock: whoever commits later also happened later.
with locked as materialized (
  select h.lane, h.account_id, h.address_key, h.version, h.state from consent_head h
  where h.lane = any($1::smallint[])
    and (h.lane, h.account_id, h.address_key) in (select * from unnest($1::smallint[], $2::bigint[], $3::bytea[]) k)
  order by h.lane, h.account_id, h.address_key
  for update
)
select address_key, version, state, clock_timestamp() as now from locked;

-- name: ledger_write (lanes, record_ids, account_ids, address_keys, channels, events, purposes, senders, origins, sources, actors, occurred_ats, recorded_ats, expires_ats, lifts, providers, provider_event_ids, evidence_ids, evidence_hashes, rule_ids, addresses, salts, content_types, bodies, head_lanes, head_account_ids, head_keys, head_versions, head_states)
-- New records with their evidence and the names of their addresses, and the heads after them; the heads are locked.
with given as (
  select * from unnest(
    $1::smallint[], $2::bytea[], $3::bigint[], $4::bytea[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::text[], $11::text[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[], $15::boolean[], $16::text[],
    $17::text[], $18::bytea[], $19::bytea[], $20::text[], $21::text[], $22::bytea[], $23::text[], $24::bytea[]
  ) g(
    lane, record_id, account_id, address_key, channel, event, purpose, sender, origin, source, actor, occurred_at,
    recorded_at, expires_at, lifts, provider, provider_event_id, evidence_id, evidence_hash, rule_id, address, salt,
    content_type, body
  )
), named as (
  insert into address (lane, account_id, address_key, channel, address, first_seen_at)
  select distinct on (lane, account_id, address_key, channel) lane, account_id, address_key, channel, address, recorded_at
  from given order by lane, account_id, address_key, channel
  on conflict do nothing
), seen as (
  insert into evidence (lane, evidence_id, account_id, salt, content_type, body, captured_at)
  select lane, evidence_id, account_id, salt, content_type, body, recorded_at from given where evidence_id is not null
), headed as (
  update consent_head h set version = n.version, state = n.state
  from unnest($25::smallint[], $26::bigint[], $27::bytea[], $28::bigint[], $29::bytea[])
    n(lane, account_id, address_key, version, state)
  where h.lane = n.lane and h.account_id = n.account_id and h.address_key = n.address_key
)
insert into consent_record (
  lane, record_id, account_id, address_key, channel, event, purpose, sender, origin, source, actor, occurred_at,
  recorded_at, expires_at, lifts, provider, provider_event_id, evidence_id, evidence_hash, rule_id
)
select
  lane, record_id, account_id, address_key, channel, event, purpose, sender, origin, source, actor, occurred_at,
  recorded_at, expires_at, lifts, provider, provider_event_id, evidence_id, evidence_hash, rule_id
from given;

-- name: head_write (lane, account_id, address_key, version, state)
-- A rebuilt head.
insert into consent_head as h (lane, account_id, address_key, version, state) values ($1, $2, $3, $4, $5)
on conflict (lane, account_id, address_key) do update set version = $4, state = $5;

-- name: leases_live (lane, account_id, address_key, version) -> CountRow
-- Hand-offs of an address that were decided without an opt-out and may still begin or be under way: what its
-- acknowledgement waits for. What was decided on the head with the opt-out in it, such as its confirmation, does not count.
select count(*) as n from attempt
where lane = $1 and account_id = $2 and address_key = $3 and state = 'dispatching' and lease_until > clock_timestamp()
  and head_version < $4;

-- name: sender_leases_live (sender_id) -> CountRow
-- The same for a whole sender: what a pause waits for.
select count(*) as n from attempt where sender_id = $1 and state = 'dispatching' and lease_until > clock_timestamp();

-- name: all_leases_live () -> CountRow
-- The same for everything: what the kill switch waits for.
select count(*) as n from attempt where state = 'dispatching' and lease_until > clock_timestamp();

-- name: record_history (lane, account_id, address_key, after_id, limit) -> RecordRow
-- The records of an address in the order in which they were written.
select
  lane, record_id, account_id, address_key, channel, event, purpose, sender, origin, source, actor, occurred_at,
  recorded_at, expires_at, lifts, provider, provider_event_id, evidence_id, evidence_hash, rule_id
from consent_record
where lane = $1 and account_id = $2 and address_key = $3 and record_id > $4
order by record_id limit $5;

-- name: heads_page (lane, account_id, address_key, limit) -> HeadKeyRow
-- A page of heads behind a key, for the rebuild.
select lane, account_id, address_key, version, state from consent_head
where (lane, account_id, address_key) > ($1, $2, $3)
order by lane, account_id, address_key limit $4;

-- name: heads_missing () -> HeadKeyRow
-- Addresses that have records but no head.
select distinct r.lane, r.account_id, r.address_key, 0::bigint as version, ''::bytea as state
from consent_record r
left join consent_head h using (lane, account_id, address_key)
where h.version is null;

-- name: quarantine_write (lane, quarantine_id, account_id, sender_id, provider, query, headers, body, error)
-- A verified body that could not be read: kept as it came.
insert into quarantine (lane, quarantine_id, account_id, sender_id, provider, query, headers, body, error, received_at)
values ($1, $2, $3, $4, $5, $6, $7, $8, $9, clock_timestamp());

-- name: quarantine_count () -> CountRow
-- How many bodies wait for a person.
select count(*) as n from quarantine where resolved_at is null;
