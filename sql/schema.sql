-- Made by `python -m tests.schema` from the migrations: to be read and reviewed, never run.

CREATE FUNCTION public.directory_changed() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  update directory_version set version = version + 1;
  return null;
end $$;

CREATE FUNCTION public.ledger_is_append_only() RETURNS trigger
    LANGUAGE plpgsql
    AS $$
begin
  raise exception 'consent_record is append-only: % refused', tg_op using errcode = 'insufficient_privilege';
end $$;

CREATE TABLE public.account (
    account_id bigint NOT NULL,
    sid text NOT NULL,
    friendly_name text NOT NULL,
    auth_token_sealed bytea NOT NULL,
    status text DEFAULT 'active'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT account_status_check CHECK ((status = ANY (ARRAY['active'::text, 'suspended'::text, 'closed'::text])))
);

ALTER TABLE public.account ALTER COLUMN account_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.account_account_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.address (
    lane smallint NOT NULL,
    account_id bigint NOT NULL,
    address_key bytea NOT NULL,
    channel text NOT NULL,
    address text NOT NULL,
    first_seen_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.address IS 'What an address key stands for. Personal data: erasable, the key and the records stay.';

CREATE TABLE public.api_key (
    sid text NOT NULL,
    account_id bigint NOT NULL,
    friendly_name text NOT NULL,
    secret_hash bytea NOT NULL,
    scopes text[] NOT NULL,
    revoked_at timestamp with time zone,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.attempt (
    lane smallint NOT NULL,
    message_id bytea NOT NULL,
    attempt_no smallint NOT NULL,
    account_id bigint NOT NULL,
    address_key bytea NOT NULL,
    sender_id bigint NOT NULL,
    state text NOT NULL,
    head_version bigint NOT NULL,
    decision bytea NOT NULL,
    started_at timestamp with time zone NOT NULL,
    lease_until timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    provider_message_id text,
    error_class text,
    provider_code text,
    CONSTRAINT attempt_state_check CHECK ((state = ANY (ARRAY['dispatching'::text, 'handed_off'::text, 'refused'::text, 'lapsed'::text, 'not_sent'::text, 'unknown'::text])))
)
WITH (fillfactor='80');

CREATE TABLE public.callback (
    lane smallint NOT NULL,
    callback_id bytea NOT NULL,
    account_id bigint NOT NULL,
    sender_id bigint NOT NULL,
    message_id bytea NOT NULL,
    kind text NOT NULL,
    url text NOT NULL,
    method text NOT NULL,
    fallback_url text,
    fallback_method text NOT NULL,
    params bytea NOT NULL,
    token text NOT NULL,
    attempt_no smallint DEFAULT 0 NOT NULL,
    state text DEFAULT 'pending'::text NOT NULL,
    last_error integer,
    last_status smallint,
    due_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone NOT NULL,
    finished_at timestamp with time zone,
    CONSTRAINT callback_kind_check CHECK ((kind = ANY (ARRAY['inbound'::text, 'status'::text]))),
    CONSTRAINT callback_state_check CHECK ((state = ANY (ARRAY['pending'::text, 'delivered'::text, 'dead'::text])))
)
WITH (fillfactor='80');

CREATE TABLE public.consent_head (
    lane smallint NOT NULL,
    account_id bigint NOT NULL,
    address_key bytea NOT NULL,
    version bigint NOT NULL,
    state bytea NOT NULL,
    CONSTRAINT consent_head_address_key_check CHECK ((octet_length(address_key) = 16))
)
WITH (fillfactor='85');

CREATE TABLE public.consent_record (
    lane smallint NOT NULL,
    record_id bytea NOT NULL,
    account_id bigint NOT NULL,
    address_key bytea NOT NULL,
    channel text NOT NULL,
    event text NOT NULL,
    purpose text NOT NULL,
    sender text NOT NULL,
    origin text NOT NULL,
    source text NOT NULL,
    actor text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    recorded_at timestamp with time zone NOT NULL,
    expires_at timestamp with time zone,
    lifts boolean NOT NULL,
    provider text NOT NULL,
    provider_event_id text NOT NULL,
    evidence_id bytea,
    evidence_hash bytea,
    rule_id text NOT NULL,
    CONSTRAINT consent_record_address_key_check CHECK ((octet_length(address_key) = 16)),
    CONSTRAINT consent_record_check CHECK ((lane = get_byte(record_id, 15))),
    CONSTRAINT consent_record_check1 CHECK ((lane = get_byte(address_key, 0))),
    CONSTRAINT consent_record_record_id_check CHECK ((octet_length(record_id) = 16))
);

CREATE TABLE public.directory_version (
    only_row boolean DEFAULT true NOT NULL,
    version bigint NOT NULL,
    CONSTRAINT directory_version_only_row_check CHECK (only_row)
);

CREATE TABLE public.evidence (
    lane smallint NOT NULL,
    evidence_id bytea NOT NULL,
    account_id bigint NOT NULL,
    salt bytea NOT NULL,
    content_type text NOT NULL,
    body bytea NOT NULL,
    captured_at timestamp with time zone NOT NULL
);

COMMENT ON TABLE public.evidence IS 'Personal data: erasable. The record commits to sha256(salt || body).';

CREATE TABLE public.idempotency (
    lane smallint NOT NULL,
    account_id bigint NOT NULL,
    key_hash bytea NOT NULL,
    request_hash bytea NOT NULL,
    status smallint,
    body bytea,
    content_type text,
    created_at timestamp with time zone NOT NULL
);

CREATE TABLE public.installation (
    only_row boolean DEFAULT true NOT NULL,
    key_check bytea NOT NULL,
    sends_paused boolean DEFAULT false NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT installation_only_row_check CHECK (only_row)
);

CREATE TABLE public.message (
    lane smallint NOT NULL,
    message_id bytea NOT NULL,
    account_id bigint NOT NULL,
    address_key bytea NOT NULL,
    sender_id bigint NOT NULL,
    channel text NOT NULL,
    direction text NOT NULL,
    from_address text NOT NULL,
    to_address text NOT NULL,
    body text NOT NULL,
    media text,
    num_segments smallint NOT NULL,
    purpose text NOT NULL,
    status text NOT NULL,
    error_code integer,
    error_message text,
    decision bytea NOT NULL,
    cause_record_id bytea,
    cause_at timestamp with time zone,
    status_callback text,
    provider_message_id text,
    valid_until timestamp with time zone,
    created_at timestamp with time zone NOT NULL,
    updated_at timestamp with time zone NOT NULL,
    sent_at timestamp with time zone,
    deleted_at timestamp with time zone,
    CONSTRAINT message_check CHECK ((lane = get_byte(message_id, 15))),
    CONSTRAINT message_message_id_check CHECK ((octet_length(message_id) = 16))
)
WITH (fillfactor='80');

CREATE TABLE public.outbox (
    lane smallint NOT NULL,
    message_id bytea NOT NULL,
    account_id bigint NOT NULL,
    sender_id bigint NOT NULL,
    attempt_no smallint DEFAULT 0 NOT NULL,
    due_at timestamp with time zone NOT NULL
)
WITH (fillfactor='70', autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0');

CREATE TABLE public.quarantine (
    lane smallint NOT NULL,
    quarantine_id bytea NOT NULL,
    account_id bigint NOT NULL,
    sender_id bigint NOT NULL,
    provider text NOT NULL,
    query text NOT NULL,
    headers bytea NOT NULL,
    body bytea NOT NULL,
    error text NOT NULL,
    received_at timestamp with time zone NOT NULL,
    resolved_at timestamp with time zone
);

CREATE TABLE public.schema_migration (
    name text NOT NULL,
    checksum bytea NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

CREATE TABLE public.sender (
    sender_id bigint NOT NULL,
    sid text NOT NULL,
    account_id bigint NOT NULL,
    channel text NOT NULL,
    provider text NOT NULL,
    address text NOT NULL,
    friendly_name text DEFAULT ''::text NOT NULL,
    configuration_sealed bytea NOT NULL,
    callback_url text,
    callback_method text DEFAULT 'POST'::text NOT NULL,
    fallback_url text,
    fallback_method text DEFAULT 'POST'::text NOT NULL,
    status_callback_url text,
    status_callback_method text DEFAULT 'POST'::text NOT NULL,
    paused boolean DEFAULT false NOT NULL,
    restricted boolean DEFAULT false NOT NULL,
    rate_per_s real,
    max_in_flight integer DEFAULT 64 NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT sender_callback_method_check CHECK ((callback_method = ANY (ARRAY['GET'::text, 'POST'::text]))),
    CONSTRAINT sender_fallback_method_check CHECK ((fallback_method = ANY (ARRAY['GET'::text, 'POST'::text]))),
    CONSTRAINT sender_max_in_flight_check CHECK (((max_in_flight >= 1) AND (max_in_flight <= 10000))),
    CONSTRAINT sender_rate_per_s_check CHECK ((rate_per_s > (0)::double precision)),
    CONSTRAINT sender_status_callback_method_check CHECK ((status_callback_method = ANY (ARRAY['GET'::text, 'POST'::text])))
);

CREATE TABLE public.sender_pace (
    sender_id bigint NOT NULL,
    next_at timestamp with time zone NOT NULL
)
WITH (fillfactor='50');

ALTER TABLE public.sender ALTER COLUMN sender_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.sender_sender_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.signal_receipt (
    lane smallint NOT NULL,
    account_id bigint NOT NULL,
    event_key bytea NOT NULL,
    deliveries integer NOT NULL,
    first_at timestamp with time zone NOT NULL,
    last_at timestamp with time zone NOT NULL
)
WITH (fillfactor='85');

COMMENT ON TABLE public.signal_receipt IS 'One row a provider event; a repeated delivery writes here too, so that its commit waits.';

CREATE TABLE public.simulator_message (
    lane smallint NOT NULL,
    message_id bytea NOT NULL,
    attempt_no smallint NOT NULL,
    account_id bigint NOT NULL,
    address_key bytea NOT NULL,
    sender_id bigint NOT NULL,
    channel text NOT NULL,
    from_address text NOT NULL,
    to_address text NOT NULL,
    body text NOT NULL,
    handed_off_at timestamp with time zone NOT NULL
);

CREATE TABLE public.simulator_phone (
    lane smallint NOT NULL,
    account_id bigint NOT NULL,
    address_key bytea NOT NULL,
    sender_id bigint NOT NULL,
    blocked boolean DEFAULT false NOT NULL,
    script bytea DEFAULT '\x'::bytea NOT NULL
);

CREATE TABLE public.tick (
    job text NOT NULL,
    scheduled_for timestamp with time zone NOT NULL,
    fired_at timestamp with time zone NOT NULL
);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_pkey PRIMARY KEY (account_id);

ALTER TABLE ONLY public.account
    ADD CONSTRAINT account_sid_key UNIQUE (sid);

ALTER TABLE ONLY public.address
    ADD CONSTRAINT address_pkey PRIMARY KEY (lane, account_id, address_key, channel);

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_pkey PRIMARY KEY (sid);

ALTER TABLE ONLY public.attempt
    ADD CONSTRAINT attempt_pkey PRIMARY KEY (lane, message_id, attempt_no);

ALTER TABLE ONLY public.callback
    ADD CONSTRAINT callback_pkey PRIMARY KEY (lane, callback_id);

ALTER TABLE ONLY public.consent_head
    ADD CONSTRAINT consent_head_pkey PRIMARY KEY (lane, account_id, address_key);

ALTER TABLE ONLY public.consent_record
    ADD CONSTRAINT consent_record_pkey PRIMARY KEY (lane, record_id);

ALTER TABLE ONLY public.directory_version
    ADD CONSTRAINT directory_version_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (lane, evidence_id);

ALTER TABLE ONLY public.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (lane, account_id, key_hash);

ALTER TABLE ONLY public.installation
    ADD CONSTRAINT installation_pkey PRIMARY KEY (only_row);

ALTER TABLE ONLY public.message
    ADD CONSTRAINT message_pkey PRIMARY KEY (lane, message_id);

ALTER TABLE ONLY public.outbox
    ADD CONSTRAINT outbox_pkey PRIMARY KEY (lane, message_id);

ALTER TABLE ONLY public.quarantine
    ADD CONSTRAINT quarantine_pkey PRIMARY KEY (lane, quarantine_id);

ALTER TABLE ONLY public.schema_migration
    ADD CONSTRAINT schema_migration_pkey PRIMARY KEY (name);

ALTER TABLE ONLY public.sender
    ADD CONSTRAINT sender_account_id_channel_address_key UNIQUE (account_id, channel, address);

ALTER TABLE ONLY public.sender_pace
    ADD CONSTRAINT sender_pace_pkey PRIMARY KEY (sender_id);

ALTER TABLE ONLY public.sender
    ADD CONSTRAINT sender_pkey PRIMARY KEY (sender_id);

ALTER TABLE ONLY public.sender
    ADD CONSTRAINT sender_sid_key UNIQUE (sid);

ALTER TABLE ONLY public.signal_receipt
    ADD CONSTRAINT signal_receipt_pkey PRIMARY KEY (lane, account_id, event_key);

ALTER TABLE ONLY public.simulator_message
    ADD CONSTRAINT simulator_message_pkey PRIMARY KEY (lane, message_id, attempt_no);

ALTER TABLE ONLY public.simulator_phone
    ADD CONSTRAINT simulator_phone_pkey PRIMARY KEY (lane, account_id, address_key, sender_id);

ALTER TABLE ONLY public.tick
    ADD CONSTRAINT tick_pkey PRIMARY KEY (job, scheduled_for);

CREATE INDEX attempt_lease ON public.attempt USING btree (lease_until) WHERE (state = 'dispatching'::text);

CREATE INDEX attempt_live ON public.attempt USING btree (lane, account_id, address_key) WHERE (state = 'dispatching'::text);

CREATE INDEX attempt_provider ON public.attempt USING btree (account_id, sender_id, provider_message_id) WHERE (provider_message_id IS NOT NULL);

CREATE INDEX callback_due ON public.callback USING btree (due_at) WHERE (state = 'pending'::text);

CREATE INDEX consent_record_address ON public.consent_record USING btree (lane, account_id, address_key, record_id);

CREATE INDEX message_account ON public.message USING btree (account_id, message_id);

CREATE UNIQUE INDEX message_confirmation ON public.message USING btree (lane, account_id, cause_record_id, purpose) WHERE (cause_record_id IS NOT NULL);

CREATE INDEX outbox_due ON public.outbox USING btree (due_at, lane);

CREATE INDEX simulator_message_phone ON public.simulator_message USING btree (account_id, address_key, message_id);

CREATE TRIGGER account_changed AFTER INSERT OR DELETE OR UPDATE ON public.account FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER api_key_changed AFTER INSERT OR DELETE OR UPDATE ON public.api_key FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER consent_record_no_change BEFORE DELETE OR UPDATE OR TRUNCATE ON public.consent_record FOR EACH STATEMENT EXECUTE FUNCTION public.ledger_is_append_only();

ALTER TABLE public.consent_record ENABLE ALWAYS TRIGGER consent_record_no_change;

CREATE TRIGGER consent_record_no_row_change BEFORE DELETE OR UPDATE ON public.consent_record FOR EACH ROW EXECUTE FUNCTION public.ledger_is_append_only();

ALTER TABLE public.consent_record ENABLE ALWAYS TRIGGER consent_record_no_row_change;

CREATE TRIGGER installation_changed AFTER INSERT OR DELETE OR UPDATE ON public.installation FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

CREATE TRIGGER sender_changed AFTER INSERT OR DELETE OR UPDATE ON public.sender FOR EACH STATEMENT EXECUTE FUNCTION public.directory_changed();

ALTER TABLE ONLY public.api_key
    ADD CONSTRAINT api_key_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(account_id);

ALTER TABLE ONLY public.sender
    ADD CONSTRAINT sender_account_id_fkey FOREIGN KEY (account_id) REFERENCES public.account(account_id);

ALTER TABLE ONLY public.sender_pace
    ADD CONSTRAINT sender_pace_sender_id_fkey FOREIGN KEY (sender_id) REFERENCES public.sender(sender_id);

GRANT USAGE ON SCHEMA public TO consentry_app;
GRANT USAGE ON SCHEMA public TO consentry_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.account TO consentry_app;

GRANT SELECT,INSERT,DELETE ON TABLE public.address TO consentry_app;
GRANT SELECT ON TABLE public.address TO consentry_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.api_key TO consentry_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.attempt TO consentry_app;
GRANT SELECT ON TABLE public.attempt TO consentry_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.callback TO consentry_app;
GRANT SELECT ON TABLE public.callback TO consentry_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.consent_head TO consentry_app;
GRANT SELECT ON TABLE public.consent_head TO consentry_reader;

GRANT SELECT,INSERT ON TABLE public.consent_record TO consentry_app;
GRANT SELECT ON TABLE public.consent_record TO consentry_reader;

GRANT SELECT,UPDATE ON TABLE public.directory_version TO consentry_app;
GRANT SELECT ON TABLE public.directory_version TO consentry_reader;

GRANT SELECT,INSERT,DELETE ON TABLE public.evidence TO consentry_app;
GRANT SELECT ON TABLE public.evidence TO consentry_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.idempotency TO consentry_app;
GRANT SELECT ON TABLE public.idempotency TO consentry_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.installation TO consentry_app;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.message TO consentry_app;
GRANT SELECT ON TABLE public.message TO consentry_reader;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE public.outbox TO consentry_app;
GRANT SELECT ON TABLE public.outbox TO consentry_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.quarantine TO consentry_app;
GRANT SELECT ON TABLE public.quarantine TO consentry_reader;

GRANT SELECT ON TABLE public.schema_migration TO consentry_app;
GRANT SELECT ON TABLE public.schema_migration TO consentry_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sender TO consentry_app;

GRANT SELECT,INSERT,UPDATE ON TABLE public.sender_pace TO consentry_app;
GRANT SELECT ON TABLE public.sender_pace TO consentry_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.signal_receipt TO consentry_app;
GRANT SELECT ON TABLE public.signal_receipt TO consentry_reader;

GRANT SELECT,INSERT,DELETE ON TABLE public.simulator_message TO consentry_app;
GRANT SELECT ON TABLE public.simulator_message TO consentry_reader;

GRANT SELECT,INSERT,UPDATE ON TABLE public.simulator_phone TO consentry_app;
GRANT SELECT ON TABLE public.simulator_phone TO consentry_reader;

GRANT SELECT,INSERT,DELETE ON TABLE public.tick TO consentry_app;
GRANT SELECT ON TABLE public.tick TO consentry_reader;
