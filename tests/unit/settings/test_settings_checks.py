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
        canary("steps: [5%, 94.9%, 100%]"),
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
