"""Signatures are Twilio's to the byte: the vectors of its guides and of its SDKs' own tests, and both ways of ports."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twilio.request_validator import RequestValidator  # type: ignore[import-untyped]

from consentry.kernel.signature import body_hash, form_pairs, matches, sign

TOKEN = "12345"
URL = "https://mycompany.com/myapp.php?foo=1&bar=2"
WITH_PORT = URL.replace(".com", ".com:443")
FORM = b"CallSid=CA1234567890ABCDE&Caller=%2B14158675309&Digits=1234&From=%2B14158675309&To=%2B18005551212"
PAIRS = form_pairs(FORM)
BODY = b'{"property": "value", "boolean": true}'
HASH = "0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"


def test_the_vector_of_the_guide() -> None:
    assert sign(TOKEN, URL, PAIRS) == "RSOYDt4T1cUTdK1PDd93/VVr8B8="


def test_the_vector_with_a_port() -> None:
    assert sign(TOKEN, WITH_PORT, PAIRS) == "kvajT1Ptam85bY51eRf/AJRuM3w="


def test_the_vector_of_a_body_that_is_no_form() -> None:
    assert body_hash(BODY) == HASH
    assert sign(TOKEN, f"{URL}&bodySHA256={HASH}") == "a9nBmqA0ju/hNViExpshrM61xv4="


@pytest.mark.parametrize("signed", [URL, WITH_PORT])
@pytest.mark.parametrize("seen", [URL, WITH_PORT])
def test_a_default_port_may_be_there_or_not_on_either_side(signed: str, seen: str) -> None:
    assert matches(TOKEN, sign(TOKEN, signed, PAIRS), seen, PAIRS)


@pytest.mark.parametrize(
    "signed,seen",
    [
        ("http://a.example:80/x", "http://a.example/x"),
        ("https://[2001:db8::1]:443/x", "https://[2001:db8::1]/x"),
        ("https://a.example:8443/x", "https://a.example:8443/x"),
    ],
)
def test_hosts_of_every_form_match(signed: str, seen: str) -> None:
    assert matches(TOKEN, sign(TOKEN, signed), seen, [])
    assert matches(TOKEN, sign(TOKEN, seen), signed, [])


@pytest.mark.parametrize(
    "token,given_,url,pairs",
    [
        ("12346", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL, PAIRS),
        (TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8", URL, PAIRS),
        (TOKEN, "", URL, PAIRS),
        (TOKEN, "\udcff", URL, PAIRS),
        (TOKEN, "é" * 28, URL, PAIRS),
        (TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL + "&baz=3", PAIRS),
        (TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL.replace("https", "http"), PAIRS),
        (TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL.replace(".com", ".com:8443"), PAIRS),
        (TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL, PAIRS[1:]),
        (TOKEN, "RSOYDt4T1cUTdK1PDd93/VVr8B8=", URL, [*PAIRS, (b"More", b"1")]),
    ],
)
def test_what_was_not_signed_so_does_not_match(
    token: str, given_: str, url: str, pairs: list[tuple[bytes, bytes]]
) -> None:
    assert not matches(token, given_, url, pairs)


def test_a_repeated_key_counts_each_value_once_in_order() -> None:
    once = sign(TOKEN, URL, [(b"Media", b"a"), (b"Media", b"b")])
    assert sign(TOKEN, URL, [(b"Media", b"b"), (b"Media", b"a"), (b"Media", b"b")]) == once


@pytest.mark.parametrize(
    "raw,pairs",
    [
        (b"", []),
        (b"a=1&b=2", [(b"a", b"1"), (b"b", b"2")]),
        (b"a=&b", [(b"a", b""), (b"b", b"")]),
        (b"&&a=1&", [(b"a", b"1")]),
        (b"a=1+2%2B3", [(b"a", b"1 2+3")]),
        (b"a=%FF%zz%", [(b"a", b"\xff%zz%")]),
        (b"a=b=c", [(b"a", b"b=c")]),
        (b"B%6Fdy=%F0%9F%98%80", [(b"Body", "😀".encode())]),
    ],
)
def test_a_form_is_read_as_the_bytes_that_were_signed(raw: bytes, pairs: list[tuple[bytes, bytes]]) -> None:
    assert form_pairs(raw) == pairs


TEXT = st.text(st.characters(categories=["L", "N", "P", "S", "Zs"]), max_size=12)


@given(st.dictionaries(TEXT, TEXT, max_size=5), st.sampled_from([URL, WITH_PORT]))
def test_the_sdk_of_twilio_accepts_what_we_sign(form: dict[str, str], url: str) -> None:
    pairs = [(key.encode(), value.encode()) for key, value in form.items()]
    assert RequestValidator(TOKEN).validate(url, form, sign(TOKEN, url, pairs))
