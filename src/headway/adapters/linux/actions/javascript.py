"""JavaScript actions: `using: node20` and `node24`, on the Node.js of this machine. Called by find.

The variables are those of the public documentation ("Metadata syntax", "Creating a JavaScript
action"): INPUT_NAME for inputs, STATE_NAME in the post part for what main saved.
"""

import functools
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from headway.adapters.linux.actions.acting import Acting, Direct, Part
from headway.model.errors import Failed, Refused
from headway.pipeline.syntax.ir import Action

Folder = Callable[[Acting], Path]
"""Where the action's files are when it runs: fetched ones always, local ones in the workspace."""

_USING = re.compile(r"node([0-9]+)")


def javascript(action: Action, folder: Folder, *, local: bool) -> Direct:
    """Raises Refused (`no-node`, `no-runtime`). A local action has no pre part: its files come
    with a step of the job (documented so).
    """
    wanted = _wanted(action)
    node, version = _node(action)
    older = int(version.partition(".")[0]) < wanted

    def part(script: str) -> Part:
        def run(acting: Acting) -> int:
            if older:
                acting.hands.say(f"{action.using} is asked for; Node.js {version} of this machine")
            path = script_path(folder(acting), script)
            return acting.hands.enter([node, str(path)], environment(acting), acting.checkout)

        return run

    return Direct(
        part(action.main),
        part(action.pre) if action.pre and not local else None,
        part(action.post) if action.post else None,
        action.pre_if or "always()",
        action.post_if or "always()",
        action,
    )


def environment(acting: Acting) -> dict[str, str]:
    """The step's variables, its inputs and its saved state."""
    inputs = {f"INPUT_{n.replace(' ', '_').upper()}": v for n, v in acting.inputs.items()}
    state = {f"STATE_{name}": value for name, value in acting.state.items()}
    return {**acting.env, **inputs, **state}


def script_path(folder: Path, script: str) -> Path:
    """A script of the action. Raises Failed (`no-script`) for one outside or not there."""
    path = (folder / script).resolve()
    if "\0" in script or not path.is_relative_to(folder.resolve()) or not path.is_file():
        raise Failed(f"the action has no script {script[:80]!r} in {folder}", code="no-script")
    return path


def _wanted(action: Action) -> int:
    found = _USING.fullmatch(action.using)
    if not found:
        raise Refused(
            f"{action.file} is run by {action.using[:40]!r}",
            why="here are composite, node12 to node24 and docker",
            code="no-runtime",
        )
    return int(found.group(1))


def _node(action: Action) -> tuple[str, str]:
    path = os.environ.get("PATH") or os.defpath
    node = shutil.which("node", path=path)
    version = _version(node) if node else ""
    if not node or not version:
        raise Refused(
            f"there is no Node.js on this machine, and {action.file} needs it ({action.using})",
            next="install Node.js 20 or later",
            code="no-node",
        )
    return node, version


@functools.lru_cache(maxsize=8)
def _version(node: str) -> str:
    told = subprocess.run(
        [node, "--version"], capture_output=True, text=True, timeout=60, check=False
    )
    found = re.fullmatch(r"v([0-9]+(\.[0-9]+)*)\S*", told.stdout.strip())
    return found.group(1) if found else ""
