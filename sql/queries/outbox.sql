-- name: accept_heads (keys) -> AcceptHeadRow
-- The heads of a batch of requests, in the order asked, and with the first of them the clock that decides for all.
select
  coalesce(h.version, 0) as version, coalesce(h.state, ''::bytea) as state, case k.n when 1 then clock_timestamp() end as now
from rows from (json_to_recordset($1::text::json) as (lane smallint, account_id bigint, key text)) with ordinality
  k(lane, account_id, key, n)
left join consent_head h
  on h.lane = k.lane and h.account_id = k.account_id and h.address_key = decode(k.key, 'base64')
order by k.n;

-- name: accept_insert (messages)
-- Messages of a batch with their decisions; those with a due time also enter the outbox. One statement, one commit.
-- The batch comes as one JSON text: the driver takes many times longer over two dozen arrays than PostgreSQL over this.
with given as materialized (
  select
    lane, decode(message_id, 'base64') as message_id, account_id, decode(address_key, 'base64') as address_key, sender_id,
    channel, direction, from_address, to_address, body, media, num_segments, purpose, status, error_code, error_message,
    decode(decision, 'base64') as decision, decode(cause_record_id, 'base64') as cause_record_id, cause_at,
    status_callback, valid_until, created_at, due_at
  from json_to_recordset($1::text::json) g(
    lane smallint, message_id text, account_id bigint, address_key text, sender_id bigint, channel text, direction text,
    from_address text, to_address text, body text, media text, num_segments smallint, purpose text, status text,
    error_code int, error_message text, decision text, cause_record_id text, cause_at timestamptz, status_callback text,
    valid_until timestamptz, created_at timestamptz, due_at timestamptz
  )
), written as (
  insert into message (
    lane, message_id, account_id, address_key, sender_id, channel, direction, from_address, to_address, body, media,
    num_segments, purpose, status, error_code, error_message, decision, cause_record_id, cause_at, status_callback,
    valid_until, created_at, updated_at
  )
  select
    lane, message_id, account_id, address_key, sender_id, channel, direction, from_address, to_address, body, media,
    num_segments, purpose, status, error_code, error_message, decision, cause_record_id, cause_at, status_callback,
    valid_until, created_at, created_at
  from given
)
insert into outbox (lane, message_id, account_id, sender_id, due_at)
select lane, message_id, account_id, sender_id, due_at from given where due_at is not null;

-- name: outbox_claim (lanes, limit, hold_s) -> ClaimedRow
-- Take due messages for a moment, with their heads and what the gate must know of their senders.
with due as (
  select o.lane, o.message_id from outbox o
  where o.due_at <= statement_timestamp() and o.lane = any($1::text::smallint[])
  order by o.due_at limit $2
  for update skip locked
), held as (
  update outbox o set due_at = clock_timestamp() + $3::float8 * interval '1 second'
  from due d where o.lane = d.lane and o.message_id = d.message_id
  returning o.lane, o.message_id, o.attempt_no
)
select
  m.lane, m.message_id, e.attempt_no, m.account_id, m.address_key, m.sender_id, m.channel, m.direction,
  m.from_address, m.to_address, m.body, m.media, m.purpose, m.status, m.cause_record_id, m.cause_at, m.valid_until, m.status_callback,
  coalesce(h.version, -1) as version, coalesce(h.state, ''::bytea) as state,
  s.paused, s.restricted, a.status <> 'active' as suspended, i.sends_paused, clock_timestamp() as now
from held e
join message m on m.lane = e.lane and m.message_id = e.message_id
join sender s on s.sender_id = m.sender_id
join account a on a.account_id = m.account_id
cross join installation i
left join consent_head h on h.lane = m.lane and h.account_id = m.account_id and h.address_key = m.address_key;

-- name: hand_off (lanes, attempts, lease_s) -> MessageIdRow
-- Compare and hand off: lease an attempt only if the head is still the one that was decided on. Heads are share-locked in
-- key order; an opt-out holds one FOR UPDATE, so either it is seen here or it waits for this lease. A pause and the kill
-- switch update the rows that are locked beside them, for the same reason. Taking the outbox row
-- makes a second attempt, a cancel and this one exclude each other.
with want as (
  select
    lane, decode(message_id, 'base64') as message_id, attempt_no, account_id, decode(address_key, 'base64') as address_key,
    sender_id, version, decode(decision, 'base64') as decision
  from json_to_recordset($2::text::json) w(
    lane smallint, message_id text, attempt_no smallint, account_id bigint, address_key text, sender_id bigint,
    version bigint, decision text
  )
), locked as materialized (
  select w.*, h.version as found
  from want w
  join consent_head h on h.lane = w.lane and h.account_id = w.account_id and h.address_key = w.address_key
  join sender s on s.sender_id = w.sender_id
  cross join installation i
  where h.lane = any($1::text::smallint[]) and not s.paused and not i.sends_paused
  order by w.lane, w.account_id, w.address_key
  for share of h, s, i
), taken as (
  delete from outbox o using locked k
  where k.found = k.version and o.lane = k.lane and o.message_id = k.message_id and o.attempt_no = k.attempt_no
  returning k.lane, k.message_id, k.attempt_no, k.account_id, k.address_key, k.sender_id, k.version, k.decision
), leased as (
  insert into attempt (
    lane, message_id, attempt_no, account_id, address_key, sender_id, state, head_version, decision, started_at, lease_until
  )
  select
    t.lane, t.message_id, t.attempt_no, t.account_id, t.address_key, t.sender_id, 'dispatching', t.version, t.decision,
    clock_timestamp(), clock_timestamp() + $3::float8 * interval '1 second'
  from taken t
  on conflict do nothing
  returning lane, message_id
)
update message m set status = 'sending', updated_at = clock_timestamp()
from leased l where m.lane = l.lane and m.message_id = l.message_id
returning m.lane, m.message_id;

-- name: outbox_defer (deferrals)
-- Put claimed messages back for later: a pause, a send slot, a head that changed under the decision.
update outbox o set due_at = clock_timestamp() + d.delay_s * interval '1 second'
from json_to_recordset($1::text::json) d(lane smallint, message_id text, attempt_no smallint, delay_s float8)
where o.lane = d.lane and o.message_id = decode(d.message_id, 'base64') and o.attempt_no = d.attempt_no;

-- name: outbox_refuse (refusals, from_states) -> SettledRow
-- The gate said no at hand-off: the message ends here, with the decision that ended it.
with given as (
  select
    lane, decode(message_id, 'base64') as message_id, attempt_no, error_code, error_message,
    decode(decision, 'base64') as decision
  from json_to_recordset($1::text::json) g(
    lane smallint, message_id text, attempt_no smallint, error_code int, error_message text, decision text
  )
), taken as (
  delete from outbox o using given g
  where o.lane = g.lane and o.message_id = g.message_id and o.attempt_no = g.attempt_no
  returning g.lane, g.message_id, g.error_code, g.error_message, g.decision
)
update message m set
  status = 'failed', error_code = t.error_code, error_message = t.error_message, decision = t.decision,
  updated_at = clock_timestamp()
from taken t
where m.lane = t.lane and m.message_id = t.message_id and m.status = any($2::text[])
returning m.lane, m.message_id, m.status;

-- name: settle (endings) -> SettledRow
-- What became of hand-offs. Only the attempt that still holds its lease may move the message; a late word on an unknown
-- one may still say that it was handed off. Retries go back to the outbox as the next attempt.
with given as (
  select
    lane, decode(message_id, 'base64') as message_id, attempt_no, state, provider_message_id, error_class, provider_code,
    status, error_code, error_message, retry_s
  from json_to_recordset($1::text::json) g(
    lane smallint, message_id text, attempt_no smallint, state text, provider_message_id text, error_class text,
    provider_code text, status text, error_code int, error_message text, retry_s float8
  )
), ended as (
  update attempt a set
    state = g.state, finished_at = clock_timestamp(), provider_message_id = g.provider_message_id,
    error_class = g.error_class, provider_code = g.provider_code
  from given g
  where a.lane = g.lane and a.message_id = g.message_id and a.attempt_no = g.attempt_no
    and (a.state = 'dispatching' or (a.state = 'unknown' and g.state = 'handed_off'))
  returning
    a.lane, a.message_id, a.attempt_no, a.account_id, a.sender_id, g.status, g.error_code, g.error_message,
    g.provider_message_id, g.retry_s
), again as (
  insert into outbox (lane, message_id, account_id, sender_id, attempt_no, due_at)
  select e.lane, e.message_id, e.account_id, e.sender_id, e.attempt_no + 1, clock_timestamp() + e.retry_s * interval '1 second'
  from ended e
  where e.retry_s is not null
  on conflict do nothing
)
update message m set
  status = e.status, error_code = e.error_code, error_message = e.error_message,
  provider_message_id = coalesce(e.provider_message_id, m.provider_message_id),
  sent_at = case when e.status in ('sent', 'delivered') then clock_timestamp() else m.sent_at end,
  updated_at = clock_timestamp()
from ended e
where m.lane = e.lane and m.message_id = e.message_id and m.status in ('sending', 'unknown')
returning m.lane, m.message_id, m.status;

-- name: rescue (older_than_s, limit) -> MessageIdRow
-- Attempts whose worker never came back: they may or may not have reached the provider, so they are unknown, and stay so.
with lost as (
  select a.lane, a.message_id, a.attempt_no from attempt a
  where a.state = 'dispatching' and a.lease_until < statement_timestamp() - $1::float8 * interval '1 second'
  order by a.lease_until limit $2
  for update skip locked
), ended as (
  update attempt a set state = 'unknown', finished_at = clock_timestamp()
  from lost l where a.lane = l.lane and a.message_id = l.message_id and a.attempt_no = l.attempt_no
  returning a.lane, a.message_id
)
update message m set status = 'unknown', updated_at = clock_timestamp()
from ended e where m.lane = e.lane and m.message_id = e.message_id and m.status = 'sending'
returning m.lane, m.message_id;

-- name: outbox_depth () -> DepthRow
-- How much waits, and how long the oldest has been due.
select
  count(*) as n,
  coalesce(extract(epoch from clock_timestamp() - min(due_at) filter (where due_at <= clock_timestamp())), 0)::float8 as oldest_s
from outbox;
