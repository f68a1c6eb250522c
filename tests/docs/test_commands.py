"""Commands in README and docs exist with the options shown; the tutorial runs as written."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from headway.cli.main import main

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
GENERATED = {"cli.md"}


def console_lines() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        if page.name in GENERATED:
            continue
        for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
            lines = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
            found += [(str(page.relative_to(ROOT)), line) for line in lines]
    return found


def headway_calls() -> list[tuple[str, str]]:
    calls = []
    for page, line in console_lines():
        plain = line.split("#")[0].split("<<")[0]
        parts = (part.strip() for part in re.split(r"&&|\||&", plain))
        calls.extend((page, part) for part in parts if part.startswith("headway "))
    return calls


@pytest.mark.parametrize(("page", "call"), headway_calls())
def test_commands_in_the_docs_exist(page: str, call: str) -> None:
    words = [w for w in shlex.split(call)[1:] if not re.fullmatch(r"[0-9]?>.*", w)]
    command: click.Command = main
    context = click.Context(main, info_name="headway")
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        found = command.get_command(context, words.pop(0))
        assert found is not None, f"{page}: {call}"
        command, context = found, click.Context(found, parent=context)
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
    shown = {w.split("=")[0] for w in words if w.startswith("-")}
    assert shown <= known | {"--help"}, f"{page}: {call}"


def test_make_targets_in_the_docs_exist() -> None:
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    shown = {m for _, line in console_lines() for m in re.findall(r"\bmake ([a-z0-9]+)", line)}
    assert shown <= targets


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        targets = re.findall(r"\]\((?!https?:|#)([^)#]+)", page.read_text())
        broken += [f"{page.name} -> {t}" for t in targets if not (page.parent / t).exists()]
    assert broken == []


def tutorial_script() -> str:
    """Sections 1 to 3 of the tutorial, as a shell would get them."""
    text = (ROOT / "docs/tutorial/first-delivery.md").read_text().split("## 4.")[0]
    lines: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        lines += [line.removeprefix("$ ") for line in block.splitlines()]
    return "\n".join(["set -euo pipefail", *lines])


def test_the_tutorial_runs_as_written(short_home: Path, tmp_path: Path) -> None:
    env = os.environ | {
        "HEADWAY_HOME": str(short_home),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
    }
    (tmp_path / "gitconfig").write_text("[user]\nname = Ana\nemail = ana@example.com\n")
    done = subprocess.run(
        ["bash", "-c", tutorial_script()], cwd=tmp_path, env=env, capture_output=True, text=True,
        timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "hello-1" in done.stdout
