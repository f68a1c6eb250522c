"""Settings in the browser: one's own tokens and password, people and teams, notifications."""

import re
from collections.abc import Iterator

import pytest
from tests.support.site import PASSWORD, Browser, House, house

from headway.access.principal import Grant
from headway.model.connection import Connection
from headway.store import access, access_tokens, connections, notices
from headway.store.access import Holder

PEOPLE = "/settings/people"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("settings")) as made:
        made.person("ana", Grant("admin"))
        made.person("vic", Grant("viewer"))
        yield made


@pytest.fixture(scope="module")
def ana(site: House) -> Browser:
    return site.entered("ana")


def sent(browser: Browser, page: str, path: str, **fields: str) -> tuple[int, str]:
    """The form as that page has it: status, and where it leads or what it says."""
    answer = browser.post(path, fields | {"csrf": browser.csrf(page)})
    return answer.status_code, answer.headers.get("location", answer.text)


def test_a_token_is_shown_once_works_and_is_revoked(site: House, ana: Browser) -> None:
    wish = {"label": "laptop", "allow": "viewer", "service": "shop", "environment": "", "days": "3"}
    status, page = sent(ana, "/settings", "/settings/tokens", **wish)
    assert status == 200
    (made,) = re.findall(r"hwt_[A-Za-z0-9_-]{20,}", page)
    assert made not in ana.get("/settings").text
    program = site.browser()
    there = {"authorization": f"Bearer {made}"}
    assert program.get("/api/v1/services", **there).status_code == 200
    with site.headway.reading() as connection:
        (known,) = access_tokens.every(connection, "ana")
    assert (known.name, known.scope.service) == ("laptop", "shop")
    vic = site.entered("vic")
    assert sent(vic, "/settings", f"/settings/tokens/{known.id}/revoke")[0] == 404
    assert sent(ana, "/settings", f"/settings/tokens/{known.id}/revoke") == (303, "/settings")
    assert program.get("/api/v1/services", **there).status_code == 401


def test_a_token_makes_no_token(site: House) -> None:
    made = site.token("ana", "admin")
    wish = {"label": "x", "allow": "admin", "days": "1"}
    answer = site.browser().post("/settings/tokens", wish, authorization=f"Bearer {made}")
    assert answer.status_code == 409
    assert "people who have logged in" in answer.text


def test_a_password_is_changed_after_the_present_one(site: House) -> None:
    site.person("pia", Grant("viewer"))
    here, there = site.entered("pia"), site.entered("pia")
    fresh = "another long enough one"
    asked = {"present": "not it at all", "fresh": fresh}
    assert sent(here, "/settings", "/settings/password", **asked)[0] == 409
    weak = {"present": PASSWORD, "fresh": "short"}
    assert sent(here, "/settings", "/settings/password", **weak)[0] == 400
    good = {"present": PASSWORD, "fresh": fresh}
    assert sent(here, "/settings", "/settings/password", **good)[0] == 303
    assert here.get("/").status_code == 200
    assert there.get("/").status_code == 303
    assert site.browser().log_in("pia", fresh).status_code == 303


def test_people_get_and_lose_what_they_may(site: House, ana: Browser) -> None:
    new = {"name": "lena", "kind": "user", "password": PASSWORD, "email": "lena@example.org"}
    assert sent(ana, PEOPLE, PEOPLE, **new) == (303, f"{PEOPLE}#lena")
    given = {"kind": "account", "name": "lena", "role": "approver", "service": "shop"}
    assert sent(ana, PEOPLE, f"{PEOPLE}/grants", do="give", **given)[0] == 303
    with site.headway.reading() as connection:
        (grant,) = access.granted(connection, Holder("account", "lena"))
    assert (grant.role, grant.service) == ("approver", "shop")
    assert "approver of shop" in ana.get(PEOPLE).text
    lena = site.entered("lena")
    assert lena.get(PEOPLE).status_code == 403
    assert sent(ana, PEOPLE, f"{PEOPLE}/grants", do="take", **given)[0] == 303
    with site.headway.reading() as connection:
        assert access.granted(connection, Holder("account", "lena")) == []
    assert sent(ana, PEOPLE, f"{PEOPLE}/state", name="lena", do="disable")[0] == 303
    assert lena.get("/").status_code == 303
    assert sent(ana, PEOPLE, f"{PEOPLE}/state", name="ana", do="disable")[0] == 400
    assert sent(ana, PEOPLE, f"{PEOPLE}/state", name="lena", do="enable")[0] == 303


def test_teams_are_made_joined_and_left(site: House, ana: Browser) -> None:
    assert sent(ana, PEOPLE, f"{PEOPLE}/teams", team="team-shop", do="add")[0] == 303
    assert (
        sent(ana, PEOPLE, f"{PEOPLE}/teams", team="team-shop", account="vic", do="join")[0] == 303
    )
    given = {"kind": "team", "name": "team-shop", "role": "operator", "do": "give"}
    assert sent(ana, PEOPLE, f"{PEOPLE}/grants", **given)[0] == 303
    with site.headway.reading() as connection:
        assert access.members_of(connection, "team-shop") == ["vic"]
    gone = {"team": "team-shop", "account": "vic", "do": "leave"}
    assert sent(ana, PEOPLE, f"{PEOPLE}/teams", **gone)[0] == 303
    with site.headway.reading() as connection:
        assert access.members_of(connection, "team-shop") == []
    status, page = sent(ana, PEOPLE, f"{PEOPLE}/teams", team="nope", account="vic", do="join")
    assert status == 404
    assert "no team" in page


def test_who_is_told_is_set_and_forgotten_by_who_may(site: House, ana: Browser) -> None:
    there = "/settings/notifications"
    connections.put(site.headway.home, Connection("ops", "webhook", "http://127.0.0.1:9/x"))
    reach = {"who": "team-shop", "channels": "webhook/ops", "quiet": "Mon-Fri 20:00-08:00"}
    assert sent(ana, there, there, **reach, zone="Europe/Berlin", pages="on")[0] == 303
    rule = {"who": "team-shop", "event": "rolled_back", "services": "shop", "do": "tell"}
    assert sent(ana, there, f"{there}/rules", **rule)[0] == 303
    page = ana.get(there).text
    assert "Mon,Tue,Wed,Thu,Fri 20:00-08:00 Europe/Berlin, but pages come through" in page
    assert sent(ana, there, there, **(reach | {"quiet": "at night"}))[0] == 400
    vic = site.entered("vic")
    assert "This needs notification.manage" in vic.get(there).text
    assert sent(vic, "/settings", there, **reach)[0] == 403
    assert sent(ana, there, f"{there}/forget", who="team-shop")[0] == 303
    with site.headway.reading() as connection:
        assert notices.every_rule(connection) == []


def test_a_webhook_is_added_paused_and_deleted_by_name(site: House, ana: Browser) -> None:
    there = "/settings/webhooks"
    wish = {"name": "ops", "url": "http://127.0.0.1:9/x", "format": "cdevents"}
    status, page = sent(ana, there, there, **wish, events="release.*")
    assert status == 409, "a private address is refused unless it is said"
    status, page = sent(ana, there, there, **wish, events="release.*", private="on")
    assert status == 200
    (secret,) = re.findall(r"whsec_[A-Za-z0-9+/=]+", page)
    assert secret not in ana.get(there).text
    assert sent(ana, there, f"{there}/ops", do="pause")[0] == 303
    assert "Paused" in ana.get(there).text
    fresh = sent(ana, there, f"{there}/ops", do="rotate")[1]
    assert re.findall(r"whsec_[A-Za-z0-9+/=]+", fresh) not in ([], [secret])
    assert sent(ana, there, f"{there}/ops", do="delete", delete="other")[0] == 400
    assert sent(ana, there, f"{there}/ops", do="delete", delete="ops")[0] == 303
    assert "Nobody is told" in ana.get(there).text
    assert site.entered("vic").get(there).status_code == 403


@pytest.mark.parametrize(
    "path", ["/settings", PEOPLE, "/settings/notifications", "/settings/webhooks"]
)
def test_nothing_of_a_page_runs_that_somebody_wrote(site: House, ana: Browser, path: str) -> None:
    page = ana.get(path).text
    assert not re.search(r"\son\w+=|javascript:|<script(?! src=)|style=", page)
