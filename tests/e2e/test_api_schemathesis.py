"""The API of a running server with a past of its own, asked by schemathesis with a token of each
role and with none: all its checks, and one of ours (tests/support/schemathesis_hooks.py).

`pip install -e '.[fuzz]'` first. HEADWAY_FUZZ_EXAMPLES: how many cases of each operation are made
up, beside those of its examples and its limits (5); a role takes some 4000 requests, one to two
minutes of an idle machine and 15 minutes at most.
"""

import collections
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.support.api import api
from tests.support.load import Load
from tests.support.stage import CANARY, Stage, config, eventually

from headway.access.principal import Grant
from headway.access.roles import PERMISSIONS, ROLES, allowed
from headway.access.scope import Scope
from headway.api.v1 import app as v1
from headway.api.v1.door import Limits
from headway.flows import accounts
from headway.flows.accounts import Wish
from headway.store.access import Account, Holder

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif(
        importlib.util.find_spec("schemathesis") is None,
        reason="schemathesis is not installed: pip install -e '.[fuzz]'",
    ),
]
ROOT = Path(__file__).parents[2]
UNLIMITED = """\
from headway.api.v1 import app as v1
from headway.api.v1.door import Limits
v1.LIMITS = Limits(10**9, 1e9, 10**9, 1e9)
"""
KEPT = """\
on: workflow_dispatch
jobs:
  a:
    runs-on: ubuntu-latest
    steps:
      - run: mkdir -p out/deep && echo hello > out/a.txt && echo x > out/deep/b.bin
      - uses: actions/upload-artifact@v4
        with: {name: files, path: out}
"""
LEFT_OUT = {
    "follow_changes": "a stream that does not end; tests/e2e/test_live.py follows it",
}
LEFT_OUT_OF_ADMIN = {
    "add_webhook": "the server would send to whatever address is made up",
}


@dataclass
class Asked:
    """A server, who may ask, and what is there."""

    folder: Path
    address: str = ""
    tokens: dict[str, str] = field(default_factory=dict)

    def get(self, path: str) -> Any:
        answer = httpx.get(
            f"{self.address}/api/v1{path}", headers=self.as_("admin"), timeout=60, trust_env=False
        )
        return answer.json()["items"]

    def as_(self, role: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[role]}"} if role else {}

    def known(self) -> None:
        """What stands for each parameter, kept for the hooks."""
        releases, runs = self.get("/releases"), self.get("/runs")
        found = {
            "service": ["shop"],
            "environment": ["staging", "production"],
            "release": [r["name"] for r in releases],
            "digest": [r["digest"] for r in releases],
            "commit": [r["commit"] for r in releases],
            "delivery": [d["id"] for d in self.get("/deliveries")],
            "rollout": [r["id"] for r in self.get("/rollouts")],
            "alert": [a["id"] for a in self.get("/alerts")],
            "run": [r["run"] for r in runs],
            "file": [f["id"] for r in runs for f in self.get(f"/runs/{r['run']}/files")],
            "job": ["a", "build"],
            "account": ["spare"],
            "repository": ["shop"],
            "workflow": ["kept.yml"],
            "revision": ["main"],
        }
        kept = {name: values for name, values in found.items() if values}
        (self.folder / "known.json").write_text(json.dumps(kept))


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """A release that was promoted, one that was rolled back, one that waits for an approval."""
    with Stage() as stage:
        found = Asked(tmp_path_factory.mktemp("schemathesis"))
        with stage.engine():
            assert stage.deliver(stage.commit(config())).outcome == "delivered"
            with Load(stage.address(), connections=4, rate=150):
                assert stage.deliver(stage.commit(config(CANARY))).outcome == "delivered"
                bad = stage.deliver(stage.commit(config(CANARY), errors=0.3), within=180)
                assert bad.outcome == "rolled_back"
            asks = config("gates: {approval: {count: 1}}")
            files = {".github/workflows/kept.yml": KEPT}
            waits = stage.request(stage.commit(asks, files=files))
            stage.until(waits, lambda d: d.state == "waiting", within=180)
        stage.git("push", "-q", str(stage.headway.host("shop")), "HEAD:main")
        _people(stage, found)
        with stage.server(more=UNLIMITED):
            found.address = json.loads((stage.home / "server.json").read_text())["address"]
            _run(found)
            found.known()
            yield found


def _people(stage: Stage, found: Asked) -> None:
    with stage.headway.tx() as tx:
        accounts.add(tx, "test", Account("spare", "service"))
        for role in ROLES:
            accounts.add(tx, "test", Account(role, "service"))
            accounts.grant(tx, "test", Holder("account", role), Grant(role))
            wish = Wish(role, "t", Scope((role,), "", ""))
            found.tokens[role] = accounts.create_token(tx, "test", wish)[1]


def _run(found: Asked) -> None:
    """One that keeps files."""
    told = httpx.post(
        f"{found.address}/api/v1/runs",
        json={"repository": "shop", "workflow": "kept.yml"},
        headers=found.as_("admin") | {"idempotency-key": "first"},
        timeout=60,
        trust_env=False,
    )
    run = told.json()["run"]
    eventually(
        lambda: any(r["run"] == run and r["outcome"] == "success" for r in found.get("/runs")),
        lambda: told.text,
        120,
    )


@pytest.mark.usefixtures("_left")
@pytest.mark.parametrize("role", ["", *(r for r in ROLES if r != "admin"), "admin"])
def test_no_fault_no_answer_beyond_the_document_no_forbidden_success(
    asked: Asked, role: str
) -> None:
    answers = asked.folder / f"answers-{role or 'nobody'}"
    left_out = LEFT_OUT | (LEFT_OUT_OF_ADMIN if role == "admin" else {})
    options = [word for id in left_out for word in ("--exclude-operation-id", id)]
    done = run_schemathesis(asked, role, answers, *options)
    (asked.folder / f"told-{role or 'nobody'}").write_text(done.stdout)
    lines = answers.read_text().splitlines() if answers.exists() else []
    counted = collections.Counter(line.split()[0] for line in lines)
    print(role or "nobody", sum(counted.values()), "requests:", dict(sorted(counted.items())))
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-2000:]
    assert not [status for status in counted if status >= "500"], counted
    assert not counted["429"], "what was let wait was not looked at"
    needs = _operations(asked, left_out)
    missing = needs.keys() - {line.partition(" ")[2] for line in lines}
    assert not missing, "never asked"
    assert sum(counted.values()) > 10 * len(needs)
    refused = {line[4:] for line in lines if line.startswith("403" if role else "401")}
    forbidden = {way for way, needed in needs.items() if not _may(role, needed)}
    assert forbidden <= refused, "never came to the question who asks"
    print(f"  {len(needs)} operations, {len(forbidden)} of them forbidden")


def run_schemathesis(
    asked: Asked, role: str, answers: Path, *options: str
) -> "subprocess.CompletedProcess[str]":
    """All checks, as that role."""
    command = [
        str(Path(sys.executable).parent / "st"), "run", str(_document(asked)),
        "--url", f"{asked.address}/api/v1",
        "--checks", "all", "--phases", "examples,coverage,fuzzing,stateful", "--seed", "7",
        "--max-examples", os.environ.get("HEADWAY_FUZZ_EXAMPLES", "5"), "--continue-on-failure",
        "--no-shrink", "--generation-with-security-parameters", "false",
        "--generation-database", "none", "--no-color", "--request-timeout", "60", *options,
        *(word for k, v in asked.as_(role).items() for word in ("--header", f"{k}: {v}")),
    ]  # fmt: skip
    environment = os.environ | {
        "SCHEMATHESIS_HOOKS": "tests.support.schemathesis_hooks",
        "PYTHONPATH": str(ROOT),
        "HEADWAY_ROLE": role,
        "HEADWAY_KNOWN": str(asked.folder / "known.json"),
        "HEADWAY_ANSWERS": str(answers),
    }
    return subprocess.run(
        command, cwd=asked.folder, env=environment, capture_output=True, text=True,
        timeout=900, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("permission", "operation", "broken"),
    [("", "list_accounts", False), ("account.read", "list_accounts", True),
     ("line.start", "command_line", True)],
)  # fmt: skip
def test_a_permission_that_is_given_away_would_be_found(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    permission: str,
    operation: str,
    broken: bool,
) -> None:
    """The server has a broken table, schemathesis' process the right one."""
    monkeypatch.setattr(v1, "LIMITS", Limits(10**9, 1e9, 10**9, 1e9))
    if permission:
        monkeypatch.setitem(PERMISSIONS, permission, frozenset(ROLES))
    with api(tmp_path / "h") as served:
        found = Asked(tmp_path, served.house.address, dict(served.tokens))
        (tmp_path / "known.json").write_text("{}")
        only = ("--include-operation-id", operation)
        done = run_schemathesis(found, "developer", tmp_path / "answers", *only)
    assert (done.returncode != 0) == broken, done.stdout[-6000:]
    assert (f"developer got it without {permission}" in done.stdout) == broken


def _may(role: str, needed: str) -> bool:
    programs = {"approval.decide": role == "approver"}
    return bool(role) and programs.get(needed, allowed(role, needed))  # type: ignore[arg-type]


def _document(asked: Asked) -> Path:
    """The server's own, in a file: a busy server may take longer than schemathesis waits."""
    answer = httpx.get(f"{asked.address}/api/v1/openapi.json", timeout=60, trust_env=False)
    file = asked.folder / "openapi.json"
    file.write_bytes(answer.content)
    return file


def _operations(asked: Asked, left_out: dict[str, str]) -> dict[str, str]:
    """`METHOD PATH` -> the permission that it needs."""
    document = json.loads(_document(asked).read_text())
    return {
        f"{method.upper()} {path}": one["x-permission"]
        for path, operations in document["paths"].items()
        for method, one in operations.items()
        if one["operationId"] not in left_out
    }


@pytest.fixture
def _left(asked: Asked) -> Iterator[None]:
    """A line that was stopped in between is no reason for the next role to see nothing."""
    yield
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(
            f"{asked.address}/api/v1/line/commands",
            json={"command": "start", "reason": "the next role asks"},
            headers=asked.as_("admin") | {"idempotency-key": os.urandom(8).hex()},
            timeout=60,
            trust_env=False,
        )
