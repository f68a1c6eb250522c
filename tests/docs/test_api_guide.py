"""The examples of docs/how-to/api.md, as a shell runs them, against a server with a past."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support import api_home
from tests.support.api import Api, api
from tests.support.api_schema import document

from headway.api.v1.openapi import EXAMPLES

PAGE = Path(__file__).parents[2] / "docs/how-to/api.md"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    home = tmp_path_factory.mktemp("guide") / "h"
    api_home.make(home)
    with api(home) as made:
        yield made


def shell(served: Api, script: str, cwd: Path | None = None, who: str = "operator") -> str:
    env = os.environ | {"TOKEN": served.tokens[who], "API": served.url, "NO_PROXY": "*"}
    done = subprocess.run(
        ["bash", "-c", f"set -eu\nuuidgen() {{ echo a-key; }}\n{script}"],
        env=env, cwd=cwd, capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode in {0, 28}, done.stderr
    return done.stdout


def blocks() -> list[str]:
    return re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


def test_the_examples_answer_as_the_page_says(served: Api, tmp_path: Path) -> None:
    read, write, decide, kept, follow = blocks()
    services, deliveries, rollouts, found = (
        json.loads(shell(served, line)) for line in read.splitlines()
    )
    assert "shop" in [s["service"] for s in services["items"]]
    assert [d["state"] for d in deliveries["items"]] == ["waiting"]
    assert [r["environment"] for r in rollouts["items"]] == ["production"] * len(rollouts["items"])
    assert found == {"items": [], "next": None}
    told = json.loads(shell(served, write))
    assert (told["command"], told["changed"], told["by"]) == ("stop", True, "operator")
    assert json.loads(shell(served, write)) == told
    assert json.loads(shell(served, decide, who="approver"))["code"] == "unknown-name"
    listed, downloaded = kept.splitlines()
    assert json.loads(shell(served, listed))["code"] == "unknown-name"
    shell(served, downloaded, cwd=tmp_path)
    assert json.loads((tmp_path / "fil_01").read_text())["code"] == "unknown-name"
    stream = shell(served, follow.replace("curl ", "curl -m 2 -H 'Last-Event-ID: 0' "))
    assert stream.startswith("retry:")
    assert '"specversion":"1.0"' in stream


def test_the_examples_of_the_document_fit_their_schemas(served: Api) -> None:
    writes = {
        (method.upper(), path)
        for path, ways in document()["paths"].items()
        for method in ways
        if method == "post"
    }
    assert set(EXAMPLES) == writes
    for (_, path), body in EXAMPLES.items():
        asked = re.sub(r"\{[^}]+\}", "nothing", path)
        answer = served.post(asked, body, "approver" if path == "/approvals" else "admin")
        assert answer.status_code in {201, 202, 404}, (path, answer.text)
