"""The variables of a step: what is merged in which order, and the documented default ones. Pure.

Names: GitHub's documentation, "Default environment variables". Called by job runners.
"""

from collections.abc import Iterable, Mapping
from typing import Any

FROM_GITHUB = (
    *("action", "action_path", "action_ref", "action_repository", "actor", "actor_id", "api_url"),
    *("base_ref", "event_name", "event_path", "graphql_url", "head_ref", "job", "ref", "ref_name"),
    *("ref_protected", "ref_type", "repository", "repository_id", "repository_owner"),
    *("repository_owner_id", "retention_days", "run_attempt", "run_id", "run_number"),
    *("server_url", "sha", "triggering_actor", "workflow", "workflow_ref", "workflow_sha"),
    "workspace",
)
"""Keys of the github context that are also GITHUB_* variables."""
_GITHUB = tuple((f"GITHUB_{name.upper()}", name) for name in FROM_GITHUB)
_RUNNER = tuple(
    (f"RUNNER_{name.upper()}", name)
    for name in ("os", "arch", "name", "environment", "temp", "tool_cache", "workspace")
)


def github_variables(github: Mapping[str, Any]) -> dict[str, str]:
    """GITHUB_* from the github context; what it does not hold is not set."""
    found = {}
    for variable, name in _GITHUB:
        value = github.get(name)
        text = value if type(value) is str else _text(value)
        if text is not None:
            found[variable] = text
    return found


def _text(value: object) -> str | None:
    match value:
        case bool():
            return "true" if value else "false"
        case float() if value.is_integer():
            return str(int(value))
        case str() | int() | float():
            return str(value)
    return None


def runner_variables(runner: Mapping[str, Any]) -> dict[str, str]:
    """RUNNER_* from the runner context."""
    found = {variable: str(runner[name]) for variable, name in _RUNNER if name in runner}
    return found | ({"RUNNER_DEBUG": "1"} if runner.get("debug") == "1" else {})


def with_path(env: dict[str, str], added: Iterable[str]) -> dict[str, str]:
    """The variables with folders put before PATH."""
    folders = [*added, env.get("PATH", "")]
    return env | {"PATH": ":".join(folder for folder in folders if folder)}
