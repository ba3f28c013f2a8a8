-- name: tick (job, scheduled_for) -> TickRow
-- Whoever inserts the row runs the job: at most once a tick, however many processes wake for it.
insert into tick (job, scheduled_for, fired_at) values ($1, $2, clock_timestamp())
on conflict do nothing returning fired_at;

-- name: tick_prune ()
-- Ticks are needed only while a late process could still fire them.
delete from tick where scheduled_for < clock_timestamp() - interval '2 days';

-- name: server_settings () -> SettingRow
-- What the guarantee rests on.
select name, setting from pg_settings
where name in ('fsync', 'full_page_writes', 'synchronous_commit', 'server_version_num', 'transaction_read_only');

-- name: role_check () -> RoleRow
-- What this session may do that it must not be able to.
select
  current_user::text as role,
  pg_is_in_recovery() as in_recovery,
  exists (
    select 1 from pg_roles r
    where r.rolsuper and (pg_has_role(session_user, r.oid, 'member') or pg_has_role(current_user, r.oid, 'member'))
  ) as superuser,
  exists (
    select 1 from pg_roles r
    where r.rolbypassrls and (pg_has_role(session_user, r.oid, 'member') or pg_has_role(current_user, r.oid, 'member'))
  ) as bypasses_rls,
  exists (
    select 1 from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = 'public' and c.relkind in ('r', 'p') and pg_has_role(session_user, c.relowner, 'member')
  ) as owns_tables,
  has_table_privilege('consent_record', 'update') or has_table_privilege('consent_record', 'delete')
    or has_table_privilege('consent_record', 'truncate')
    or has_any_column_privilege('consent_record', 'update') as can_change_ledger;

-- name: schema_versions () -> MigrationRow
-- Which migrations this database has seen.
select name, checksum from schema_migration order by name;

-- name: clock () -> ClockRow
-- The clock that decides.
select clock_timestamp() as now;
