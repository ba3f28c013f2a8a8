"""A URL that a customer names is absolute, http or https, with a host that can be looked up, or it is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consentry.kernel.urls import is_absolute_http


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example",
        "https://a.example/",
        "HTTPS://A.example/x?y=1#z",
        "https://user:secret@a.example/x",
        "https://a.example:8443/x",
        "http://127.0.0.1:8080/x",
        "http://[2001:db8::1]:8080/x",
        "https://xn--bcher-kva.example/ü?q=é",
        "https://a.example/" + "x" * 3900,
    ],
)
def test_a_url_that_can_be_called_is_accepted(url: str) -> None:
    assert is_absolute_http(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "a.example",
        "/x",
        "//a.example/x",
        "http:/a.example",
        "http:a.example",
        "http://",
        "http:///x",
        "http://:80/x",
        "http://?x",
        "ftp://a.example",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://a_b.example/x",
        "https://a b.example/x",
        "https://a.example/x y",
        " https://a.example/",
        "https://a.example/\n",
        "https://a.example/x\r\nHost: b",
        "https://a.exam\tple/",
        "https://a.example\x00/",
        "https://bücher.example/",
        "https://a\u200b.example/",
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:port/",
        "https://a.example:-1/",
        "https://[::1/",
        "https://[nonsense]/",
        "https://a.example/\u202e",
        "https://a.example/\ud800",
        "https://a.example/" + "x" * 4000,
    ],
)
def test_any_other_text_is_refused(url: str) -> None:
    assert not is_absolute_http(url)


@given(st.text(st.characters(categories=None), max_size=60).map("http".__add__) | st.text(max_size=80))
def test_any_text_gets_an_answer(url: str) -> None:
    assert is_absolute_http(url) in {True, False}
