"""Jobs that declare reports, run for real: pytest, node, ruff, shards, no network."""

import json
import socket
import subprocess
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headway.cli.main import main

PYTEST = f"{sys.executable} -m pytest -q -p no:cacheprovider -p no:xdist --junitxml=junit.xml"
HEAD = "service: shop\nrun: ./shop\nenvironments: {staging: , production: }\n"
FLAKY = """
from pathlib import Path

MARK = Path("%s")


def test_total():
    assert 1 + 1 == 2


def test_flaps():
    left = MARK.read_text()
    MARK.write_text(left[1:])
    assert left[:1] != "x", "the clock is late"
"""


@dataclass(frozen=True)
class Desk:
    """A repository and a home."""

    repo: Path
    home: Path

    def write(self, files: dict[str, str]) -> None:
        for name, text in files.items():
            path = self.repo / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        who = ("-c", "user.name=Ana", "-c", "user.email=ana@example.com")
        for words in (("init", "-q", "-b", "main"), ("add", "-A"), (*who, "commit", "-qm", "x")):
            subprocess.run(["git", *words], cwd=self.repo, check=True, capture_output=True)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, [*words, "--home", str(self.home)])

    def json(self, *words: str) -> Any:
        return json.loads(self.run(*words, "--json").stdout)


@pytest.fixture
def desk(short_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    made = Desk(tmp_path / "shop", short_home)
    made.repo.mkdir()
    monkeypatch.chdir(made.repo)
    monkeypatch.setenv("NO_COLOR", "1")
    return made


def workflow(**jobs: str) -> str:
    """One script a job, after a checkout."""
    text = "on: push\njobs:\n"
    for name, script in jobs.items():
        lines = "".join(f"          {line}\n" for line in script.split("\n"))
        text += f"  {name}:\n    runs-on: ubuntu-latest\n    steps:\n"
        text += f"      - uses: actions/checkout@v4\n      - run: |\n{lines}"
    return text


def settings(**jobs: str) -> str:
    told = "".join(f"    {name}: {block}\n" for name, block in jobs.items())
    return f"{HEAD}pipeline:\n  workflow: .github/workflows/ci.yml\n  jobs:\n{told}"


CI = ".github/workflows/ci.yml"


@pytest.mark.seed("S-035", "S-265", "S-275", "S-281")
def test_a_flake_of_pytest_is_found_run_again_and_quarantined(desk: Desk) -> None:
    mark = desk.repo.parent / "mark"
    desk.write(
        {
            CI: workflow(unit=f"{PYTEST} unit"),
            "unit/test_cart.py": FLAKY % mark,
            "headway.yaml": settings(unit="{tests: {reports: [junit.xml]}}"),
        }
    )
    mark.write_text("x")
    first = desk.run("run", "--quiet")
    assert first.exit_code == 1, first.output
    assert (
        "1 of 2 tests failed: unit.test_cart::test_flaps"
        in desk.run("pipeline", "show", "last").stdout
    )
    assert "the clock is late" in first.stdout
    assert desk.run("run", "--quiet").exit_code == 0
    (flaky,) = desk.json("test", "flaky")["items"]
    assert (flaky["name"], flaky["rate"]) == ("test_flaps", 1.0)

    mark.write_text("x")
    third = desk.run("run")
    assert third.exit_code == 0, third.output
    assert "runs again" in third.stderr
    assert "unit, 2nd try" in third.stdout
    assert "forgiven: unit.test_cart::test_flaps: failed 1 of 2 tries" in third.stdout
    assert "sizes 2 unit" in third.stdout
    assert "the clock is late" in desk.run("pipeline", "logs", "last", "unit", "--try", "1").stdout
    assert "2 passed" in desk.run("pipeline", "logs", "last", "unit").stdout

    held = ("--owner", "ana", "--reason", "waits for the clock")
    assert desk.run("test", "quarantine", "test_flaps", *held).exit_code == 0
    mark.write_text("x")
    fourth = desk.run("run")
    assert (fourth.exit_code, "2nd try" in fourth.stdout) == (0, False), fourth.output
    assert "quarantined, owner ana" in fourth.stdout
    (listed,) = desk.json("test", "flaky")["items"]
    assert listed["quarantine"]["owner"] == "ana"
    assert "2 unit" in desk.run("test", "list").stdout


@pytest.mark.seed("S-024", "S-032")
def test_lint_coverage_and_types_of_reports_make_a_job_red(desk: Desk) -> None:
    ruff = f"{sys.executable} -m ruff check --isolated --no-cache --exit-zero"
    node = "node --test --test-reporter=junit --test-reporter-destination=node.xml ."
    lines = "".join(f"DA:{n},{int(n <= 79)}\n" for n in range(1, 101))
    desk.write(
        {
            CI: workflow(
                lint=f"{ruff} --output-format sarif --output-file lint.sarif src",
                web=node,
                forgot="true",
            ),
            "src/app.py": "def total():\n    return price\n",
            "web.test.mjs": "import test from 'node:test';\ntest('adds', () => {});\n",
            "lcov.info": f"TN:\nSF:src/app.js\n{lines}end_of_record\n",
            "headway.yaml": settings(
                lint="{findings: {reports: ['*.sarif']}}",
                web="{tests: {reports: [node.xml], size: e2e}, "
                "coverage: {reports: [lcov.info], at_least: 80%}}",
                forgot="{tests: {reports: [junit.xml]}}",
            ),
        }
    )
    assert desk.run("run", "--quiet").exit_code == 1
    jobs = {j["id"]: j for j in desk.json("pipeline", "show", "last")["jobs"]}
    assert {j["outcome"] for j in jobs.values()} == {"failure"}
    assert {s["exit_code"] for j in jobs.values() for s in j["steps"]} <= {0, None}
    assert "error F821 at " in jobs["lint"]["because"]
    assert "lines of all files: 79% (79 of 100), needs 80%" in jobs["web"]["because"]
    assert [x["size"] for x in jobs["web"]["checks"]["layers"]] == ["e2e"]
    assert "no file matches `junit.xml`" in jobs["forgot"]["because"]

    (desk.repo / "src/app.py").write_text("def total(price):\n    return price\n")
    text = (desk.repo / "lcov.info").read_text().replace("DA:80,0", "DA:80,1")
    (desk.repo / "lcov.info").write_text(text)
    assert desk.run("run", "--quiet", "--job", "lint", "--job", "web").exit_code == 0


def rendezvous(mine: Path, other: Path) -> str:
    """A job's line that goes on only while the other job runs, too."""
    wait = f"for n in $(seq 200); do test -e {other} && break; sleep 0.05; done"
    return f"touch {mine}; {wait}; test -e {other}"


def waiver(rule: str, expires: date, at: str = "'**/src/app.py'") -> str:
    said = "owner: ana, reason: set by the caller"
    return f"  - {{rule: {rule}, at: {at}, {said}, expires: {expires}}}\n"


@pytest.mark.seed("S-047", "S-048")
def test_a_scan_runs_beside_the_tests_and_a_waiver_unblocks_for_a_while(desk: Desk) -> None:
    ruff = f"{sys.executable} -m ruff check --isolated --no-cache --exit-zero"
    here, there = desk.repo.parent / "at-unit", desk.repo.parent / "at-scan"
    base = settings(
        unit="{paths: [unit], tests: {reports: [junit.xml]}}",
        scan="{paths: [src], findings: {reports: [scan.sarif]}}",
    )
    desk.write(
        {
            CI: workflow(
                unit=f"{rendezvous(here, there)}\n{PYTEST} unit",
                scan=f"{rendezvous(there, here)}\n"
                f"{ruff} --output-format sarif --output-file scan.sarif src",
            ),
            "unit/test_it.py": "def test_total():\n    assert 1 + 1 == 2\n",
            "src/app.py": "def total():\n    return price\n",
            ".gitignore": "__pycache__\n",
            "headway.yaml": base,
        }
    )
    today = datetime.now(UTC).date()

    def run(waivers: str) -> tuple[Result, dict[str, Any]]:
        (desk.repo / "headway.yaml").write_text(f"{base}waivers:\n{waivers}" if waivers else base)
        done = desk.run("run", "--reuse")
        return done, {j["id"]: j for j in desk.json("pipeline", "show", "last")["jobs"]}

    blocked, jobs = run("")
    assert (blocked.exit_code, jobs["unit"]["outcome"]) == (1, "success"), blocked.output
    assert "1 of level error or above: error F821 at " in jobs["scan"]["because"]

    day = today + timedelta(days=30)
    idle = waiver("F999", day, "'src/**'")
    waived, jobs = run(waiver("F821", day) + idle)
    assert waived.exit_code == 0, waived.output
    (line,) = [one for one in waived.stdout.splitlines() if "waived by" in one]
    assert line.strip().startswith(f"waived by ana until {day}: error F821 at file:///")
    assert line.endswith("src/app.py:2: set by the caller")
    assert (
        "warning  the waiver of ana for F999 at src/** matches no finding that blocks"
        in waived.stdout
    )
    assert line.strip() in desk.run("pipeline", "show", "last").stdout
    (not_needed,) = desk.json("pipeline", "show", "last")["idle_waivers"]
    assert not_needed["rule"] == "F999"
    assert jobs["unit"]["reused"], "the tests do not depend on waivers"

    again, jobs = run(waiver("F821", day) + idle)
    assert (again.exit_code, bool(jobs["scan"]["reused"])) == (0, True), again.output
    assert line in again.stdout.splitlines(), "still named"

    before = today - timedelta(days=1)
    over, jobs = run(waiver("F821", before))
    assert (over.exit_code, jobs["scan"]["reused"]) == (1, "")
    refusal = f"waiver of ana expired on {before}: error F821 at "
    assert refusal in jobs["scan"]["because"]
    assert refusal in over.stdout

    refused, _ = run(waiver("F821", today + timedelta(days=400)))
    assert refused.exit_code == 2, refused.output
    assert "a waiver lasts at most 366 days" in refused.output
    assert "headway.yaml:10:87: " in refused.output
    assert "headway.yaml:10:87: " in desk.run("config", "check").output


STUBBED = """
import http.server
import socket
import threading
import urllib.request

OUTSIDE = ("127.0.0.1", %d)


class Stub(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"9.99 EUR")

    def log_message(self, *words):
        pass


def test_prices_come_from_the_stub():
    with socket.socket() as probe:
        probe.settimeout(5)
        assert probe.connect_ex(OUTSIDE) != 0, "the network is not blocked"
    server = http.server.HTTPServer(("127.0.0.1", 0), Stub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}/price"
    with urllib.request.urlopen(address, timeout=20) as answer:
        assert answer.read() == b"9.99 EUR"
    server.shutdown()
"""


@pytest.mark.seed("S-036")
def test_with_the_network_blocked_tests_with_stubs_pass(desk: Desk) -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside:
        port = outside.getsockname()[1]
        desk.write(
            {
                CI: workflow(unit=f"{PYTEST} ."),
                "test_price.py": STUBBED % port,
                "headway.yaml": settings(unit="{tests: {reports: [junit.xml]}}"),
            }
        )
        blocked = desk.run("run", "--quiet", "--no-network")
        assert blocked.exit_code == 0, blocked.output
        (job,) = desk.json("pipeline", "show", "last")["jobs"]
        assert (job["checks"]["tests"], job["checks"]["failed"]) == (1, 0)
        open_ = desk.run("run", "--quiet")
        assert open_.exit_code == 1, "the same test sees the network where it is not blocked"


RUNNER = """
import subprocess, sys, time
from xml.sax.saxutils import quoteattr
cases = []
for file in sys.argv[1:]:
    began = time.monotonic()
    code = subprocess.run(["sh", file]).returncode
    took = time.monotonic() - began
    bad = "" if code == 0 else "<failure/>"
    name = quoteattr(file)
    cases.append(f'<testcase classname={name} name="t" time="{took:.3f}">{bad}</testcase>')
with open("junit.xml", "w") as out:
    out.write(f'<testsuite name="sh">{"".join(cases)}</testsuite>')
"""
SHARDED = """on: push
jobs:
  tests:
    runs-on: ubuntu-latest
    strategy: {matrix: {shard: [1, 2, 3, 4, 5, 6, 7, 8]}}
    steps:
      - uses: actions/checkout@v4
      - run: |
          %s -m headway test shard --index ${{ matrix.shard }} --total 8 --from times.xml \\
            -q --home /nowhere tests/*/*.sh > mine
      - run: xargs -r python3 run.py < mine
"""


@pytest.mark.soak
@pytest.mark.seed("S-033")
def test_eight_shards_are_faster_than_one_and_miss_nothing(desk: Desk) -> None:
    names = [f"tests/{'unit' if n < 12 else 'e2e'}/{n}.sh" for n in range(16)]
    python = sys.executable
    desk.write(
        {
            "run.py": RUNNER,
            **{name: f"sleep {0.05 + 0.02 * (n % 8):.2f}\n" for n, name in enumerate(names)},
            CI: workflow(tests="python3 run.py tests/*/*.sh"),
            ".github/workflows/sharded.yml": SHARDED % python,
            "headway.yaml": settings(tests="{tests: {reports: [junit.xml]}}")
            + "    sharded.yml/tests: {tests: {reports: [junit.xml]}}\n",
        }
    )
    assert desk.run("run", "--quiet", "--workflow", "ci").exit_code == 0
    serial = desk.json("pipeline", "show", "last")
    (one,) = serial["jobs"]
    assert one["checks"]["tests"] == 16
    times = {i["classname"]: i["seconds"] for i in desk.json("test", "slowest")["items"]}
    assert set(times) == set(names)
    cases = "".join(
        f'<testcase classname="{name}" name="t" time="{seconds}"/>'
        for name, seconds in times.items()
    )
    (desk.repo / "times.xml").write_text(f'<testsuite name="sh">{cases}</testsuite>')
    done = desk.run("run", "--workflow", "sharded", "--jobs", "8")
    assert done.exit_code == 0, done.output
    sharded = desk.json("pipeline", "show", "last")
    assert len(sharded["jobs"]) == 8
    assert sum(j["checks"]["tests"] for j in sharded["jobs"]) == 16
    assert all(j["checks"]["tests"] == 2 for j in sharded["jobs"]), "spread by their times"
    slowest = max(j["checks"]["seconds"] for j in sharded["jobs"])
    assert slowest < one["checks"]["seconds"] / 2, "the last shard is done long before"
    assert "12 unit" in done.stdout
    assert "4 e2e" in done.stdout
    assert "16 tests" in done.stdout


CACHED = """on: push
jobs:
  build:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
      - uses: actions/cache@v4
        id: deps
        with: {path: deps, key: "deps-${{ hashFiles('deps.txt') }}"}
      - if: steps.deps.outputs.cache-hit != 'true'
        run: sleep 1.5; mkdir -p deps; cp deps.txt deps/built
      - run: cat deps/built src.txt
"""


@pytest.mark.seed("S-013")
def test_the_second_build_takes_what_there_is_and_a_changed_key_does_not(desk: Desk) -> None:
    desk.write({CI: CACHED, "deps.txt": "one\n", "src.txt": "a\n"})

    def built() -> tuple[dict[str, Any], str, str]:
        assert desk.run("run", "--quiet", "--reuse").exit_code == 0
        run = desk.json("pipeline", "show", "last")
        (job,) = run["jobs"]
        deps = {s["name"]: s["outcome"] for s in job["steps"] if "sleep" in s["name"]}
        said = "" if job["reused"] else desk.run("pipeline", "logs", "last", "build").stdout
        return run, "reused" if job["reused"] else next(iter(deps.values())), said

    first, how, said = built()
    assert (how, "one" in said) == ("success", True)
    again, how, _ = built()
    assert how == "reused"
    assert again["seconds"] * 2 <= first["seconds"]
    (desk.repo / "src.txt").write_text("b\n")
    _, how, said = built()
    assert (how, "one" in said) == ("skipped", True), "the job runs, its dependencies are there"
    (desk.repo / "deps.txt").write_text("two\n")
    _, how, said = built()
    assert (how, "two" in said) == ("success", True), "another key: nothing stale is taken"
