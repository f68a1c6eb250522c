"""SUPPORTED: every key of a workflow file, and whether this version does it.

One table drives the reader (a key outside it is unknown, a planned key is refused by name), the
error texts and docs/reference/workflow.md. No key is read and then ignored.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Key:
    """`says` is the sentence the reference prints; a planned key has none."""

    state: Literal["here", "planned"]
    says: str = ""


def _here(keys: dict[str, str]) -> dict[str, Key]:
    return {name: Key("here", says) for name, says in keys.items()}


def _planned(*names: str) -> dict[str, Key]:
    return {name: Key("planned") for name in names}


_PERMISSIONS = "Only `contents: read`: that is what a job gets. Anything else is refused."
_ENV = "Names and values for every step below. `GITHUB_` and `RUNNER_` names are taken."

SUPPORTED: dict[str, dict[str, Key]] = {
    "workflow": _here(
        {
            "name": "What people call the workflow.",
            "on": "What starts it: one event, a list, or a map.",
            "permissions": _PERMISSIONS,
            "env": _ENV,
            "jobs": "The jobs, by id.",
        }
    )
    | _planned("run-name", "defaults", "concurrency"),
    "on": {
        "push": Key("here", "A branch was pushed."),
        "workflow_dispatch": Key("here", "Started by a person, with `inputs`."),
        "workflow_call": Key("here", "Started by Headway or another workflow, with `inputs`."),
    }
    | _planned(
        *("branch_protection_rule", "check_run", "check_suite", "create", "delete", "deployment"),
        *("deployment_status", "discussion", "discussion_comment", "fork", "gollum"),
        *("issue_comment", "issues", "label", "merge_group", "milestone", "page_build", "public"),
        *("pull_request", "pull_request_review", "pull_request_review_comment"),
        *("pull_request_target", "registry_package", "release", "repository_dispatch"),
        *("schedule", "status", "watch", "workflow_run"),
    ),
    "on.push": _here({"branches": "Names, with `*` (within one part) and `**` (across parts)."})
    | _planned("branches-ignore", "tags", "tags-ignore", "paths", "paths-ignore"),
    "on.workflow_dispatch": _here({"inputs": "Values given at the start, by name."}),
    "on.workflow_call": _here({"inputs": "Values given at the start, by name."})
    | _planned("outputs", "secrets"),
    "input": _here(
        {
            "description": "For people.",
            "required": "`true`: the workflow does not start without it.",
            "default": "The value if none is given.",
            "type": "`string`, `boolean`, `number` or `choice`.",
            "options": "What a `choice` may be.",
        }
    )
    | _planned("deprecationMessage"),
    "job": _here(
        {
            "name": "What people call the job.",
            "needs": "Jobs that must be green before: one id or a list.",
            "runs-on": "`ubuntu-…` or `self-hosted`: this machine. Another system is refused.",
            "timeout-minutes": "The whole job's time, 60 if not written; then stopped and red.",
            "permissions": _PERMISSIONS,
            "env": _ENV,
            "steps": "What is done, in this order; the first red step skips the rest.",
        }
    )
    | _planned(
        *("if", "strategy", "environment", "concurrency", "outputs", "defaults", "container"),
        *("services", "continue-on-error", "uses", "with", "secrets", "snapshot"),
    ),
    "step": _here(
        {
            "name": "What people call the step.",
            "id": "Its name in results; letters, digits, `_` and `-`.",
            "run": "A script for `shell`.",
            "uses": "A built-in action, see below.",
            "env": _ENV,
            "shell": "`bash` (with `-eo pipefail`, the default) or `sh` (with `-e`).",
            "working-directory": "Where `run` starts, inside the workspace.",
        }
    )
    | {"with": Key("here", "The action's inputs.")}
    | _planned("if", "timeout-minutes", "continue-on-error"),
}

ACTIONS: dict[str, dict[str, Key]] = {
    "actions/checkout": {
        "fetch-depth": Key("here", "Accepted: the workspace has the commit's files and no history.")
    }
    | _planned(
        *("repository", "ref", "token", "ssh-key", "ssh-known-hosts", "ssh-strict", "ssh-user"),
        *("persist-credentials", "path", "clean", "filter", "sparse-checkout"),
        *("sparse-checkout-cone-mode", "fetch-tags", "show-progress", "lfs", "submodules"),
        *("set-safe-directory", "github-server-url"),
    ),
    "actions/upload-artifact": {
        "name": Key("here", "The upload's name in the run; `artifact` if not written."),
        "path": Key("here", "Files, folders and globs (`*`, `**`, `?`), one a line."),
        "if-no-files-found": Key("here", "Only `error`, which is also the default here."),
        "include-hidden-files": Key("here", "`true`: also names that begin with a dot."),
    }
    | _planned("retention-days", "compression-level", "overwrite"),
    "actions/download-artifact": {
        "name": Key("here", "Which upload; without it every upload, each in a folder of its name."),
        "path": Key("here", "Where to, inside the workspace; the workspace if not written."),
    }
    | _planned("pattern", "merge-multiple", "github-token", "repository", "run-id"),
}
"""The built-in actions and their inputs."""

VERSIONS: dict[str, tuple[str, ...]] = {
    "actions/checkout": ("v4", "v5"),
    "actions/upload-artifact": ("v4",),
    "actions/download-artifact": ("v4",),
}

SHELLS = ("bash", "sh")
RESERVED_JOB_IDS = ("uploads",)
"""Names the runner needs for itself beside the jobs' folders."""
