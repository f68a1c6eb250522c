"""Which pushes to a registry a connection means."""

import pytest

from headway.flows.handover_push import Rule, matches, polled, rule_of
from headway.model.connection import Connection
from headway.model.errors import Invalid


def connection(kind: str = "registry", **options: str) -> Connection:
    return Connection("images", kind, "http://127.0.0.1:5000", options)


def rule(**options: str) -> Rule:
    found = rule_of(connection(service="shop", **options))
    assert found is not None
    return found


def test_only_a_registry_with_a_service_has_a_rule() -> None:
    assert rule_of(None) is None
    assert rule_of(connection()) is None
    assert rule_of(connection("github", service="shop")) is None
    assert rule().repository == "shop"
    assert rule(repository="team/shop").repository == "team/shop"


@pytest.mark.parametrize(
    ("tags", "tag", "meant"),
    [
        ("", "v1", True),
        ("v*", "v1.2", True),
        ("v*", "latest", False),
        ("v* !v*-rc*", "v1-rc1", False),
        ("v* main", "main", True),
        ("", "", False),
        ("", "sha256-" + "a" * 64, False),
        ("", "sha256-" + "a" * 64 + ".att", False),
    ],
)
def test_tags(tags: str, tag: str, meant: bool) -> None:
    found = rule(tags=tags) if tags else rule()
    assert matches(found, tag) is meant


def test_a_pattern_that_cannot_be_read_is_refused() -> None:
    broken = connection(service="shop", tags="v[1", every="60")
    with pytest.raises(Invalid) as caught:
        rule_of(broken)
    assert caught.value.code == "bad-pattern"
    assert polled(broken)


def test_only_who_wants_it_is_asked() -> None:
    assert polled(connection(service="shop", every="60"))
    assert not polled(connection(service="shop"))
    assert not polled(connection(every="60"))
