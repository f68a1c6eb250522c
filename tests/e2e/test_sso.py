"""Logging in by a real OpenID provider, and what attackers try: each a threat of
docs/explanation/security.md.
"""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from joserfc.jwk import RSAKey
from tests.support import oidc
from tests.support.oidc import Twisted, back, hmac_of_public_key, set_out, through, unsigned
from tests.support.site import House, house

from headway.access.principal import Grant
from headway.adapters.oidc import provider
from headway.flows import accounts
from headway.model.connection import Connection
from headway.store import access, connections
from headway.store.access import Holder

GROUPS = {"ana": ["ops", "unknown"], "bea": ["shop"], "eve": ["strangers"], "carl": ["ops"]}
RULES = {"group.ops": "role:operator:shop/production, role:viewer", "group.shop": "team:shop"}
OPTIONS = {"client_id": "headway", "client_secret": oidc.SECRET, **RULES}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("sso")) as made:
        yield made


@pytest.fixture(scope="module")
def real(site: House) -> Iterator[str]:
    with oidc.real(f"{site.address}/sso/corp/back", GROUPS) as issuer:
        connections.put(site.headway.home, Connection("corp", "oidc", issuer, OPTIONS))
        yield issuer
        connections.remove(site.headway.home, "corp")


@pytest.fixture(scope="module")
def running(site: House) -> Iterator[Twisted]:
    with oidc.twisted() as made:
        connections.put(site.headway.home, Connection("twisted", "oidc", made.issuer, OPTIONS))
        yield made
        connections.remove(site.headway.home, "twisted")


@pytest.fixture
def evil(running: Twisted, monkeypatch: pytest.MonkeyPatch) -> Twisted:
    running.again()
    monkeypatch.setattr(provider, "KEYS_SECONDS", 0.0)
    monkeypatch.setattr(provider, "METADATA_SECONDS", 0.0)
    return running


def held(site: House, name: str) -> tuple[Grant, ...]:
    with site.headway.reading() as connection:
        return access.principal(connection, access.get(connection, name), "").grants


def known(site: House) -> set[str]:
    with site.headway.reading() as connection:
        return {a.name for a in access.every(connection)}


# --- a real provider


def test_a_person_of_a_known_group_gets_in_and_may_what_the_group_gives(
    site: House, real: str
) -> None:
    browser = site.browser()
    assert "Log in with corp" in browser.get("/login").text
    there = set_out(browser, "corp", next="/runs?x=1")
    assert "code_challenge_method=S256" in there
    answer = browser.get(through(there, "ana"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/runs?x=1")
    assert browser.get("/").status_code == 200
    assert held(site, "ana") == (Grant("operator", "shop", "production"), Grant("viewer"))
    with site.headway.reading() as connection:
        assert access.get(connection, "ana").email == "ana@example.org"
        assert not access.get(connection, "ana").password


def test_groups_give_teams_and_take_them_again(site: House, real: str) -> None:
    browser = site.browser()
    assert browser.get(through(set_out(browser, "corp"), "bea")).status_code == 303
    with site.headway.tx() as tx:
        assert access.teams_of(tx.connection, "bea") == ["shop"]
        accounts.grant(tx, "test", Holder("account", "bea"), Grant("approver"))
    changed = {k: v for k, v in OPTIONS.items() if k != "group.shop"}
    connections.put(site.headway.home, Connection("corp", "oidc", real, changed))
    browser = site.browser()
    assert browser.get(through(set_out(browser, "corp"), "bea")).status_code == 303
    with site.headway.reading() as connection:
        assert access.teams_of(connection, "bea") == []
    assert held(site, "bea") == (Grant("approver"),), "what an administrator gave stays"
    connections.put(site.headway.home, Connection("corp", "oidc", real, OPTIONS))


def test_nobody_without_a_known_group_gets_an_account(site: House, real: str) -> None:
    browser = site.browser()
    answer = browser.get(through(set_out(browser, "corp"), "eve"))
    assert answer.status_code == 409
    assert "none of your groups is known" in answer.text
    assert browser.get("/").status_code == 303
    assert "eve" not in known(site)


def test_a_name_at_the_provider_does_not_take_an_account_over(site: House, real: str) -> None:
    site.person("carl", Grant("admin"))
    browser = site.browser()
    answer = browser.get(through(set_out(browser, "corp"), "carl"))
    assert answer.status_code == 409
    assert browser.get("/").status_code == 303
    with site.headway.tx() as tx:
        accounts.link(tx, "test", "carl", real, "carl")
    assert browser.get(through(set_out(browser, "corp"), "carl")).status_code == 303


def test_what_a_browser_brings_back_works_once_and_only_there(site: House, real: str) -> None:
    browser, other = site.browser(), site.browser()
    answer = through(set_out(browser, "corp"), "ana")
    other.csrf("/login")
    assert other.get(answer).status_code == 409, "begun in another browser"
    assert browser.get(answer).status_code == 409, "and spent by the attempt"
    answer = through(set_out(browser, "corp"), "ana")
    assert browser.get(answer).status_code == 303
    again = site.browser()
    code = oidc.query(answer)["code"]
    state = oidc.query(set_out(again, "corp"))["state"]
    replayed = again.get(f"/sso/corp/back?code={code}&state={state}&iss={real}")
    assert replayed.status_code == 409, "a code is worth nothing a second time"
    assert again.get("/").status_code == 303


def test_logging_out_leads_to_the_providers_door(site: House, real: str) -> None:
    browser = site.browser()
    assert browser.get(through(set_out(browser, "corp"), "ana")).status_code == 303
    answer = browser.post("/logout", {"csrf": browser.csrf("/")})
    assert answer.status_code == 200
    assert f'href="{real}/session/end?client_id=headway&amp;' in answer.text
    assert browser.get("/").status_code == 303


def test_a_disabled_person_does_not_come_in_by_the_provider(site: House, real: str) -> None:
    browser = site.browser()
    assert browser.get(through(set_out(browser, "corp"), "ana")).status_code == 303
    with site.headway.tx() as tx:
        accounts.disable(tx, "test", "ana")
    assert browser.get("/").status_code == 303
    assert browser.get(through(set_out(browser, "corp"), "ana")).status_code == 409
    with site.headway.tx() as tx:
        accounts.enable(tx, "test", "ana")


# --- a provider, or somebody between, that lies


def refused(site: House, evil: Twisted, **more: str) -> str:
    """Why the login is refused; nobody is in, nobody is made."""
    browser, before = site.browser(), known(site)
    answer = browser.get(back(evil, set_out(browser, "twisted"), "twisted", **more))
    assert answer.status_code == 409, answer.text
    assert browser.get("/").status_code == 303
    assert known(site) == before
    return answer.text


def good(site: House, evil: Twisted) -> None:
    browser = site.browser()
    answer = browser.get(back(evil, set_out(browser, "twisted"), "twisted"))
    assert answer.status_code == 303, answer.text


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("aud", "another"), ("aud", ["headway", "another"]), ("aud", None), ("azp", "another"),
        ("exp", 1), ("exp", None), ("exp", "never"), ("iat", 1), ("nonce", "another"),
        ("nonce", None), ("iss", "https://accounts.example"), ("sub", ""), ("sub", 7),
    ],
)  # fmt: skip
def test_claims_that_are_not_for_this_login_are_refused(
    site: House, evil: Twisted, claim: str, value: object
) -> None:
    evil.twist = lambda claims: claims.update({claim: value})
    assert "wrong: " in refused(site, evil)


def test_signatures_that_anybody_could_make_are_refused(site: House, evil: Twisted) -> None:
    good(site, evil)
    other = RSAKey.generate_key(2048, {"kid": "one"})
    for sign in (
        unsigned,
        hmac_of_public_key,
        lambda one, claims: replace(one, key=other, sign=None).signed(claims),
        lambda _one, _claims: "a.b.c",
        lambda _one, _claims: "",
    ):
        evil.sign = sign
        assert "signed" in refused(site, evil)


def test_a_provider_may_change_its_keys_at_any_time(site: House, evil: Twisted) -> None:
    good(site, evil)
    before, evil.key = evil.key, RSAKey.generate_key(2048, {"kid": "two"})
    good(site, evil)
    evil.sign = lambda one, claims: replace(one, key=before, sign=None).signed(claims)
    assert "signed" in refused(site, evil), "the key of before is worth nothing"


def test_an_answer_of_another_provider_is_refused(site: House, evil: Twisted) -> None:
    """Mix-up (RFC 9207): a code of one provider is not sent to another."""
    assert "another provider" in refused(site, evil, iss="https://accounts.example")
    evil.metadata = {"authorization_response_iss_parameter_supported": True}
    assert "another provider" in refused(site, evil)
    evil.metadata = {"issuer": "https://accounts.example"}
    browser = site.browser()
    shown = browser.post("/sso/twisted", {"csrf": browser.csrf("/login")})
    assert shown.status_code == 409


def test_a_state_counts_for_its_own_provider_only(site: House, evil: Twisted) -> None:
    twin = Connection("twin", "oidc", evil.issuer, OPTIONS)
    connections.put(site.headway.home, twin)
    browser = site.browser()
    answer = back(evil, set_out(browser, "twin"), "twisted")
    assert browser.get(answer).status_code == 409
    connections.remove(site.headway.home, "twin")


def test_without_a_state_or_with_an_error_nobody_is_in(site: House, evil: Twisted) -> None:
    browser = site.browser()
    for asked in ("", "?code=x", "?state=x&code=y"):
        assert browser.get(f"/sso/twisted/back{asked}").status_code == 409
    state = oidc.query(set_out(browser, "twisted"))["state"]
    denied = browser.get(f"/sso/twisted/back?state={state}&error=access_denied&error_description=x")
    assert denied.status_code == 409
    assert browser.get("/sso/nothing/back").status_code == 404


def test_an_address_that_the_provider_has_not_checked_is_nobodys(
    site: House, evil: Twisted
) -> None:
    """Else one writes a colleague's address at the provider and is taken for the author here."""
    for verified, expected in ((False, ""), ("true", ""), (True, "uma@example.org")):
        evil.twist = lambda claims, v=verified: claims.update(  # type: ignore[misc]
            {"email": "uma@example.org", "email_verified": v}
        )
        good(site, evil)
        with site.headway.reading() as connection:
            assert access.get(connection, "uma").email == expected


def test_the_subject_is_the_person_whatever_the_name(site: House, evil: Twisted) -> None:
    good(site, evil)
    evil.twist = lambda claims: claims.update({"preferred_username": "Umberto"})
    good(site, evil)
    assert "umberto" not in known(site)
    evil.twist = lambda claims: claims.update({"sub": "s-2"})
    assert "made here before" in refused(site, evil)


def test_endpoints_by_plain_http_elsewhere_are_not_asked(site: House, evil: Twisted) -> None:
    evil.metadata = {"token_endpoint": "http://accounts.example/token"}
    browser = site.browser()
    answer = browser.get(back(evil, set_out(browser, "twisted"), "twisted"))
    assert answer.status_code == 400
