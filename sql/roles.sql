-- Rights of the roles. Run after every migration, as the owner. The app reads and writes the pipeline, but can only add
-- to the ledger; the reader reads. Neither owns anything.

revoke all on all tables in schema public from public, consentry_app, consentry_reader;
revoke create on schema public from public;

grant usage on schema public to consentry_app, consentry_reader;
grant select on all tables in schema public to consentry_app, consentry_reader;
revoke select on account, api_key, sender, installation from consentry_reader;
revoke all on schema_migration from consentry_app, consentry_reader;
grant select on schema_migration to consentry_app, consentry_reader;

grant insert on
  account, api_key, sender, sender_pace, consent_record, consent_head, address, evidence, signal_receipt, quarantine,
  message, outbox, attempt, callback, idempotency, tick, simulator_message, simulator_phone, installation
  to consentry_app;
grant update on
  account, api_key, sender, sender_pace, consent_head, signal_receipt, quarantine, message, outbox, attempt, callback,
  idempotency, simulator_phone, installation, directory_version
  to consentry_app;
grant delete on message, outbox, attempt, callback, idempotency, tick, simulator_message, evidence, address, consent_head
  to consentry_app;
