-- name: idempotency_lock (key) -> GotRow
-- One request with a key at a time; a second one is told so at once. Held until the transaction ends.
select pg_try_advisory_xact_lock($1) as got;

-- name: idempotency_reserve (lane, account_id, key_hash, request_hash) -> ReservedRow
-- Claim an idempotency key in the transaction of the work: a second request waits here until the first is done.
insert into idempotency as i (lane, account_id, key_hash, request_hash, created_at)
values ($1, $2, $3, $4, clock_timestamp())
on conflict (lane, account_id, key_hash) do nothing
returning request_hash;

-- name: idempotency_get (lane, account_id, key_hash) -> IdempotencyRow
-- What the first request with this key answered.
select request_hash, status, body, content_type from idempotency where lane = $1 and account_id = $2 and key_hash = $3;

-- name: idempotency_finish (lane, account_id, key_hash, status, body, content_type)
-- Keep the answer.
update idempotency set status = $4, body = $5, content_type = $6 where lane = $1 and account_id = $2 and key_hash = $3;

-- name: idempotency_prune (older_than_s)
-- Keys are kept for a week: a send cannot be taken back.
delete from idempotency where created_at < clock_timestamp() - $1::float8 * interval '1 second';
