-- name: directory_version () -> VersionRow
-- The one number that says whether the kept copy of the directory is still good.
select version from directory_version;

-- name: directory_accounts () -> AccountRow
-- Every account, for the kept copy.
select a.account_id, a.sid, a.friendly_name, a.auth_token_sealed, a.status, a.created_at from account a;

-- name: directory_keys () -> KeyRow
-- Every API key that was not revoked.
select k.sid, k.account_id, k.friendly_name, k.secret_hash, k.scopes, k.created_at from api_key k where k.revoked_at is null;

-- name: directory_senders () -> SenderRow
-- Every sender with its sealed configuration.
select
  s.sender_id, s.sid, s.account_id, s.channel, s.provider, s.address, s.friendly_name, s.configuration_sealed,
  s.callback_url, s.callback_method, s.fallback_url, s.fallback_method, s.status_callback_url, s.status_callback_method,
  s.paused, s.restricted, s.rate_per_s, s.max_in_flight, s.created_at, s.updated_at
from sender s;

-- name: installation_get () -> InstallationRow
-- The check value of the master key, and the switch for everything.
select key_check, sends_paused from installation;

-- name: installation_create (key_check)
-- The first start writes what later starts compare their master key with.
insert into installation (key_check) values ($1) on conflict do nothing;

-- name: installation_pause (paused)
-- The kill switch.
update installation set sends_paused = $1;

-- name: account_create (sid, friendly_name, auth_token_sealed) -> IdRow
-- A new tenant.
insert into account (sid, friendly_name, auth_token_sealed) values ($1, $2, $3) returning account_id as id;

-- name: key_create (sid, account_id, friendly_name, secret_hash, scopes)
-- A new API key; only the hash of its secret is kept.
insert into api_key (sid, account_id, friendly_name, secret_hash, scopes) values ($1, $2, $3, $4, $5);

-- name: sender_create (sid, account_id, channel, provider, address, friendly_name, configuration_sealed, callback_url, callback_method, fallback_url, fallback_method, status_callback_url, status_callback_method, rate_per_s, max_in_flight, paused) -> IdRow
-- A new sender; a second one with the same address on the same channel is a conflict.
insert into sender (
  sid, account_id, channel, provider, address, friendly_name, configuration_sealed, callback_url, callback_method,
  fallback_url, fallback_method, status_callback_url, status_callback_method, rate_per_s, max_in_flight, paused
) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) returning sender_id as id;

-- name: sender_update (sender_id, account_id, friendly_name, configuration_sealed, callback_url, callback_method, fallback_url, fallback_method, status_callback_url, status_callback_method, rate_per_s, max_in_flight, paused) -> IdRow
-- The whole changeable part of a sender at once; the caller has merged the change into what was there.
update sender set
  friendly_name = $3, configuration_sealed = $4, callback_url = $5, callback_method = $6, fallback_url = $7,
  fallback_method = $8, status_callback_url = $9, status_callback_method = $10, rate_per_s = $11, max_in_flight = $12,
  paused = $13, updated_at = now()
where sender_id = $1 and account_id = $2
returning sender_id as id;

-- name: sender_restrict (sender_id, account_id, restricted)
-- The platform limits our side, or frees it.
update sender set restricted = $3, updated_at = now() where sender_id = $1 and account_id = $2;

-- name: pace_create (sender_id)
-- A sender with a rate gets the row that all workers take send slots from.
insert into sender_pace (sender_id, next_at) values ($1, clock_timestamp()) on conflict do nothing;

-- name: pace_take (sender_id, want, interval_s, burst_s) -> PaceRow
-- Take as many send slots as there are now; a slot is one interval, and unused ones are kept for a short burst only.
with p as (
  select next_at, clock_timestamp() as now from sender_pace where sender_id = $1 for update
), base as (
  select greatest(next_at, now - $4::float8 * interval '1 second') as at, now from p
), granted as (
  select at, now, least($2::int, greatest(0, floor(extract(epoch from now - at) / $3::float8)::int + 1)) as n from base
)
update sender_pace s set next_at = g.at + g.n * $3::float8 * interval '1 second'
from granted g where s.sender_id = $1
returning g.n as granted, greatest(0, extract(epoch from s.next_at - g.now))::float8 as wait_s;
