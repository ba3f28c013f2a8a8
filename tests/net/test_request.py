"""URLs and heads: one reading of every URL, one request in every write."""

import pytest

from consentry.kernel.calls import HttpCall
from consentry.net.failures import InvalidCall, InvalidUrl
from consentry.net.request import request_bytes
from consentry.net.target import Origin, read_url


@pytest.mark.parametrize(
    "url, origin, host, path",
    [
        ("http://a.example", Origin(False, "a.example", 80), "a.example", "/"),
        ("https://A.Example/x", Origin(True, "a.example", 443), "a.example", "/x"),
        ("HTTPS://a.example:8443/x?y=1#z", Origin(True, "a.example", 8443), "a.example:8443", "/x?y=1"),
        ("https://a.example:443?y=%20", Origin(True, "a.example", 443), "a.example", "/?y=%20"),
        ("http://a.example#f", Origin(False, "a.example", 80), "a.example", "/"),
        ("http://[2606:4700::0:1]:81/", Origin(False, "2606:4700::1", 81), "[2606:4700::1]:81", "/"),
        ("https://bücher.example/ü", Origin(True, "xn--bcher-kva.example", 443), "xn--bcher-kva.example", "/%C3%BC"),
        ("https://straße.example/", Origin(True, "xn--strae-oqa.example", 443), "xn--strae-oqa.example", "/"),
        ("http://a.example/a@b:c?d=@", Origin(False, "a.example", 80), "a.example", "/a@b:c?d=@"),
    ],
)
def test_a_url_is_read(url: str, origin: Origin, host: str, path: str) -> None:
    target = read_url(url)

    assert (target.authority.origin, target.authority.host_header, target.path) == (origin, host, path)


AMBIGUOUS = [
    "", "a.example", "//a.example/", "/x", "ftp://a.example/", "file:///etc/passwd", "http:/a.example", "http:///x",
    "http://a.example:0/", "http://a.example:65536/", "http://a.example:/", "http://a.example:8a/", "http://:80/",
    "http://a_b.example/", "http://a b.example/", "http://a.example /", " http://a.example/", "http://a.example/\n",
    "http://a.example/\r\nX: 1", "http://a.example/\x00", "http://a\t.example/", "http://a.example/\x7f",
    "http://a.example\\@b.example/", "http://a.example/\\x", "http://u@a.example@b.example/", "http://a..example/",
    "http://-a.example/", "http://a.example./", "http://%61.example/", "http://[::1/", "http://[fe80::1%25lo]/",
    "http://[1.2.3.4]/", "http://[zz]/", "http://::1/", "http://[::1]x/", f"http://{'a' * 64}.example/",
    f"http://{'a.' * 127}example/", "http://\ud800.example/", "http://a.example/\ud800", "http://a:b:80/",
    "http://u%3Ax:pw@a.example/", "http://a.example\u2028.b/", "http://a.example:\uff18\uff10/", "http://@a@/", "http://@/",
]  # fmt: skip


@pytest.mark.parametrize("url", AMBIGUOUS)
def test_a_url_that_could_be_read_in_two_ways_is_refused(url: str) -> None:
    with pytest.raises(InvalidUrl) as caught:
        read_url(url)

    assert caught.value.sent is False


def test_userinfo_becomes_basic_authorization() -> None:
    call = HttpCall("GET", "https://us%65r:p%40ss@a.example/x")

    head = request_bytes(call, read_url(call.url))

    assert head == (
        b"GET /x HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive\r\nAuthorization: Basic dXNlcjpwQHNz\r\n\r\n"
    )


def test_head_and_body_are_one_piece_with_their_length() -> None:
    call = HttpCall("POST", "http://a.example/x", (("X-One", "1"), ("X-One", "é")), b"hello")

    assert request_bytes(call, read_url(call.url)) == (
        b"POST /x HTTP/1.1\r\nHost: a.example\r\nConnection: keep-alive\r\n"
        b"X-One: 1\r\nX-One: \xe9\r\nContent-Length: 5\r\n\r\nhello"
    )


@pytest.mark.parametrize("method, length", [("POST", True), ("PUT", True), ("GET", False), ("DELETE", False)])
def test_an_empty_body_has_a_length_where_one_is_expected(method: str, length: bool) -> None:
    call = HttpCall(method, "http://a.example/")

    assert (b"Content-Length: 0\r\n" in request_bytes(call, read_url(call.url))) is length


BREAKING = [
    ("X", "a\r\nY: b"), ("X", "a\nb"), ("X", "a\rb"), ("X", "a\x00"), ("X", "a\x7f"), ("X", "a\u0100"),
    ("X\r\nY", "a"), ("X:", "a"), ("X Y", "a"), ("", "a"), ("X\x00", "a"), ("Ü", "a"), ("X\n", "a"),
    ("Host", "b"), ("CONTENT-LENGTH", "0"), ("connection", "close"), ("Transfer-Encoding", "chunked"),
    ("Expect", "100-continue"), ("Upgrade", "h2c"),
]  # fmt: skip


@pytest.mark.parametrize("header", BREAKING)
def test_a_header_that_would_change_the_framing_is_refused(header: tuple[str, str]) -> None:
    call = HttpCall("POST", "http://a.example/", (header,), b"x")

    with pytest.raises(InvalidCall) as caught:
        request_bytes(call, read_url(call.url))

    assert caught.value.sent is False


@pytest.mark.parametrize("method", ["", "get", "GET /x HTTP/1.1\r\nX:", "CONNECT", "GET\n", "G T"])
def test_a_method_is_a_plain_word(method: str) -> None:
    call = HttpCall(method, "http://a.example/")

    with pytest.raises(InvalidCall):
        request_bytes(call, read_url(call.url))


def test_two_authorizations_are_refused() -> None:
    call = HttpCall("GET", "http://u:p@a.example/", (("authorization", "Bearer x"),))

    with pytest.raises(InvalidCall):
        request_bytes(call, read_url(call.url))
