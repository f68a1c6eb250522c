"""What every StatusSink promises, asked of all four against real HTTP servers."""

import socket
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from tests.support.forges import SHA, TOKEN, Forge, forge

from headway.model.connection import Connection
from headway.model.errors import HeadwayError, Invalid, Refused, Unreachable
from headway.ports.status_sink import Status, StatusSink, StatusState

KINDS = ("github", "gitlab", "gitea", "forgejo")
KEY = ("team/shop", SHA, "headway / CI")
STATUS = Status(*KEY, "pending", "https://ci.example.com/run_1", "2 of 3 jobs are over")
SHOWN = {
    "pending": {"pending"},
    "running": {"pending", "running"},
    "success": {"success"},
    "failure": {"failure", "failed"},
    "error": {"error", "failed"},
    "cancelled": {"error", "canceled"},
}


def build(kind: str, url: str, **options: str) -> StatusSink:
    (found,) = [e for e in entry_points(group="headway.status_sinks") if e.name == kind]
    connection = Connection("shop", kind, url, {"token": TOKEN} | options)
    sink: StatusSink = found.load()(Path("/nowhere"), connection)
    return sink


@pytest.fixture(scope="module", params=KINDS)
def running(request: pytest.FixtureRequest) -> Iterator[Forge]:
    with forge(request.param) as found:
        yield found


@pytest.fixture
def here(running: Forge) -> Forge:
    """A forge at which nothing has happened yet."""
    running.shown.clear()
    running.broken.clear()
    running.requests = 0
    return running


def sink(here: Forge) -> StatusSink:
    return build(here.kind, f"{here.url}/team/shop.git")


def test_the_four_kinds_are_installed_by_their_names() -> None:
    assert {e.name for e in entry_points(group="headway.status_sinks")} >= set(KINDS)


@pytest.mark.parametrize("state", SHOWN)
def test_a_status_is_shown(here: Forge, state: StatusState) -> None:
    sink(here).report(replace(STATUS, state=state))
    shown = here.shown[KEY]
    assert shown["state"] in SHOWN[state]
    assert shown["target_url"] == STATUS.url
    assert shown["description"] == STATUS.description


def test_the_same_again_changes_nothing(here: Forge) -> None:
    for state in ("pending", "pending", "running", "running", "pending", "success", "success"):
        sink(here).report(replace(STATUS, state=state))
    assert list(here.shown) == [KEY]
    assert here.shown[KEY]["state"] == "success"


def test_contexts_do_not_overwrite_each_other(here: Forge) -> None:
    sink(here).report(STATUS)
    sink(here).report(replace(STATUS, context="headway / other", state="failure"))
    assert here.shown[KEY]["state"] == "pending"
    assert len(here.shown) == 2


def test_no_url_and_long_hostile_texts(here: Forge) -> None:
    text = "$(id) <b>\r\nx: y\u202e" * 100
    sink(here).report(replace(STATUS, url="", description=text, context="headway / $(id)"))
    (shown,) = here.shown.values()
    assert text.startswith(shown["description"])


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (500, {}, Unreachable), (502, {}, Unreachable), (503, {}, Unreachable),
        (429, {}, Unreachable), (408, {}, Unreachable),
        (403, {"x-ratelimit-remaining": "0"}, Unreachable),
        (403, {"retry-after": "60"}, Unreachable),
        (403, {}, Refused), (401, {}, Refused), (404, {}, Refused), (422, {}, Refused),
        (400, {}, Refused), (301, {"location": "http://127.0.0.1:1/"}, Refused),
    ],
)  # fmt: skip
def test_what_answers_mean(
    here: Forge, status: int, headers: dict[str, str], kind: type[HeadwayError]
) -> None:
    here.broken = [(status, headers)]
    with pytest.raises(kind) as caught:
        sink(here).report(STATUS)
    assert caught.value.code == "forge"
    assert here.requests == 1
    sink(here).report(STATUS)
    assert here.shown[KEY]["state"] == "pending"


def test_a_wrong_token_is_refused_and_never_told(here: Forge) -> None:
    wrong = build(here.kind, f"{here.url}/team/shop.git", token="wr0ng-T0KEN")
    with pytest.raises(Refused) as caught:
        wrong.report(STATUS)
    assert "wr0ng" not in _whole(caught.value)


def test_nobody_there(here: Forge) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:p4ss@127.0.0.1:{free.getsockname()[1]}/team/shop"
    with pytest.raises(Unreachable) as caught:
        build(here.kind, url).report(STATUS)
    told = _whole(caught.value)
    assert TOKEN not in told
    assert "p4ss" not in told


def _whole(error: BaseException | None) -> str:
    """Everything a log could say of it."""
    text = ""
    while error is not None:
        text += repr(error) + str(error) + str(vars(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return text


@pytest.mark.parametrize("repo", ["shop", "", "team/..", "../x", "team/shop\n", "/shop", "team/"])
def test_what_is_no_repository_is_not_asked_for(here: Forge, repo: str) -> None:
    with pytest.raises(Refused):
        sink(here).report(replace(STATUS, repo=repo))
    assert here.requests == 0


@pytest.mark.parametrize("sha", ["HEAD", "main", "0" * 39, "../../x" * 10, "A" * 40, ""])
def test_what_is_no_commit_is_not_asked_for(here: Forge, sha: str) -> None:
    with pytest.raises(Refused):
        sink(here).report(replace(STATUS, sha=sha))
    assert here.requests == 0


@pytest.mark.parametrize("token", ["", "a\r\nx: y", "ünï"])
def test_a_token_that_is_none_is_invalid(here: Forge, token: str) -> None:
    with pytest.raises(Invalid):
        build(here.kind, f"{here.url}/team/shop", token=token).report(STATUS)
    assert here.requests == 0


def test_the_api_can_be_elsewhere(here: Forge) -> None:
    base = {"github": "/api/v3", "gitlab": "/api/v4"}.get(here.kind, "/api/v1")
    build(here.kind, "/srv/git/shop.git", api=here.url + base).report(STATUS)
    assert here.shown[KEY]["state"] == "pending"
    with pytest.raises(Invalid):
        build(here.kind, "/srv/git/shop.git").report(STATUS)


def test_a_repository_below_groups() -> None:
    with forge("gitlab", "team/sub/shop") as gitlab:
        sink(gitlab).report(replace(STATUS, repo="team/sub/shop"))
        assert gitlab.shown["team/sub/shop", SHA, KEY[2]]["state"] == "pending"
