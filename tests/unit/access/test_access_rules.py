"""Who may what: the table of roles, places, tokens' scopes, names and passwords."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.access import mapping, rules, scope, tokens
from headway.access.principal import (
    DECISION,
    NOBODY,
    Grant,
    Kind,
    Principal,
    anywhere,
    may,
    services,
)
from headway.access.roles import EVERYWHERE, PERMISSIONS, ROLES, allowed
from headway.access.scope import Scope
from headway.model.errors import Invalid

PLACES = st.sampled_from(["", "shop", "cart"])
ENVIRONMENTS = st.sampled_from(["", "staging", "production"])
PERMISSION = st.sampled_from(sorted(PERMISSIONS))
GRANTS = st.lists(st.builds(Grant, st.sampled_from(ROLES), PLACES, ENVIRONMENTS), max_size=4)
SCOPES = st.builds(
    Scope,
    st.lists(st.sampled_from([*ROLES, *PERMISSIONS]), min_size=1, max_size=3).map(tuple),
    PLACES,
    ENVIRONMENTS,
)


def person(grants: list[Grant], kind: Kind = "user") -> Principal:
    return Principal("p", "p", kind, tuple(grants))


def plainly(grants: list[Grant], permission: str, service: str, environment: str) -> bool:
    """The rule once more, place by place: an empty place asks for every service there could be."""
    wanted = [
        (s, e)
        for s in ([service] if service else ["shop", "cart", "another"])
        for e in ([environment] if environment else ["staging", "production", "another"])
    ]
    covers = [
        g
        for g in grants
        if allowed(g.role, permission)
        and (permission not in EVERYWHERE or (g.service, g.environment) == ("", ""))
    ]
    if service == "" or environment == "":
        return any(
            all(g.service in {"", s} and g.environment in {"", e} for s, e in wanted)
            for g in covers
        )
    return any(g.service in {"", service} and g.environment in {"", environment} for g in covers)


@given(GRANTS, PERMISSION, PLACES, ENVIRONMENTS)
def test_may_is_the_plain_rule(
    grants: list[Grant], permission: str, service: str, environment: str
) -> None:
    who = person(grants)
    expected = plainly(grants, permission, service, environment)
    assert may(who, permission, service, environment) is expected
    if expected:
        assert anywhere(who, permission)
        found = services(who, permission)
        assert found is None or service in found


@given(GRANTS, SCOPES, PERMISSION, PLACES, ENVIRONMENTS)
def test_a_token_gives_what_both_its_owner_and_its_scope_give(
    grants: list[Grant], cut: Scope, permission: str, service: str, environment: str
) -> None:
    """Never more than its owner has; and in one place exactly what both allow."""
    left = person(list(scope.cut(grants, cut)))
    asked = may(left, permission, service, environment)
    assert not asked or may(person(grants), permission, service, environment)
    within = cut.service in {"", service} and cut.environment in {"", environment}
    named = permission in scope.permissions(cut)
    assert not asked or (within and named)
    if service and environment and permission not in EVERYWHERE and within and named:
        assert asked == may(person(grants), permission, service, environment)


@given(GRANTS, st.builds(Grant, st.sampled_from(ROLES), PLACES, ENVIRONMENTS), PERMISSION, PLACES)
def test_one_more_grant_never_takes_anything(
    grants: list[Grant], more: Grant, permission: str, service: str
) -> None:
    before = may(person(grants), permission, service, "production")
    assert not before or may(person([*grants, more]), permission, service, "production")


@given(PERMISSION, PLACES, ENVIRONMENTS)
def test_nobody_and_nothing_granted_may_nothing(
    permission: str, service: str, environment: str
) -> None:
    assert not may(NOBODY, permission, service, environment)
    assert not may(person([]), permission, service, environment)


def test_whoever_administers_one_service_does_not_administer_the_whole() -> None:
    who = person([Grant("admin", "shop"), Grant("admin", "", "staging")])
    for permission in EVERYWHERE:
        assert not anywhere(who, permission)
        assert not may(who, permission, "shop", "staging")
    assert may(who, "release.rollback", "shop", "production")


def test_a_program_approves_only_as_an_approver_by_name() -> None:
    """An approval is a person's word; administrating programs give none."""
    assert may(person([Grant("admin")]), DECISION, "shop", "production")
    assert not anywhere(person([Grant("admin")], "service"), DECISION)
    assert may(person([Grant("approver", "shop")], "service"), DECISION, "shop", "production")


def test_who_operates_does_not_approve_and_who_develops_does_not_start_the_line() -> None:
    assert not allowed("operator", DECISION)
    assert not allowed("developer", "line.start")
    assert allowed("developer", "line.stop")
    assert {p for p in PERMISSIONS if allowed("worker", p)} == {"work.take"}


@given(st.binary(min_size=32, max_size=32))
def test_tokens_can_be_found_and_checked_without_asking(entropy: bytes) -> None:
    text = tokens.make(entropy)
    assert tokens.well_formed(text)
    assert text.startswith("hwt_")
    assert len(text) == 53
    for n in (4, 30, 52):
        other = text[:n] + ("a" if text[n] != "a" else "b") + text[n + 1 :]
        assert not tokens.well_formed(other)


@given(st.text(max_size=60))
def test_no_other_text_is_a_token(text: str) -> None:
    assert not tokens.well_formed(text)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_different_bits_are_different_tokens(one: bytes, other: bytes) -> None:
    assert (tokens.make(one) == tokens.make(other)) is (one == other)


@pytest.mark.parametrize("bad", ["", "  ", "Ümlaut", "a b", "../x", "-a", "home", "a" * 65, "a\n"])
def test_names_that_are_no_names(bad: str) -> None:
    if bad.strip() == "a":
        assert rules.name(bad) == "a"
        return
    with pytest.raises(Invalid) as refusal:
        rules.name(bad)
    assert refusal.value.code == "account-name"


@pytest.mark.parametrize(
    ("password", "why"),
    [
        ("short", "fewer than 12"), ("a" * 300, "more than 256"), ("abab" * 3, "few characters"),
        ("password1234", "little more"), ("ana-shop-ana-shop", "little more"),
        ("Password-Password-1", "little more"),
    ],
)  # fmt: skip
def test_passwords_that_will_not_do_are_never_repeated(password: str, why: str) -> None:
    with pytest.raises(Invalid) as refusal:
        rules.password(password, "ana-shop")
    assert why in str(refusal.value)
    assert password not in str(refusal.value)


@pytest.mark.parametrize("good", ["correct horse battery", "xkvjq-83hs-pwm2", "пароль из слов"])
def test_long_passwords_will_do(good: str) -> None:
    rules.password(good, "ana")


@pytest.mark.parametrize("bad", ["role:king", "role:", "team:", "ops", "", "group:x"])
def test_a_rule_for_a_group_is_a_team_or_a_role(bad: str) -> None:
    with pytest.raises(Invalid):
        mapping.rule(bad)


def test_a_group_that_no_rule_names_gives_nothing() -> None:
    options = {"group.ops": "role:operator:shop/production,team:Ops", "client_id": "x"}
    assert mapping.mapped(options, ["client_id", "", "other"]).nothing
    found = mapping.mapped(options, ["ops", "other"])
    assert found.grants == {Grant("operator", "shop", "production")}
    assert found.teams == {"ops"}
