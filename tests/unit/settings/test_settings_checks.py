"""What no schema can say: a file that would make nonsense at run time is refused."""

import pytest

from headway import settings
from headway.model.errors import Invalid

HEAD = "service: shop\nrun: ./shop\n"


def lines(text: str) -> list[str]:
    with pytest.raises(Invalid) as caught:
        settings.read(text, "f")
    return [str(p).removeprefix("f:") for p in caught.value.problems]


def inside(block: str) -> str:
    return f"{HEAD}environments:\n  production:\n    {block}\n"


def canary(rest: str) -> str:
    return inside(f"rollout: {{strategy: canary, {rest}}}")


def signals(rest: str) -> str:
    return inside(f"analysis: {{signals: {{{rest}}}}}")


def top(block: str) -> str:
    return f"{HEAD}{block}\nenvironments: {{production: }}\n"


def slo(rest: str) -> str:
    return top(f"slos: {{up: {{{rest}}}}}")


def counted(rest: str) -> str:
    return slo(f"target: 99%, source: prom, {rest}")


def routed(count: int) -> str:
    found = ", ".join(f"up{n}: {{target: 99%, route: /{n}}}" for n in range(count))
    return top(f"slos: {{also: {{target: 90%, route: /0}}, {found}}}")


def rolling(rest: str) -> str:
    return inside(f"rollout: {{strategy: rolling, {rest}}}")


NONSENSE = [
    (canary("steps: [5%, 5%, 100%]"), "5:45: a step of 5% after 5%", "steps-order"),
    (canary("steps: [50%, 5%, 100%]"), "5:46: a step of 5% after 50%", "steps-order"),
    (canary("steps: [0%, 100%]"), "5:41: a step of 0% after 0%", "steps-order"),
    (canary("steps: [5%, {share: 50%}]"), "5:45: the last step is 50%: end with", "steps-order"),
    (
        canary("steps: [5%, {share: 100%, bake: 5m}]"),
        "5:65: the last step is watched for `stability`",
        "last-step",
    ),
    (canary("holdback: 10.1%"), "5:43: `holdback` is at most `10%`, not `10.1%`", "holdback"),
    (
        canary("steps: [5%, 97%, 100%], holdback: 4%"),
        "5:45: with a `holdback` of 4% the last step is 96%",
        "holdback",
    ),
    (canary("bake: 1h"), "5:14: `deadline` is 2h, but the steps take at least 3h", "deadline"),
    (canary("deadline: 5m"), "5:43: `deadline` is 5m, but the steps take at lea", "deadline"),
    (canary("stability: 367d"), "5:44: `stability` must be at most `366d`", "range"),
    (canary(f"bake: {'9' * 9000}s"), "5:39: `bake` must be at most `366d`", "range"),
    (canary(f"deadline: {'9' * 9000}s"), "5:43: `deadline` must be at most", "range"),
    (canary("deadline: 0s"), "5:43: `deadline`", "deadline"),
    (rolling("max_surge: 0"), "5:45: `max_surge` and `max_unavailable` are both 0", "no-room"),
    (rolling("max_surge: 0, max_unavailable: 49%"), "5:45: `max_surge` and", "no-room"),
    (rolling("max_unavailable: 2"), "5:51: `max_unavailable` would take down all 2", "no-room"),
    (rolling("max_unavailable: 100%"), "5:51: `max_unavailable` would take down", "no-room"),
    (rolling("max_surge: 1001"), "5:45: `max_surge` must be at most 1000", "range"),
    (inside("run: {instances: 1001}"), "5:22: `instances` must be at most 1000", "range"),
    (inside("run: {resources: {cpu: 1025}}"), "5:28: `cpu` must be at most 1024", "range"),
    (inside("run: {resources: {memory: 1KiB}}"), "5:31: `memory` lies between", "range"),
    (inside(f"run: {{resources: {{memory: {'9' * 9000}GiB}}}}"), "5:31: `memory` lies", "range"),
    (inside(f"health: {{interval: {'9' * 9000}d}}"), "5:24: `interval` must be at most", "range"),
    (inside('run: " "'), "5:10: `command` is blank: it starts nothing", "empty"),
    (inside("health: {command: ./x, path: /y}"), "5:23: `health` has both `path` and", "conflict"),
    (inside('health: {command: " "}'), "5:23: `command` is blank", "empty"),
    (inside("health: {interval: 0s}"), "5:24: `interval` must be more than 0", "range"),
    (inside("health: {timeout: 0ms}"), "5:23: `timeout` must be more than 0", "range"),
    (inside("tests: [{http: {path: /, within: 0s}}]"), "5:38: `within` must be more", "range"),
    (inside("gates: {branches: [main, 'a b']}"), "5:30: `a b` is not the name of a br", "name"),
    (inside("gates: {approval: {expires: 0d}}"), "5:33: `expires` must be more than 0", "range"),
    (inside("env: {PORT: 80}"), "5:11: `PORT` is set by Headway", "reserved"),
    (inside("env: {HEADWAY_RELEASE: x}"), "5:11: `HEADWAY_RELEASE` is set by", "reserved"),
    (inside("analysis: {confidence: 100%}"), "5:28: `confidence` lies between", "range"),
    (inside("analysis: {confidence: 49%}"), "5:28: `confidence` lies between", "range"),
    (inside("analysis: {latency: {relative: 0%}}"), "5:36: `relative` must be more", "range"),
    (
        inside("analysis: {errors: {absolute: 0%, relative: 0%}}"),
        "5:24: `errors` needs a margin",
        "range",
    ),
    (inside("traffic: {port: 65536}"), "5:21: `port` must be at most 65535", "range"),
    (inside("traffic: {host: 'a b'}"), "5:21: `host` is a host name such as", "host"),
    (inside("traffic: {host: 'shop.example.com/x'}"), "5:21: `host` is a host name", "host"),
    (inside("traffic: {tester_header: 'a: b'}"), "5:30: `a: b` cannot be the name", "header"),
    (inside("traffic: {sticky: {header: Host}}"), "5:32: `Host` cannot be the name", "header"),
    (inside("train: {schedule: 0 25 * * *}"), "5:23: `0 25 * * *` is no schedule", "schedule"),
    (inside("train: {schedule: 0 0 31 2 *}"), "5:23: `0 0 31 2 *` is no schedule", "schedule"),
    (inside("train: {schedule: 0 0 * * *, zone: Mars}"), "5:40: `Mars` is no time zo", "zone"),
    (
        inside("train: {schedule: 0 0 * * *, order: [a1, a1]}"),
        "5:41: `order` names a service twice",
        "conflict",
    ),
    (inside("tests: [{workflow: ../x.yml}]"), "5:24: `workflow` leaves the reposi", "outside"),
    (inside("tests: [{workflow: /x.yml}]"), "5:24: `workflow` leaves the reposi", "outside"),
    (inside('run: {path: "a\\n/../.."}'), "5:17: `path` leaves the repository", "outside"),
    (inside("run: {path: ~/x}"), "5:17: `path` leaves the repository: `~/x`", "outside"),
    (inside("run: {path: 'a\\..\\b'}"), "5:17: `path` leaves the repository", "outside"),
    (
        HEAD + "pipeline: {workflow: ../x}\nenvironments: {production: }",
        "3:22: `workflow` leaves the repository",
        "outside",
    ),
    (
        HEAD + "artifact: {from: ../dist}\nenvironments: {production: }",
        "3:18: `from` leaves the repository",
        "outside",
    ),
    (
        HEAD + "pipeline: {branch: --upload-pack=x}\nenvironments: {production: }",
        "3:20: `--upload-pack=x` is not the name of a branch",
        "name",
    ),
    (
        HEAD + "environments: {production: , staging: }",
        "3:16: `production` is written before `staging`",
        "path-order",
    ),
    (
        HEAD + "environments: {live: {tier: production}, test: {tier: staging}}",
        "3:16: `live` is written before `test`",
        "path-order",
    ),
    (
        HEAD + "environments: {staging: {after: [prodution]}, production: }",
        "3:34: no environment is called `prodution`. Did you mean `production`?",
        "unknown-name",
    ),
    (
        HEAD + "environments: {staging: {after: [production]}, production: }",
        "3:34: `staging` comes after `production`, but is written above it",
        "path-order",
    ),
    (
        HEAD + "environments: {staging: {after: [staging]}, production: }",
        "3:34: `staging` comes after `staging`",
        "path-order",
    ),
    (
        HEAD + "traffic: {port: 8080}\nenvironments: {staging: , production: }",
        "3:17: `staging` and `production` both listen on port 8080",
        "conflict",
    ),
    (
        "service: shop\nrun: {instances: 2}\nenvironments: {production: }",
        "2:6: `command` is missing for production: how is one instance started?",
        "missing-key",
    ),
    (
        canary("steps: [5%, {mirror: 50%}, 100%]"),
        "5:45: a step that mirrors comes before the first that moves users",
        "steps-order",
    ),
    (canary("steps: [{mirror: 5%}]"), "5:41: the last step mirrors", "steps-order"),
    (canary("steps: [{mirror: 0%}, 100%]"), "5:50: `mirror` must be more than", "range"),
    (canary("steps: [{mirror: 5%}, 5%, 5%, 100%]"), "5:59: a step of 5% after 5%", "steps-order"),
    (inside("rollout: {strategy: shadow, mirror: 0%}"), "5:41: `mirror` must be more", "range"),
    (
        inside("rollout: {strategy: shadow, bake: 3h}"),
        "5:14: `deadline` is 2h, but the copies are judged for 3h",
        "deadline",
    ),
    (inside("analysis: {by: [region]}"), "5:20: `by` compares your own `signals`", "missing-key"),
    (
        signals("load: {value: cpu, source: prom, margin: 0%}"),
        "5:67: `margin` must be more than `0%`: nothing can be proven",
        "range",
    ),
    (
        signals("load: {value: cpu, source: prom, margin: 1001%}"),
        "5:67: `margin` is at most `1000%`: eleven times as bad would still be tolerated",
        "range",
    ),
    (signals("load: {value: cpu, source: prom, weight: 101}"), "5:67: `weight` must be", "range"),
    (signals("load: {value: cpu, source: prom, version: a b}"), "5:68: `a b` is not the", "name"),
    (
        signals("load: {source: prom, ratio: {bad: all, total: all}}"),
        "5:60: `bad` and `total` are both `all`",
        "conflict",
    ),
    (
        signals("one: {value: cpu, source: prom}, two: {count: cpu, source: prom}"),
        "5:59: `two` and `one` both measure `cpu` of one source: two alarms for one cause",
        "conflict",
    ),
    (
        HEAD + "analysis: {signals: {one: {value: cpu, source: prom}}}\nenvironments:\n"
        "  production: {analysis: {signals: {one: {count: jobs, source: prom}}}}",
        "5:42: `one` has `count` and `value` once merged",
        "conflict",
    ),
    (slo("target: 100%"), "3:21: `target: 100%` leaves no error budget", "range"),
    (slo("target: 49%"), "3:21: `target` must be at least `50%`, not `49%`", "range"),
    (slo("target: 99%, sli: latency"), "3:12: `up` needs `under`: how fast", "missing-key"),
    (
        slo("target: 99%, sli: availability, under: 1s"),
        "3:52: `under` is for `sli: latency`",
        "conflict",
    ),
    (slo("target: 99%, under: 0ms"), "3:33: `under` must be more than 0", "range"),
    (slo("target: 99%, window: 367d"), "3:34: `window` must be at most `366d`", "range"),
    (slo("target: 99%, window: 0d"), "3:34: `window` must be more than 0", "range"),
    (slo("target: 99%, window: 30d, calendar: month"), "3:49: `window` rolls and", "conflict"),
    (slo("target: 99%, zone: UTC"), "3:32: `zone` says where a `calendar` wi", "conflict"),
    (
        slo("target: 99%, calendar: day, zone: Europe/Berlim"),
        "3:47: no time zone is called `Europe/Berlim`. Did you mean `Europe/Berlin`?",
        "unknown-name",
    ),
    (
        slo("target: 99%, calendar: day, zone: ../../etc/passwd"),
        "3:47: no time zone is called `../../etc/passwd`. For example `Europe/Berlin`",
        "unknown-name",
    ),
    (slo("target: 99%, bad: e, total: all"), "3:31: `bad` is a counter of a metric", "missing-key"),
    (counted("total: all"), "3:34: `up` has a `source`: which of its counters", "missing-key"),
    (counted("bad: e"), "3:34: `up` needs `total`", "missing-key"),
    (counted("bad: e, good: g, total: all"), "3:54: `bad` and `good` say the same", "conflict"),
    (counted("bad: all, total: all"), "3:57: `total` and what is counted of it", "conflict"),
    (
        slo("target: 99%, route: checkout"),
        "3:33: `route` is a URL path: it starts with `/`",
        "path",
    ),
    (
        slo(f"target: 99%, route: /{'c' * 200}"),
        "3:33: `route` must have at most 200 characters, not 201",
        "range",
    ),
    (slo("target: 99%, route: /a?b=1"), "3:33: `route` must be a path alone, without", "range"),
    (slo("target: 99%, route: /a#b"), "3:33: `route` must be a path alone, without", "range"),
    (slo("target: 99%, route: '/a b'"), "3:33: `route` is a URL path: it starts", "path"),
    (slo(r"target: 99%, route: '/a\b'"), "3:33: `route` must be written as in a req", "range"),
    (slo("target: 99%, route: /café"), "3:33: `route` must be written as in a req", "range"),
    (slo("target: 99%, route: /a%zz"), "3:33: `route` must be written as in a req", "range"),
    (slo('target: 99%, route: "/a\\n"'), "3:33: `route` is a URL path: it starts", "path"),
    (slo("target: 99%, route: /a/"), "3:33: `route` must not end with `/`", "range"),
    (slo("target: 99%, route: /a/../b"), "3:33: `route` must not hold `/./`", "range"),
    (routed(21), "3:7: at most 20 different `route`s are counted, not 21", "range"),
    (
        slo("openslo: up.yaml, target: 99%"),
        "3:12: the `openslo` file says `target` already",
        "conflict",
    ),
    (slo("openslo: '~/up.yaml'"), "3:22: `openslo` leaves the repository", "outside"),
    (inside("tests: [{journey: '~/x.py'}]"), "5:23: `journey` leaves the reposit", "outside"),
    (inside("gates: {error_budget: {left: 20%}}"), "5:13: `error_budget` needs a", "missing-key"),
    (inside("gates: {slo: {within: 1h}}"), "5:13: `slo` needs a goal to ask", "missing-key"),
    (inside("gates: {burn_rate: {below: 2}}"), "5:13: `burn_rate` needs a goal", "missing-key"),
    (
        top("slos: {up: {target: 99%}}\ngates: {error_budget: {left: 100%}}"),
        "4:30: `left` must be less than `100%`",
        "range",
    ),
    (
        top("slos: {up: {target: 99%}}\ngates: {error_budget: {left: 1%, pause: 0%}}"),
        "4:41: `pause` must be more than `0%`",
        "range",
    ),
    (
        top("slos: {up: {target: 99%}}\ngates: {burn_rate: {below: 1, over: 0s}}"),
        "4:37: `over` must be more than 0",
        "range",
    ),
    (top("alerts: {escalate: {to: [slack/x]}}"), "3:20: `escalate` follows when", "missing-key"),
    (
        top("alerts: {page: [slack/x], escalate: {to: [slack/y], after: 0s}}"),
        "3:60: `after` must be more than 0",
        "range",
    ),
    (
        top("alerts: {composite: {worse: {all: [slo_burn, Slo Burn]}}}"),
        "3:46: `Slo Burn` is not the name of a rule",
        "name",
    ),
    (
        top("alerts: {composite: {worse: {all: [slo_burn, slo_burn]}}}"),
        "3:35: `worse` names a rule twice",
        "conflict",
    ),
    (
        HEAD + "traffic: {sticky: {header: a}}\n"
        "environments: {production: {traffic: {sticky: {cookie: b}}}}",
        "4:47: `sticky` has both `header` and `cookie` once merged",
        "conflict",
    ),
]


@pytest.mark.parametrize(("text", "start", "code"), NONSENSE)
def test_nonsense_is_refused_at_its_place(text: str, start: str, code: str) -> None:
    found = lines(text)
    assert any(line.startswith(start) and line.endswith(f"[{code}]") for line in found), found


def test_more_than_anybody_writes_is_refused() -> None:
    many = "".join(f"  e{n}:\n" for n in range(51))
    assert lines(f"{HEAD}environments:\n{many}") == [
        "4:3: `environments` holds more than 50  [range]"
    ]
    entries = "".join(f"  A{n}: 1\n" for n in range(2001))
    found = lines(f"{HEAD}env:\n{entries}environments: {{production: }}\n")
    assert [line.rsplit(" ", 1)[1] for line in found] == ["[too-large]"]


@pytest.mark.parametrize(
    "text",
    [
        canary("steps: [100%]"),
        canary("steps: [5%, 89.9%, 100%]"),
        canary("steps: [99.99%, 100%], holdback: 0%"),
        canary("steps: [5%, {share: 100%, approval: 1}]"),
        canary("holdback: 10%"),
        canary("stability: 0s, bake: 0s"),
        rolling("max_surge: 0, max_unavailable: 1"),
        rolling("max_surge: 1%"),
        inside("health: {command: ./check, live: /live}"),
        inside("analysis: {errors: {absolute: 0%, relative: 1%}}"),
        inside("env: {PORTS: 80, IMPORT: 1}"),
        inside("tests: [{http: {path: /, json: {interval: 0, deadline: soon, bake: [1]}}}]"),
        HEAD + "environments: {eu: {tier: production}, us: {tier: production}}",
        HEAD + "environments: {staging: , shadow: {after: [staging]}, production: }",
        HEAD + "environments: {only: }",
        canary("steps: [{mirror: 100%, bake: 10m}, 5%, 100%]"),
        canary("steps: [{mirror: 100%}, 100%]"),
        inside("rollout: {strategy: shadow}"),
        signals("load: {value: cpu, source: prom, margin: 1000%}"),
        signals("one: {value: cpu, source: aa}, two: {value: cpu, source: bb}"),
        slo("target: 99.99%, calendar: quarter, zone: UTC"),
        slo("target: 50%, under: 1s"),
        counted("good: served, total: all, route: /checkout"),
        counted("good: served, total: all, route: /cart?a=1"),
        slo("target: 99%, route: /"),
        slo("target: 99%, route: /caf%C3%A9/*.html"),
        slo(f"target: 99%, route: /{'c' * 199}"),
        routed(20),
        slo("openslo: slo/up.yaml, source: prom"),
        top("slos: {up: {target: 99%}}\ngates: {slo: {}, burn_rate: {below: 14.4}}"),
        top("alerts: {ticket: [email/team@example.com], escalate: {to: [slack/y]}}"),
    ],
)
def test_what_makes_sense_is_read(text: str) -> None:
    assert settings.read(text, "f").environments


@pytest.mark.parametrize(
    ("surge", "unavailable", "counts"),
    [
        ("25%", "25%", (2, 1)),
        ("7%", "0%", (1, 0)),
        ("100%", "13%", (7, 0)),
        ("3", "2", (3, 2)),
        ("0", "15%", (0, 1)),
    ],
)
def test_percentages_of_instances_round_to_the_safe_side(
    surge: str, unavailable: str, counts: tuple[int, int]
) -> None:
    rest = f"strategy: rolling, max_surge: {surge}, max_unavailable: {unavailable}"
    text = inside(f"rollout: {{{rest}}}").replace("./shop", "{command: x, instances: 7}")
    rollout = settings.read(text, "f").environment("production").rollout
    assert (rollout.max_surge, rollout.max_unavailable) == counts


def test_one_cause_in_the_shared_part_is_told_once() -> None:
    text = HEAD + "rollout: {strategy: canary, holdback: 50%}\nenvironments: {aa: , bb: }"
    assert len(lines(text)) == 1


def test_everything_beyond_the_schema_is_told_at_once() -> None:
    text = HEAD + (
        "environments:\n  production: {env: {PORT: 1}}\n"
        "  staging: {after: [nowhere], traffic: {port: 70000}}\n"
    )
    codes = [line.rsplit("[", 1)[1] for line in lines(text)]
    assert codes == ["path-order]", "reserved]", "unknown-name]", "range]"]


@pytest.mark.seed("S-222")
def test_a_latency_goal_is_a_percentile_and_a_threshold() -> None:
    """An average cannot be written: a goal says which share of requests is faster than what."""
    goal = settings.read(slo("target: 99%, under: 300ms"), "f").slos[0]
    assert (goal.sli, goal.target, goal.under_seconds) == ("latency", 0.99, 0.3)
    assert "missing-key" in lines(slo("target: 99%, sli: latency"))[0]
    assert "unknown-key" in lines(slo("target: 99%, average: 300ms"))[0]


@pytest.mark.seed("S-103")
def test_too_many_signals_are_refused_with_the_reason() -> None:
    def many(count: int) -> str:
        return signals(", ".join(f"s{n}: {{value: m{n}, source: prom}}" for n in range(count)))

    assert len(settings.read(many(20), "f").environment("production").analysis.signals) == 20
    found = lines(many(21))
    assert len(found) == 1
    assert "21, at most 20: they share one chance of a false alarm" in found[0]
