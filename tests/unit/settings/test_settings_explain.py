"""The merge rule, where each value comes from, units both ways, and the page that tells of keys."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from headway import settings
from headway.document import Mapping, plain, read
from headway.model.errors import Invalid
from headway.settings import origins, reference, schema, units
from headway.settings.keys import keys
from headway.settings.merging import effective

TEXT = """\
service: shop
run: ./shop
health: {path: /ready, interval: 5s}
env: {A: 1, B: 2}
rollout: {strategy: canary, steps: [10%, 100%], stability: 20m}
tests: [http: /a]
environments:
  staging:
    run: {instances: 1}
    health: /other
    env: {B: 3, C: 4}
    rollout: {strategy: rolling, max_surge: 2}
    tests: [http: /b, http: /c]
  production:
    rollout: {strategy: canary, stability: 30m}
"""


def merged(environment: str) -> object:
    root = read(TEXT, "f")
    assert isinstance(root, Mapping)
    return plain(effective(root, environment))


def test_one_merge_rule() -> None:
    assert merged("staging") == {
        "run": {"command": "./shop", "instances": 1},
        "health": {"path": "/other", "interval": "5s"},
        "env": {"A": 1, "B": 3, "C": 4},
        "rollout": {"strategy": "rolling", "max_surge": 2},
        "tests": [{"http": "/b"}, {"http": "/c"}],
    }
    assert merged("production") == {
        "run": {"command": "./shop"},
        "health": {"path": "/ready", "interval": "5s"},
        "env": {"A": 1, "B": 2},
        "rollout": {"strategy": "canary", "steps": ["10%", "100%"], "stability": "30m"},
        "tests": [{"http": "/a"}],
    }


def rows(environment: str) -> dict[str, tuple[str, int | None]]:
    found = origins.explain(TEXT, "f", environment)
    return {o.key: (o.value, o.at.line if o.at else None) for o in found}


def test_each_value_has_the_line_it_comes_from() -> None:
    staging, production = rows("staging"), rows("production")
    assert staging["run.command"] == ("./shop", 2)
    assert staging["run.instances"] == ("1", 9)
    assert staging["health.path"] == ("/other", 10)
    assert staging["health.interval"] == ("5s", 3)
    assert staging["health.timeout"] == ("2s", None)
    assert (staging["env.A"], staging["env.B"]) == (("1", 4), ("3", 11))
    assert staging["rollout.max_surge"] == ("2", 12)
    assert "rollout.steps" not in staging
    assert production["rollout.steps"] == ("10%, 100%", 5)
    assert production["rollout.stability"] == ("30m", 15)
    assert production["rollout.holdback"] == ("10%", None)
    assert production["tests"] == ("GET /a is 200", 6)
    assert production["tier"] == ("production", None)


def test_values_shown_are_the_values_in_force() -> None:
    """What `show` prints, written as a file, gives the same environment."""
    shown = {o.key: o.value for o in origins.explain(TEXT, "f", "production")}
    rollout = settings.read(TEXT, "f").environment("production").rollout
    assert units.seconds(shown["rollout.stability"]) == rollout.stability_seconds
    assert units.fraction(shown["rollout.holdback"]) == rollout.holdback


def test_an_unknown_environment_is_refused_with_a_suggestion() -> None:
    with pytest.raises(Invalid, match="no environment is called `prodution`") as caught:
        origins.explain(TEXT, "f", "prodution")
    assert "production" in caught.value.why


def test_where_a_key_is_set() -> None:
    found = origins.written(TEXT, "f", "rollout.stability")
    assert [(name, at.line) for name, at in found] == [
        ("rollout.stability", 5),
        ("environments.production.rollout.stability", 15),
    ]


def test_a_key_is_found_by_its_path_or_its_last_word() -> None:
    assert [k.path for k in origins.key("rollout.steps.share")] == ["rollout.steps[].share"]
    assert {k.strategy for k in origins.key("rollout.bake")} == {
        "canary",
        "blue-green",
        "shadow",
    }
    assert [k.path for k in origins.key("holdback")] == ["rollout.holdback"]
    assert [k.path for k in origins.key("slos.checkout.target")] == ["slos.NAME.target"]
    assert [k.path for k in origins.key("environments.live.tier")] == ["environments.NAME.tier"]
    assert {k.issue for k in origins.key("secrets")} == {"trust"}
    with pytest.raises(Invalid, match="there is no key `holdbak`"):
        origins.key("holdbak")


@given(st.integers(0, 10**9))
def test_durations_are_written_as_they_are_read(milliseconds: int) -> None:
    value = milliseconds / 1000
    assert units.seconds(units.duration(value)) == value


@given(st.integers(0, 1_000_000))
def test_percentages_are_written_as_they_are_read(millionths: int) -> None:
    value = millionths / 1_000_000
    assert units.fraction(units.percent(value)) == pytest.approx(value)


@pytest.mark.parametrize(
    ("text", "bytes_"), [("1KiB", 1024), ("512MiB", 512 << 20), ("2GiB", 2 << 30)]
)
def test_sizes_are_read_and_written(text: str, bytes_: int) -> None:
    assert units.size(text) == bytes_
    assert units.memory(bytes_) == text


def test_fractions_are_exact() -> None:
    assert units.fraction("99.9%") == 0.999
    assert units.fraction("0.1%") == 0.001
    assert units.count("7%", 100, up=True) == 7
    assert units.count("29%", 100, up=False) == 29


def named(part: object) -> set[str]:
    """Every name under any `properties` of a schema, however deep."""
    if isinstance(part, list):
        return set().union(*map(named, part))
    if not isinstance(part, dict):
        return set()
    own = set(part.get("properties", ())) if isinstance(part.get("properties"), dict) else set()
    return own.union(*map(named, part.values()))


def test_the_published_schema_is_one_and_holds_nothing_planned() -> None:
    published = schema.published()
    Draft202012Validator.check_schema(published)
    text = str(published)
    assert "x-issue" not in text
    assert "x-default" not in text
    for word in ("secrets", "notify", "runbooks", "kubernetes", "chaos", "freezes"):
        assert f"'{word}'" not in text
    assert {name.rsplit(".", 1)[-1] for name in (k.path for k in keys())} == named(published)


def test_every_published_key_has_a_meaning_and_a_line_on_the_page() -> None:
    page = Path(__file__).parents[3] / "docs" / "reference" / "headway-yaml.md"
    text = page.read_text("utf-8")
    assert text == reference.page(), "run python -m headway.settings.reference"
    for key in keys():
        assert key.meaning, key.path
        assert f"|`{key.path}`" in text


MEASURED = """\
service: shop
run: ./shop
slos:
  up: {target: 99.9%}
  fast: {target: 99%, under: 300ms, calendar: month, zone: Europe/Berlin}
  file: {openslo: slo/up.yaml}
alerts:
  page: [slack/on-call]
  escalate: {to: [email/boss], after: 20m}
  composite: {worse: {all: [slo_burn, rollout_failed]}}
analysis:
  by: [region]
  signals:
    carts: {ratio: {bad: lost, total: all}, source: prom, margin: 2%}
tests: [http: /a, journey: journeys/login.py, contracts: {}]
environments:
  shadow:
    rollout: {strategy: shadow, ignore_fields: [id]}
  production:
    rollout: {strategy: canary, steps: [{mirror: 50%, bake: 10m}, 5%, 100%]}
    analysis: {baseline: snapshot}
    gates: {error_budget: {left: 20%}, burn_rate: {below: 2}}
"""


def measured(environment: str) -> dict[str, tuple[str, int | None]]:
    found = origins.explain(MEASURED, "f", environment)
    return {o.key: (o.value, o.at.line if o.at else None) for o in found}


def test_what_is_measured_and_who_is_told_has_its_lines() -> None:
    shown = measured("production")
    assert shown["rollout.steps"] == ("mirror 50% for 10m, 5%, 100%", 20)
    assert shown["analysis.signals.carts.ratio.bad"] == ("lost", 14)
    assert shown["analysis.signals.carts.margin"] == ("2%", 14)
    assert shown["analysis.signals.carts.weight"] == ("1", None)
    assert shown["analysis.by"] == ("region", 12)
    assert shown["analysis.baseline"] == ("snapshot", 21)
    asked = "GET /a is 200; journey journeys/login.py; contracts with this service"
    assert shown["tests"] == (asked, 15)
    assert shown["gates.error_budget.left"] == ("20%", 22)
    assert shown["gates.error_budget.then"] == ("fixes_only", None)
    assert shown["gates.burn_rate.over"] == ("1h", None)
    assert shown["gates.slo"] == ("none", None)
    assert shown["slos.up.window"] == ("30d", None)
    assert shown["slos.fast.sli"] == ("latency", None)
    assert shown["slos.fast.zone"] == ("Europe/Berlin", 5)
    assert "slos.fast.window" not in shown
    assert shown["slos.file.openslo"] == ("slo/up.yaml", 6)
    assert shown["alerts.page"] == ("slack/on-call", 8)
    assert shown["alerts.ticket"] == ("nobody", None)
    assert shown["alerts.escalate.after"] == ("20m", 9)
    assert shown["alerts.composite.worse.all"] == ("slo_burn, rollout_failed", 10)


def test_a_key_below_a_name_of_ones_own_is_found_in_the_file() -> None:
    found = origins.written(MEASURED, "f", "slos.NAME.target")
    assert [(path, at.line) for path, at in found] == [
        ("slos.up.target", 4),
        ("slos.fast.target", 5),
    ]
    found = origins.written(MEASURED, "f", "analysis.signals.NAME.ratio.bad")
    assert [(path, at.line) for path, at in found] == [("analysis.signals.carts.ratio.bad", 14)]


def test_a_shadow_shows_what_it_copies_and_no_steps() -> None:
    shown = measured("shadow")
    assert shown["rollout.mirror"] == ("100%", None)
    assert shown["rollout.bake"] == ("15m", None)
    assert shown["rollout.ignore_fields"] == ("id", 18)
    assert "rollout.steps" not in shown
    assert shown["gates.error_budget"] == ("none", None)


def test_the_new_keys_become_what_they_say() -> None:
    service = settings.read(MEASURED, "f")
    shadow, production = service.environments
    assert (shadow.rollout.strategy, shadow.rollout.mirror) == ("shadow", 1.0)
    assert shadow.rollout.mirror_bake_seconds == 900
    assert [s.mirror for s in production.rollout.steps] == [0.5, 0, 0]
    assert [s.share for s in production.rollout.steps] == [0, 0.05, 1.0]
    assert production.analysis.signals[0].metric == "lost"
    assert (service.slos[1].sli, service.slos[1].under_seconds) == ("latency", 0.3)
    assert service.alerts.composites[0].all == ("slo_burn", "rollout_failed")
