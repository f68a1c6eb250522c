"""Contract files: read strictly, refused by name and place."""

import json
from typing import Any

import pytest

from headway.contract.reader import read
from headway.model.errors import Invalid


def pact(version: str = "3.0.0", **interaction: Any) -> dict[str, Any]:
    one = {
        "description": "a price",
        "request": {"method": "get", "path": "/price", "query": {"sku": ["a", "b"]}},
        "response": {"status": 200, "headers": {"Content-Type": "application/json"}, "body": {}},
    } | interaction
    return {
        "consumer": {"name": "web"},
        "provider": {"name": "shop"},
        "interactions": [one],
        "metadata": {"pactSpecification": {"version": version}},
    }


def given(document: Any) -> Any:
    return read(json.dumps(document).encode(), "web-shop.json")


def test_version_3() -> None:
    rules = {
        "body": {"$.price": {"combine": "AND", "matchers": [{"match": "integer"}]}},
        "header": {"Content-Type": {"matchers": [{"match": "regex", "regex": "json"}]}},
    }
    response = {"status": 200, "headers": {"X": "1"}, "body": {"price": 1}, "matchingRules": rules}
    states = [{"name": "there are prices", "params": {"sku": "a"}}]
    found = given(pact(providerStates=states, response=response))
    assert (found.consumer, found.provider, found.specification) == ("web", "shop", "3.0.0")
    one = found.interactions[0]
    assert one.asked.method == "GET"
    assert one.asked.query == (("sku", "a"), ("sku", "b"))
    assert one.states[0].params == {"sku": "a"}
    assert one.wanted.body_rules[0].path == ("price",)
    assert one.wanted.header_rules[0].path == ("content-type",)


def test_version_4() -> None:
    body = {"content": {"price": 1}, "contentType": "application/json", "encoded": False}
    response = {"status": 200, "headers": {"X": ["1", "2"]}, "body": body}
    one = given(pact("4.0", type="Synchronous/HTTP", pending=True, response=response)).interactions[
        0
    ]
    assert one.pending
    assert one.wanted.headers == (("X", "1, 2"),)
    assert one.wanted.body is not None
    assert one.wanted.body.value == {"price": 1}
    packed = {"content": "aGk=", "contentType": "text/plain", "encoded": "base64"}
    one = given(pact("4.0", response={"body": packed})).interactions[0]
    assert one.wanted.body is not None
    assert (one.wanted.body.value, one.wanted.body.json) == ("hi", False)


def rule(matcher: dict[str, Any]) -> dict[str, Any]:
    return {"response": {"body": 1, "matchingRules": {"body": {"$": {"matchers": [matcher]}}}}}


@pytest.mark.parametrize(
    ("document", "words"),
    [
        (pact("2.0.0"), "versions 3 and 4 are read"),
        (pact() | {"interactions": []}, "there is none"),
        (pact() | {"messages": [{}]}, "only requests"),
        (pact() | {"consumer": {}}, "consumer.name"),
        (pact(colour="red"), "interactions[0].colour"),
        (pact("4.0", type="Asynchronous/Messages"), "only Synchronous/HTTP"),
        (pact(request={"method": "BREW", "path": "/"}), "BREW"),
        (pact(request={"method": "GET", "path": "http://x/"}), "begins with `/`"),
        (pact(request={"method": "GET", "path": "/", "generators": {"a": 1}}), "generators"),
        (pact(request={"method": "GET", "path": "/", "headers": {"A": "b\r\nC: d"}}), "one line"),
        (pact(response={"status": 99}), "from 100 to 599"),
        (pact(response={"matchingRules": {"$.body.a": {"match": "type"}}}), "$.body.a"),
        (pact(**rule({"match": "arrayContains"})), "'arrayContains' is not known"),
        (pact(**rule({"match": "regex", "regex": "("})), "cannot be read"),
        (pact(**rule({"match": "regex", "regex": "(a+)+$"})), "may take for ever"),
        (pact(**rule({"match": "type", "min": -1})), "`min`"),
        ([], "is no contract"),
    ],
)
def test_what_is_refused_is_named(document: Any, words: str) -> None:
    with pytest.raises(Invalid) as caught:
        given(document)
    assert words in str(caught.value)
    assert caught.value.code == "bad-contract"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"interactions": ' + b'{"a": ' * 200 + b"1" + b"}" * 201,
        b" " * (4 * 1024 * 1024 + 1),
        b"\xff",
    ],
)
def test_hostile_files_are_one_clear_error(data: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        read(data, "x.json")
    assert caught.value.code == "bad-contract"
