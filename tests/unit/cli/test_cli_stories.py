"""What the commands say about deliveries that the real flows made: text and JSON."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console
from tests.unit.cli.conftest import Told

from headway.cli.outcome import EXIT_CODES, exit_code, next_command, summary
from headway.cli.tree import Seen, bar, tree
from headway.store.views import delivery as story
from headway.store.views import window
from headway.wording.sentences import SENTENCES, line

ESCAPES = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_status_says_what_runs_where_and_what_waits(told: Told) -> None:
    shown = told.run("status").stdout
    rows = [row.split() for row in shown.splitlines()]
    staging = next(r for r in rows if r[:2] == ["shop", "staging"])
    production = next(r for r in rows if r[:2] == ["shop", "production"])
    assert staging[2] == "shop-4"
    assert production[2] == "shop-2"
    assert "◷ held shop-4 5%" in shown
    assert "insufficient data" in shown
    found = told.json("status", "shop")
    assert [p["environment"] for p in found["places"]] == ["staging", "production"]
    assert found["places"][1]["commit"] == told.sha(2)
    assert found["places"][1]["by"] == "ana"
    assert [o["state"] for o in found["open"]] == ["held"]
    assert told.json("status", "nobody") == {"places": [], "open": [], "line": []}


@pytest.mark.seed("S-017", "S-018")
def test_trace_tells_commit_build_artifact_tests_and_deploys(told: Told) -> None:
    third = told.deliveries[2]
    shown = told.run("trace", third.digest[:20]).stdout
    facts = ["job", "signed statement sha256:", "test GET /health", "staging", "production"]
    for fact in (third.sha, third.digest, *facts, "rolled back", "by Eve <e@x>", "quarantined"):
        assert fact in shown, fact
    found = told.json("trace", third.sha)
    (one,) = found["deliveries"]
    assert [j["outcome"] for j in one["jobs"]] == ["success"]
    assert one["statement"].startswith("sha256:")
    there = {v["environment"]: v for v in one["visits"]}
    assert there["staging"]["state"] == "released"
    assert there["production"]["state"] == "rolled back"
    assert there["production"]["milliseconds"] >= 0
    assert there["production"]["tests"][0]["outcome"] == "PASS"
    assert there["production"]["entered_at"].endswith("Z")
    assert one["by"] == "ana"
    by_release = told.json("trace", "shop-3")
    assert by_release["deliveries"] == found["deliveries"]
    assert by_release["artifacts"][0]["quarantines"][0]["environment"] == "production"


@pytest.mark.seed("S-102")
def test_a_rollout_is_shown_with_numbers_intervals_and_reasons(told: Told) -> None:
    rollouts = told.json("rollout", "list")["items"]
    bad = next(r for r in rollouts if r["release"] == "shop-3" and r["environment"] == "production")
    view = told.json("rollout", "show", bad["id"])
    assert view["outcome"] == "rolled_back"
    assert view["recovery"] == "PASS"
    first = view["steps"][0]
    assert first["candidate"]["requests"] > 0
    assert first["candidate"]["low"] <= first["candidate"]["share"] <= first["candidate"]["high"]
    assert first["stable"]["share"] < first["candidate"]["share"]
    judged = [s for s in view["steps"] if s["windows"]]
    assert judged[-1]["outcome"] == "FAIL"
    assert judged[-1]["log_evidence"] >= judged[-1]["boundary"]
    assert [m["what"] for m in view["moves"]][-3:] == ["roll back", "failed", "rolled back"]
    shown = told.run("rollout", "show", bad["id"]).stdout
    assert re.search(r"\d% of [\d,]+ \([\d.]+% to [\d.]+%\)", shown)
    assert "ms after the decision" in shown
    windows = told.json("rollout", "show", bad["id"], "--windows")["windows"]
    assert len(windows) == sum(s["windows"] for s in view["steps"])


def test_a_good_rollout_took_every_step_by_proof(told: Told) -> None:
    rollouts = told.json("rollout", "list", "--env", "production", "--outcome", "released")["items"]
    good = next(r for r in rollouts if r["release"] == "shop-2")
    view = told.json("rollout", "show", good["id"])
    assert [s["share"] for s in view["steps"]] == [0.05, 0.25, 0.5, 0.9]
    assert all(s["seconds"] > 0 for s in view["steps"])
    assert view["milliseconds"] is None


def test_a_place_names_its_current_rollout_and_prefixes_work(told: Told) -> None:
    current = told.json("rollout", "show", "shop/production")
    assert current["release"] == "shop-4"
    assert current["held"]
    assert told.json("rollout", "show", current["id"][:-2].lower())["id"] == current["id"]
    many = told.run("rollout", "show", "rol_")
    assert many.exit_code == 2
    assert "more than one rollout" in many.stderr
    assert "rol_0" in many.stderr
    none = told.run("delivery", "show", "del_ZZ", "--json")
    assert none.exit_code == 2
    assert json.loads(none.stdout)["error"]["code"] == "unknown-delivery"


@pytest.mark.parametrize(
    "args",
    [
        "delivery list",
        "delivery list --state rolled_back",
        "release list",
        "rollout list",
        "artifact list --service shop",
        "env list",
        "events --after 3",
        "status",
        "trace shop-1",
        "delivery show shop-4",
        "release show shop-1",
        "artifact show shop-3",
        "env show shop/production",
        "rollout show shop/staging",
    ],
)
def test_no_escape_sequence_reaches_the_screen(told: Told, args: str) -> None:
    for shown in (told.run(*args.split()), told.run(*args.split(), "--json")):
        assert shown.exit_code == 0, shown.output
        assert shown.stdout
        assert not ESCAPES.search(shown.stdout.replace("\n", ""))


def test_lists_filter(told: Told) -> None:
    back = told.json("delivery", "list", "--state", "rolled_back")["items"]
    assert [d["release"] for d in back] == ["shop-3"]
    assert len(told.json("delivery", "list", "--limit", "2")["items"]) == 2
    assert told.json("artifact", "list", "--service", "none")["items"] == []
    environments = told.json("env", "list")["items"]
    assert [e["environment"] for e in environments] == ["staging", "production"]
    assert environments[1]["candidate"] == "shop-4"


def test_events_are_complete_and_go_on_where_a_reader_stopped(told: Told) -> None:
    every = [json.loads(row) for row in told.run("events").stdout.splitlines()]
    assert [e["seq"] for e in every] == list(range(1, len(every) + 1))
    late = told.run("events", "--after", str(len(every) - 2)).stdout.splitlines()
    assert [json.loads(row) for row in late] == every[-2:]


def test_every_kind_of_event_has_a_sentence_or_is_silent(told: Told) -> None:
    silent = {"rollout.moved", "rollout.cleaned"}
    seen = {e.kind.partition(":")[0] for e in told.stage.events()}
    assert seen - silent <= set(SENTENCES)
    for event in told.stage.events():
        shown = line(event)
        assert shown is None or not ESCAPES.search(shown)


def test_the_end_in_a_few_lines_and_as_an_exit_code(told: Told) -> None:
    with told.stage.db.connect() as connection:
        views = [story.read(connection, d.id) for d in told.deliveries]
    assert [exit_code(v) for v in views] == [0, 0, 4, 5]
    assert set(EXIT_CODES) == {
        "delivered", "failed", "refused", "rolled_back", "superseded", "cancelled"
    }  # fmt: skip
    good, bad, held = summary(views[1]), summary(views[2]), summary(views[3])
    assert good[0].startswith("✓ delivered: shop-2 in ")
    assert bad[0].startswith("↩ rolled back: shop-3 in ")
    assert any("errors" in row for row in bad)
    assert bad[-1].split()[1:4] == ["headway", "rollout", "show"]
    assert held[0].startswith("◷ held: shop-4")
    assert next_command(views[3]).startswith("headway rollout promote rol_")


@pytest.mark.parametrize("columns", [60, 120])
def test_the_live_tree(told: Told, columns: int) -> None:
    with told.stage.db.connect() as connection:
        view = story.read(connection, told.deliveries[3].id)
        windows = {v.rollout: window.last(connection, v.rollout) for v in view.visits}
    seen = Seen(view, {id: found for id, found in windows.items() if found})
    console = Console(width=columns, markup=False, emoji=False, highlight=False, record=True)
    with console.capture() as captured:
        console.print(tree(seen, datetime.now(UTC)))
    shown = captured.get()
    facts = ["pipeline", "artifact", "staging", "released", "production", "held, step 1 of 4"]
    traffic = "shop-4 █░░░░░░░░░░░ 5%  shop-2 95%"
    for fact in (*facts, traffic, "insufficient data", "[bold]x[/bold]"):
        assert fact in shown, fact
    assert all(len(row) <= columns for row in shown.splitlines())
    assert not ESCAPES.search(shown.replace("\n", ""))


def test_the_traffic_bar() -> None:
    assert bar("shop-3", "shop-2", 0.25).plain == "shop-3 ███░░░░░░░░░ 25%  shop-2 75%"
    assert bar("shop-1", "", 1.0).plain == "shop-1 ████████████ 100%"
    assert bar("shop-2", "shop-1", 0.01).plain.startswith("shop-2 █░")


def test_a_wrong_environment_and_an_ended_rollout_are_refused(told: Told) -> None:
    wrong = told.run("verify", "shop-1", "--env", "prod")
    assert wrong.exit_code == 2
    assert "its path is staging, production" in wrong.stderr
    ended = told.run("rollout", "pause", "shop/staging", "--reason", "x")
    assert ended.exit_code == 3
    assert "has ended" in ended.stderr


def test_no_wait_without_a_server_is_not_reachable(told: Told, tmp_path: Path) -> None:
    done = told.run("deliver", str(tmp_path), "--no-wait")
    assert done.exit_code == 2, "no repository comes first"
    assert "not in a Git repository" in done.stderr
