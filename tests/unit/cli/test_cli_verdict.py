"""`headway rollout report` on rollouts that the real flows ran in memory: text, JSON, picture."""

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from tests.unit.cli.conftest import Told

from headway.cli.verdict import wrapped
from headway.wording.text import width

HELD, BAD, GOOD = "shop-4", "shop-3", "shop-2"


def rollout(told: Told, release: str) -> str:
    found = told.json("rollout", "list", "--env", "production")["items"]
    return next(r["id"] for r in found if r["release"] == release)


def report(told: Told, release: str) -> Any:
    return told.json("rollout", "report", rollout(told, release))


@pytest.mark.seed("S-100", "S-282")
def test_a_rolled_back_release_is_explained(told: Told) -> None:
    shown = told.run("rollout", "report", rollout(told, BAD)).stdout
    for part in (
        "shop-3 in shop/production against shop-2",
        "↩ rolled back",
        "✗ FAIL: ",
        "evidence of harm ████████████████████",
        "errors: harm, evidence of harm",
        "difference",
        "what would change it",
        "fewer it would not have been rolled back by then",
    ):
        assert part in shown, shown
    found = report(told, BAD)
    assert (found["state"], found["report"]["outcome"]) == ("rolled_back", "FAIL")
    assert found["report"]["log_evidence"] >= found["report"]["boundary"]
    assert found["ended_seconds"] >= found["report"]["ticks"][-1]["end_seconds"]
    (errors, *_others) = found["report"]["signals"]
    assert errors["name"] == "errors"
    assert errors["difference"]["low"] > 0


@pytest.mark.seed("S-102")
def test_versions_are_compared_with_the_histograms_own_error(told: Told) -> None:
    whole = report(told, BAD)["report"]["versions"][-1]
    for side in (whole["candidate"], whole["stable"]):
        assert set(side) >= {"requests", "errors", "error_share", "p50_ms", "p95_ms", "p99_ms"}
        assert side["p95_ms"]["low"] <= side["p95_ms"]["estimate"] <= side["p95_ms"]["high"]
    assert whole["delta"]["error_share"] > 0.02
    assert whole["delta"]["p95_ms"]["estimate"] > 0
    shown = told.run("rollout", "report", rollout(told, BAD)).stdout
    assert "p99 ms" in shown


@pytest.mark.seed("S-110")
def test_a_held_release_is_told_how_much_longer(told: Told) -> None:
    shown = told.run("rollout", "report", rollout(told, HELD)).stdout
    assert "◷ held at 5%, step 1 of 4" in shown
    assert "not provable yet" in shown
    assert re.search(r"how much longer\n  at this rate \(0\.\d+ requests/s", shown), shown
    found = report(told, HELD)["report"]
    assert found["outlook"]["rate"] == pytest.approx(0.5, abs=0.2)
    shares = [f["share"] for f in found["outlook"]["forecasts"]]
    assert len(shares) > 1
    assert shares == [0.05, 0.25, 0.5][: len(shares)]
    held = told.stage.events(kind="rollout.held")[-1].data
    assert str(held["outlook"]).startswith("at this rate (")
    view = told.json("rollout", "show", rollout(told, HELD))
    assert view["outlook"]["because"].startswith("at this rate (")
    assert "at this rate (" in told.run("rollout", "show", rollout(told, HELD)).stdout


def test_a_released_one_was_promoted_by_proof_at_every_step(told: Told) -> None:
    found = report(told, GOOD)
    assert (found["state"], found["unproven_promotions"]) == ("released", [])
    assert [s["share"] for s in found["steps"]] == [0.05, 0.25, 0.5, 0.9]
    begun = [s["began_seconds"] for s in found["steps"]]
    assert begun == sorted(begun)
    assert begun[0] == 0
    assert found["report"]["outlook"] is None
    assert told.json("rollout", "show", rollout(told, GOOD))["outlook"] is None


def test_the_picture_goes_to_a_file_or_to_stdout(told: Told, tmp_path: Path) -> None:
    file = tmp_path / "verdict.svg"
    id = rollout(told, BAD)
    done = told.run("rollout", "report", id, "--format", "svg", "--output", str(file))
    assert (done.exit_code, done.stdout) == (0, "")
    assert ElementTree.fromstring(file.read_text()).tag.endswith("svg")
    piped = told.run("rollout", "report", id, "--format", "svg").stdout
    assert piped == file.read_text()
    said = told.json("rollout", "report", id, "--format", "svg", "--output", str(file))
    assert said == {"rollout": id, "format": "svg", "file": str(file)}


def test_text_and_json_go_to_files_too(told: Told, tmp_path: Path) -> None:
    id = rollout(told, BAD)
    for form in ("text", "json"):
        file = tmp_path / form
        told.run("rollout", "report", id, "--format", form, "--output", str(file))
        assert "shop-3" in file.read_text()
    assert json.loads((tmp_path / "json").read_text())["id"] == id


def test_a_place_that_cannot_be_written_and_an_unknown_rollout(told: Told, tmp_path: Path) -> None:
    nowhere = told.run(
        "rollout", "report", rollout(told, BAD), "--output", str(tmp_path / "no" / "x.svg")
    )
    assert nowhere.exit_code == 2
    assert "[output]" in nowhere.stderr
    none = told.run("rollout", "report", "rol_ZZ")
    assert none.exit_code == 2
    assert "unknown-rollout" in none.stderr


def test_a_terminal_gets_lines_of_80_columns_and_a_pipe_whole_ones(told: Told) -> None:
    whole = told.run("rollout", "report", rollout(told, BAD)).stdout.splitlines()
    assert any(width(line) > 80 for line in whole)
    narrow = [part for line in whole for part in wrapped(line, 80)]
    assert all(width(part) <= 80 for part in narrow)
    assert " ".join(" ".join(narrow).split()) == " ".join(" ".join(whole).split())
