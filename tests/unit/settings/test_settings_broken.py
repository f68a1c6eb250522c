"""Broken files: one clear line for each fault, at its place, and nothing but Invalid, ever."""

import json
import string

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from headway import document, settings
from headway.model.errors import Invalid
from headway.settings import grammar, schema
from headway.settings.keys import keys

HEAD = "service: shop\nrun: ./shop\n"
ONE = "environments: {production: }\n"


def lines(text: str) -> list[str]:
    with pytest.raises(Invalid) as caught:
        settings.read(text, "f")
    return [str(p).removeprefix("f:") for p in caught.value.problems]


def inside(block: str) -> str:
    return f"{HEAD}environments:\n  production:\n    {block}\n"


def waiver(rest: str) -> str:
    return f"{HEAD}waivers: [{{rule: R1, reason: not reachable, {rest}}}]\n{ONE}"


FORM = [
    (
        HEAD + "enviroments: {production: }",
        "3:1: unknown key `enviroments`. Did you mean `environm",
    ),
    (
        HEAD + "helth: /x\nzzz: 1\n" + ONE,
        "3:1: unknown key `helth`. Did you mean `health`?  [unknown-key]",
    ),
    (inside("tests: [{htp: /x}]"), "5:14: unknown key `htp`. Did you mean `http`?  [unknown-key]"),
    (inside("rollout: {stratgy: canary}"), "5:15: unknown key `stratgy`. Did you mean `strategy`?"),
    (
        inside("rollout: {steps: [1%]}"),
        "5:14: `strategy` is missing: canary, blue-green, rolling or shadow",
    ),
    (
        inside("rollout: {strategy: canary, keep_old: 1h}"),
        "5:33: `keep_old` belongs to strategy blue-green; this rollout is canary. Known for ca",
    ),
    (
        inside("rollout: {strategy: cannary}"),
        "5:25: `strategy` cannot be `cannary`. Did you mean `c",
    ),
    (
        inside("rollout: {strategy: canary, stability: 5}"),
        "5:44: `stability` needs a unit: 5 what?",
    ),
    (
        inside('rollout: {strategy: canary, stability: "5"}'),
        "5:44: `stability` needs a unit: 5 wha",
    ),
    (inside("rollout: {strategy: canary, bake: 1h30m}"), "5:39: `1h30m` is not a duration Headway"),
    (inside('rollout: {strategy: canary, bake: "30s\\n"}'), "5:39: `30s�` is not a duration"),
    (
        inside("rollout: {strategy: canary, holdback: 0.05}"),
        "5:43: `holdback` is a percentage: wri",
    ),
    (
        inside("rollout: {strategy: canary, holdback: 101%}"),
        "5:43: `holdback` cannot be `101%`: it",
    ),
    (
        inside("rollout: {strategy: canary, steps: [5, 100]}"),
        "5:41: a step is a percentage: write ",
    ),
    (
        inside("rollout: {strategy: canary, steps: []}"),
        "5:40: `steps` is empty. Write at least one",
    ),
    (
        inside("rollout: {strategy: rolling, max_surge: 1.5}"),
        "5:45: `max_surge` is a count or a pe",
    ),
    (
        inside("run: {resources: {memory: 512}}"),
        "5:31: `memory` needs a unit: 512 what? Write `512M",
    ),
    (
        inside("run: {resources: {memory: 1GB}}"),
        "5:31: `1GB` is not a size Headway reads. Sizes ar",
    ),
    (inside("run: {instances: 0}"), "5:22: `instances` must be at least 1  [range]"),
    (inside("run: {instances: two}"), "5:22: `instances` must be a whole number  [wrong-type]"),
    (inside("run: {resources: {cpu: 0}}"), "5:28: `cpu` must be more than 0  [range]"),
    (inside("run: [./shop]"), "5:10: `run` must be a block of keys or text  [wrong-type]"),
    (inside("run:"), "5:9: `run` is empty. Write a value, or leave the key out  [wrong-type]"),
    (
        inside("run: {path: ../other}"),
        "5:17: `path` leaves the repository: `../other`. Write a pat",
    ),
    (inside("run: {path: /etc}"), "5:17: `path` leaves the repository: `/etc`"),
    (inside("auto: yes"), "5:11: `auto` must be `true` or `false`  [wrong-type]"),
    (inside("health: ready"), "5:13: `health` is a URL path: it starts with `/`"),
    (
        inside("env: {log-level: info}"),
        "5:11: `log-level` is not a variable's name: A-Z, 0-9 and _",
    ),
    (inside("env: {LEVEL: 1.5}"), '5:18: `LEVEL` must be text or a whole number: write `"1.5"`'),
    (inside("env: {ON: true}"), '5:15: `ON` must be text or a whole number: write `"true"`'),
    (
        inside("env: {A: '${{ secrets.B }}'}"),
        "5:14: `A` holds a `${{ }}` template; this file has n",
    ),
    (inside("gates: {approval: yes}"), "5:23: `approval` says who and how many. Write `approval: "),
    (inside("gates: {checks: []}"), "5:21: `checks` is empty. Write at least one"),
    (
        inside("gates: {checks: [ci.yml/]}"),
        "5:22: `ci.yml/` is not the name of a check. Write a job of the pipeline: `test`; `ci.yml`",
    ),
    (inside("gates: {branches: main}"), "5:23: `branches` must be a list"),
    (inside("gates: {approval: {count: 0}}"), "5:31: `count` must be at least 1  [range]"),
    (
        inside("tests: [{}]"),
        "5:13: `tests` says nothing: write one of `http`, `workflow`, `journey`, `contracts`"
        "  [empty]",
    ),
    (
        inside("analysis: {signals: {load: {source: prom}}}"),
        "5:32: `load` measures nothing: write one of `ratio`, `value`, `count`  [missing-key]",
    ),
    (
        inside("analysis: {signals: {load: {source: prom, value: a, count: b}}}"),
        "5:32: `load` holds `value` and `count`: write one of `ratio`, `value`, `count`  [conflic",
    ),
    (
        inside("analysis: {signals: {load: {source: prom, valu: a}}}"),
        "5:47: unknown key `valu`. Did you mean `value`?  [unknown-key]",
    ),
    (
        inside("analysis: {signals: {load: {value: a}}}"),
        "5:32: `source` is missing: which metric source? For example `source: prometheus`",
    ),
    (
        inside("analysis: {signals: {load: {source: prom, ratio: {bad: a}}}}"),
        "5:54: `total` is missing in `ratio`  [missing-key]",
    ),
    (
        inside("analysis: {signals: {load: }}"),
        "5:32: `load` is empty. Write a value, or leave the key out  [wrong-type]",
    ),
    (inside("analysis: {by: [pod]}"), "5:21: `by` cannot be `pod`. Known here: instance, region"),
    (
        inside("gates: {error_budget: {then: hold}}"),
        "5:27: `left` is missing: how much of the error budget must be left? For example `left: 2",
    ),
    (
        HEAD + "waivers: [{rule: R1, reason: not reachable, expires: 2026-12-31}]\n" + ONE,
        "3:11: `owner` is missing: who has approved it? For example `owner: ana`  [missing-key]",
    ),
    (
        HEAD + "waivers: [{rule: R1, owner: ana, reason: not reachable}]\n" + ONE,
        "3:11: `expires` is missing: through which day? For example `expires: 2026-12-31`",
    ),
    (
        HEAD + "waivers: [{rule: R1, owner: ana, reason: why not, expires: 2026-12-31}]\n" + ONE,
        "3:42: `reason` is too short: write 10 characters or more  [range]",
    ),
    (
        waiver("owner: ana, expires: tomorrow"),
        "3:66: `tomorrow` is not a date Headway reads. Write `2026-12-31`  [wrong-form]",
    ),
    (
        waiver("owner: ana, expires: 2026-02-30"),
        "3:66: `2026-02-30` is no day of the calendar  [wrong-form]",
    ),
    (waiver("owner: ' ', expires: 2026-12-31"), "3:52: `owner` is blank  [empty]"),
    (
        waiver("owner: ana, expires: 2026-12-31, at: ../x"),
        "3:82: `at` leaves the repository: `../x`.",
    ),
    (inside("gates: {burn_rate: {below: 0}}"), "5:32: `below` must be more than 0  [range]"),
    (
        HEAD + "slos: {up: {window: 30d}}\n" + ONE,
        "3:12: `up` has no `target`: write for example `target: 99.9%`, or `openslo` and a file",
    ),
    (
        HEAD + "slos: {up: {targt: 99%}}\n" + ONE,
        "3:13: unknown key `targt`. Did you mean `target`?  [unknown-key]",
    ),
    (
        HEAD + "slos: {up: {target: 0.999}}\n" + ONE,
        "3:21: `target` is a percentage: write `99.9%`, not `0.999`  [no-unit]",
    ),
    (
        HEAD + "alerts: {page: ['#shop']}\n" + ONE,
        "3:17: `#shop` is not a channel: a kind, `/` and a connection's name. The kinds are slack",
    ),
    (
        HEAD + "alerts: {composite: {worse: {all: [slo_burn]}}}\n" + ONE,
        "3:35: `all` needs at least 2 of them  [range]",
    ),
    (
        HEAD + "alerts: {escalate: {after: 5m}}\n" + ONE,
        "3:20: `to` is missing: who is told then? For example `to: [slack/on-call]`",
    ),
    (
        inside("rollout: {strategy: shadow, steps: [5%]}"),
        "5:33: `steps` belongs to strategy canary; this rollout is shadow. Known for shadow: bake",
    ),
    (
        inside("rollout: {strategy: rolling, mirror: 5%}"),
        "5:34: `mirror` belongs to strategy shadow; this rollout is rolling. Known for rolling: d",
    ),
    (
        inside("rollout: {strategy: rolling, ignore_fields: [id]}"),
        "5:34: `ignore_fields` belongs to strategy canary and shadow; this rollout is rolling.",
    ),
    (
        inside("tests: [{http: /a, workflow: b}]"),
        "5:13: `tests` holds `http` and `workflow`: write",
    ),
    (
        inside("tests: [{http: {status: 200}}]"),
        "5:20: `path` is missing: what is asked? For exampl",
    ),
    (
        inside("tests: [{http: {path: /, status: 700}}]"),
        "5:38: `status` must be at most 599  [range]",
    ),
    (
        inside("traffic: {sticky: {header: a, cookie: b}}"),
        "5:23: `sticky` holds `header` and `cooki",
    ),
    (
        inside("tier: prod"),
        "5:11: `tier` cannot be `prod`. Known here: development, production, sta",
    ),
    (HEAD + "schema: 2\n" + ONE, "3:9: `schema` can only be `1`  [unknown-value]"),
    (HEAD + "environments: {Live: }", "3:16: `Live` is not a name Headway reads: 2 to 40 of a-z"),
    (HEAD + "environments:", "3:14: `environments` is empty. Write a value, or leave the key out"),
    (HEAD + "environments: {}", "3:15: `environments` is empty. Write at least one"),
    ("service: Shop\nrun: x\n" + ONE, "1:10: `Shop` is not a name Headway reads"),
    ("service: 5\nrun: x\n" + ONE, '1:10: `service` must be text: write `"5"`  [wrong-type]'),
    ('service: "shop\\n"\nrun: x\n' + ONE, "1:10: `shop�` is not a name Headway reads"),
    ("run: x\n" + ONE, "1:1: `service` is missing: what is it called? For example `service: shop`"),
    (HEAD, "1:1: `environments` is missing: where does it run?"),
    ("- service: shop", "1:1: the file is not a block of keys."),
    ("shop", "1:1: the file is not a block of keys."),
    (HEAD + "owner: ${{ x }}\n" + ONE, "3:8: `owner` holds a `${{ }}` template"),
    (
        HEAD + 'owner: "\\e[31mred"\n' + ONE,
        "3:8: `owner` holds the control character U+001B  [charac",
    ),
    (
        HEAD + "run: ./other\n" + ONE,
        "3:1: `run` is written twice; first on line 2. Keep one  [dupli",
    ),
    (HEAD + "env: {A: 1, A: 2}\n" + ONE, "3:13: `A` is written twice; first on line 3"),
    (
        HEAD + "environments: {staging: , staging: }",
        "3:27: `staging` is written twice; first on line",
    ),
    (HEAD + "owner: &me ana\n" + ONE, "3:8: anchors and aliases are not read here."),
    (HEAD + "owner: !me ana\n" + ONE, "3:8: tags (`!`) are not read here."),
    (HEAD + "\towner: ana\n" + ONE, "3:1: a tab cannot indent YAML. Use spaces  [tab]"),
    ("", "1:1: the file is empty  [empty]"),
]


@pytest.mark.parametrize(("text", "expected"), FORM)
def test_a_broken_file_gets_a_clear_line_first(text: str, expected: str) -> None:
    assert lines(text)[0].startswith(expected)


def test_unknown_keys_come_first_and_all_problems_are_told() -> None:
    found = lines("service: shop\nrun: x\nkind: wrker\nenvironments: {production: {tir: x}}\n")
    assert [line.split("  [")[1] for line in found] == ["unknown-key]", "unknown-value]"]


def test_a_misspelled_required_key_is_told_once() -> None:
    assert lines("servce: shop\nrun: x\n" + ONE) == [
        "1:1: unknown key `servce`. Did you mean `service`?  [unknown-key]"
    ]


def test_at_most_twenty_and_the_true_number() -> None:
    text = HEAD + "env: {" + ", ".join(f"a{n}: 1" for n in range(30)) + "}\n" + ONE
    with pytest.raises(Invalid) as caught:
        settings.read(text, "f")
    assert len(caught.value.problems) == 20
    assert caught.value.what == "30 problems, the first 20 shown. Nothing was changed."


SECRET = "hunter22-of-the-database"


@pytest.mark.parametrize(
    "block",
    [
        f"secrets: {{A: {SECRET}}}",
        f"secrets: {{A: [{SECRET}]}}",
        f"secrets: {{A: {{inject: {SECRET}}}}}",
        f"secrets: {{A: {{name: {{x: {SECRET}}}}}}}",
        f"secrets: {SECRET}",
        f"secrets: [{SECRET}]",
        f"secrets: {{A: '${{{{ {SECRET} }}}}'}}",
        f'secrets: {{A: "\\e{SECRET}"}}',
        f"secret: {{A: {SECRET}}}",
        f"secrets: {{A: *{SECRET}}}",
        f"secrets: {{A: !{SECRET} x}}",
        f"secrets: {{A: {SECRET}, A: {SECRET}}}",
        f"secrets: {{A: '{SECRET}",
    ],
)
@pytest.mark.parametrize("place", ["top", "environment"])
def test_a_secret_is_refused_and_never_shown(block: str, place: str) -> None:
    text = inside(block) if place == "environment" else f"{HEAD}{block}\n{ONE}"
    with pytest.raises(Invalid) as caught:
        settings.read(text, "f")
    assert SECRET not in str(caught.value) + " ".join(map(str, caught.value.problems))


def test_a_secret_value_is_told_before_that_secrets_are_planned() -> None:
    assert lines(f"{HEAD}secrets: {{DB_URL: 1234}}\n{ONE}") == [
        "3:19: the value of a secret does not belong in this file. "
        "Run `headway secret set DB_URL`, leave `DB_URL:` empty, and "
        "rotate the value: it may be in Git already  [secret-in-file]"
    ]


# every published key once; the samples differ in strategy
SAMPLES = [
    """\
service: shop
schema: 1
owner: team-shop
kind: web
description: The shop front
pipeline:
  workflow: build.yml
  branch: trunk
  critical: [src/pay/**]
  jobs:
    unit:
      paths: [src/**]
      retry:
        times: 2
        backoff: 10s
      tests:
        reports: [junit.xml]
        flaky: block
        size: unit
      coverage:
        reports: [coverage.xml]
        at_least: 80%
        branches: 70%
        critical: 95%
    ci.yml/lint:
      retry: 1
      findings:
        reports: ["*.sarif"]
        block: warning
waivers:
  - rule: CVE-2026-12345
    at: requirements.txt
    owner: ana
    reason: Not reachable here
    expires: 2026-12-31
artifact:
  from: dist
  kind: archive
  builders: ['urn:ci:acme']
watch: [services/shop]
run:
  command: ./shop
  instances: 4
  resources:
    cpu: 0.5
    memory: 512MiB
  stop:
    grace: 20s
    signal: INT
  path: sub/folder
health:
  path: /ready
  live: /live
  interval: 2s
  timeout: 1s
  ready_within: 90s
env:
  LOG_LEVEL: info
rollout:
  strategy: canary
  on_fail: hold
  stability: 20m
  deadline: 4h
  steps:
    - mirror: 50%
      bake: 5m
    - 5%
    - share: 50%
      bake: 10m
      approval: 1
    - 100%
  bake: 5m
  holdback: 10%
  ignore_fields: [request_id]
analysis:
  errors:
    absolute: 0.2%
    relative: 100%
  latency:
    relative: 20%
    at: [p99.9, 250ms]
  confidence: 95%
  insufficient_data: extend
  pace: quick
  by: [region]
  baseline: snapshot
  signals:
    conversion:
      ratio:
        bad: carts_abandoned
        total: carts
      source: prometheus
      margin: 2%
      weight: 2
      version: release
    orders:
      count: jobs_failed
      source: prometheus
    score:
      value: score_mean
      source: prometheus
      better: higher
traffic:
  host: shop.example.com
  router: envoy
  sticky:
    header: x-user-id
  tester_header: x-tester
tests:
  - http:
      path: /checkout
      method: POST
      json:
        sku: 7
      status: 201
      contains: sku
      within: 500ms
  - workflow: e2e.yml
  - journey: journeys/login.py
  - contracts: {provider: shop-api, states: /_states}
slos:
  up:
    sli: availability
    target: 99.9%
    calendar: month
    zone: Europe/Berlin
  fast:
    target: 99%
    under: 300ms
    window: 7d
  orders:
    target: 99.5%
    route: /orders
    source: prometheus
    bad: orders_failed
    total: orders
  carts:
    target: 99.5%
    source: prometheus
    good: carts_kept
    total: carts
  written:
    openslo: slo/checkout.yaml
alerts:
  page: [slack/on-call]
  ticket: [email/team]
  escalate:
    after: 10m
    to: [webhook/manager]
  runbook: https://example.com/runbook
  changelog: CHANGELOG.md
  composite:
    both:
      all: [slo_burn, rollout_failed]
      severity: ticket
gates:
  error_budget:
    left: 20%
    then: throttle
    pause: 25%
  slo:
    within: 2h
  burn_rate:
    below: 2
    over: 6h
  approval:
    count: 2
    by: [team-shop]
    expires: 8h
    not_author: false
  checks: [lint, release / build, ci.yml, ci.yml/test]
  branches: [main]
target:
  kind: local
  isolation: process
environments:
  staging:
    tier: staging
    auto: false
    queue: every
    train:
      schedule: 0 14 * * TUE,THU
      zone: Europe/Berlin
      name: weekly
      order: [shop]
  production:
    after: [staging]
    traffic:
      port: 8080
""",
    """\
service: shop
run: ./shop
health:
  command: ./check
rollout:
  strategy: blue-green
  on_fail: hold
  stability: 20m
  deadline: 4h
  bake: 5m
  keep_old: 1h
traffic:
  sticky:
    cookie: user
environments:
  production:
""",
    """\
service: shop
run: ./shop
rollout:
  strategy: rolling
  on_fail: hold
  stability: 20m
  deadline: 4h
  max_surge: 50%
  max_unavailable: 0
environments:
  production:
""",
    """\
service: shop
run: ./shop
rollout:
  strategy: shadow
  on_fail: hold
  stability: 20m
  deadline: 4h
  mirror: 20%
  bake: 5m
  ignore_fields: [request_id]
environments:
  production:
""",
]
OWN_NAMES = ("environments", "signals", "slos", "composite", "jobs")


def named(text: str) -> list[tuple[document.Path, document.Scalar]]:
    """Every key that the schema names: not those of env and json, and no name of one's own."""
    found = []
    for path, key, _ in document.walk(document.read(text, "f")):
        if key is None or path[-2:-1] in (("env",), ("json",), *((own,) for own in OWN_NAMES)):
            continue
        found.append((path, key))
    return found


def test_the_samples_write_every_published_key() -> None:
    written = set()
    for text in SAMPLES:
        settings.read(text, "f")
        for path, _ in named(text):
            parts = [
                "NAME" if before in OWN_NAMES[1:] else part
                for before, part in zip(("", *path), path, strict=False)
            ]
            dotted = ".".join("[]" if isinstance(part, int) else part for part in parts)
            dotted = dotted.replace(".[]", "[]")
            for name in ("staging", "production"):
                if path[:2] == ("environments", name) and len(path) > 2:
                    inner = dotted.removeprefix(f"environments.{name}.")
                    dotted = (
                        inner
                        if inner.split(".")[0] in ("traffic",)
                        else (f"environments.NAME.{inner}")
                    )
            written.add(dotted)
    workspaces = {"services"}
    assert {key.path for key in keys()} - workspaces <= written


def test_a_typo_in_any_key_is_refused_at_its_place() -> None:
    count = 0
    for text in SAMPLES:
        for _, key in named(text):
            rows = text.split("\n")
            row = rows[key.at.line - 1]
            rows[key.at.line - 1] = row[: key.at.column - 1] + "x" + row[key.at.column - 1 :]
            found = lines("\n".join(rows))
            start = f"{key.at.line}:{key.at.column}: "
            assert any(
                line.startswith(start) and line.endswith("[unknown-key]") for line in found
            ), (key.text, found)
            count += 1
    assert count > len(keys())


WORDS = [
    *{part for key in keys(planned=True) for part in key.path.replace("[]", "").split(".")},
    *("staging", "production", "canary", "rolling", "blue-green", "local", "web", "5%", "30s"),
    *("100%", "512MiB", "/x", "${{ x }}", "../x", "", "\x7f", "x" * 50, "0%", "0s", "9" * 30 + "d"),
]
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-5, 200),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(WORDS),
        st.text(string.printable, max_size=5),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(WORDS), inner, max_size=4)
    ),
    max_leaves=12,
)


@st.composite
def mangled(draw: st.DrawFn) -> str:
    """A right file with some values replaced by others, keys dropped and keys added."""
    data = document.plain(document.read(draw(st.sampled_from(SAMPLES)), "f"))
    assert isinstance(data, dict)
    for _ in range(draw(st.integers(1, 3))):
        block = data
        while True:
            key = draw(st.sampled_from([*block, "run", "tests"]))
            below = block.get(key)
            if isinstance(below, dict) and below and draw(st.booleans()):
                block = below
                continue
            if draw(st.integers(0, 4)) == 0:
                block.pop(key, None)
            else:
                block[draw(st.one_of(st.just(key), st.sampled_from(WORDS)))] = draw(VALUES)
            break
    return json.dumps(data)


def told(text: str) -> bool:
    """Whether the text is refused, and if so with problems that have places and codes."""
    try:
        settings.read(text, "f")
    except Invalid as error:
        return all(p.line and p.column and p.sentence and p.code for p in error.problems) or (
            pytest.fail(f"a problem lacks something: {error.problems}")
        )
    return False


@given(mangled())
@hypothesis_settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_whatever_is_read_the_published_schema_allows(text: str) -> None:
    published = Draft202012Validator(schema.published())
    root = document.read(text, "f")
    allowed = published.is_valid(document.plain(root))
    assert allowed == (not grammar.faults(root))
    if not told(text):
        assert allowed


@given(st.one_of(st.text(), VALUES.map(json.dumps)))
@hypothesis_settings(max_examples=150, deadline=None)
def test_any_text_is_a_service_or_invalid(text: str) -> None:
    told(text)


@given(st.sampled_from(SAMPLES), st.integers(0, 1200), st.integers(0, 60), st.text(max_size=6))
@hypothesis_settings(max_examples=150, deadline=None)
def test_any_cut_and_pasted_file_is_a_service_or_invalid(
    text: str, at: int, gone: int, put: str
) -> None:
    told(text[:at] + put + text[at + gone :])
