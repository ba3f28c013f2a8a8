"""What `consentry.kernel.address` promises: one canonical form, one key for all spellings, and no other error."""

import string

import phonenumbers
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from consentry.kernel import mailbox, phone
from consentry.kernel.address import (
    Address,
    Channel,
    Family,
    InvalidAddress,
    address_key,
    family_of,
    lane_of,
    mask,
    parse_recipient,
    parse_sender,
)

NBSP, ZWSP, LRE, PDF = "\u00a0", "\u200b", "\u202a", "\u202c"
WHOLE = phonenumbers.ValidationResult.IS_POSSIBLE
ADVICE = "write it in E.164, e.g. \\+14155550123"


def example_numbers() -> list[str]:
    """Give libphonenumber's example of every type of number of every region, in E.164.

    Some examples can be dialled only within their area; those are no whole numbers, and no addresses.
    """
    regions = sorted(phonenumbers.SUPPORTED_REGIONS) + [
        str(code) for code in sorted(phonenumbers.COUNTRY_CODES_FOR_NON_GEO_REGIONS)
    ]
    found: set[str] = set()
    for region in regions:
        for kind in range(11):
            number = (
                phonenumbers.example_number_for_non_geo_entity(int(region))
                if region.isdigit()
                else phonenumbers.example_number_for_type(region, kind)
            )
            if number is not None and phonenumbers.is_possible_number_with_reason(number) == WHOLE:
                found.add(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))
    return sorted(found)


EXAMPLES = example_numbers()


def spellings(e164: str) -> set[str]:
    """Give the ways in which people and programs write this number."""
    number = phonenumbers.parse(e164, None)
    grouped = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
    return {
        grouped,
        grouped.replace(" ", NBSP),
        grouped.replace(" ", "-"),
        grouped.replace(" ", "."),
        grouped.replace(" ", " (", 1) + ")",
        f"{LRE}{grouped}{PDF}",
        ZWSP.join(e164),
        e164.translate({ord(str(d)): 0xFF10 + d for d in range(10)} | {ord("+"): 0xFF0B}),
        f"  {e164} ",
        f"sms:{e164}",
        f"MMS:{e164}",
        f"rcs:{grouped}",
        phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.RFC3966),
    }


@pytest.mark.parametrize(
    "written,channel,text,key_form",
    [
        ("+14155550123", Channel.sms, "+14155550123", "phone:+14155550123"),
        ("+1 (415) 555-0123", Channel.sms, "+14155550123", "phone:+14155550123"),
        ("tel:+1-415-555-0123", Channel.sms, "+14155550123", "phone:+14155550123"),
        ("sms:+14155550123", Channel.sms, "+14155550123", "phone:+14155550123"),
        ("mms:+14155550123", Channel.mms, "+14155550123", "phone:+14155550123"),
        ("rcs:+14155550123", Channel.rcs, "rcs:+14155550123", "phone:+14155550123"),
        ("+44 (0)1632 960961", Channel.sms, "+441632960961", "phone:+441632960961"),
        ("+390236618300", Channel.sms, "+390236618300", "phone:+390236618300"),
        ("WhatsApp:+14155550123", Channel.whatsapp, "whatsapp:+14155550123", "whatsapp:+14155550123"),
        ("whatsapp:14155550123", Channel.whatsapp, "whatsapp:+14155550123", "whatsapp:+14155550123"),
        ("whatsapp:us.1349aB", Channel.whatsapp, "whatsapp:US.1349aB", "whatsapp:US.1349aB"),
        ("whatsapp:US.ENT.1181", Channel.whatsapp, "whatsapp:US.ENT.1181", "whatsapp:US.ENT.1181"),
        ("messenger:1254459154682919", Channel.messenger, "messenger:1254459154682919", "messenger:1254459154682919"),
        ("messenger:user_ref:a-B_1", Channel.messenger, "messenger:user_ref:a-B_1", "messenger:user_ref:a-B_1"),
        (
            "instagram:17841400008460056",
            Channel.instagram,
            "instagram:17841400008460056",
            "instagram:17841400008460056",
        ),
        ("telegram:-1001234567890", Channel.telegram, "telegram:-1001234567890", "telegram:-1001234567890"),
        ("telegram:@Some_Name", Channel.telegram, "telegram:@Some_Name", "telegram:@some_name"),
        ("line:U206d25c2", Channel.line, "line:U206d25c2", "line:U206d25c2"),
        ("viber:01234567890A=", Channel.viber, "viber:01234567890A=", "viber:01234567890A="),
        ("apple:urn:mbid:AQAA", Channel.apple, "apple:urn:mbid:AQAA", "apple:urn:mbid:AQAA"),
        ("kakao:1111", Channel.kakao, "kakao:1111", "kakao:1111"),
        ("zalo:1234567890123456789", Channel.zalo, "zalo:1234567890123456789", "zalo:1234567890123456789"),
        ("wechat:oOpenId123", Channel.wechat, "wechat:oOpenId123", "wechat:oOpenId123"),
        ("apns:00fc13ad", Channel.apns, "apns:00fc13ad", "apns:00fc13ad"),
        ("fcm:cT0k:APA91b_x-Y", Channel.fcm, "fcm:cT0k:APA91b_x-Y", "fcm:cT0k:APA91b_x-Y"),
        (
            "webpush:https://push.example/send/aB1?x=2",
            Channel.webpush,
            "webpush:https://push.example/send/aB1?x=2",
            "webpush:https://push.example/send/aB1?x=2",
        ),
        ("email:Ann+News@B.Example", Channel.email, "email:Ann+News@b.example", "email:ann+news@b.example"),
        (
            "Email:ann@Bücher.example",
            Channel.email,
            "email:ann@xn--bcher-kva.example",
            "email:ann@xn--bcher-kva.example",
        ),
        ("email:Jose\u0301@b.example", Channel.email, "email:José@b.example", "email:josé@b.example"),
    ],
)
def test_every_channel_has_one_wire_form_and_one_key_form(
    written: str, channel: Channel, text: str, key_form: str
) -> None:
    assert parse_recipient(written) == Address(channel, text, key_form)


@pytest.mark.parametrize(
    "written,channel,text",
    [
        ("+14155550123", Channel.sms, "+14155550123"),
        ("+14155550123", Channel.mms, "+14155550123"),
        ("tel:+14155550123", Channel.mms, "+14155550123"),
        ("+14155550123", Channel.rcs, "rcs:+14155550123"),
        ("+14155550123", Channel.whatsapp, "whatsapp:+14155550123"),
        ("14155550123", Channel.whatsapp, "whatsapp:+14155550123"),
        ("whatsapp:+14155550123", Channel.whatsapp, "whatsapp:+14155550123"),
        ("a@b.example", Channel.email, "email:a@b.example"),
        ("urn:mbid:AQAA", Channel.apple, "apple:urn:mbid:AQAA"),
        ("https://push.example/x", Channel.webpush, "webpush:https://push.example/x"),
        ("42", Channel.telegram, "telegram:42"),
    ],
)
def test_a_given_channel_stands_in_for_a_missing_prefix(written: str, channel: Channel, text: str) -> None:
    found = parse_recipient(written, channel=channel)
    assert (found.channel, found.text) == (channel, text)


@pytest.mark.parametrize(
    "written,channel",
    [
        ("whatsapp:+14155550123", Channel.sms),
        ("sms:+14155550123", Channel.mms),
        ("email:a@b.example", Channel.messenger),
        ("tel:+14155550123", Channel.whatsapp),
    ],
)
def test_a_prefix_that_disagrees_with_the_channel_is_refused(written: str, channel: Channel) -> None:
    with pytest.raises(InvalidAddress):
        parse_recipient(written, channel=channel)


@pytest.mark.parametrize("number", [f"+1500555000{last}" for last in range(10)] + ["+12025550123", "+15551234567"])
def test_fictional_and_magic_numbers_are_addresses(number: str) -> None:
    assert parse_recipient(number).text == number


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        ":",
        "+",
        "hello",
        "14155550123",
        "0014155550123",
        "+0014155550123",
        "+141555501234",
        "+1415",
        "++14155550123",
        "+1415+5550123",
        "+1-800-FLOWERS",
        "+1 415 555 0123 x5",
        "+1 415 555 0123 ext. 5",
        "+14155550123,5",
        "+14155550123#5",
        "tel:+14155550123;ext=5",
        "tel:0123;phone-context=+1",
        "+14155550123\n",
        "+1415555\x000123",
        "+1415555\ud8000123",
        "+1" + " " * 70 + "4155550123",
        "12345",
        "ACME",
        "pager:+14155550123",
        "rcs:agent",
        "whatsapp:",
        "whatsapp:U1.1349",
        "whatsapp:US.",
        "whatsapp:US." + "1" * 129,
        "whatsapp:+US.1349",
        "messenger:abc",
        "messenger:user_ref:",
        "instagram:-5",
        "messenger:\u0661\u0662",
        "telegram:007",
        "telegram:name",
        "telegram:@1a",
        "line:",
        "line:a b",
        "line:a\u200bb",
        "viber:" + "a" * 256,
        "webpush:" + "a" * 2049,
        "webpush:" + "a" * 100_000,
        "a@b.example",
        "email:",
        "email:a",
        "email:@b.example",
        "email:a@",
        "email:a@b@c.example",
        "email:Ann <a@b.example>",
        'email:"a b"@c.example',
        "email:a b@c.example",
        "email:.a@b.example",
        "email:a..b@c.example",
        "email:a.@b.example",
        "email:a,b@c.example",
        "email:a\u037eb@c.example",
        "email:a@[127.0.0.1]",
        "email:a@b_c.example",
        "email:a@b.example.",
        "email:a@b..example",
        "email:a@-b.example",
        "email:a@b\u00ad.example",
        "email:" + "a" * 65 + "@b.example",
        "email:" + "é" * 33 + "@b.example",
        "email:a@" + ".".join(["b" * 60] * 5),
    ],
)
def test_what_is_no_address_is_refused(written: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_recipient(written)


@pytest.mark.parametrize("written", ["14155550123", "0014155550123", "(415) 555-0123"])
def test_a_number_without_a_plus_is_told_how_to_be_written(written: str) -> None:
    with pytest.raises(InvalidAddress, match=ADVICE):
        parse_recipient(written)


@pytest.mark.parametrize("written", ["+1 415 555 0123 x98765", "pager:98765", "email:Ann 98765@b.example"])
def test_an_error_does_not_repeat_the_address(written: str) -> None:
    with pytest.raises(InvalidAddress) as caught:
        parse_recipient(written)
    assert "98765" not in str(caught.value)


@pytest.mark.parametrize(
    "variants",
    [
        ("+5215512345678", "+525512345678", "+52 1 55 1234 5678"),
        ("+556181234567", "+5561981234567", "+55 (61) 98123-4567", "+55 61 8123-4567"),
        ("+5491158749895", "+541158749895", "+54 9 11 5874-9895", "+54 11 15 5874-9895"),
        ("+22990011234", "+2290190011234", "+229 01 90 01 12 34"),
    ],
)
@pytest.mark.parametrize("prefix", ["", "mms:", "whatsapp:"])
def test_the_variants_of_a_numbering_plan_share_one_key_form(variants: tuple[str, ...], prefix: str) -> None:
    assert len({parse_recipient(prefix + variant).key_form for variant in variants}) == 1


@pytest.mark.parametrize("variant", ["+5215512345678", "+556181234567", "+541158749895", "whatsapp:+5491158749895"])
def test_a_variant_stays_deliverable_as_it_was_written(variant: str) -> None:
    assert parse_recipient(variant).text == variant


@pytest.mark.parametrize("landline", ["+556121234567", "+551155551234", "+554532782153"])
def test_brazilian_landlines_are_not_given_a_ninth_digit(landline: str) -> None:
    assert parse_recipient(landline).key_form == f"phone:{landline}"


@given(st.sampled_from(["52", "521", "54", "549", "55", "229", "1", "49"]), st.text(string.digits, max_size=13))
def test_folding_twice_is_folding_once(start: str, rest: str) -> None:
    once = phone.fold(f"+{start}{rest}")
    assert phone.fold(once) == once


@settings(max_examples=400)
@given(st.sampled_from(EXAMPLES))
def test_every_spelling_of_a_number_has_the_key_form_of_the_number(number: str) -> None:
    expected = parse_recipient(number).key_form
    assert {parse_recipient(written).key_form for written in spellings(number)} == {expected}


def test_example_numbers_of_all_regions_and_types_are_their_own_canonical_form() -> None:
    assert len(EXAMPLES) > 1000
    assert [parse_recipient(number).text for number in EXAMPLES] == EXAMPLES


@settings(max_examples=500)
@given(st.sampled_from(["", "whatsapp:", "rcs:"]), st.text(string.digits, min_size=4, max_size=17))
@example("", "490030123456")
@example("", "114155550123")
@example("", "5401158749895")
def test_canonical_numbers_come_out_as_they_went_in(prefix: str, digits: str) -> None:
    try:
        found = parse_recipient(f"{prefix}+{digits}")
    except InvalidAddress:
        return
    assert parse_recipient(found.text) == found


@settings(max_examples=500)
@given(st.text("0123456789", min_size=10, max_size=10))
@example("0000000000")
@example("1111111111")
@example("9999999999")
@example("3101234567")
def test_the_north_american_shortcut_agrees_with_the_numbering_plan(digits: str) -> None:
    number = f"+1{digits}"
    slow = phone.read_by_plan(number)
    assert phone.read_number(number) == slow
    found = parse_recipient(number)
    assert (found.text, found.key_form) == (slow[0], f"phone:{slow[1]}")
    assert parse_recipient(f"sms:{number}") == found


LABEL = st.text(string.ascii_letters + string.digits + "-", min_size=1, max_size=12)


@given(st.lists(LABEL, min_size=1, max_size=4).map(".".join))
@example("A.B-C.example")
@example("xn--bcher-kva.example")
@example("ab--cd.example")
@example("1.2.3.4")
def test_the_plain_domain_shortcut_agrees_with_idna(domain: str) -> None:
    try:
        slow = mailbox.idna_host(domain)
    except InvalidAddress:
        with pytest.raises(InvalidAddress):
            mailbox.read_mailbox(f"a@{domain}")
    else:
        assert mailbox.read_mailbox(f"a@{domain}")[0] == f"a@{slow}"


CHANNEL_OR_NONE = st.none() | st.sampled_from(Channel)
ANY_TEXT = st.text(st.characters(categories=None), max_size=80)
PREFIXED = st.builds(
    "{}{}".format,
    st.sampled_from(["", "+", "+1", "tel:", *(f"{c.value}:" for c in Channel), "whatsapp:+", "whatsapp:US.", "rcs:+"]),
    ANY_TEXT | st.text(string.digits + " -()@.x", max_size=20) | st.from_regex(r"[^@]{1,9}@[^@]{1,9}", fullmatch=True),
)


@settings(max_examples=1000)
@given(ANY_TEXT | PREFIXED, CHANNEL_OR_NONE)
@example("email:a@\u2488com", None)
@example("\u212aakao:1", None)
@example("email:\u1fef@b.example", None)
def test_any_text_becomes_a_stable_address_or_invalid_address(text: str, channel: Channel | None) -> None:
    for parse in (parse_recipient, parse_sender):
        try:
            found = parse(text, channel=channel)
        except InvalidAddress:
            continue
        again = parse(found.text)
        assert (again.text, again.key_form) == (found.text, found.key_form)
        assert family_of(again.channel) == family_of(found.channel)
        assert found.key_form.startswith(f"{family_of(found.channel)}:")
        address_key(b"secret", 1, found.key_form)


@pytest.mark.parametrize(
    "written,text,key_form",
    [
        ("12345", "12345", "phone:12345"),
        ("sms:123", "123", "phone:123"),
        ("12345678", "12345678", "phone:12345678"),
        ("ACME Shop 1", "ACME Shop 1", "phone:ACME Shop 1"),
        ("sms:Acme", "Acme", "phone:Acme"),
        ("+1 415 555 0123", "+14155550123", "phone:+14155550123"),
        ("rcs:welcome-bot@rbm.goog", "rcs:welcome-bot@rbm.goog", "phone:rcs:welcome-bot@rbm.goog"),
        ("rcs:+14155550123", "rcs:+14155550123", "phone:+14155550123"),
        ("whatsapp:+14155550123", "whatsapp:+14155550123", "whatsapp:+14155550123"),
        ("messenger:682498302938465", "messenger:682498302938465", "messenger:682498302938465"),
        ("kakao:_FLX", "kakao:_FLX", "kakao:_FLX"),
        ("email:News@b.example", "email:News@b.example", "email:news@b.example"),
    ],
)
def test_senders_may_also_be_codes_names_pages_and_agents(written: str, text: str, key_form: str) -> None:
    found = parse_sender(written)
    assert (found.text, found.key_form) == (text, key_form)


@pytest.mark.parametrize("written", ["12", "123456789", "ACME Shop 12", "Ac-me", "Ácme", "mms:ACME", "rcs:", "rcs:a b"])
def test_what_no_carrier_takes_as_a_sender_is_refused(written: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_sender(written)


def test_sms_mms_and_rcs_share_a_key_and_whatsapp_does_not() -> None:
    forms = [parse_recipient("+14155550123", channel=c).key_form for c in (Channel.sms, Channel.mms, Channel.rcs)]
    assert len(set(forms)) == 1
    assert parse_recipient("whatsapp:+14155550123").key_form not in forms


def test_every_channel_belongs_to_a_family_and_only_phones_share_one() -> None:
    members = {family: [c for c in Channel if family_of(c) is family] for family in Family}
    assert members.pop(Family.phone) == [Channel.sms, Channel.mms, Channel.rcs]
    assert all([c.value for c in found] == [family.value] for family, found in members.items())


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1), st.sampled_from(EXAMPLES))
def test_accounts_share_no_keys(one: int, other: int, number: str) -> None:
    form = parse_recipient(number).key_form
    assert (address_key(b"secret", one, form) == address_key(b"secret", other, form)) is (one == other)


def test_a_key_depends_on_secret_and_family_and_names_its_lane() -> None:
    key = address_key(b"secret", 7, "phone:+14155550123")
    assert len(key) == 16
    assert key == address_key(b"secret", 7, "phone:+14155550123")
    assert key != address_key(b"other", 7, "phone:+14155550123")
    assert key != address_key(b"secret", 7, "whatsapp:+14155550123")
    assert lane_of(key) == key[0]


def test_a_key_never_changes_between_releases() -> None:
    # The ledger is indexed by it: another value here means that every opt-out on file is lost.
    assert address_key(b"secret", 7, "phone:+14155550123").hex() == "8bfb1aeab4d2c7a3391d542db4337e22"


def test_an_address_that_was_read_once_is_not_read_again() -> None:
    assert parse_recipient("+4930123456") is parse_recipient("+4930123456")


@pytest.mark.parametrize(
    "text,masked",
    [
        ("+14155550123", "+1415•••0123"),
        ("whatsapp:+14155550123", "whatsapp:+1415•••0123"),
        ("+2901234", "+2•••34"),
        ("email:ann@b.example", "email:a•••@b.example"),
        ("email:a@b.example", "email:•••@b.example"),
        ("messenger:1254459154682989", "messenger:12•••89"),
        ("12345", "1•••5"),
        ("ACME", "•••"),
        ("", "•••"),
        ("one\ntwo\n", "on•••o?"),
        ("x@y\nforged", "x@•••ed"),
    ],
)
def test_a_masked_address_is_recognisable_and_not_whole(text: str, masked: str) -> None:
    assert mask(text) == masked


@given(ANY_TEXT | PREFIXED)
def test_any_text_can_be_masked_on_one_line(text: str) -> None:
    shown = mask(text)
    assert shown.isprintable()
    assert "•••" in shown


@given(
    st.sampled_from(["", "sms:", "whatsapp:", "rcs:"]).flatmap(lambda p: st.sampled_from(EXAMPLES).map(p.__add__))
    | st.from_regex(r"(messenger:[0-9]{1,20}|line:[A-Za-z0-9]{1,40})", fullmatch=True)
)
def test_a_mask_hides_three_characters_or_all(text: str) -> None:
    kept = mask(text).replace("•••", "")
    assert len(kept) <= len(text) - 3 or kept == f"{text.partition(':')[0]}:"
