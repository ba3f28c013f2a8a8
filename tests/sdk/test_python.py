"""The official Python SDK, unmodified, against a running gateway."""

from datetime import UTC, datetime, timedelta

import pytest
from tests.sdk.gateway import Gateway, until
from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.async_http_client import AsyncTwilioHttpClient
from twilio.rest import Client


def test_a_created_message_is_queued_and_arrives_on_the_phone(gateway: Gateway, client: Client) -> None:
    line = gateway.lines["sms"]
    phone = gateway.opted_in(line)

    made = client.messages.create(to=phone, from_=line.address, body="Hello from the SDK")

    assert (made.status, made.direction, made.error_code) == ("queued", "outbound-api", None)
    assert (made.to, made.from_, made.body) == (phone, line.address, "Hello from the SDK")
    assert (made.num_segments, made.num_media, made.price_unit) == ("1", "0", "USD")
    assert made.sid.startswith("SM")
    assert abs(datetime.now(UTC) - made.date_created) < timedelta(minutes=5)
    until(lambda: client.messages(made.sid).fetch().status == "delivered", "the delivery")
    assert gateway.on_phone(phone) == ["Hello from the SDK"]


@pytest.mark.parametrize("channel", ["whatsapp", "messenger"])
def test_channel_addresses_are_sent_to_as_numbers_are(gateway: Gateway, client: Client, channel: str) -> None:
    line = gateway.lines[channel]
    phone = gateway.opted_in(line)

    made = client.messages.create(to=phone, from_=line.address, body="Hello")

    assert (made.to, made.from_) == (phone, line.address)
    until(lambda: gateway.on_phone(phone) == ["Hello"], "the message")


def test_a_list_is_paged_to_its_end_newest_first(gateway: Gateway, client: Client) -> None:
    line = gateway.install()
    phone = gateway.opted_in(line)
    made = [client.messages.create(to=phone, from_=line.address, body=f"Number {n}").sid for n in range(5)]

    first = client.messages.page(to=phone, page_size=2)
    second = first.next_page()
    assert second is not None
    third = second.next_page()
    assert third is not None

    pages = [[message.sid for message in page] for page in (first, second, third)]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [sid for page in pages for sid in page] == made[::-1]
    assert third.next_page() is None
    assert [message.sid for message in client.messages.list(to=phone, page_size=2)] == made[::-1]
    assert [message.sid for message in client.messages.stream(from_=line.address, limit=3)] == made[:1:-1]


def test_a_list_is_filtered_by_to_from_and_date(gateway: Gateway, client: Client) -> None:
    line, other = gateway.install(), gateway.install()
    phone = gateway.opted_in(line)
    one = client.messages.create(to=phone, from_=line.address, body="One").sid
    two = client.messages.create(to=phone, from_=other.address, body="Two").sid
    now = datetime.now(UTC)

    def found(**filters: object) -> set[str]:
        return {message.sid for message in client.messages.list(to=phone, **filters)}  # type: ignore[arg-type]

    assert found(from_=line.address) == {one}
    assert found(from_=other.address) == {two}
    assert found(date_sent=now) | found(date_sent=now - timedelta(minutes=1)) == {one, two}
    assert found(date_sent=now - timedelta(days=3)) == set()
    assert found(date_sent_after=now - timedelta(minutes=5)) == {one, two}
    assert found(date_sent_before=now - timedelta(minutes=5)) == set()


def test_a_waiting_message_is_cancelled_and_never_arrives(gateway: Gateway, client: Client) -> None:
    line = gateway.install(paused=True)
    phone = gateway.opted_in(line)
    made = client.messages.create(to=phone, from_=line.address, body="Too early")

    cancelled = client.messages(made.sid).update(status="canceled")
    gateway.change(line, paused=False)
    after = client.messages.create(to=phone, from_=line.address, body="After")
    until(lambda: client.messages(after.sid).fetch().status == "delivered", "the second message")

    assert cancelled.status == "canceled"
    assert gateway.on_phone(phone) == ["After"]
    with pytest.raises(TwilioRestException) as refused:
        client.messages(after.sid).update(status="canceled")
    assert (refused.value.status, refused.value.code) == (400, 30409)


def test_a_finished_message_is_redacted_and_deleted(gateway: Gateway, client: Client) -> None:
    line = gateway.lines["sms"]
    phone = gateway.opted_in(line)
    made = client.messages.create(to=phone, from_=line.address, body="My secret")
    until(lambda: client.messages(made.sid).fetch().status == "delivered", "the delivery")

    assert client.messages(made.sid).update(body="").body == ""
    assert client.messages(made.sid).fetch().body == ""
    assert client.messages(made.sid).delete() is True

    with pytest.raises(TwilioRestException) as gone:
        client.messages(made.sid).fetch()
    assert (gone.value.status, gone.value.code) == (404, 20404)


def test_a_waiting_message_is_neither_redacted_nor_deleted(gateway: Gateway, client: Client) -> None:
    line = gateway.install(paused=True)
    made = client.messages.create(to=gateway.opted_in(line), from_=line.address, body="Waits")

    with pytest.raises(TwilioRestException) as redact:
        client.messages(made.sid).update(body="")
    with pytest.raises(TwilioRestException) as delete:
        client.messages(made.sid).delete()

    assert (redact.value.code, delete.value.code) == (20009, 20009)


def test_after_a_stop_a_create_raises_21610_until_a_start(gateway: Gateway, client: Client) -> None:
    line = gateway.lines["sms"]
    phone = gateway.opted_in(line)
    gateway.say(line, phone, "STOP")

    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=phone, from_=line.address, body="Hello")
    gateway.say(line, phone, "START")

    error = refused.value
    assert (error.status, error.code, error.method) == (400, 21610, "POST")
    assert "unsubscribed" in error.msg
    assert error.uri.endswith("/Messages.json")
    assert client.messages.create(to=phone, from_=line.address, body="Hello again").status == "queued"


def test_wrong_credentials_are_401_and_20003(gateway: Gateway, client: Client) -> None:
    stranger = Client(gateway.account_sid, "0" * 32, http_client=client.http_client)
    stranger.api.base_url = gateway.base_url

    with pytest.raises(TwilioException, match="Unable to fetch page"):
        stranger.messages.list(limit=1)
    with pytest.raises(TwilioRestException) as refused:
        stranger.messages.create(to="+14156660000", from_="+15006660000", body="x")
    assert (refused.value.status, refused.value.code) == (401, 20003)


def test_what_is_not_there_is_404_and_20404(client: Client) -> None:
    with pytest.raises(TwilioRestException) as missing:
        client.messages("SM" + "0" * 32).fetch()

    assert (missing.value.status, missing.value.code) == (404, 20404)


@pytest.mark.parametrize(
    "to, code",
    [
        ("+15005550001", 21211),
        ("+15005550002", 21612),
        ("+15005550003", 21408),
        ("+15005550004", 21610),
        ("+15005550009", 21614),
        ("not a number", 21211),
        ("", 21604),
    ],
)
def test_test_numbers_and_bad_numbers_give_twilios_codes(gateway: Gateway, client: Client, to: str, code: int) -> None:
    with pytest.raises(TwilioRestException) as refused:
        client.messages.create(to=to, from_=gateway.lines["sms"].address, body="x")

    assert (refused.value.status, refused.value.code) == (400, code)


def test_mistakes_in_parameters_give_twilios_codes(gateway: Gateway, client: Client) -> None:
    line = gateway.lines["sms"]
    phone = line.phone()
    given = {"to": phone, "from_": line.address, "body": "x"}
    cases: list[tuple[dict[str, object], int]] = [
        ({"body": ""}, 21619),
        ({"body": "x" * 1601}, 21617),
        ({"from_": "+15006669999"}, 21659),
        ({"from_": "whatsapp:+15006669999"}, 63007),
        ({"from_": gateway.lines["whatsapp"].address}, 21910),
        ({"status_callback": "ftp://example.com/x"}, 21609),
        ({"media_url": ["nowhere"]}, 21620),
        ({"media_url": [f"https://example.com/{n}" for n in range(11)]}, 21623),
        ({"validity_period": 0}, 21624),
    ]
    for changed, code in cases:
        with pytest.raises(TwilioException) as refused:
            client.messages.create(**{**given, **changed})  # type: ignore[arg-type]
        assert getattr(refused.value, "code", None) == code, changed


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the SDK's own calls to aiohttp
async def test_the_async_client_works_as_well(gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TWILIO_REGION", raising=False)
    line = gateway.lines["sms"]
    phone = gateway.opted_in(line)

    async with AsyncTwilioHttpClient() as http:
        client = Client(gateway.account_sid, gateway.auth_token, http_client=http)
        client.api.base_url = gateway.base_url
        made = await client.messages.create_async(to=phone, from_=line.address, body="Hello")
        fetched = await client.messages(made.sid).fetch_async()

    assert fetched.sid == made.sid
