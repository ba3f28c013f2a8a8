-- The spine: directory, ledger, pipeline, callbacks. Tables of the pipeline carry account_id and lane, the first byte of
-- the address key; every primary key and hot index of theirs holds the lane, so that the same schema can be distributed.

-- Directory: small, read whole, replicated everywhere when distributed ------------------------------------------------

create table installation (
  only_row boolean primary key default true check (only_row),
  key_check bytea not null,
  sends_paused boolean not null default false,
  created_at timestamptz not null default now()
);

create table directory_version (
  only_row boolean primary key default true check (only_row),
  version bigint not null
);
insert into directory_version values (true, 1);

create table account (
  account_id bigint generated always as identity primary key,
  sid text not null unique,
  friendly_name text not null,
  auth_token_sealed bytea not null,
  status text not null default 'active' check (status in ('active', 'suspended', 'closed')),
  created_at timestamptz not null default now()
);

create table api_key (
  sid text primary key,
  account_id bigint not null references account,
  friendly_name text not null,
  secret_hash bytea not null,
  scopes text[] not null,
  revoked_at timestamptz,
  created_at timestamptz not null default now()
);

create table sender (
  sender_id bigint generated always as identity primary key,
  sid text not null unique,
  account_id bigint not null references account,
  channel text not null,
  provider text not null,
  address text not null,
  friendly_name text not null default '',
  configuration_sealed bytea not null,
  callback_url text,
  callback_method text not null default 'POST' check (callback_method in ('GET', 'POST')),
  fallback_url text,
  fallback_method text not null default 'POST' check (fallback_method in ('GET', 'POST')),
  status_callback_url text,
  status_callback_method text not null default 'POST' check (status_callback_method in ('GET', 'POST')),
  paused boolean not null default false,
  restricted boolean not null default false,
  rate_per_s real check (rate_per_s > 0),
  max_in_flight integer not null default 64 check (max_in_flight between 1 and 10000),
  created_at timestamptz not null default now(),
  updated_at timestamptz not null default now(),
  unique (account_id, channel, address)
);

create table sender_pace (
  sender_id bigint primary key references sender,
  next_at timestamptz not null
) with (fillfactor = 50);

create function directory_changed() returns trigger language plpgsql as $$
begin
  update directory_version set version = version + 1;
  return null;
end $$;
create trigger installation_changed after insert or update or delete on installation
  for each statement execute function directory_changed();
create trigger account_changed after insert or update or delete on account
  for each statement execute function directory_changed();
create trigger api_key_changed after insert or update or delete on api_key
  for each statement execute function directory_changed();
create trigger sender_changed after insert or update or delete on sender
  for each statement execute function directory_changed();

-- Ledger ----------------------------------------------------------------------------------------------------------------

create table consent_record (
  lane smallint not null,
  record_id bytea not null check (octet_length(record_id) = 16),
  account_id bigint not null,
  address_key bytea not null check (octet_length(address_key) = 16),
  channel text not null,
  event text not null,
  purpose text not null,
  sender text not null,
  origin text not null,
  source text not null,
  actor text not null,
  occurred_at timestamptz not null,
  recorded_at timestamptz not null,
  expires_at timestamptz,
  lifts boolean not null,
  provider text not null,
  provider_event_id text not null,
  evidence_id bytea,
  evidence_hash bytea,
  rule_id text not null,
  primary key (lane, record_id),
  check (lane = get_byte(record_id, 15)),
  check (lane = get_byte(address_key, 0))
);
create index consent_record_address on consent_record (lane, account_id, address_key, record_id);

create table consent_head (
  lane smallint not null,
  account_id bigint not null,
  address_key bytea not null check (octet_length(address_key) = 16),
  version bigint not null,
  state bytea not null,
  primary key (lane, account_id, address_key)
) with (fillfactor = 85);

create table address (
  lane smallint not null,
  account_id bigint not null,
  address_key bytea not null,
  channel text not null,
  address text not null,
  first_seen_at timestamptz not null,
  primary key (lane, account_id, address_key, channel)
);
comment on table address is 'What an address key stands for. Personal data: erasable, the key and the records stay.';

create table evidence (
  lane smallint not null,
  evidence_id bytea not null,
  account_id bigint not null,
  salt bytea not null,
  content_type text not null,
  body bytea not null,
  captured_at timestamptz not null,
  primary key (lane, evidence_id)
);
comment on table evidence is 'Personal data: erasable. The record commits to sha256(salt || body).';

create table signal_receipt (
  lane smallint not null,
  account_id bigint not null,
  event_key bytea not null,
  deliveries integer not null,
  first_at timestamptz not null,
  last_at timestamptz not null,
  primary key (lane, account_id, event_key)
) with (fillfactor = 85);
comment on table signal_receipt is 'One row a provider event; a repeated delivery writes here too, so that its commit waits.';

create table quarantine (
  lane smallint not null,
  quarantine_id bytea not null,
  account_id bigint not null,
  sender_id bigint not null,
  provider text not null,
  query text not null,
  headers bytea not null,
  body bytea not null,
  error text not null,
  received_at timestamptz not null,
  resolved_at timestamptz,
  primary key (lane, quarantine_id)
);

-- Pipeline --------------------------------------------------------------------------------------------------------------

create table message (
  lane smallint not null,
  message_id bytea not null check (octet_length(message_id) = 16),
  account_id bigint not null,
  address_key bytea not null,
  sender_id bigint not null,
  channel text not null,
  direction text not null,
  from_address text not null,
  to_address text not null,
  body text not null,
  media text,
  num_segments smallint not null,
  purpose text not null,
  status text not null,
  error_code integer,
  error_message text,
  decision bytea not null,
  cause_record_id bytea,
  cause_at timestamptz,
  status_callback text,
  provider_message_id text,
  valid_until timestamptz,
  created_at timestamptz not null,
  updated_at timestamptz not null,
  sent_at timestamptz,
  deleted_at timestamptz,
  primary key (lane, message_id),
  check (lane = get_byte(message_id, 15))
) with (fillfactor = 80);
create index message_account on message (account_id, message_id);
create unique index message_confirmation on message (lane, account_id, cause_record_id, purpose)
  where cause_record_id is not null;

create table outbox (
  lane smallint not null,
  message_id bytea not null,
  account_id bigint not null,
  sender_id bigint not null,
  attempt_no smallint not null default 0,
  due_at timestamptz not null,
  primary key (lane, message_id)
) with (
  fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 2000,
  autovacuum_vacuum_cost_delay = 0
);
create index outbox_due on outbox (due_at, lane);

create table attempt (
  lane smallint not null,
  message_id bytea not null,
  attempt_no smallint not null,
  account_id bigint not null,
  address_key bytea not null,
  sender_id bigint not null,
  state text not null check (state in ('dispatching', 'handed_off', 'refused', 'lapsed', 'not_sent', 'unknown')),
  head_version bigint not null,
  decision bytea not null,
  started_at timestamptz not null,
  lease_until timestamptz not null,
  finished_at timestamptz,
  provider_message_id text,
  error_class text,
  provider_code text,
  primary key (lane, message_id, attempt_no)
) with (fillfactor = 80);
create index attempt_live on attempt (lane, account_id, address_key) where state = 'dispatching';
create index attempt_lease on attempt (lease_until) where state = 'dispatching';
create index attempt_provider on attempt (account_id, sender_id, provider_message_id) where provider_message_id is not null;

create table callback (
  lane smallint not null,
  callback_id bytea not null,
  account_id bigint not null,
  sender_id bigint not null,
  message_id bytea not null,
  kind text not null check (kind in ('inbound', 'status')),
  url text not null,
  method text not null,
  fallback_url text,
  fallback_method text not null,
  params bytea not null,
  token text not null,
  attempt_no smallint not null default 0,
  state text not null default 'pending' check (state in ('pending', 'delivered', 'dead')),
  last_error integer,
  last_status smallint,
  due_at timestamptz not null,
  created_at timestamptz not null,
  finished_at timestamptz,
  primary key (lane, callback_id)
) with (fillfactor = 80);
create index callback_due on callback (due_at) where state = 'pending';

create table idempotency (
  lane smallint not null,
  account_id bigint not null,
  key_hash bytea not null,
  request_hash bytea not null,
  status smallint,
  body bytea,
  content_type text,
  created_at timestamptz not null,
  primary key (lane, account_id, key_hash)
);

create table tick (
  job text not null,
  scheduled_for timestamptz not null,
  fired_at timestamptz not null,
  primary key (job, scheduled_for)
);

create table simulator_message (
  lane smallint not null,
  message_id bytea not null,
  attempt_no smallint not null,
  account_id bigint not null,
  address_key bytea not null,
  sender_id bigint not null,
  channel text not null,
  from_address text not null,
  to_address text not null,
  body text not null,
  handed_off_at timestamptz not null,
  primary key (lane, message_id, attempt_no)
);
create index simulator_message_phone on simulator_message (account_id, address_key, message_id);

create table simulator_phone (
  lane smallint not null,
  account_id bigint not null,
  address_key bytea not null,
  sender_id bigint not null,
  blocked boolean not null default false,
  script bytea not null default ''::bytea,
  primary key (lane, account_id, address_key, sender_id)
);

-- Append-only is said three times: by GRANT, by statement triggers, and by row triggers (statement triggers do not fire
-- on the shards of a distributed table).

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
  raise exception 'consent_record is append-only: % refused', tg_op using errcode = 'insufficient_privilege';
end $$;
create trigger consent_record_no_change before update or delete or truncate on consent_record
  for each statement execute function ledger_is_append_only();
create trigger consent_record_no_row_change before update or delete on consent_record
  for each row execute function ledger_is_append_only();
alter table consent_record enable always trigger consent_record_no_change;
alter table consent_record enable always trigger consent_record_no_row_change;
