-- name: receipt_write (lane, account_id, event_key) -> ReceiptRow
-- First delivery or a repeated one: both write, so that the commit of a repeated one waits for the first's durability.
insert into signal_receipt as r (lane, account_id, event_key, deliveries, first_at, last_at)
values ($1, $2, $3, 1, clock_timestamp(), clock_timestamp())
on conflict (lane, account_id, event_key) do update set deliveries = r.deliveries + 1, last_at = clock_timestamp()
returning r.deliveries;

-- name: heads_create (keys)
-- Whichever side comes first creates the rows that both lock; in key order.
insert into consent_head (lane, account_id, address_key, version, state)
select distinct k.lane, k.account_id, decode(k.key, 'base64'), 0, ''::bytea
from json_to_recordset($1::text::json) k(lane smallint, account_id bigint, key text)
order by 1, 2, 3
on conflict do nothing;

-- name: heads_lock (lanes, keys) -> LockedRow
-- The lock that an append and a hand-off dispute: FOR UPDATE here, FOR SHARE there, always in key order. The time is taken
-- outside the locking part, so after the wait for the lock: whoever commits later also happened later.
with locked as materialized (
  select h.lane, h.account_id, h.address_key, h.version, h.state
  from (
    select distinct lane, account_id, decode(key, 'base64') as address_key
    from json_to_recordset($2::text::json) w(lane smallint, account_id bigint, key text)
  ) k
  join consent_head h on h.lane = k.lane and h.account_id = k.account_id and h.address_key = k.address_key
  where h.lane = any($1::text::smallint[])
  order by h.lane, h.account_id, h.address_key
  for update of h
)
select address_key, version, state, clock_timestamp() as now from locked;

-- name: ledger_write (entries, heads)
-- New records with their evidence and the names of their addresses, and the heads after them; the heads are locked.
with given as materialized (
  select
    lane, decode(record_id, 'base64') as record_id, account_id, decode(address_key, 'base64') as address_key, channel, event,
    purpose, sender, origin, source, actor, occurred_at, recorded_at, expires_at, lifts, provider, provider_event_id,
    decode(evidence_id, 'base64') as evidence_id, decode(evidence_hash, 'base64') as evidence_hash, rule_id, address,
    decode(salt, 'base64') as salt, content_type, decode(body, 'base64') as body
  from json_to_recordset($1::text::json) g(
    lane smallint, record_id text, account_id bigint, address_key text, channel text, event text, purpose text,
    sender text, origin text, source text, actor text, occurred_at timestamptz, recorded_at timestamptz,
    expires_at timestamptz, lifts boolean, provider text, provider_event_id text, evidence_id text, evidence_hash text,
    rule_id text, address text, salt text, content_type text, body text
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
  from (
    select lane, account_id, decode(key, 'base64') as address_key, version, decode(state, 'base64') as state
    from json_to_recordset($2::text::json) k(lane smallint, account_id bigint, key text, version bigint, state text)
  ) n
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
