"""How a script is handed to its shell. Pure; called by job runners.

Command lines: GitHub's documentation, "Workflow syntax", `jobs.<job_id>.steps[*].shell`.
"""

import functools
import shlex

from headway.model.errors import Invalid

KNOWN = {
    "": "bash -e {0}",
    "bash": "bash --noprofile --norc -eo pipefail {0}",
    "sh": "sh -e {0}",
    "python": "python {0}",
    "pwsh": "pwsh -NoLogo -NoProfile -NonInteractive -File {0}",
}
SUFFIXES = {"python": ".py", "pwsh": ".ps1"}
_PWSH_BEFORE = "$ErrorActionPreference = 'stop'\n"
_PWSH_AFTER = "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }\n"


def argv(shell: str, script: str) -> list[str]:
    """The command that runs the script file. Raises Invalid (`bad-shell`)."""
    return [word.replace("{0}", script) for word in _words(shell)]


@functools.lru_cache(maxsize=64)
def _words(shell: str) -> tuple[str, ...]:
    template = KNOWN.get(shell, shell)
    try:
        words = shlex.split(template)
    except ValueError as error:
        raise _bad(shell, str(error)) from error
    if not words or not any("{0}" in word for word in words[1:]):
        raise _bad(shell, "it is no shell that Headway knows, and has no {0} for the script's file")
    return tuple(words)


def program(shell: str) -> str:
    """The program that must be there. Raises Invalid (`bad-shell`)."""
    return argv(shell, "{0}")[0]


def suffix(shell: str) -> str:
    """How the name of the script's file ends."""
    return SUFFIXES.get(shell, ".sh")


def script(shell: str, text: str) -> str:
    """What stands in the script's file."""
    if shell == "pwsh":
        return f"{_PWSH_BEFORE}{text}{_PWSH_AFTER}"
    return text if text.endswith("\n") else f"{text}\n"


def _bad(shell: str, why: str) -> Invalid:
    return Invalid(f"the shell {shell[:80]!r} cannot be used", why=why, code="bad-shell")
