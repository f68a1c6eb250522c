"""`headway test` as people call it, on reports that pytest really wrote."""

import concurrent.futures
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from headway.cli.main import main

FLAKY = """
import pathlib
import pytest


def test_steady():
    assert True


@pytest.mark.parametrize("way", ["a/b", "é <&>"])
def test_flaps(way):
    count = pathlib.Path(__file__).with_name(f"count-{way[:1]}")
    tries = len(count.read_text()) if count.exists() else 0
    count.write_text("x" * (tries + 1))
    assert tries, "the first time fails"


def test_breaks():
    assert not pathlib.Path(__file__).with_name("broken").exists(), "broken on purpose"
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("GITHUB_RUN_ID", "GITHUB_SHA", "GITHUB_JOB"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HEADWAY_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NO_COLOR", "1")
    folder = tmp_path / "shop"
    (folder / "unit").mkdir(parents=True)
    (folder / "unit" / "test_cart.py").write_text(FLAKY)
    (folder / "pytest.ini").write_text("[pytest]\n")
    monkeypatch.chdir(folder)
    return folder


def headway(*words: object, given: str | None = None) -> Result:
    return CliRunner().invoke(main, ["test", *map(str, words)], input=given)


def document(*words: object, given: str | None = None) -> Any:
    return json.loads(headway(*words, "--json", given=given).stdout)


def pytest_writes(folder: Path, name: str) -> Path:
    """The report of a real run of pytest."""
    report = folder / name
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    subprocess.run([*command, f"--junitxml={report}", "unit"], cwd=folder, check=False, timeout=120,
                   capture_output=True)  # fmt: skip
    return report


def junit(file: Path, times: dict[str, float], failed: tuple[str, ...] = ()) -> Path:
    """A small report. The names are the `classname`s."""
    cases = "".join(
        f'<testcase classname="{name}" name="t" time="{seconds}">'
        f"{'<failure message=oops/>'.replace('oops', chr(34) + 'oops' + chr(34))}</testcase>"
        if name in failed
        else f'<testcase classname="{name}" name="t" time="{seconds}"/>'
        for name, seconds in times.items()
    )
    file.write_text(f'<testsuite name="pytest">{cases}</testsuite>')
    return file


def test_from_a_red_run_to_a_known_flake(shop: Path) -> None:
    """Real pytest twice on one commit: what fails, then passes, is flaky and no longer blocks."""
    first = pytest_writes(shop, "first.xml")
    red = headway("import", first, "--commit", "a" * 40, "--judge")
    assert red.exit_code == 1
    assert "pytest  4 tests, 2 failed" in red.stdout
    assert "AssertionError: the first time fails" in red.stdout
    assert "4 unit" in red.stdout
    assert headway("import", first, "--commit", "a" * 40, "--judge", "--more").exit_code == 5

    second = pytest_writes(shop, "second.xml")
    green = headway("import", second, "--commit", "a" * 40, "--judge")
    assert (green.exit_code, green.stderr) == (0, "")
    assert "✓ PASS  4 tests passed, 2 of them flaky" in green.stdout

    flaky = document("flaky")["items"]
    assert [(f["name"], f["rate"], f["runs"]) for f in flaky] == [
        ("test_flaps[\\xe9 <&>]", 1.0, 1), ("test_flaps[a/b]", 1.0, 1),
    ]  # fmt: skip
    shown = headway("show", "unit/test_cart.py::test_flaps[a/b]")
    assert "1 of 1 failed" in shown.stdout
    assert [i["outcome"] for i in document("show", "test_flaps[a/b]")["items"]] == [
        "passed", "failed",
    ]  # fmt: skip


def test_quarantine_is_for_flakes_only_and_ends(shop: Path) -> None:
    ok = {f"c{i}": 0.1 for i in range(12)}
    for number in range(2):
        report = junit(shop / f"{number}.xml", ok | {"flaps": 0.1}, ("flaps",) if number else ())
        headway("import", report, "--commit", "a" * 40)
    refused = headway("quarantine", "c3::t", "--owner", "ana", "--reason", "x")
    assert (refused.exit_code, "[not-flaky]" in refused.stderr) == (3, True)
    assert headway("quarantine", "flaps::t", "--owner", "ana").exit_code == 2
    assert headway("quarantine", "flaps::t", "--reason", "x").exit_code == 2
    done = headway("quarantine", "flaps::t", "--owner", "ana", "--for", "3s", "--reason", "clock")
    assert done.exit_code == 0, done.stderr
    assert "ana mends it" in done.stdout
    red = junit(shop / "red.xml", ok | {"flaps": 0.2}, ("flaps",))
    judged = headway("import", red, "--commit", "b" * 40, "--judge")
    (held,) = document("quarantine")["items"]
    if held["active"]:
        assert judged.exit_code == 0, judged.stdout
        assert "quarantined, owner ana" in judged.stdout
    time.sleep(max(0.0, held["until"] - time.time()) + 0.05)
    again = headway("import", red, "--commit", "b" * 40, "--judge")
    assert again.exit_code == 1
    assert "its quarantine (owner ana) is over" in again.stdout
    assert "expired: blocks again" in headway("quarantine").stdout
    assert "EXPIRED" in headway("flaky").stdout
    lifted = headway("quarantine", "flaps::t", "--lift", "--reason", "mended")
    assert lifted.exit_code == 0
    assert headway("quarantine").stdout == "No test is in quarantine.\n"
    told = CliRunner().invoke(main, ["events"]).stdout.splitlines()
    kinds = [json.loads(line)["kind"] for line in told]
    assert kinds == [*["tests.recorded"] * 2, "test.quarantined", "tests.recorded",
                     "test.unquarantined"]  # fmt: skip


def test_a_broken_report_says_where_and_changes_nothing(shop: Path) -> None:
    good = junit(shop / "good.xml", {"a": 1.0})
    (shop / "bad.xml").write_text('<testsuite>\n  <testcase name="a" time="soon"/>\n</testsuite>')
    result = headway("import", good, "bad.xml")
    assert result.exit_code == 2
    assert result.stderr.splitlines()[0] == (
        "bad.xml:2:1: `time` of a test is `soon`, which is no number from 0 on  [bad-number]"
    )
    assert document("list")["items"] == []
    missing = headway("import", "gone.xml")
    assert (missing.exit_code, "gone.xml cannot be read" in missing.stderr) == (2, True)
    assert headway("import", shop).exit_code == 2


def test_hostile_words_of_a_test_are_shown_harmless(shop: Path) -> None:
    (shop / "x.xml").write_text(
        '<testsuite><testcase classname="a" name="&#x202e;b"><failure message="\u009b31mred"/>'
        "</testcase></testsuite>"
    )
    shown = headway("import", "x.xml", "--judge").stdout + headway("list").stdout
    assert "\u202e" not in shown
    assert "\u009b" not in shown


COVERAGE = """<coverage><packages><package><classes><class filename="{path}"><lines>{lines}</lines>
</class></classes></package></packages></coverage>"""


def cobertura(file: Path, path: str, run: int, of: int) -> Path:
    lines = "".join(f'<line number="{n}" hits="{int(n < run)}"/>' for n in range(of))
    file.write_text(COVERAGE.format(path=path, lines=lines))
    return file


@pytest.mark.seed("S-024")
@pytest.mark.parametrize(("run", "code"), [(79, 1), (80, 0)])
def test_coverage_is_a_gate(shop: Path, run: int, code: int) -> None:
    tests = junit(shop / "t.xml", {"a": 1.0})
    cover = cobertura(shop / "c.xml", "src/pay/card.py", run, 100)
    done = headway("import", tests, cover, "--lines", "80%")
    assert done.exit_code == code
    assert f"lines of all files: {run}% ({run} of 100), needs 80%" in done.stdout or not code
    critical = document("import", tests, cover, "--critical", "src/pay/**=95%")
    assert critical["coverage"]["critical"] == [
        {"path": "src/pay/**", "least": 0.95, "files": 1, "lines": 100, "lines_run": run,
         "line_share": run / 100, "branches": 0, "branches_run": 0, "branch_share": None}
    ]  # fmt: skip
    assert critical["verdict"]["outcome"] == "FAIL"
    assert headway("import", tests, "--lines", "80%").exit_code == 1, "no coverage is no pass"
    shown = [(i["path"], i["lines_run"]) for i in document("coverage")["items"]]
    assert shown[:2] == [("", run), ("src/pay/**", run)]


def test_findings_are_a_gate(shop: Path) -> None:
    found = {"level": "error", "ruleId": "B602", "message": {"text": "shell=True"}}
    run = {"tool": {"driver": {"name": "bandit"}}, "results": [found]}
    (shop / "s.sarif").write_text(json.dumps({"version": "2.1.0", "runs": [run]}))
    tests = junit(shop / "t.xml", {"a": 1.0})
    assert headway("import", tests, "s.sarif").exit_code == 0
    blocked = headway("import", tests, "s.sarif", "--block", "error")
    assert blocked.exit_code == 1
    assert "error B602" in blocked.stdout


def test_nothing_to_judge_is_no_pass(shop: Path) -> None:
    (shop / "none.xml").write_text('<testsuites name="pytest tests"/>')
    assert headway("import", "none.xml", "--judge").exit_code == 1


@pytest.mark.seed("S-033")
def test_eight_shards_finish_faster_than_one(shop: Path) -> None:
    """Sixteen real scripts: each runs once over all shards, and side by side they take less."""
    times = {f"t{i:02}": 0.1 + 0.05 * (i % 5) for i in range(16)}
    for name, seconds in times.items():
        (shop / f"{name}.sh").write_text(f"sleep {seconds}\necho {name} >> ran\n")
    began = time.monotonic()
    for name in times:
        subprocess.run(["sh", f"{name}.sh"], check=True, timeout=60)
    serial = time.monotonic() - began
    (shop / "ran").unlink()
    headway("import", junit(shop / "times.xml", times))
    assert "16 tests" in headway("list").stdout
    parts = [
        headway("shard", "--run", "r1", "--index", i + 1, "--total", 8, *times).stdout.split()
        for i in range(8)
    ]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(8) as machines:
        list(machines.map(run_all, parts))
    assert time.monotonic() - began < serial
    assert sorted((shop / "ran").read_text().split()) == sorted(times)
    loads = [sum(times[t] for t in part) for part in parts]
    assert max(loads) < 2 * sum(loads) / 8


def run_all(part: list[str]) -> None:
    for name in part:
        subprocess.run(["sh", f"{name}.sh"], check=True, timeout=60)


def test_shards_stay_as_they_are_while_results_arrive(shop: Path) -> None:
    files = [f"unit/test_{n}.py" for n in "abcdef"]
    headway(
        "import", junit(shop / "t.xml", {f"unit.test_{n}": i + 1.0 for i, n in enumerate("abcd")})
    )
    given = "\n".join(files)
    first = document("shard", "--run", "r", "--index", 1, "--total", 2, given=given)
    assert first["unknown"] == 2
    headway("import", junit(shop / "u.xml", {"unit.test_e": 500.0}))
    second = document("shard", "--run", "r", "--index", 2, "--total", 2, given=given)
    assert sorted(first["items"] + second["items"]) == files
    assert headway("shard", "--index", 3, "--total", 2, "a").exit_code == 2
    assert headway("shard", "--index", 1, "--total", 2, given="").exit_code == 2
    other = headway("shard", "--run", "r", "--index", 2, "--total", 2, "unit/test_z.py")
    assert (other.exit_code, "[other-tests]" in other.stderr) == (7, True)


def test_the_slowest_come_first(shop: Path) -> None:
    headway("import", junit(shop / "t.xml", {"a": 1.0, "b": 6.0, "c": 3.0}))
    slow = document("slowest", "--limit", 2)
    assert [i["classname"] for i in slow["items"]] == ["b", "c"]
    assert slow["seconds"] == pytest.approx(10.0)
    assert "2 of 3 tests take 90% of 10 s" in headway("slowest", "--limit", 2).stdout


def test_names_that_mean_nothing_or_too_much(shop: Path) -> None:
    headway("import", junit(shop / "t.xml", {"a": 1.0, "ab": 1.0}))
    for name, code in (("gone", "[unknown-test]"), ("t", "[ambiguous]")):
        result = headway("show", name)
        assert (result.exit_code, code in result.stderr) == (2, True)
    assert headway("show", "a::t").exit_code == 0
