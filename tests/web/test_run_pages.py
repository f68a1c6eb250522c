"""Pages of pipeline runs over a real server: the graph, the log, another try, a job that waits."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from tests.support.served import STEP, Served, job, workflow

from headway.access.principal import Grant
from headway.access.scope import Scope
from headway.flows import accounts
from headway.flows.accounts import Wish
from headway.store.access import Account, Holder

EVIL = "<script>alert(1)</script>"


@dataclass
class Site:
    """A server, and somebody who asks it with a token."""

    served: Served

    def person(self, name: str, grant: Grant) -> dict[str, str]:
        """The header of somebody who was granted that."""
        with self.served.headway.tx() as tx:
            accounts.add(tx, "test", Account(name, "user"))
            accounts.grant(tx, "test", Holder("account", name), grant)
            wish = Wish(name, "t", Scope((grant.role,)))
            text = accounts.create_token(tx, "test", wish)[1]
        return {"authorization": f"Bearer {text}"}

    def get(self, path: str, who: dict[str, str]) -> httpx.Response:
        return httpx.get(self.served.address + path, headers=who, trust_env=False, timeout=60)

    def post(self, path: str, who: dict[str, str], **fields: str) -> httpx.Response:
        address = self.served.address + path
        return httpx.post(address, data=fields, headers=who, trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with Served() as served:
        red = (
            f"  red:\n    needs: [one]\n    environment: {{name: a, url: 'javascript:alert(1)'}}\n"
            f'{STEP}      - name: "{EVIL}"\n        run: |\n'
            f"          for i in $(seq 400); do echo line $i; done\n"
            f"          echo '{EVIL}'; echo '::error::it broke'\n"
            f"          test -e {served.scratch}/mended\n"
        )
        place = "    environment: {name: b, url: \"https://shop.example/?a='1'&b=2\"}\n"
        late = f"  late:\n    needs: [red]\n{place}{STEP}      - run: echo late\n"
        served.repo.write(ci=workflow("push", job("echo hello", name="one"), red, late))
        served.repo.push()
        served.up()
        served.ended(1)
        yield Site(served)


@pytest.fixture(scope="module")
def developer(site: Site) -> dict[str, str]:
    return site.person("dev", Grant("developer", "plain"))


def test_a_run_shows_what_failed_and_its_log(site: Site, developer: dict[str, str]) -> None:
    (run,) = site.served.runs()
    page = site.get(f"/runs/{run.spec.id}", developer)
    assert page.status_code == 200
    text = page.text
    assert EVIL not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 3
    boxes = re.findall(r'<a href="[^"]*" data-state="(\w+)"', text)
    assert boxes == ["pass", "fail", "none"]
    assert "red failed." in text
    assert 'href="javascript' not in text
    assert "Where it can be seen" not in text
    red = site.get(f"/runs/{run.spec.id}?job=red", developer).text
    assert "is left out, because it does not begin with" in red
    assert 'id="S1L400"' in text
    assert re.search(r'<li id="S1L402" class="err">.*it broke', text)


def test_a_log_is_searched_and_another_job_opened(site: Site, developer: dict[str, str]) -> None:
    (run,) = site.served.runs()
    found = site.get(f"/runs/{run.spec.id}?job=red&find=LINE%20399", developer).text
    assert re.findall(r'<li id="(S1L\d+)"', found) == ["S1L399"]
    assert "hello" in site.get(f"/runs/{run.spec.id}?job=one", developer).text
    assert site.get(f"/runs/{run.spec.id}?job=nope", developer).status_code == 404
    assert site.get("/runs/run_nope", developer).status_code == 404


def test_runs_are_listed_for_those_who_may_see_them(site: Site, developer: dict[str, str]) -> None:
    (run,) = site.served.runs()
    here = f"/runs/{run.spec.id}"
    assert here in site.get("/runs?state=failure&service=plain", developer).text
    assert "No run like this" in site.get("/runs?state=success", developer).text
    other = site.person("other", Grant("developer", "elsewhere"))
    assert here not in site.get("/runs", other).text
    for path in (here, f"{here}?job=red"):
        assert site.get(path, other).status_code == 404
    assert site.post(f"{here}/again", other, what="all").status_code == 404
    viewer = site.person("viewer", Grant("viewer"))
    assert "disabled" in site.get(here, viewer).text
    assert site.post(f"{here}/again", viewer, what="all").status_code == 403
    assert len(site.served.runs()) == 1


def test_what_failed_is_run_again_and_a_running_job_is_cancelled(
    site: Site, developer: dict[str, str]
) -> None:
    (run,) = site.served.runs()
    (site.served.scratch / "mended").touch()
    answer = site.post(f"/runs/{run.spec.id}/again", developer, what="failed")
    assert answer.headers["location"] == f"/runs/{run.spec.id}.2"
    site.served.ended(2)
    page = site.get(f"/runs/{run.spec.id}.2", developer).text
    assert re.findall(r'<a href="[^"]*" data-state="(\w+)"', page) == ["pass", "pass", "pass"]
    assert f'href="/runs/{run.spec.id}"' in page
    address = "https://shop.example/?a=&#39;1&#39;&amp;b=2"
    assert f'<a href="{address}" rel="noreferrer">{address}</a>' in page
    told = site.get(f"/api/v1/runs/{run.spec.id}.2/jobs", developer).json()
    urls = {job["key"]: job["url"] for job in told["items"]}
    assert urls == {"one": "", "red": "", "late": "https://shop.example/?a='1'&b=2"}

    repo = site.served.another("slow")
    repo.write(ci=workflow("push", job("echo begun; sleep 300")))
    repo.push()
    all_ = site.person("all", Grant("developer"))
    site.served.eventually(lambda: any(r.running for r in site.served.runs(repo)))
    (slow,) = site.served.runs(repo)
    there = f"/runs/{slow.spec.id}"
    assert "data-follow" in site.get(there, all_).text
    assert site.post(f"{there}/cancel", all_).status_code == 400
    assert site.post(f"{there}/cancel", all_, reason="enough").status_code == 303
    site.served.eventually(lambda: site.served.runs(repo)[0].phase == "cancelled")
    assert "enough" in site.get(there, all_).text
    (asked,) = site.served.events(kind="run.cancel_requested")
    assert (asked.subject, asked.data["reason"]) == (slow.spec.id, "enough")
    assert "asks the run to end: enough" in site.get("/audit?kind=run", all_).text


def test_a_job_that_waits_is_approved_in_the_inbox(site: Site) -> None:
    repo = site.served.another("gated")
    live = f"  live:\n    environment: production\n{STEP}      - run: echo live\n"
    repo.commit("settings", headway_dot_yaml=GATED)
    repo.write(ci=workflow("push", live))
    repo.push()
    approver = site.person("app", Grant("approver", "gated"))
    site.served.eventually(lambda: "live to production" in site.get("/approvals", approver).text)
    (run,) = site.served.runs(repo)
    there = f"/approvals/run?run={run.spec.id}&environment=production&verdict=approve"
    other = site.person("app2", Grant("approver", "plain"))
    assert "live to production" not in site.get("/approvals", other).text
    log = site.served.home / "runs" / run.spec.id / "log.jsonl"
    content = log.read_bytes()
    log.write_bytes(content[:20] + b"x" + content[21:])
    shown = site.get("/approvals", approver).text
    assert "Runs that wait and cannot be read" in shown
    assert "is damaged" in shown
    assert run.spec.id not in site.get("/approvals", other).text
    log.write_bytes(content)
    assert site.post(there, other, reason="x").status_code == 404
    assert "Approve production for this run?" in site.get(there, approver).text
    assert site.post(there, approver).status_code == 400
    assert site.post(there, approver, reason="looked at it").status_code == 303
    site.served.ended(1, repo)
    assert site.served.runs(repo)[0].phase == "success"
    assert "Nothing waits" in site.get("/approvals", approver).text
    shown = site.get(f"/runs/{run.spec.id}", approver).text
    assert "app approved production: looked at it" in shown
    (said,) = site.served.events(kind="run.decided")
    assert (said.data["by"], said.data["approved"]) == ("app", True)
    late = site.post(there, approver, reason="me too")
    assert late.status_code == 409
    assert "Approved by app: looked at it. Nothing more is recorded" in late.text
    assert f'href="/runs/{run.spec.id}">See the run</a>' in late.text


def test_who_is_in_a_team_that_is_asked_approves_on_the_page_of_the_run(site: Site) -> None:
    repo = site.served.another("crewed")
    live = f"  live:\n    environment: production\n{STEP}      - run: echo live\n"
    repo.commit("settings", headway_dot_yaml=GATED.replace("count: 1", "count: 1, by: [crew]"))
    repo.write(ci=workflow("push", live))
    repo.push()
    member = site.person("mem", Grant("approver", "crewed"))
    with site.served.headway.tx() as tx:
        accounts.add_team(tx, "test", "crew")
        accounts.join(tx, "test", "crew", "mem")
    other = site.person("noncrew", Grant("approver", "crewed"))
    site.served.eventually(lambda: "live to production" in site.get("/approvals", member).text)
    (run,) = site.served.runs(repo)
    asks = site.get(f"/runs/{run.spec.id}", member).text
    there = f"/approvals/run?run={run.spec.id}&environment=production&verdict=approve&from=run"
    assert f'action="{there.replace("&", "&amp;")}"' in asks
    assert "noncrew is not one of crew" in site.get(f"/runs/{run.spec.id}", other).text
    refused = site.post(there, other, reason="x")
    assert (refused.status_code, "noncrew is not one of crew" in refused.text) == (409, True)
    given = site.post(there, member, reason="looked at it")
    assert (given.status_code, given.headers["location"]) == (303, f"/runs/{run.spec.id}")
    site.served.ended(1, repo)
    assert site.served.runs(repo)[0].phase == "success"


def test_the_audit_trail_is_filtered_and_goes_on(site: Site, developer: dict[str, str]) -> None:
    owner = {"authorization": f"Bearer {(site.served.home / 'token').read_text()}"}
    whole = site.get("/audit?who=people&kind=run", owner).text
    cancelled = site.served.events(kind="run.cancel_requested")
    told = len(site.served.runs()) + len(cancelled)
    told += len(site.served.events(kind="run.decided"))
    assert len(re.findall(r'<tr id="e\d+">', whole)) == told
    assert EVIL not in whole
    numbers = [int(n) for n in re.findall(r'<tr id="e(\d+)">', site.get("/audit", owner).text)]
    assert numbers == sorted(numbers, reverse=True)
    below = site.get(f"/audit?below={numbers[3]}", owner).text
    assert re.findall(r'<tr id="e(\d+)">', below)[0] == str(numbers[4])
    mine = site.get("/audit?service=slow", developer).text
    assert "Nothing like this" in mine
    assert "Nothing like this" in site.get("/audit?from=2001-01-01&to=2001-01-02", owner).text
    assert site.get("/audit?from=yesterday", owner).status_code == 400
    assert site.get("/audit?below=-1", owner).status_code == 400


def test_search_leads_to_a_run(site: Site, developer: dict[str, str]) -> None:
    run = site.served.runs()[0]
    answer = site.get(f"/search?q={run.spec.id[:29]}", developer)
    assert answer.status_code in {200, 303}
    assert run.spec.id in (answer.headers.get("location") or answer.text)
    assert "Nothing begins like this" in site.get("/search?q=zzzz", developer).text


GATED = """\
service: gated
run: sleep 1
health: /
environments:
  production:
    gates: {approval: {count: 1}}
"""
