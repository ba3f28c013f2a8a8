-- name: message_get (lane, message_id, account_id) -> MessageRow
-- One message of an account.
select
  lane, message_id, account_id, address_key, sender_id, channel, direction, from_address, to_address, body, media,
  num_segments, purpose, status, error_code, error_message, decision, status_callback, provider_message_id,
  created_at, updated_at, sent_at
from message
where lane = $1 and message_id = $2 and account_id = $3 and deleted_at is null;

-- name: message_list (account_id, before_id, to_address, from_address, since, until, limit, refused) -> MessageRow
-- A page of an account's messages, newest first, behind an id.
select
  lane, message_id, account_id, address_key, sender_id, channel, direction, from_address, to_address, body, media,
  num_segments, purpose, status, error_code, error_message, decision, status_callback, provider_message_id,
  created_at, updated_at, sent_at
from message
where account_id = $1 and message_id < $2 and deleted_at is null
  and ($3::text is null or to_address = $3)
  and ($4::text is null or from_address = $4)
  and ($5::timestamptz is null or coalesce(sent_at, created_at) >= $5)
  and ($6::timestamptz is null or coalesce(sent_at, created_at) < $6)
  and ($8::boolean or status <> 'refused')
order by message_id desc limit $7;

-- name: message_cancel (lane, message_id, account_id) -> MessageIdRow
-- Cancel what waits: whoever takes the outbox row decides between this and a hand-off.
with taken as (
  delete from outbox where lane = $1 and message_id = $2 and account_id = $3 returning lane, message_id
)
update message m set status = 'canceled', updated_at = clock_timestamp()
from taken t where m.lane = t.lane and m.message_id = t.message_id
returning m.lane, m.message_id;

-- name: message_redact (lane, message_id, account_id) -> MessageIdRow
-- Take the words out of a message that is done.
update message set body = '', media = case when media is null then null else '[]' end, updated_at = clock_timestamp()
where lane = $1 and message_id = $2 and account_id = $3 and deleted_at is null
returning lane, message_id;

-- name: message_delete (lane, message_id, account_id) -> MessageIdRow
-- Take the personal data out and hide the row; the decision stays, it explains why the message was sent.
update message set
  body = '', media = case when media is null then null else '[]' end, from_address = '', to_address = '', status_callback = null, deleted_at = clock_timestamp()
where lane = $1 and message_id = $2 and account_id = $3 and deleted_at is null
returning lane, message_id;

-- name: message_by_provider_id (account_id, sender_id, provider_message_id) -> MessageIdRow
-- Which message a provider's report is about.
select lane, message_id from attempt where account_id = $1 and sender_id = $2 and provider_message_id = $3
order by started_at desc limit 1;

-- name: message_lock (lane, message_id) -> ReportedRow
-- A message under a report: locked, so that two reports cannot pass each other.
select
  m.account_id, m.sender_id, m.address_key, m.channel, m.status, m.from_address, m.to_address, m.status_callback, m.purpose,
  m.media is not null as has_media, clock_timestamp() as now
from message m where m.lane = $1 and m.message_id = $2
for update;

-- name: message_report (lane, message_id, status, error_code, error_message)
-- The state after a report; its row is locked.
update message set
  status = $3, error_code = $4, error_message = $5, updated_at = clock_timestamp(),
  sent_at = coalesce(sent_at, clock_timestamp())
where lane = $1 and message_id = $2;

-- name: attempts_of (lane, message_id) -> AttemptRow
-- Every hand-off of a message.
select
  attempt_no, state, head_version, decision, started_at, lease_until, finished_at, provider_message_id, error_class,
  provider_code
from attempt where lane = $1 and message_id = $2 order by attempt_no;
