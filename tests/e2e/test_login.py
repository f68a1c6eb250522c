"""Browsers that log in to the real site, and what does not let them: each a threat of
docs/explanation/security.md.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import argon2
import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.site import PASSWORD, TOKEN, Browser, House, house

from headway.access.principal import Grant
from headway.api.security import Site
from headway.api.who import SESSION, csrf_of
from headway.flows import accounts, login, passwords
from headway.store import access, access_sessions, access_tries, log
from headway.store.access_tables import sessions, tries
from headway.store.access_tries import Trier


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("login")) as made:
        made.person("ana", Grant("admin"))
        made.person("vic", Grant("viewer"))
        yield made


@pytest.fixture(autouse=True)
def _forgiven(site: House) -> None:
    """No test waits for another's wrong passwords."""
    with site.headway.tx() as tx:
        tx.connection.execute(tries.delete())


def age(site: House, **columns: float) -> None:
    with site.headway.tx() as tx:
        tx.connection.execute(sessions.update().values(**columns))


def inside(browser: Browser) -> bool:
    return browser.get("/").status_code == 200


def kinds(site: House) -> list[str]:
    with site.headway.reading() as connection:
        return [e.kind for e in log.after(connection, 0, limit=10_000)]


def test_a_person_logs_in_works_and_logs_out(site: House) -> None:
    browser = site.browser()
    there = browser.get("/?x=1")
    assert there.status_code == 303
    assert there.headers["location"] == "/login?next=%2F%3Fx%3D1"
    answer = browser.log_in("Ana", next="/?x=1")
    assert (answer.status_code, answer.headers["location"]) == (303, "/?x=1")
    cookie = next(c for c in answer.headers.get_list("set-cookie") if c.startswith(SESSION))
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Log out" in browser.get("/").text
    assert browser.get("/login?next=/x").headers["location"] == "/x"
    id = browser.client.cookies[SESSION]
    assert browser.post("/logout", {"csrf": browser.csrf("/")}).headers["location"] == "/login"
    assert not inside(browser)
    stale = httpx.get(site.address, cookies={SESSION: id}, trust_env=False)
    assert stale.status_code == 303
    assert {"login.passed", "login.ended"} <= set(kinds(site))


def test_nothing_that_proves_who_somebody_is_is_in_the_database(site: House) -> None:
    browser = site.entered("ana")
    token = site.token("ana", "viewer")
    files = [p.read_bytes() for p in site.headway.home.glob("headway.db*")]
    for secret in (browser.client.cookies[SESSION], token, token[4:47], PASSWORD):
        assert not any(secret.encode() in content for content in files)


def test_unknown_names_wrong_passwords_and_disabled_people_get_one_answer(site: House) -> None:
    site.person("gone", Grant("viewer"))
    with site.headway.tx() as tx:
        accounts.disable(tx, "test", "gone")
    said = []
    for name, password in (("ana", "wrong"), ("nobody-here", PASSWORD), ("gone", PASSWORD)):
        answer = site.browser().log_in(name, password)
        text = re.sub(r'value="[^"]*"', "", answer.text)
        said.append((answer.status_code, text))
    assert said[0] == said[1] == said[2]
    assert said[0][0] == 401


def test_an_unknown_name_costs_as_many_hashes_as_a_wrong_password(
    site: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    work: list[str] = []
    for word in ("hash", "verify"):
        real = getattr(argon2.PasswordHasher, word)

        def counted(self: object, *args: object, real=real, **more: object) -> object:  # type: ignore[no-untyped-def]
            work.append("hashed")
            return real(self, *args, **more)

        monkeypatch.setattr(argon2.PasswordHasher, word, counted)
    site.browser().log_in("ana", "wrong")
    once = len(work)
    site.browser().log_in("nobody-here", "wrong")
    assert (once, len(work)) == (1, 2)


@pytest.mark.parametrize(
    "given",
    ["//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "/\t/evil.example",
     "javascript:alert(1)", "/ok\r\nset-cookie: a=b", "evil", ""],
)  # fmt: skip
def test_login_leads_to_own_pages_only(site: House, given: str) -> None:
    assert site.browser().log_in("vic", next=given).headers["location"] == "/"


def test_login_makes_a_new_session_whatever_the_browser_had(site: House) -> None:
    """Fixation: an id that somebody else put into the browser is never let in."""
    browser = site.browser()
    browser.client.cookies.set(SESSION, "planted-by-somebody-else", domain="127.0.0.1")
    assert browser.log_in("vic").status_code == 303
    assert browser.client.cookies[SESSION] != "planted-by-somebody-else"
    thief = site.browser()
    thief.client.cookies.set(SESSION, "planted-by-somebody-else", domain="127.0.0.1")
    assert not inside(thief)
    first = browser.client.cookies[SESSION]
    with site.headway.tx() as tx:
        again = login.begin(tx, "vic", "")
    assert again != first


def test_a_second_login_ends_the_session_before(site: House) -> None:
    browser = site.entered("vic")
    old = browser.client.cookies[SESSION]
    data = {"name": "ana", "password": PASSWORD, "csrf": browser.csrf("/"), "next": "/"}
    assert browser.post("/login", data).status_code == 303
    thief = site.browser()
    thief.client.cookies.set(SESSION, old, domain="127.0.0.1")
    assert not inside(thief)
    assert inside(browser)


def test_sessions_end_when_idle_and_in_any_case(site: House) -> None:
    for limit, column in (
        (access_sessions.IDLE_SECONDS, "seen_at"),
        (access_sessions.MOST_SECONDS, "made_at"),
    ):
        browser = site.entered("vic")
        with site.headway.tx() as tx:
            now = tx.now
        age(site, **{"seen_at": now, column: now - limit + 60})
        assert inside(browser)
        age(site, **{"seen_at": now, column: now - limit - 1})
        assert not inside(browser)


def test_disabling_or_a_new_password_ends_what_is_open_at_once(site: House) -> None:
    site.person("tom", Grant("viewer"))
    browser, token = site.entered("tom"), {"authorization": f"Bearer {site.token('tom', 'viewer')}"}
    assert inside(browser)
    assert site.browser().get("/api/v1/services", **token).status_code == 200
    with site.headway.tx() as tx:
        accounts.set_password(tx, "test", "tom", passwords.hashed("another good phrase"))
    assert not inside(browser)
    assert site.browser().log_in("tom").status_code == 401
    again = site.browser()
    assert again.log_in("tom", "another good phrase").status_code == 303
    with site.headway.tx() as tx:
        accounts.disable(tx, "test", "tom")
    assert not inside(again)
    assert site.browser().get("/api/v1/services", **token).status_code == 401


# --- forms of other sites


def test_a_form_needs_the_text_of_its_own_session(site: House) -> None:
    browser, other = site.entered("ana"), site.entered("vic")
    for text in (None, "", "0" * 64, other.csrf("/"), csrf_of("guessed")):
        data = {} if text is None else {"csrf": text}
        assert browser.post("/logout", data).status_code == 403
        assert inside(browser)
    assert browser.post("/logout", {"csrf": browser.csrf("/")}).status_code == 303


def test_the_header_of_htmx_counts_like_the_field(site: House) -> None:
    browser = site.entered("ana")
    assert browser.post("/logout", {}, x_csrf_token="wrong").status_code == 403
    assert browser.post("/logout", {}, x_csrf_token=browser.csrf("/")).status_code == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
    ],
)
def test_what_comes_from_another_site_is_refused_even_with_the_right_text(
    site: House, headers: dict[str, str]
) -> None:
    browser = site.entered("ana")
    assert browser.post("/logout", {"csrf": browser.csrf("/")}, **headers).status_code == 403
    assert inside(browser)


def test_login_itself_cannot_be_sent_from_elsewhere(site: House) -> None:
    """Else a stranger logs a person in as the stranger, and reads what the person does there."""
    browser = site.browser()
    data = {"name": "vic", "password": PASSWORD, "next": "/"}
    assert browser.post("/login", data).status_code == 403
    assert browser.post("/login", data | {"csrf": site.browser().csrf("/login")}).status_code == 403


def test_the_api_wants_the_text_from_a_session_and_not_from_a_token(site: House) -> None:
    browser = site.entered("ana")
    sent = browser.client.get(f"{site.address}/api/v1/services")
    assert sent.status_code == 200
    assert not site.browser().get("/", cookie=f"{SESSION}=x", authorization="Bearer x").is_success
    wrong = {"authorization": "Bearer hwt_wrong"}
    assert browser.get("/api/v1/services", **wrong).status_code == 401


# --- guessing


def test_guessing_is_slowed_and_the_right_password_from_elsewhere_is_not(site: House) -> None:
    guesser = site.browser()
    codes = [guesser.log_in("ana", f"guess number {n}").status_code for n in range(7)]
    assert codes == [401] * 5 + [429, 429]
    assert guesser.log_in("ana").status_code == 429
    elsewhere = login.Knock("ana", PASSWORD, "192.0.2.7", _now(site))
    assert login.log_in(site.headway, elsewhere)


def test_strangers_who_guess_do_not_lock_a_person_out(site: House) -> None:
    """Not from a browser where they were before, even behind one address with the strangers; and
    from a new one for half a minute at most.
    """
    person, stranger = site.entered("ana"), site.browser()
    person.client.cookies.delete(SESSION)
    for n in range(7):
        stranger.log_in("ana", f"guess number {n}")
    assert stranger.log_in("ana").status_code == 429
    assert person.log_in("ana").status_code == 303
    with site.headway.tx() as tx:
        for n in range(90):
            access_tries.failed(tx, Trier("ana", f"192.0.2.{n}", ""))
        assert 0 < access_tries.left(tx.connection, Trier("ana", "192.0.2.99", ""), tx.now) <= 30
        assert access_tries.left(tx.connection, Trier("vic", "192.0.2.1", ""), tx.now) == 0
    person.client.cookies.delete(SESSION)
    assert person.log_in("ana").status_code == 303


@given(st.integers(0, 10_000))
def test_waits_grow_and_end(failures: int) -> None:
    for counter in (access_tries.PAIR, access_tries.ADDRESS, access_tries.NAME):
        assert 0 <= counter.wait(failures) <= counter.wait(failures + 1) <= counter.most
        assert (counter.wait(failures) == 0) is (failures < counter.free)


def _now(site: House) -> float:
    with site.headway.tx() as tx:
        return tx.now


# --- the first administrator


def test_the_first_administrators_link_works_once_and_only_while_there_is_none(
    tmp_path: Path,
) -> None:
    with house(tmp_path) as site:
        with site.headway.tx() as tx:
            old, new = login.invite(tx), login.invite(tx)
        browser = site.browser()
        assert browser.get(f"/welcome/{old}").status_code == 404
        assert browser.get("/welcome/guessed").status_code == 404
        form = {"name": "Ana", "password": "short", "csrf": browser.csrf(f"/welcome/{new}")}
        short = browser.post(f"/welcome/{new}", form)
        assert short.status_code == 400
        assert "fewer than 12" in short.text
        good = browser.post(f"/welcome/{new}", form | {"password": PASSWORD})
        assert good.status_code == 303
        assert inside(browser)
        assert site.browser().get(f"/welcome/{new}").status_code == 404
        with site.headway.tx() as tx:
            assert login.invite(tx) == ""
            assert access.has_admin(tx.connection)


def test_the_first_administrators_link_ends_after_an_hour(tmp_path: Path) -> None:
    with house(tmp_path) as site:
        with site.headway.tx() as tx:
            secret = login.invite(tx)
            now = tx.now
        with site.headway.reading() as connection:
            assert access_sessions.invited(connection, secret, now + 3599)
            assert not access_sessions.invited(connection, secret, now + 3600)


# --- names and headers


def test_every_answer_carries_the_headers_that_browsers_heed(site: House) -> None:
    browser = site.entered("ana")
    for path in ("/", "/login", "/nothing-here", "/api/v1/services", "/api/v1/nothing", "/health"):
        headers = browser.get(path).headers
        assert headers["x-frame-options"] == "DENY", path
        assert "frame-ancestors 'none'" in headers["content-security-policy"], path
        assert headers["x-content-type-options"] == "nosniff", path
        assert "unsafe" not in headers["content-security-policy"], path
        assert "strict-transport-security" not in headers, path


@pytest.mark.parametrize(
    ("host", "good"),
    [
        ("evil.example", False), ("127.0.0.1.evil.example", False),
        ("localhost.evil.example", False),
        ("", False), ("a b", False), ("localhost", True), ("127.0.0.1:1", True), ("[::1]:80", True),
        ("headway.example.com", True), ("HEADWAY.example.com:443", True), ("more.example", True),
    ],
)  # fmt: skip
def test_only_own_names_are_answered(host: str, good: bool) -> None:
    """DNS rebinding: a page whose name is pointed at this machine reads nothing."""
    site = Site("https://headway.example.com", frozenset({"more.example"}))
    assert site.knows(host) is good


def test_another_name_is_refused_at_every_door(site: House) -> None:
    for path in ("/", "/login", "/api/v1/services", "/metrics", "/health", "/shop.git/info/refs"):
        assert site.browser().get(path, host="evil.example").status_code == 421, path


def test_behind_https_the_cookie_is_bound_to_the_host_and_https(tmp_path: Path) -> None:
    with house(tmp_path, Site("https://headway.example.com")) as site:
        site.person("ana", Grant("admin"))
        own = {"host": "headway.example.com", "origin": "https://headway.example.com"}
        shown = site.browser().get("/login", **own)
        visitor = shown.headers["set-cookie"].partition(";")[0]
        assert visitor.startswith("__Host-")
        text = re.search(r'name="csrf" value="(\w+)"', shown.text)
        assert text
        data = {"name": "ana", "password": PASSWORD, "csrf": text[1]}
        answer = site.browser().post("/login", data, cookie=visitor, **own)
        assert answer.status_code == 303
        cookie = next(c for c in answer.headers.get_list("set-cookie") if SESSION in c)
        assert cookie.startswith(f"__Host-{SESSION}=")
        assert "Secure" in cookie
        assert "Path=/" in cookie
        assert "Domain" not in cookie
        assert "max-age=" in answer.headers["strict-transport-security"]


def test_the_token_of_the_home_is_an_administrators(site: House) -> None:
    known = {"authorization": f"Bearer {TOKEN}"}
    assert site.browser().get("/api/v1/services", **known).status_code == 200
