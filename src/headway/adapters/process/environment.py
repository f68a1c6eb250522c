"""The environment of a job's steps, and the files through which a step adds to it.

Called by runner. Closed: of the server's own environment only the names in PASSED reach a step.
"""

import os
import re
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from headway.adapters.process.workspace import Workspace, open_regular
from headway.model.commit import Commit
from headway.model.errors import Failed
from headway.model.pipeline import JobOrder

PASSED = (
    *("PIP_*", "UV_*", "npm_config_*", "NPM_CONFIG_*", "GOPROXY", "GONOSUMDB", "GOSUMDB"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
    *("NODE_EXTRA_CA_CERTS", "TZ"),
)
"""Where packages come from and how the network is reached. `*` ends a name that may go on."""

FILES = ("GITHUB_ENV", "GITHUB_PATH", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")
MAX_FILE_BYTES = 1024**2
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = ("GITHUB_", "RUNNER_")


def base_environment(
    home: Path, place: Workspace, order: JobOrder, commit: Commit
) -> dict[str, str]:
    """What every step of the job gets before the workflow's own `env`."""
    ref = (order.ref or commit.ref).removeprefix("refs/heads/")
    return {
        **_caches(home),
        **_passed(),
        "PATH": search_path(),
        "HOME": str(place.home),
        "TMPDIR": str(place.temp),
        "LANG": "C.UTF-8",
        "CI": "true",
        "SOURCE_DATE_EPOCH": str(int(datetime.fromisoformat(commit.committed_at).timestamp())),
        "GITHUB_WORKSPACE": str(place.checkout),
        "GITHUB_SHA": order.sha,
        "GITHUB_REF": f"refs/heads/{ref}" if ref else "",
        "GITHUB_REF_NAME": ref,
        "GITHUB_JOB": order.job.id,
        "GITHUB_RUN_ID": order.run,
        "GITHUB_RUN_ATTEMPT": str(order.attempt),
        "RUNNER_TEMP": str(place.temp),
        "RUNNER_OS": "Linux",
    }


def search_path() -> str:
    """The server's PATH without the environment Headway itself is installed in.

    Else a step's `pip install` would change the server. The interpreter below it comes last.
    """
    own = {str(Path(sys.prefix) / "bin"), ""} if sys.prefix != sys.base_prefix else {""}
    given = (os.environ.get("PATH") or os.defpath).split(os.pathsep)
    kept = [folder for folder in given if folder not in own and folder.startswith("/")]
    return os.pathsep.join(dict.fromkeys([*kept, str(Path(sys.base_prefix) / "bin")]))


def step_files(place: Workspace, number: int) -> dict[str, str]:
    """Fresh empty files for one step, by variable name."""
    paths = {name: place.files / f"{number}-{name.lower()}" for name in FILES}
    for path in paths.values():
        path.touch(mode=0o644)
    return {name: str(path) for name, path in paths.items()}


def added_variables(file: str) -> dict[str, str]:
    """What a step wrote to GITHUB_ENV: `NAME=value` lines, or `NAME<<END`, lines, `END`.

    Raises Failed (`environment-file`) for anything else.
    """
    found: dict[str, str] = {}
    lines = iter(_read(file).split("\n"))
    for line in lines:
        if not line.strip():
            continue
        name, value = _variable(line, lines)
        if not _NAME.fullmatch(name) or name.upper().startswith(_TAKEN):
            raise _bad(f"a step cannot set {name[:80]!r}")
        found[name] = value
    return found


def added_paths(file: str) -> list[str]:
    """The folders a step wrote to GITHUB_PATH, the last one first."""
    folders = [line.strip() for line in _read(file).split("\n") if line.strip()]
    return [folder for folder in reversed(folders) if _is_folder(folder)]


def _is_folder(folder: str) -> bool:
    if not folder.startswith("/") or os.pathsep in folder:
        raise _bad(f"{folder[:80]!r} in GITHUB_PATH is not one absolute folder")
    return True


def _variable(line: str, lines: Iterator[str]) -> tuple[str, str]:
    equals, heredoc = line.find("="), line.find("<<")
    if equals >= 0 and (heredoc < 0 or equals < heredoc):
        return line[:equals], line[equals + 1 :]
    if heredoc < 0:
        raise _bad(f"{line[:80]!r} is neither NAME=value nor NAME<<END")
    end = line[heredoc + 2 :]
    value: list[str] = []
    for text in lines:
        if text == end:
            return line[:heredoc], "\n".join(value)
        value.append(text)
    raise _bad(f"{end[:80]!r}, which ends the value, never comes")


def _read(file: str) -> str:
    """The text of a file that a step could have replaced by anything."""
    try:
        with open_regular(Path(file)) as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise _bad(f"it cannot be read: {error.strerror}") from error
    if len(data) > MAX_FILE_BYTES or b"\0" in data:
        raise _bad("it holds more than 1 MiB, or a NUL")
    return data.decode("utf-8", "replace").replace("\r\n", "\n")


def _bad(why: str) -> Failed:
    return Failed(
        "the step's GITHUB_ENV or GITHUB_PATH is not readable", why=why, code="environment-file"
    )


def _passed() -> dict[str, str]:
    exact = {name for name in PASSED if not name.endswith("*")}
    begins = tuple(name[:-1] for name in PASSED if name.endswith("*"))
    return {n: v for n, v in os.environ.items() if n in exact or n.startswith(begins)}


def _caches(home: Path) -> dict[str, str]:
    """Package caches shared by every job of this server, unless its environment names others."""
    cache = home.resolve() / "cache"
    return {
        "PIP_CACHE_DIR": str(cache / "pip"),
        "UV_CACHE_DIR": str(cache / "uv"),
        "npm_config_cache": str(cache / "npm"),
    }
