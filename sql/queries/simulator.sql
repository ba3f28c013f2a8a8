-- name: phone_receive (lanes, message_ids, attempt_nos, account_ids, address_keys, sender_ids, channels, from_addresses, to_addresses, bodies, handed_off_ats)
-- What simulated phones received, and the instant when each hand-off began.
insert into simulator_message (
  lane, message_id, attempt_no, account_id, address_key, sender_id, channel, from_address, to_address, body, handed_off_at
)
select * from unnest(
  $1::smallint[], $2::bytea[], $3::smallint[], $4::bigint[], $5::bytea[], $6::bigint[], $7::text[], $8::text[],
  $9::text[], $10::text[], $11::timestamptz[]
) g
on conflict do nothing;

-- name: phone_messages (account_id, address_key, channels, limit) -> PhoneMessageRow
-- What one simulated phone shows, oldest first.
select * from (
  select message_id, from_address, to_address, body, handed_off_at from simulator_message
  where account_id = $1 and address_key = $2 and channel = any($3::text[])
  order by message_id desc limit $4
) newest order by handed_off_at, message_id;

-- name: phone_get (lane, account_id, address_key, sender_id) -> PhoneRow
-- Whether a phone blocks a sender, and the script that it follows.
select blocked, script from simulator_phone where lane = $1 and account_id = $2 and address_key = $3 and sender_id = $4;

-- name: phone_set (lane, account_id, address_key, sender_id, blocked, script)
-- Set how a phone behaves towards a sender.
insert into simulator_phone as p (lane, account_id, address_key, sender_id, blocked, script)
values ($1, $2, $3, $4, $5, $6)
on conflict (lane, account_id, address_key, sender_id) do update set blocked = $5, script = $6;

-- name: phones_behaving (lanes, account_ids, address_keys, sender_ids) -> PhoneBehaviourRow
-- The phones of a batch that block or follow a script; most do neither.
select p.account_id, p.address_key, p.sender_id, p.blocked, p.script
from simulator_phone p
where p.lane = any($1::smallint[])
  and (p.account_id, p.address_key, p.sender_id) in (select * from unnest($2::bigint[], $3::bytea[], $4::bigint[]) k);
