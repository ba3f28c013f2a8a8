-- name: phone_receive (messages)
-- What simulated phones received, and the instant when each hand-off began.
insert into simulator_message (
  lane, message_id, attempt_no, account_id, address_key, sender_id, channel, from_address, to_address, body, handed_off_at
)
select
  lane, decode(message_id, 'base64'), attempt_no, account_id, decode(address_key, 'base64'), sender_id, channel,
  from_address, to_address, body, handed_off_at
from json_to_recordset($1::text::json) g(
  lane smallint, message_id text, attempt_no smallint, account_id bigint, address_key text, sender_id bigint, channel text,
  from_address text, to_address text, body text, handed_off_at timestamptz
)
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

-- name: phones_behaving (messages) -> PhoneBehaviourRow
-- The phones of a batch that block or follow a script; most do neither.
select distinct p.account_id, p.address_key, p.sender_id, p.blocked, p.script
from json_to_recordset($1::text::json) k(lane smallint, account_id bigint, address_key text, sender_id bigint)
join simulator_phone p
  on p.lane = k.lane and p.account_id = k.account_id and p.address_key = decode(k.address_key, 'base64')
    and p.sender_id = k.sender_id;
