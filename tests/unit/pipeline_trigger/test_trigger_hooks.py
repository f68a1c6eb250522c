"""Who sent it, and what it says: signatures, the four forges, the registry."""

import base64
import hashlib
import hmac
import json
import os
import random
import shutil
import string
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.pipeline_trigger import forge_payloads as sent
from tests.unit.pipeline_trigger.forge_payloads import ZERO, A, B, raw

from headway.pipeline.trigger import Ignored, TriggerEvent, hooks
from headway.pipeline.trigger.hooks import KINDS
from headway.pipeline.trigger.payload import Unreadable

SECRET, NOW = "It's a Secret to Everybody", 1_700_000_000.0
BODY = b"Hello, World!"
# docs.github.com, "Validating webhook deliveries", its test values
DOCUMENTED = "757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"


def told(kind: str, name: str, payload: object) -> TriggerEvent:
    found = hooks.read(KINDS[kind], {KINDS[kind].event: name}, payload)
    assert not isinstance(found, Ignored), found
    (one,) = found
    return one


def ignored(kind: str, name: str, payload: object) -> str:
    found = hooks.read(KINDS[kind], {KINDS[kind].event: name}, payload)
    assert isinstance(found, Ignored)
    return found.because


def proven(kind: str, headers: dict[str, str], body: bytes = BODY, secret: str = SECRET) -> bool:
    return hooks.proven(KINDS[kind], secret, headers, body, NOW)


def test_the_documented_signature() -> None:
    assert hooks.sign(SECRET, BODY) == DOCUMENTED
    assert proven("github", {"x-hub-signature-256": f"sha256={DOCUMENTED}"})


@pytest.mark.parametrize(
    ("kind", "headers", "good"),
    [
        ("github", {"x-hub-signature-256": DOCUMENTED}, False),
        ("github", {"x-hub-signature-256": f"sha256={DOCUMENTED}x"}, False),
        ("github", {"x-hub-signature-256": f"sha256={'0' * 64}"}, False),
        ("github", {"x-hub-signature-256": ""}, False),
        ("github", {"x-hub-signature": f"sha1={'0' * 40}"}, False),
        ("github", {}, False),
        ("gitea", {"x-gitea-signature": DOCUMENTED}, True),
        ("gitea", {"x-gitea-signature": f"sha256={DOCUMENTED}"}, False),
        ("gitea", {"x-hub-signature-256": f"sha256={DOCUMENTED}"}, False),
        ("forgejo", {"x-forgejo-signature": DOCUMENTED}, True),
        ("forgejo", {"x-gitea-signature": DOCUMENTED}, True),
        # a bad own signature is not made good by the other
        ("forgejo", {"x-forgejo-signature": "0", "x-gitea-signature": DOCUMENTED}, False),
        ("gitlab", {"x-gitlab-token": SECRET}, True),
        ("gitlab", {"x-gitlab-token": SECRET + " "}, False),
        ("gitlab", {"x-gitlab-token": ""}, False),
        ("registry", {"authorization": f"Bearer {SECRET}"}, True),
        ("registry", {"authorization": SECRET}, False),
        ("github", {"x-hub-signature-256": "sha256=\xff\xfe"}, False),
    ],
)
def test_who_is_believed(kind: str, headers: dict[str, str], good: bool) -> None:
    assert proven(kind, headers) is good


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_is_believed_without_a_secret(kind: str) -> None:
    empty = hmac.new(b"", BODY, hashlib.sha256).hexdigest()
    for value in ("", "Bearer ", empty, f"sha256={empty}"):
        headers = dict.fromkeys(KINDS[kind].signatures, value)
        assert not proven(kind, headers, secret="")


def standard(key: bytes, id: str, stamp: str, body: bytes = BODY) -> dict[str, str]:
    signed = f"{id}.{stamp}.".encode() + body
    digest = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": stamp,
        "webhook-signature": f"v1,AAAA v1,{digest}",
    }


def test_gitlabs_signing_token_covers_id_time_and_body() -> None:
    key = b"k" * 32
    secret = "whsec_" + base64.b64encode(key).decode()
    good = standard(key, "id-1", str(int(NOW)))
    assert proven("gitlab", good, secret=secret)
    assert not proven("gitlab", good | {"webhook-id": "id-2"}, secret=secret)
    assert not proven("gitlab", good, body=b"other", secret=secret)
    assert not proven("gitlab", standard(key, "id-1", str(int(NOW) - 301)), secret=secret)
    assert not proven("gitlab", standard(key, "id-1", str(int(NOW) + 301)), secret=secret)
    assert not proven("gitlab", standard(key, "id-1", "now"), secret=secret)
    assert not proven("gitlab", {"x-gitlab-token": secret}, secret=secret)
    assert not proven("gitlab", standard(b"", "id-1", str(int(NOW))), secret="whsec_")
    assert not proven("gitlab", good, secret="whsec_???")


def test_a_push() -> None:
    event = told("github", "push", sent.push())
    assert (event.name, event.repo, event.ref, event.sha) == (
        "push", "team/shop", "refs/heads/main", B)  # fmt: skip
    assert (event.before, event.actor, event.message) == (A, "ana", "Faster checkout")
    assert event.changed is None
    assert (event.trusted, event.fork, event.deleted) == (True, False, False)


def test_an_annotated_tags_commit_is_not_its_own_object() -> None:
    event = told("github", "push", sent.push(ref="refs/tags/v1", after=A))
    assert (event.tag, event.sha) == ("v1", B)
    gitlab = told("gitlab", "Tag Push Hook", sent.gitlab_push(object_kind="tag_push",
                  ref="refs/tags/v1", after=A, commits=[]))  # fmt: skip
    assert (gitlab.tag, gitlab.sha) == ("v1", B)


@pytest.mark.parametrize("kind", ["github", "gitea", "forgejo"])
def test_a_branch_that_is_gone(kind: str) -> None:
    event = told(kind, "push", sent.push(after=ZERO, deleted=True, head_commit=None))
    assert (event.deleted, event.sha) == (True, "")


def test_a_pull_request_of_the_same_repository_is_trusted() -> None:
    event = told("github", "pull_request", sent.pull_request())
    assert (event.type, event.ref, event.sha) == ("opened", "refs/pull/7/merge", B)
    assert (event.base, event.base_sha, event.head, event.number) == ("main", A, "topic", 7)
    assert (event.fork, event.trusted) == (False, True)


@pytest.mark.parametrize(
    "head", [{"id": 2, "full_name": "eve/shop"}, {"id": 2, "full_name": "team/shop"}, {}, 0, "x"]
)
@pytest.mark.parametrize("kind", ["github", "gitea", "forgejo"])
def test_a_fork_is_not_trusted_also_when_it_hides(kind: str, head: object) -> None:
    event = told(kind, "pull_request", sent.pull_request(head=head))
    assert (event.fork, event.trusted) == (True, False)


def test_giteas_words_are_githubs() -> None:
    assert told("gitea", "pull_request", sent.pull_request(action="synchronized")).type == (
        "synchronize"
    )
    assert told("forgejo", "pull_request", sent.pull_request(action="label_updated")).type == (
        "labeled"
    )


def test_a_merge_request() -> None:
    event = told("gitlab", "Merge Request Hook", sent.merge_request())
    assert (event.name, event.type, event.repo) == ("pull_request", "opened", "team/sub/shop")
    assert (event.base, event.head, event.sha, event.number) == ("main", "topic", B, 3)
    assert event.payload["pull_request"]["title"] == "A title"
    assert event.payload["repository"]["default_branch"] == "main"
    assert event.payload["gitlab"]["object_attributes"]["iid"] == 3


@pytest.mark.parametrize(
    ("more", "type"),
    [
        ({"action": "update", "oldrev": A}, "synchronize"),
        ({"action": "update"}, "edited"),
        ({"action": "reopen"}, "reopened"),
        ({"action": "close"}, "closed"),
        ({"action": "merge"}, "closed"),
    ],
)
def test_what_happens_to_a_merge_request(more: dict[str, str], type: str) -> None:
    event = told("gitlab", "Merge Request Hook", sent.merge_request(**more))
    assert event.type == type
    assert event.payload["pull_request"]["merged"] is (more["action"] == "merge")


@pytest.mark.parametrize("ids", [(1, 2), (None, 1), (1, None), (None, None), ("1", "1")])
def test_a_merge_request_of_a_fork_is_not_trusted(ids: tuple[object, object]) -> None:
    more = {"source_project_id": ids[0], "target_project_id": ids[1]}
    event = told("gitlab", "Merge Request Hook", sent.merge_request(**more))
    assert (event.fork, event.trusted) == (True, False)


def test_a_gitlab_push_and_its_message() -> None:
    event = told("gitlab", "Push Hook", sent.gitlab_push())
    assert (event.sha, event.message, event.commits) == (B, "second", 2)
    gone = told("gitlab", "Push Hook", sent.gitlab_push(after=ZERO, checkout_sha=None))
    assert (gone.deleted, gone.sha) == (True, "")


def test_pushed_artifacts_of_a_registry() -> None:
    layer = sent.manifest(target={"mediaType": "application/octet-stream"})
    pull = sent.manifest(action="pull")
    found = hooks.read(
        KINDS["registry"], {}, sent.registry(layer, sent.manifest(), pull, sent.manifest(id="e-2"))
    )
    assert not isinstance(found, Ignored)
    assert [e.delivery for e in found] == ["e-1", "e-2"]
    package = found[0].payload["registry_package"]
    assert (found[0].name, found[0].type) == ("registry_package", "published")
    assert (package["namespace"], package["name"]) == ("team", "shop")
    tag = {"name": "v1", "digest": "sha256:" + "c" * 64}
    assert package["package_version"]["container_metadata"]["tag"] == tag
    assert ignored("registry", "", sent.registry(layer, pull))


@pytest.mark.parametrize(
    ("kind", "name", "payload"),
    [
        ("github", "ping", {"zen": "x"}),
        ("github", "sponsorship", sent.push()),
        ("github", "", sent.push()),
        ("github", "push", {"ref": "refs/heads/main"}),
        ("github", "pull_request", sent.pull_request(action="dancing")),
        ("github", "merge_group", sent.push(action="destroyed")),
        ("gitlab", "Note Hook", sent.gitlab_push(object_kind="note")),
        ("gitlab", "Merge Request Hook", sent.merge_request(action="approved")),
        ("gitlab", "Push Hook", sent.gitlab_push(project=None)),
    ],
)
def test_what_starts_nothing_says_why(kind: str, name: str, payload: object) -> None:
    assert len(ignored(kind, name, payload)) > 10


@pytest.mark.parametrize(
    ("kind", "name", "payload"),
    [
        ("github", "push", []),
        ("github", "push", sent.push(ref="main")),
        ("github", "push", sent.push(ref="refs/heads/a b")),
        ("github", "push", sent.push(ref="refs/heads/--upload-pack=x\n")),
        ("github", "push", sent.push(after="HEAD")),
        ("github", "push", sent.push(after=7)),
        ("github", "pull_request", sent.pull_request(number=None, pull_request={})),
        ("github", "release", sent.push(action="published", release={"tag_name": "a..b"})),
        ("gitlab", "Push Hook", sent.gitlab_push(checkout_sha="x")),
        ("gitlab", "Merge Request Hook", sent.merge_request(target_branch="a\0b")),
        ("gitlab", "Merge Request Hook", sent.merge_request(last_commit=None)),
        ("registry", "", {}),
        ("registry", "", {"events": [0] * 1001}),
    ],
)
def test_what_makes_no_sense_is_refused_with_its_place(
    kind: str, name: str, payload: object
) -> None:
    with pytest.raises(Unreadable) as caught:
        hooks.read(KINDS[kind], {KINDS[kind].event: name}, payload)
    assert len(str(caught.value)) > 10


HOSTILE = ["$(reboot)", "`id`;", "${{ secrets.X }}", "\x1b[31m", "<script>", "'; DROP TABLE x;--",
           "../../etc/passwd", "-rf", "\u202e", "a" * 70_000, "\ud800", "x\0y"]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_data(text: str) -> None:
    payload = sent.push(
        head_commit={"id": B, "message": text}, sender={"login": text}, pusher={"name": text}
    )
    event = told("github", "push", payload)
    assert event.message == text[:65_536].replace("\ud800", "?").replace("\0", "?")
    assert len(event.actor) <= 500


NODE = os.environ.get("HEADWAY_NODE_MODULES", "")
EXAMPLES = Path(NODE) / "@octokit/webhooks-examples/api.github.com/index.json"
needs_node = pytest.mark.skipif(
    not NODE, reason="HEADWAY_NODE_MODULES: with @octokit/webhooks-examples and -methods"
)


@needs_node
def test_every_real_payload_is_an_event_or_says_why_not() -> None:
    """Also as Gitea and Forgejo would send them, whose payloads are made after these."""
    outcome: dict[str, int] = {}
    for one in json.loads(EXAMPLES.read_text()):
        for payload in one["examples"]:
            for kind in ("github", "gitea", "forgejo"):
                word = _outcome(kind, one["name"], payload)
                outcome[word] = outcome.get(word, 0) + 1
    assert set(outcome) == {"event", "ignored"}
    assert outcome["event"] + outcome["ignored"] >= 3 * 274
    assert outcome["event"] >= 3 * 100


def _outcome(kind: str, name: str, payload: Any) -> str:
    body = raw(payload)
    headers = {KINDS[kind].event: name}
    found = hooks.read(KINDS[kind], headers, msgspec.json.decode(body))
    if isinstance(found, Ignored):
        return "ignored" if found.because else "silent"
    (event,) = found
    assert event.name == name
    assert msgspec.json.decode(msgspec.json.encode(event), type=TriggerEvent) == event
    return "event"


@needs_node
def test_signatures_are_those_of_the_reference() -> None:
    bodies = ["", "{}", "Hello, World!", "ünï\u2028cödé", "x" * 100_000, '{"a":"\\u0000"}']
    program = (
        'import {sign, verify} from "@octokit/webhooks-methods";'
        'import fs from "node:fs";'
        'const all = JSON.parse(fs.readFileSync(0, "utf8"));'
        "const out = [];"
        "for (const [secret, body, mine] of all)"
        " out.push([body && await sign(secret, body), body && await verify(secret, body, mine)]);"
        "console.log(JSON.stringify(out));"
    )
    secrets = ["s", "ключ", "a b\\c"]
    given = [[s, b, "sha256=" + hooks.sign(s, b.encode())] for s in secrets for b in bodies]
    node = shutil.which("node")
    assert node
    done = subprocess.run(
        [node, "--input-type=module", "-e", program], input=json.dumps(given), text=True,
        capture_output=True, timeout=60, check=True, cwd=Path(NODE).parent,
    )  # fmt: skip
    answers = json.loads(done.stdout)
    assert [(theirs, good) for theirs, good in answers if theirs] == [
        (mine, True) for _, body, mine in given if body
    ]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=15,
)
SEEDS = [
    ("github", "push", sent.push()),
    ("gitea", "pull_request", sent.pull_request()),
    ("gitlab", "Push Hook", sent.gitlab_push()),
    ("gitlab", "Merge Request Hook", sent.merge_request()),
    ("registry", "", sent.registry()),
    ("github", "release", sent.push(action="published", release={"tag_name": "v1"})),
    ("github", "repository_dispatch", sent.push(action="go")),
    ("github", "deployment", sent.push(action="created", deployment={"sha": B})),
    ("github", "create", sent.push(ref="x", ref_type="branch")),
]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(SEEDS), st.integers(0, 2**32), st.lists(JSON_VALUES, min_size=1, max_size=4))
def test_broken_payloads_never_crash(
    seed: tuple[str, str, dict[str, Any]], dice: int, values: list[Any]
) -> None:
    """Any value anywhere: an event that is whole, or a reason."""
    kind, name, payload = seed
    _survives(kind, name, _mutated(payload, random.Random(dice), values))


def _survives(kind: str, name: str, payload: object) -> None:
    try:
        found = hooks.read(KINDS[kind], {KINDS[kind].event: name}, payload)
    except Unreadable:
        return
    for event in () if isinstance(found, Ignored) else found:
        assert event.source == kind
        assert "\0" not in event.repo + event.ref + event.actor
        msgspec.json.encode({k: getattr(event, k) for k in ("repo", "ref", "sha", "message")})


def _mutated(payload: Any, dice: random.Random, values: list[Any]) -> Any:
    whole = json.loads(json.dumps(payload))
    for value in values:
        places = _places(whole)
        if not places:
            break
        parent, key = dice.choice(places)
        if dice.random() < 0.2 and isinstance(parent, dict):
            del parent[key]
        else:
            parent[key] = json.loads(json.dumps(value))
    return whole


def _places(value: Any) -> list[tuple[Any, Any]]:
    keys = value.keys() if isinstance(value, dict) else range(len(value))
    found = [(value, k) for k in list(keys)]
    for key in list(keys):
        if isinstance(value[key], dict | list):
            found += _places(value[key])
    return found


@needs_node
@pytest.mark.soak
def test_mutated_real_payloads_never_crash() -> None:
    dice = random.Random(7)
    odd = [None, True, -1, 2**70, 1e300, "", "\0", "refs/heads/" + "x" * 2000, [], {}, ["x"] * 100]
    for one in json.loads(EXAMPLES.read_text()):
        for payload in one["examples"]:
            for _ in range(100):
                values = [dice.choice([*odd, dice.choice(string.printable)]) for _ in range(3)]
                _survives("github", one["name"], _mutated(payload, dice, values))
