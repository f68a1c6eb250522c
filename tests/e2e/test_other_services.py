"""What one may not read does not exist: a person of `shop` asks every address of pages and API with
the names of everything of the service `other`, and gets what a name that nothing has would get.
"""

import re
from collections.abc import Iterator

import httpx
import pytest
from tests.e2e.test_every_route import Way, ways
from tests.support import api_home
from tests.support.site import House, house

from headway.access.principal import Grant
from headway.model.event import Fact
from headway.pipeline.run.state import Created, RunSpec
from headway.store import run_log
from headway.store.log import About, append

RUN = "run_01M7ZFM0VSZF4PRRYW7SFZWK7H"
SPEC = RunSpec(
    RUN, "ci.yml", {"ci.yml": "on: push\njobs:\n  a:\n    runs-on: x\n    steps: []\n"},
    "/srv/other.git", "f" * 40, "refs/heads/main", served=True,
)  # fmt: skip
NAMES = (
    "other", "other-1", "del_" + "0" * 26, "rol_" + "0" * 26, "sha256:" + "f" * 64, "f" * 40, RUN,
)  # fmt: skip
MARKS = ("other-1", "del_0000", "rol_0000", "f" * 20, RUN, "/other/", "other.git", ">other<",
         '"other"')  # fmt: skip
"""By which the other service would be known in an answer."""
STREAMS = {"/live", "/api/v1/live"}
ALONE = {"GET /metrics"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    home = tmp_path_factory.mktemp("idor") / "home"
    api_home.make(home)
    run_log.create(home, [Created(SPEC, 1.0)])
    with house(home) as made:
        made.person("sam", Grant("operator", "shop"), Grant("approver", "shop"))
        made.person("ana", Grant("admin"))
        yield made


@pytest.fixture(scope="module")
def shown(site: House) -> list[Way]:
    found = ways(list(site.application.routes))
    return [w for w in found if w.permission and w.path not in STREAMS and w.name not in ALONE]


def filled(path: str, name: str) -> Iterator[str]:
    """The address with that name in each of its places, and of `production` in one named so."""
    yield re.sub(r"\{[^}]+\}", name.replace("/", "%2F"), path)
    if "{environment}" in path or "{where}" in path:
        place = re.sub(r"\{(environment|where)\}", "production", path)
        yield re.sub(r"\{[^}]+\}", name, place)


def ask(site: House, client: httpx.Client, method: str, path: str, token: str) -> httpx.Response:
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/html"}
    body = {} if method == "GET" else {"json": {"command": "cancel", "reason": "x"}}
    headers |= {} if method == "GET" else {"idempotency-key": path[-60:]}
    return client.request(method, site.address + path, headers=headers, **body)  # type: ignore[arg-type]


@pytest.mark.soak
def test_nothing_of_another_service_is_found_by_its_name(site: House, shown: list[Way]) -> None:
    sam, ana = site.token("sam", "operator", "approver"), site.token("ana", "admin")
    found, there = [], 0
    with httpx.Client(trust_env=False, timeout=30, verify=False) as client:
        for way in shown:
            if "{" not in way.path or way.path.startswith(("/{git}", "/repos/")):
                continue
            if way.path.endswith("/preferences/{name}"):
                continue  # who has said nothing has the ones that everybody begins with
            absent = re.sub(r"\{[^}]+\}", "nothing-has-this", way.path)
            nothing = ask(site, client, way.method, absent, sam).status_code
            assert nothing != 200, absent
            for name in NAMES:
                for path in filled(way.path, name):
                    code = ask(site, client, way.method, path, sam).status_code
                    if code < 400 and code != nothing:
                        found.append(f"{way.method} {path}: {code}")
                    if way.method == "GET":
                        there += ask(site, client, "GET", path, ana).status_code == 200
    assert not found, "\n".join(found)
    assert there > 12, "the names are those of something"


def test_lists_search_and_counts_hold_nothing_of_another_service(
    site: House, shown: list[Way]
) -> None:
    sam, ana = site.token("sam", "operator", "approver"), site.token("ana", "admin")
    found, there = [], 0
    with httpx.Client(trust_env=False, timeout=30, verify=False) as client:
        for way in shown:
            if way.method != "GET" or "{" in way.path:
                continue
            for query in ("", "?q=other-1", "?q=ffffffffff", "?service=other", "?limit=200"):
                text = ask(site, client, "GET", way.path + query, sam).text
                text = text.replace(query[1:], "").replace('value="other-1"', "")
                text = re.sub(r"<(form|input|header|title)[^>]*>", "", text)
                found += [f"{way.path}{query}: {m}" for m in MARKS if m in text and m not in query]
                seen = ask(site, client, "GET", way.path + query, ana).text
                there += any(m in seen for m in MARKS)
    assert not found, "\n".join(found)
    assert there > 12, "somebody who may sees them there"


@pytest.mark.parametrize("path", ["/api/v1/events", "/live"])
def test_streams_tell_nothing_of_another_service(site: House, path: str) -> None:
    headers = {"authorization": f"Bearer {site.token('sam', 'operator')}",
               "accept": "text/event-stream"}  # fmt: skip
    got = ""
    with (
        httpx.Client(trust_env=False, timeout=20, verify=False) as client,
        client.stream("GET", site.address + path, headers=headers) as answer,
    ):
        assert answer.status_code == 200
        rows = answer.iter_lines()
        next(rows)
        for n, service in enumerate(("other", "shop")):
            with site.headway.tx() as tx:
                append(tx, About(service=service), Fact("test.told", f"{service}-{path}", n))
                number = tx.connection.exec_driver_sql(
                    "SELECT max(seq) FROM headway_event"
                ).scalar()
        while str(number) not in got:
            got += next(rows) + "\n"
    assert "other" not in got
    assert str(number - 1) not in got  # type: ignore[operator]


@pytest.mark.parametrize(
    "topic", ["service=other", "delivery=del_" + "0" * 26, "release=other-1", f"subject={RUN}",
              "on=rollout:rol_" + "0" * 26, "on=place:other/production"],
)  # fmt: skip
def test_nobody_follows_what_they_may_not_read(site: House, topic: str) -> None:
    headers = {"authorization": f"Bearer {site.token('sam', 'operator')}"}
    answer = httpx.get(f"{site.address}/live?{topic}", headers=headers, trust_env=False)
    assert answer.status_code == 404


def test_git_and_dispatches_ask_for_the_very_repository(site: House) -> None:
    for name in ("shop", "other"):
        site.headway.host(name)
    narrow = site.token("ana", "repository.push", "event.write", service="shop")
    reads = site.token("sam", "viewer")
    for token, name, service, code in (
        (narrow, "shop", "git-receive-pack", 200), (narrow, "other", "git-receive-pack", 401),
        (narrow, "shop", "git-upload-pack", 401), (reads, "shop", "git-upload-pack", 200),
        (reads, "shop", "git-receive-pack", 401), (reads, "other", "git-upload-pack", 401),
    ):  # fmt: skip
        address = f"{site.address}/{name}.git/info/refs?service={service}"
        got = httpx.get(address, auth=("any", token), trust_env=False)
        assert got.status_code == code, (name, service)
    for name, code in (("shop", 400), ("other", 401)):
        address = f"{site.address}/repos/{name}/dispatches"
        sent = httpx.post(address, auth=("any", narrow), content=b"x", trust_env=False)
        assert sent.status_code == code, name


def test_a_log_of_another_services_run_is_not_there(site: House) -> None:
    path = f"/api/v1/runs/{RUN}/jobs/a/logs?follow=false"
    for person, code in (("sam", "unknown-run"), ("ana", "unknown-job")):
        role = "operator" if person == "sam" else "admin"
        headers = {"authorization": f"Bearer {site.token(person, role)}"}
        got = httpx.get(site.address + path, headers=headers, trust_env=False)
        assert got.status_code == 404
        assert got.json()["code"] == code
