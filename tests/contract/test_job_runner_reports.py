"""What a job leaves of the reports that it declared, and the logs of its earlier tries."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.job_runs import Seen, order, runner_in, short_home

from headway import workbench
from headway.adapters.linux import logs, reports
from headway.adapters.linux.runner import LinuxRunner
from headway.adapters.linux.workspace import earlier, workspace
from headway.model.job import JobReport


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    with short_home() as folder:
        yield folder


@pytest.fixture(scope="module")
def runner(home: Path) -> Iterator[LinuxRunner]:
    made = runner_in(home)
    yield made
    made.close()


def content(home: Path, digest: str) -> bytes:
    with workbench.bench(home).blobs.open(digest) as file:
        return file.read()


def ran(runner: LinuxRunner, key: str, script: str, *globs: str, **secrets: str) -> JobReport:
    return runner.run(order(key, script, reports=globs), secrets, Seen())


def test_matching_files_are_kept_also_of_a_red_job(runner: LinuxRunner, home: Path) -> None:
    script = "mkdir -p t/a; echo one > t/a/1.xml; echo two > t/2.xml; echo x > .h.xml; exit 3"
    report = ran(runner, "kept", script, "t/**/*.xml", "t/2.xml", "*.xml", "none-*.xml")
    assert report.outcome == "failure"
    found = {r.path: (content(home, r.digest), r.globs, r.problem) for r in report.reports}
    assert found == {
        "t/a/1.xml": (b"one\n", ("t/**/*.xml",), ""),
        "t/2.xml": (b"two\n", ("t/**/*.xml", "t/2.xml"), ""),
        ".h.xml": (b"x\n", ("*.xml",), ""),
    }


def test_a_job_that_declares_none_leaves_none(runner: LinuxRunner) -> None:
    assert ran(runner, "plain", "echo x > a.xml").reports == ()


def test_links_and_pipes_lead_nowhere(runner: LinuxRunner, home: Path) -> None:
    (home / "outside.xml").write_text("the machine's own")
    script = f"ln -s {home}/outside.xml link.xml; mkfifo pipe.xml; ln -s {home} out; mkdir d.xml"
    report = ran(runner, "links", script, "*.xml", "out/*.xml")
    assert {(r.path, r.digest) for r in report.reports} == {("link.xml", ""), ("pipe.xml", "")}
    assert all(r.problem for r in report.reports)


def test_too_large_is_said(runner: LinuxRunner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reports, "MOST_BYTES", 1000)
    monkeypatch.setattr(reports, "MOST_IN_ALL", 1500)
    script = (
        "for n in 1 2 3; do head -c 700 /dev/zero > $n.xml; done; head -c 2000 /dev/zero > 0.xml"
    )
    said = {r.path: r.problem for r in ran(runner, "large", script, "*.xml").reports}
    assert said["0.xml"].startswith("it is larger than")
    assert (said["1.xml"], said["2.xml"]) == ("", "")
    assert said["3.xml"].startswith("all reports together")
    monkeypatch.setattr(reports, "MOST_FILES", 2)
    last = ran(runner, "many", "touch 1.xml 2.xml 3.xml 4.xml", "*.xml").reports[-1]
    assert last.problem == "there are more than 2 reports"


def test_a_secret_in_a_report_is_hidden(runner: LinuxRunner, home: Path) -> None:
    script = "echo '<failure>s3cr&amp;t-token and s3cr%26t-token</failure>' > a.xml"
    (one,) = ran(runner, "masked", script, "a.xml", TOKEN="s3cr&t-token").reports
    assert content(home, one.digest) == b"<failure>*** and ***</failure>\n"


def test_logs_of_earlier_tries_stay(runner: LinuxRunner, home: Path) -> None:
    first = order("again", "echo the first; exit 1")
    assert runner.run(first, {}, Seen()).outcome == "failure"
    second = replace(first, attempt=2, tries=2)
    seen = Seen()
    assert runner.run(second, {}, seen).outcome == "failure"
    place = workspace(home, "run_1", "again")
    for folder in (place, earlier(place, 1)):
        data, _ = logs.read(folder.folder, 0, 0)
        assert b"the first" in data, folder
        assert folder.records.is_file()
    third = replace(first, attempt=3, tries=3)
    assert runner.run(third, {}, Seen()).outcome == "failure"
    assert earlier(place, 2).records.is_file()
    assert earlier(place, 1).records.is_file()


def test_the_same_attempt_again_keeps_what_it_had(runner: LinuxRunner, home: Path) -> None:
    made = order("same", "echo x > a.xml", reports=("a.xml",), attempt=2, tries=2)
    one = runner.run(made, {}, Seen())
    assert runner.run(made, {}, Seen()) == one
    assert content(home, one.reports[0].digest) == b"x\n"
