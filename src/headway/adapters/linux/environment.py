"""What every step of a job gets to see of this machine: closed variables, runner and github facts.

Called by runner. Of the server's own environment only the names in PASSED reach a step.
"""

import functools
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from headway.adapters.linux.workspace import Workspace
from headway.model.job import JobOrder

PASSED = (
    *("PIP_*", "UV_*", "npm_config_*", "NPM_CONFIG_*", "GOPROXY", "GONOSUMDB", "GOSUMDB"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "TZ"),
)
"""Where packages come from and how the network is reached. `*` ends a name that may go on."""
_EXACT = {name for name in PASSED if not name.endswith("*")}
_BEGINS = tuple(name[:-1] for name in PASSED if name.endswith("*"))
_ARCH = {"x86_64": "X64", "aarch64": "ARM64", "armv7l": "ARM", "i686": "X86"}


def base_environment(home: Path, place: Workspace) -> dict[str, str]:
    """What every step gets before the workflow's own `env`."""
    return {
        **_caches(home),
        **_passed(),
        "PATH": search_path(),
        "HOME": str(place.home),
        "TMPDIR": str(place.temp),
        "LANG": "C.UTF-8",
        "CI": "true",
        "GITHUB_ACTIONS": "true",
    }


def search_path() -> str:
    """The server's PATH without the environment Headway itself is installed in.

    Else a step's `pip install` would change the server. The interpreter below it comes last.
    """
    own = {str(Path(sys.prefix) / "bin"), ""} if sys.prefix != sys.base_prefix else {""}
    given = (os.environ.get("PATH") or os.defpath).split(os.pathsep)
    kept = [folder for folder in given if folder not in own and folder.startswith("/")]
    return os.pathsep.join(dict.fromkeys([*kept, str(Path(sys.base_prefix) / "bin")]))


def runner_context(home: Path, place: Workspace, *, debug: bool) -> dict[str, Any]:
    """The `runner` context. `home` is an absolute path without links, as in base_environment."""
    return {
        "os": "Linux",
        "arch": _arch(),
        "name": platform.node() or "headway",
        "environment": "self-hosted",
        "temp": str(place.temp),
        "tool_cache": f"{home}/tools",
        "workspace": str(place.checkout.parent),
        **({"debug": "1"} if debug else {}),
    }


@functools.cache
def _arch() -> str:
    return _ARCH.get(platform.machine(), platform.machine().upper())


def github_context(order: JobOrder, place: Workspace, secrets: dict[str, str]) -> dict[str, Any]:
    """The `github` context: what the order says, and what is only known here."""
    given: dict[str, Any] = dict(order.contexts.get("github") or {})
    ref = order.ref or str(given.get("ref") or "")
    full = ref if ref.startswith("refs/") or not ref else f"refs/heads/{ref}"
    known: dict[str, Any] = {
        "sha": order.sha,
        "ref": full,
        "ref_name": full.removeprefix("refs/heads/").removeprefix("refs/tags/"),
        "ref_type": "tag" if full.startswith("refs/tags/") else "branch" if full else "",
        "job": order.id,
        "run_id": order.run,
        "run_attempt": str(order.attempt),
        "workflow": order.workflow,
        "event": {},
        "event_name": "",
    }
    here = {
        "workspace": str(place.checkout),
        "event_path": str(place.files / "event.json"),
        "token": secrets.get("GITHUB_TOKEN", ""),
    }
    return {**known, **{k: v for k, v in given.items() if v is not None}, **here}


def write_event(place: Workspace, github: dict[str, Any]) -> None:
    """GITHUB_EVENT_PATH: what started the run."""
    data = json.dumps(github.get("event") or {}).encode("utf-8")
    (place.files / "event.json").write_bytes(data)


def _passed() -> dict[str, str]:
    return {n: v for n, v in os.environ.items() if n in _EXACT or n.startswith(_BEGINS)}


def _caches(home: Path) -> dict[str, str]:
    """Package caches shared by every job of this server, unless its environment names others."""
    cache = f"{home}/cache"
    return {
        "PIP_CACHE_DIR": f"{cache}/pip",
        "UV_CACHE_DIR": f"{cache}/uv",
        "npm_config_cache": f"{cache}/npm",
    }
