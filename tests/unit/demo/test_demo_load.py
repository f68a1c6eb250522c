"""Arrivals, counts and the command line of the demo's users; the shop's rendered sources."""

import ast
import json
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from headway.demo.arrivals import due_times, shots
from headway.demo.repository import rendered
from headway.demo.tally import LOSSES_KEPT, SECONDS_KEPT, Kind, Outcome, Tally
from headway.demo.users import parse


def sample(seed: int, count: int) -> list[tuple[float, int, bytes]]:
    due = due_times(400, seed, poisson=True)
    return [(s.due, s.user, s.data) for s in islice(shots(due, seed, "shop"), count)]


def test_the_seed_alone_decides_who_comes_when_and_for_what() -> None:
    assert sample(3, 500) == sample(3, 500)
    assert sample(3, 500) != sample(4, 500)


def test_rate_and_mix_are_as_asked() -> None:
    found = sample(1, 20_000)
    assert 45 < found[-1][0] < 55  # 20,000 at 400 per second
    routes = Counter(
        b" ".join(data.split(b" ")[:2]).split(b"/products/")[0] for _, _, data in found
    )
    shares = {line.decode(): count / 20_000 for line, count in routes.items()}
    wanted = {"GET /products": 0.70, "GET ": 0.15, "POST /cart": 0.10, "POST /checkout": 0.05}
    assert shares == pytest.approx(wanted, abs=0.01)
    assert len({user for _, user, _ in found}) == 1000
    assert (
        len({data.partition(b"x-request-id: ")[2].split(b"\r\n")[0] for *_, data in found})
        == 20_000
    )


def test_even_arrivals_keep_their_distance() -> None:
    assert list(islice(due_times(4, 1, poisson=False), 3)) == pytest.approx([0.25, 0.5, 0.75])


def outcome(
    kind: Kind, at: float, ms: float = 1.0, version: str | None = "v1", user: int = 1
) -> Outcome:
    return Outcome(kind, at, ms / 1000, user, 0, version, "" if kind == "ok" else "status")


@given(st.lists(st.floats(0.05, 9_000), min_size=1, max_size=200))
def test_a_percentile_is_at_most_five_percent_off(values: list[float]) -> None:
    tally = Tally()
    for ms in values:
        tally.add(outcome("ok", 0, ms))
    for share in (0.5, 0.95, 0.99):
        exact = sorted(values)[max(0, -int(-share * len(values) // 1) - 1)]
        found = tally.total.percentile(share)
        assert found is not None
        assert exact * 0.999 - 0.001 <= found <= max(exact * 1.0501, 0.1) + 0.001


def test_counts_by_version_and_second_add_up_to_the_total() -> None:
    tally = Tally()
    for n in range(300):
        kind: Kind = "lost" if n % 10 == 0 else "shop_fault" if n % 7 == 0 else "ok"
        version = None if kind == "lost" else f"v{1 + n % 2}"
        tally.add(outcome(kind, 1000 + n / 10, version=version, user=n))
    found = json.loads(json.dumps(tally.as_json()))
    total = found["total"]
    assert total["requests"] == 300 == total["ok"] + total["shop_fault"] + total["lost"]
    assert sum(v["requests"] for v in found["versions"].values()) == 300
    assert found["versions"]["none"]["lost"] == total["lost"] == 30
    assert len(found["last_seconds"]) == SECONDS_KEPT
    for second in found["last_seconds"]:
        assert sum(v["requests"] for v in second["versions"].values()) == second["requests"] == 10
    assert found["versions"]["v2"]["first_seen"] == pytest.approx(1000.1)
    assert found["versions"]["v2"]["users"] == found["versions"]["v2"]["requests"]


def test_the_first_losses_are_kept_and_all_are_counted() -> None:
    tally = Tally()
    for n in range(LOSSES_KEPT + 20):
        tally.add(outcome("lost", float(n)))
    found = tally.as_json()
    assert found["lost_by_reason"] == {"status": LOSSES_KEPT + 20}
    assert [each.at for each in tally.losses] == [float(n) for n in range(LOSSES_KEPT)]


@pytest.mark.parametrize("url", ["https://shop", "shop:80", "http://"])
def test_an_address_that_cannot_be_loaded_is_refused(url: str) -> None:
    with pytest.raises(SystemExit) as ended:
        parse(["--url", url, "--out", "x"])
    assert ended.value.code == 2


def test_the_command_line_becomes_a_load() -> None:
    load = parse(["--url", "http://h:1", "--out", "x", "--rate", "50", "--arrivals", "even"])
    assert (load.rate, load.poisson, load.seconds, load.out) == (50.0, False, None, Path("x"))


def test_the_versions_differ_in_their_constants_only() -> None:
    one = rendered({"VERSION": 1, "FAULT": "none", "SEED": 5})
    three = rendered({"VERSION": 3, "FAULT": "both", "SEED": 5})
    assert {path for path in one if one[path] != three[path]} == {"shop.py"}
    pairs = zip(one["shop.py"].splitlines(), three["shop.py"].splitlines(), strict=True)
    changed = [after for before, after in pairs if before != after]
    assert changed == ["VERSION = 3", 'FAULT = "both"']
    ast.parse(three["shop.py"])


def test_the_repository_needs_only_what_is_built() -> None:
    files = rendered({})
    workflow = yaml.safe_load(files[".github/workflows/deliver.yml"])
    uses = {s["uses"].partition("@")[0] for s in workflow["jobs"]["build"]["steps"] if "uses" in s}
    assert uses == {"actions/checkout", "actions/upload-artifact"}
    assert all("==" in line for line in files["requirements.txt"].splitlines())
    config = yaml.safe_load(files["headway.yaml"])
    assert list(config["environments"]) == ["staging", "production"]
    assert config["analysis"] == {"pace": "quick"}
