"""The verdict report on real parts: a bad release behind a real proxy is rolled back, and the
program of its own process tells why, as text, JSON and a picture.
"""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from tests.support.stage import CANARY, Stage, config

BAD = config(CANARY, staging=False)


@pytest.mark.seed("S-100", "S-102", "S-282")
def test_a_real_rollback_is_told_with_its_numbers(tmp_path: Path) -> None:
    with Stage() as stage, stage.engine():
        assert stage.deliver(stage.commit(BAD, version="good")).outcome == "delivered"
        with stage.load():
            done = stage.deliver(stage.commit(BAD, version="bad", errors=0.4))
        assert done.outcome == "rolled_back", done
        file = tmp_path / "verdict.svg"
        shown = stage.cli("rollout", "report", "shop/production")
        told = stage.cli("rollout", "report", "shop/production", "--json")
        drawn = stage.cli(
            "rollout", "report", "shop/production", "--format", "svg", "--output", str(file)
        )
    assert (shown.returncode, told.returncode, drawn.returncode) == (0, 0, 0), shown.stderr
    assert f"{done.release} in shop/production against shop-1" in shown.stdout
    assert "✗ FAIL: errors" in shown.stdout
    found = json.loads(told.stdout)
    report = found["report"]
    assert (found["state"], report["outcome"]) == ("rolled_back", "FAIL")
    errors = report["signals"][0]
    assert errors["candidate"]["points"][-1]["low"] > errors["stable"]["points"][-1]["high"]
    whole = report["versions"][-1]
    assert whole["candidate"]["requests"] == sum(t["candidate_requests"] for t in report["ticks"])
    assert 0.2 < whole["candidate"]["error_share"] < 0.6
    assert whole["stable"]["error_share"] == 0
    assert whole["candidate"]["p95_ms"]["low"] <= whole["candidate"]["p95_ms"]["estimate"]
    assert ElementTree.parse(file).getroot().get("role") == "img"
