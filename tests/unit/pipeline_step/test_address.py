"""`environment.url`: only what people may be led to is an address."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.pipeline.step import address


@pytest.mark.parametrize(
    "text",
    [
        "https://shop.example/",
        "http://127.0.0.1:8080/a?b=c&d=%20#e",
        "https://[::1]:9/x",
        "HTTPS://shop.example",
        "https://shop.example/" + "a" * 1900,
    ],
)
def test_an_address(text: str) -> None:
    assert address.fault(text) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty"),
        ("javascript:alert(1)", "begin with"),
        ("data:text/html,x", "begin with"),
        ("//shop.example/", "begin with"),
        ("shop.example", "begin with"),
        ("ftp://shop.example/", "begin with"),
        ("https:///x", "no machine"),
        ("https://", "no machine"),
        ("https://ana:hunter2@shop.example/", "password"),
        ("https://bank.example@evil.example/", "password"),
        ("https://shop.example/a b", "characters"),
        ("https://shop.example/\n", "characters"),
        ('https://shop.example/"><script>', "characters"),
        ("https://shop.example/\u202etxt.exe", "characters"),
        ("https://sh\u043ep.example/", "characters"),
        ("https://shop.example\\@evil.example/", "characters"),
        ("https://[::1/", "no machine"),
        ("https://shop.example:port/", "no machine"),
        ("https://shop.example/" + "a" * 2000, "more than 2000"),
    ],
)
def test_what_is_none_is_told_why(text: str, why: str) -> None:
    assert why in address.fault(text)


@given(st.text())
def test_it_never_fails(text: str) -> None:
    for each in (text, f"https://{text}", f"http://[{text}]/"):
        if not address.fault(each):
            assert each.lower().startswith(("http://", "https://"))
            assert not set(each) & set('<>"` \\\n')
