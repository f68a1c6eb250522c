"""`headway judge`: JSON lines in, JSON lines out; the same judge that a rollout asks."""

import json

import pytest
from click.testing import CliRunner
from tests.unit.analysis.traffic import BOUNDS, Truth, windows

from headway.analysis.judge import Setup, begin, judge
from headway.cli.judge import Terms, answers
from headway.cli.judge import judge as command
from headway.model.errors import Invalid
from headway.model.pace import STANDARD
from headway.model.service import Analysis

START = {
    "type": "start",
    "id": "x",
    "window_s": 10,
    "budget_s": 1800,
    "steps": [0.05, 0.25, 0.5, 1],
    "bounds_ms": BOUNDS,
    "margins": {"error_abs": 0.001, "error_rel": 0.5, "latency_rel": 0.1},
    "slo": {"success_min": 0.99, "p99_max_ms": 100},
}


def side(version):
    def one(counts):
        return {"requests": counts.requests, "errors": counts.errors, "hist": counts.buckets}

    pods = [
        {"requests": c.requests, "errors": c.errors, "hist": []} for c in version.instances.values()
    ]
    return one(version.total) | {"pods": pods}


def line(seen):
    return {
        "type": "window",
        "t": seen.end,
        "weight": seen.share,
        "canary": side(seen.candidate),
        "baseline": side(seen.stable),
    }


def session(messages, *options):
    text = "".join(json.dumps(m) + "\n" for m in messages)
    result = CliRunner().invoke(command, options, input=text, catch_exceptions=False)
    return [json.loads(answer) for answer in result.stdout.splitlines()]


def test_a_good_version_is_promoted_and_a_start_resets_everything():
    good = [line(w) for w in windows(1, Truth(), 14)]
    bad = [line(w) for w in windows(1, Truth(errors_c=0.2), 10)]
    told = session([START, *good, START, *bad, START, *good])
    assert len(told) == 3 + 14 + 10 + 14
    assert told[0] == {"action": "ready"}
    first, second = told[1:15], told[-14:]
    assert first == second
    assert "promote" in [a["action"] for a in first]
    assert next(a for a in first if a["action"] == "promote")["holdback"] == 0.10
    assert told[25]["action"] == "rollback"
    assert "errors" in told[25]["reason"]


def test_a_missing_window_continues_and_says_insufficient_data():
    gap = {"type": "window", "t": 10, "weight": 0.05, "missing": True}
    gap |= {"canary": None, "baseline": None}
    _, told = session([START, gap])
    assert told["action"] == "continue"
    assert told["reason"].startswith("insufficient data")


def test_only_promote_unproven_lets_the_clock_promote():
    thin = [line(w) for w in windows(1, Truth(rate=2), 60, 99)]
    held = session([START, *thin])
    assert {a["action"] for a in held[1:]} == {"continue"}
    moved = session([START, *thin], "--insufficient-data", "promote_unproven", "--holdback", "3%")
    promoted = [a for a in moved if a["action"] == "promote"]
    assert promoted[0]["reason"].startswith("not proven, by the clock: insufficient data")
    assert promoted[0]["holdback"] == 0.03


def test_it_is_the_same_function_that_a_rollout_calls():
    seen = windows(4, Truth(errors_c=0.012), 11)
    setup = Setup(Analysis(pace=STANDARD), 0.05)
    state, direct = begin(setup), []
    for one in seen:
        state, finding = judge(setup, state, one)
        direct.append((finding.log_evidence, finding.verdict.because))
    told = session([START, *(line(w) for w in seen)])
    assert [(a["log_evidence"], a["reason"]) for a in told[1:]] == direct


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "truncated"),
        ('{"type":"other"}', "other"),
        ('{"type":"window","t":10,"weight":0.05}', "before any start"),
        ('{"type":"start","bounds_ms":[5,1],"steps":[1]}', "rise"),
        ('{"type":"start","bounds_ms":[5],"steps":[]}', "steps"),
    ],
)
def test_a_bad_line_is_one_clear_error_with_its_number(text, why):
    with pytest.raises(Invalid) as caught:
        list(answers([text], Terms(STANDARD, 0.05, "hold")))
    assert "line 1" in caught.value.what
    assert why in (caught.value.why or "")


def test_negative_counts_are_refused():
    wrong = {"requests": -1, "errors": 0}
    bad = {"type": "window", "t": 10, "weight": 0.05, "canary": wrong, "baseline": None}
    with pytest.raises(Invalid, match="line 2"):
        list(answers([json.dumps(START), json.dumps(bad)], Terms(STANDARD, 0.05, "hold")))


@pytest.mark.parametrize("share", ["11%", "-1%", "much", "nan"])
def test_a_holdback_beyond_ten_percent_is_refused(share):
    result = CliRunner().invoke(command, ["--holdback", share], input="")
    assert result.exit_code == 2
    assert "not a share from 0% to 10%" in result.stderr
