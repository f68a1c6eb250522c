"""A decision that could not be sent: its session had ended, it was made before, it is not this
person's to make. What was written is not lost, and nothing is done that nobody confirmed.
"""

import base64
from urllib.parse import quote

from tests.support.site import Browser
from tests.web.conftest import Told

from headway.access.principal import Grant
from headway.store import access_sessions

ASKS = "/approvals/decide?id=shop-4%2Fproduction&verdict=approve"
WROTE = "I looked at <b>it</b> é"


def person(told: Told, name: str) -> Browser:
    """Somebody who may approve, logged in."""
    if name not in PEOPLE:
        told.api.house.person(name, Grant("approver"))
        PEOPLE.add(name)
    return told.api.house.entered(name)


PEOPLE: set[str] = set()


def end_session(told: Told, browser: Browser) -> None:
    with told.api.headway.tx() as tx:
        assert access_sessions.end(tx, browser.client.cookies["headway_session"])


def decided(told: Told) -> int:
    return len(told.stage.events(kind="approval.decided"))


def test_after_the_login_the_question_comes_back_with_what_was_written(told: Told) -> None:
    browser, before = person(told, "cleo"), decided(told)
    form = {"csrf": browser.csrf(ASKS), "reason": WROTE}
    end_session(told, browser)
    sent = browser.post(ASKS, form)
    assert sent.status_code == 303
    assert sent.headers["location"] == f"/login?next={quote(ASKS, safe='')}"
    assert "looked" not in sent.headers["location"]
    entered = browser.log_in("cleo", next=ASKS)
    assert entered.headers["location"] == ASKS
    asked = browser.get(ASKS).text
    assert "I looked at &lt;b&gt;it&lt;/b&gt; é</textarea>" in asked
    assert "Your session had ended" in asked
    assert "looked" not in browser.get(ASKS).text
    assert decided(told) == before


def test_a_form_of_the_session_before_is_asked_again(told: Told) -> None:
    browser, before = person(told, "cleo"), decided(told)
    form = {"csrf": browser.csrf(ASKS), "reason": WROTE}
    end_session(told, browser)
    assert browser.log_in("cleo").status_code == 303
    sent = browser.post(ASKS, form)
    assert (sent.status_code, sent.headers["location"]) == (303, ASKS)
    assert "é</textarea>" in browser.get(ASKS).text
    assert decided(told) == before


def test_a_cookie_that_nobody_wrote_is_no_text(told: Told) -> None:
    browser = person(told, "cleo")
    for bad in (b"[" * 2600, b"{", b"\xff", b'["/", 1]', b'["x", "y"]'):
        browser.client.cookies.set("headway_draft", base64.urlsafe_b64encode(bad).decode())
        assert "></textarea>" in browser.get(ASKS).text, bad
    browser.client.cookies.delete("headway_draft")


def test_another_site_puts_nothing_into_a_form(told: Told) -> None:
    elsewhere = {"origin": "https://evil.example", "sec_fetch_site": "cross-site"}
    stranger = told.api.house.browser()
    sent = stranger.post(ASKS, {"reason": WROTE}, **elsewhere)
    assert (sent.status_code, "set-cookie" in sent.headers) == (403, False)
    browser = person(told, "cleo")
    refused = browser.post(ASKS, {"reason": WROTE, "csrf": "0" * 64}, **elsewhere)
    assert refused.status_code == 403
    assert "looked" not in refused.text + browser.get(ASKS).text


def test_what_has_no_page_of_its_own_leads_back_to_the_page_above(told: Told) -> None:
    stranger = told.api.house.browser()
    sent = stranger.post("/runs/run_1/again", {"what": "all"})
    assert sent.headers["location"] == f"/login?next={quote('/runs/run_1', safe='')}"
    assert "evil" not in stranger.post("//evil.example/x", {}).headers.get("location", "")


def test_who_may_not_decide_is_told_before_writing_anything(told: Told) -> None:
    browser = person(told, "emma")
    shown = browser.get("/approvals").text
    assert "emma is not one of ana, cleo" in shown
    assert "emma is not one of ana, cleo" in browser.get(ASKS).text
    form = {"csrf": browser.csrf("/"), "reason": WROTE}
    refused = browser.post(ASKS, form)
    assert refused.status_code == 409
    assert "<blockquote>I looked at &lt;b&gt;it&lt;/b&gt; é</blockquote>" in refused.text
    assert 'href="/approvals">Back to approvals</a>' in refused.text


def test_what_was_decided_or_has_ended_is_no_bare_error(told: Told) -> None:
    browser = person(told, "cleo")
    for id in ("shop-1%2Fproduction", "shop-2%2Fproduction"):
        late = browser.get(f"/approvals/decide?id={id}&verdict=approve")
        assert late.status_code == 409
        assert "no longer waits in production" in late.text
        assert "See the delivery" in late.text
    nothing = browser.get("/approvals/decide?id=shop-99%2Fproduction&verdict=approve")
    assert nothing.status_code == 404
