"""`headway judge selftest`: exit codes, both outputs, and what it refuses."""

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from headway.cli.main import main

YAML = """\
service: shop
run: ./shop
analysis: {pace: quick}
environments: {staging: , production: }
"""


def log(path: Path, *, clustered: bool) -> Path:
    """Sixty seconds of requests; errors of all alike, or all of four busy clients'."""
    rng = np.random.default_rng(5)
    at, who = np.sort(rng.uniform(0, 60, 6000)), rng.integers(0, 300, 6000)
    who = np.where(rng.random(6000) < 0.1, rng.integers(0, 4, 6000), who)
    bad = who < 4 if clustered else rng.random(6000) < 0.01
    rows = []
    for seconds, client, error in zip(at, who, bad, strict=True):
        moment = datetime.fromtimestamp(1.7e9 + seconds, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")
        status = 500 if error else 200
        rows.append(f'10.0.0.{client} - - [{moment}] "GET / HTTP/1.1" {status} 5 "-" "x" 0.020')
    file = path / "access.log"
    file.write_text("\n".join(rows))
    return file


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "headway.yaml").write_text(YAML)
    monkeypatch.chdir(tmp_path)

    def asked(*args: str) -> Result:
        home = str(tmp_path / "home")
        return CliRunner().invoke(main, ["judge", "selftest", *args, "--home", home])

    return asked


def test_independent_errors_hold_the_level(ask, tmp_path: Path) -> None:
    done = ask("shop", "--log", str(log(tmp_path, clustered=False)), "--splits", "5")
    assert done.exit_code == 0, done.output
    assert "0 false alarms in 5 splits by client" in done.stdout
    assert "at most 1% (confidence of production)" in done.stdout
    assert "✓ no sign that the level is broken" in done.stdout


def test_clustered_errors_are_exit_1_also_as_json(ask, tmp_path: Path) -> None:
    file = str(log(tmp_path, clustered=True))
    done = ask("shop", "--log", file, "--splits", "10", "--json", "--seed", "2")
    assert done.exit_code == 1, done.output
    told = json.loads(done.stdout)
    assert told["proven"]
    assert told["low"] > told["alpha"]
    assert told["unit"] == "client"
    assert told["environment"] == "production"
    assert "errors cluster by client" in told["advice"]


def test_nothing_to_compare_is_no_answer(ask, tmp_path: Path) -> None:
    line = log(tmp_path, clustered=False).read_text().splitlines()[0]
    (tmp_path / "one.log").write_text(line)
    done = ask("shop", "--log", "one.log", "--splits", "2")
    assert done.exit_code == 5
    assert "⚠ nothing could be compared in any split" in done.stdout


def test_what_cannot_be_split_is_refused(ask, tmp_path: Path) -> None:
    no_log = ask("shop")
    assert no_log.exit_code == 2
    assert "no recorded traffic of shop in production can be split" in no_log.stderr
    (tmp_path / "x.log").write_text("hello\n")
    assert "1 of 1 lines" in ask("shop", "--log", "x.log").stderr
    assert "there is no service `nope`" in ask("nope", "--log", "x.log").stderr
    assert "it has staging, production" in ask("shop", "--env", "live").stderr


def test_judge_alone_still_reads_windows() -> None:
    start = '{"type":"start","bounds_ms":[5],"steps":[1]}\n'
    done = CliRunner().invoke(main, ["judge"], input=start)
    assert done.exit_code == 0
    assert json.loads(done.stdout) == {"action": "ready"}
