-- name: callback_enqueue (callbacks)
-- Deliveries to the customer, queued in the transaction of their cause.
insert into callback (
  lane, callback_id, account_id, sender_id, message_id, kind, url, method, fallback_url, fallback_method, params, token,
  due_at, created_at
)
select
  lane, decode(callback_id, 'base64'), account_id, sender_id, decode(message_id, 'base64'), kind, url, method,
  fallback_url, fallback_method, decode(params, 'base64'), token, clock_timestamp(), clock_timestamp()
from json_to_recordset($1::text::json) g(
  lane smallint, callback_id text, account_id bigint, sender_id bigint, message_id text, kind text, url text, method text,
  fallback_url text, fallback_method text, params text, token text
);

-- name: callback_claim (lanes, limit, hold_s) -> CallbackRow
-- Take due deliveries for a moment; a worker that dies gives them back by time.
with due as (
  select c.lane, c.callback_id from callback c
  where c.state = 'pending' and c.due_at <= statement_timestamp() and c.lane = any($1::text::smallint[])
  order by c.due_at limit $2
  for update skip locked
)
update callback c set due_at = clock_timestamp() + $3::float8 * interval '1 second', attempt_no = c.attempt_no + 1
from due d where c.lane = d.lane and c.callback_id = d.callback_id
returning
  c.lane, c.callback_id, c.account_id, c.sender_id, c.message_id, c.kind, c.url, c.method, c.fallback_url,
  c.fallback_method, c.params, c.token, c.attempt_no;

-- name: callback_done (lane, callback_id, status)
-- The customer's server has it.
update callback set state = 'delivered', last_status = $3, last_error = null, finished_at = clock_timestamp()
where lane = $1 and callback_id = $2;

-- name: callback_failed (lane, callback_id, error, status, retry_s)
-- It did not arrive: later again, or for good a dead letter.
update callback set
  last_error = $3, last_status = $4,
  state = case when $5::float8 is null then 'dead' else 'pending' end,
  due_at = clock_timestamp() + coalesce($5::float8, 0) * interval '1 second',
  finished_at = case when $5::float8 is null then clock_timestamp() end
where lane = $1 and callback_id = $2;

-- name: callback_dead_count () -> CountRow
-- Dead letters.
select count(*) as n from callback where state = 'dead';

-- name: callback_postpone (lane, callback_id, delay_s)
-- Not now: the account has enough deliveries under way. It does not count as an attempt.
update callback set due_at = clock_timestamp() + $3::float8 * interval '1 second', attempt_no = attempt_no - 1
where lane = $1 and callback_id = $2;
