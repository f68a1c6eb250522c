"""The exported rules in Prometheus' own tools: the same burn fires the same alert there and here.

`promtool` runs days in seconds; the live test has a real Prometheus and a real Alertmanager with
windows of seconds.
"""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from click.testing import CliRunner
from tests.support.prometheus import Exporter, RealPrometheus
from tests.support.receivers import alertmanager, known_alerts
from tests.support.slo_shop import CONFIG, DAY, HOUR, Shop

from headway.cli.main import main
from headway.model.service import Slo
from headway.slo.exposition import Counted, exposition
from headway.slo.rules import Subject, groups
from headway.slo.tally import Bucket, Tally, within
from headway.slo.windows import Burning, burns

SERIES = 'headway_sli_{}_total{{environment="production", service="shop", slo="availability"}}'


@pytest.fixture
def promtool() -> str:
    found = shutil.which("promtool")
    if found is None:
        pytest.skip("no promtool installed: apt-get install prometheus")
    return found


def headway(home: Path, *arguments: str) -> str:
    done = CliRunner().invoke(main, ["--home", str(home), "slo", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


SOURCED = """\
slos:
  availability: {target: 99.9%}
  fast: {sli: latency, under: 300ms, target: 99%, window: 7d}
  orders:
    {target: 99.5%, source: mon, good: 'orders_total{result="ok"}', total: orders_total,
     calendar: quarter, zone: Europe/Berlin}
"""


@pytest.mark.seed("S-177", "S-209")
def test_the_rules_of_every_kind_of_slo_are_clean(tmp_path: Path, promtool: str) -> None:
    shop = Shop(tmp_path, CONFIG.replace("slos:\n  availability: {target: 99.9%}\n", SOURCED))
    shop.db.dispose()
    file = tmp_path / "rules.yml"
    file.write_text(headway(tmp_path, "rules"))
    checked = subprocess.run(
        [promtool, "check", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    # per SLO: windows and the period, seven about the budget, two alerts and two levels
    assert "SUCCESS: 57 rules found" in checked.stdout, checked.stdout
    assert json.loads(headway(tmp_path, "rules", "--json")) == yaml.safe_load(file.read_text())


@pytest.mark.seed("S-177", "S-210")
@pytest.mark.parametrize(
    ("burn", "before", "name", "severity", "kinds"),
    [
        (50.0, 2 * HOUR, "SloErrorBudgetBurn", "page", {"page-quick"}),
        (4.0, 6 * HOUR, "SloErrorBudgetBurn", "ticket", {"ticket-quick", "ticket-slow"}),
        pytest.param(
            8.0, 7 * HOUR, "SloErrorBudgetBurn", "page", {"page-slow"}, marks=pytest.mark.soak
        ),
        pytest.param(5.5, 7 * HOUR, "SloBurnLevel", "page", {"level-page"}, marks=pytest.mark.soak),
        pytest.param(
            4.0, 6 * HOUR, "SloBurnLevel", "ticket", {"level-investigate"}, marks=pytest.mark.soak
        ),
    ],
)
def test_the_same_burn_fires_at_the_same_time_in_prometheus(
    tmp_path: Path,
    promtool: str,
    burn: float,
    before: float,
    name: str,
    severity: str,
    kinds: set[str],
) -> None:
    """Three minutes before Headway says so Prometheus does not yet, three minutes after it does."""
    shop = Shop(tmp_path)
    rules = tmp_path / "rules.yml"
    rules.write_text(headway(tmp_path, "rules"))
    here = before + fires_after(shop, burn, before, kinds)
    shop.db.dispose()
    alerts = f'ALERTS{{alertname="{name}", headway_severity="{severity}"}}'
    queries = [
        {
            "expr": f"count({alerts}) or vector(0)",
            "eval_time": f"{int(at)}s",
            "exp_samples": [{"labels": "{}", "value": fires}],
        }
        for at, fires in ((here - 180, 0), (here + 180, 1))
    ]
    test = {
        "rule_files": [str(rules)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": course(burn, before, here + 600),
                "promql_expr_test": queries,
            }
        ],
    }
    file = tmp_path / "test.yml"
    file.write_text(yaml.safe_dump(test))
    done = subprocess.run(
        [promtool, "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def fires_after(shop: Shop, burn: float, before: float, kinds: set[str]) -> float:
    """Seconds from the burn's begin until Headway tells of it."""
    shop.run(60)
    shop.run(before - 60, every=HOUR)
    shop.meter.errors, began = 0.001 * burn, shop.now
    while not kinds & {e.data["condition"] for e in shop.events("slo.burning")}:
        assert shop.now - began < DAY
        shop.run(60)
    return shop.now - began


def course(burn: float, before: float, until: float) -> list[dict[str, str]]:
    """Ten requests a second, and from `before` seconds on `burn` times as many bad ones among them
    as are allowed, in promtool's notation.
    """
    quiet, minutes = int(before // 60), int(until // 60)
    bad = 0.6 * burn
    return [
        {"series": SERIES.format("events"), "values": f"0+600x{minutes}"},
        {"series": SERIES.format("bad"), "values": f"0x{quiet} {bad}+{bad}x{minutes - quiet}"},
    ]


class Burn:
    """Counters that grow with the wall clock, ten a second, a share of them bad."""

    def __init__(self) -> None:
        self.good = self.bad = 0.0
        self.share = 0.0
        self.at = time.time()
        self.buckets: list[Bucket] = []

    def grow(self) -> list[str]:
        now = time.time()
        more = (now - self.at) * 10
        self.bad += more * self.share
        self.good += more * (1 - self.share)
        self.buckets.append(Bucket(now, Tally(more * (1 - self.share), more)))
        self.at = now
        counted = Counted("shop", "production", "availability", self.bad, self.bad + self.good)
        return exposition([counted])

    def over(self, seconds: float) -> Tally:
        return within(self.buckets, self.at - seconds, self.at + 1, 0.25)


LIVE = (
    Burning("page-quick", "page", 8, 4, 14.4),
    Burning("page-slow", "page", 12, 6, 6.0),
    Burning("ticket-quick", "ticket", 14, 7, 3.0),
    Burning("ticket-slow", "ticket", 16, 8, 1.0),
)
TARGET = 0.99


@pytest.mark.seed("S-210")
def test_a_live_burn_fires_the_right_alert_in_prometheus_alertmanager_and_headway(
    tmp_path: Path, promtool: str
) -> None:
    """Good, then twice the sustainable rate (a ticket and no page), then sixty times (a page)."""
    rules = tmp_path / "rules.yml"
    subject = Subject("shop", "production", Slo("availability", target=TARGET))
    rules.write_text(yaml.safe_dump(groups([subject], with_levels=False, workbook=LIVE)))
    burn = Burn()
    with Exporter() as exporter, alertmanager() as manager:
        more = (
            f"rule_files: [{rules}]\nalerting: {{alertmanagers: "
            f"[{{static_configs: [{{targets: [{manager.removeprefix('http://')}]}}]}}]}}\n"
        )
        with RealPrometheus(exporter.url.removeprefix("http://"), rules=more) as prometheus:
            assert follow(burn, exporter, prometheus, 8) == (set(), set())
            burn.share = 2 * (1 - TARGET)
            assert follow(burn, exporter, prometheus, 60, "ticket") == ({"ticket"}, {"ticket"})
            burn.share = 60 * (1 - TARGET)
            both = {"page", "ticket"}
            assert follow(burn, exporter, prometheus, 60, "page") == (both, both)
            told = wait_for(lambda: severities(known_alerts(manager)), both)
    assert told == both


def follow(
    burn: Burn, exporter: Exporter, prometheus: RealPrometheus, most: float, wanted: str = ""
) -> tuple[set[str], set[str]]:
    """Let it burn until both say `wanted`, or for so long; gives what Prometheus and Headway ever
    said, which shows whether either said too much.
    """
    theirs: set[str] = set()
    ours: set[str] = set()
    end = time.monotonic() + most
    while time.monotonic() < end and not (wanted and wanted in theirs & ours):
        exporter.text = "\n".join([*burn.grow(), ""])
        found = httpx.get(f"{prometheus.url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        theirs |= {a["labels"]["headway_severity"] for a in found if a["state"] == "firing"}
        ours |= {c.severity for c in LIVE if burns(c, TARGET, burn.over)}
        time.sleep(0.25)
    return theirs, ours


def severities(alerts: list[dict[str, Any]]) -> set[str]:
    return {a["labels"]["headway_severity"] for a in alerts}


def wait_for(read: Any, wanted: set[str]) -> set[str]:
    deadline = time.monotonic() + 60
    while (found := read()) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    return set(found)
