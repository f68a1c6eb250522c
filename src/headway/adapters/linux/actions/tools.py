"""setup-python, -node, -go and -java: an installed version goes to PATH. Called by builtin.

Nothing is downloaded: a version that is not here is refused, before the job runs where that can be
known then, naming what is here. Inputs and outputs as in the actions' READMEs. Python is given as
a virtual environment of the job, so that `pip install` changes nothing else.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from headway import expression
from headway.adapters.linux.actions.acting import Acting, Direct
from headway.adapters.linux.actions.inputs import only
from headway.adapters.linux.actions.inside import open_file, place, tops
from headway.adapters.linux.actions.installed import Language, Tool, tools
from headway.adapters.linux.actions.version_files import read_version
from headway.adapters.linux.actions.versions import best, shown
from headway.model.errors import Failed, Invalid, Refused
from headway.model.job import JobOrder, StepSpec

COMMON = {
    **dict.fromkeys(("cache", "cache-dependency-path", "check-latest", "token"), "*"),
    "architecture": "x64",
}

Ready = Callable[[Acting, Tool], int]
"""Puts the tool to use: PATH, variables, outputs."""


@dataclass(frozen=True, slots=True)
class Setup:
    """One setup action. `word`: `python` in `python-version` and `python-version-file`.

    `fallback`: files that count if no version is given; `alias`: other words for a range.
    """

    language: Language
    word: str
    inputs: dict[str, str]
    ready: Ready
    fallback: tuple[str, ...] = ()
    alias: Callable[[str], str] = lambda wanted: wanted

    def direct(self, cache: Path) -> Direct:
        """The action; `cache` is this machine's tool cache."""

        def main(acting: Acting) -> int:
            only(acting.inputs, self.inputs, f"actions/setup-{self.word}")
            for wanted in self._wanted(acting):
                code = self.ready(acting, self.choose(wanted, cache))
                if code:
                    return code
            if acting.inputs.get("cache", "").strip() not in {"", "false"}:
                acting.hands.say("packages come from the package caches of this machine")
            acting.outputs.setdefault("cache-hit", "false")
            return 0

        return Direct(main)

    def check(self, order: JobOrder, step: StepSpec, cache: Path) -> None:
        """Raises Refused (`no-tool`) if the wanted version is known already, and not here."""
        given = step.inputs.get(f"{self.word}-version", "")
        scope = expression.Scope(order.contexts, {})
        try:
            text = expression.fill(given, scope)
        except expression.ExpressionError:
            return  # it depends on what steps will say
        for wanted in _lines(text):
            self.choose(wanted, cache)

    def choose(self, wanted: str, cache: Path) -> Tool:
        """The newest installed version that fits. Raises Refused (`no-tool`, `bad-version`)."""
        here = tools(self.language, cache)
        try:
            version = best([tool.version for tool in here], self.alias(wanted))
        except ValueError as error:
            raise Refused(
                f"`{self.word}-version: {wanted[:60]}` is not understood",
                why=str(error),
                code="bad-version",
            ) from error
        if version is None:
            raise Refused(
                f"{self.language.name} {wanted[:60]} is not on this machine",
                why=f"here is {', '.join(shown(t.version) for t in here) or 'none'}",
                next=f"install it, for instance below {cache}/{self.language.cache[0]}/VERSION/x64",
                code="no-tool",
            )
        return next(tool for tool in here if tool.version == version)

    def _wanted(self, acting: Acting) -> list[str]:
        if lines := _lines(acting.inputs.get(f"{self.word}-version", "")):
            return lines
        file = acting.inputs.get(f"{self.word}-version-file", "").strip()
        names = [file] if file else list(self.fallback)
        for name in names:
            if (text := _read(acting, name, must=bool(file))) is not None:
                return [read_version(name, text, self.word)]
        acting.hands.say(f"no {self.word}-version is given: the newest here is taken")
        return ["*"]


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.split("\n") if line.strip()]


def _read(acting: Acting, name: str, *, must: bool) -> str | None:
    path = place(name, acting.checkout, tops(acting)[:1])
    try:
        with open_file(acting.checkout, path.relative_to(acting.checkout.resolve())) as file:
            return file.read(1 << 20).decode("utf-8")
    except FileNotFoundError as error:
        if must:
            raise Failed(f"there is no file {name!r}", code="no-version-file") from error
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(f"{name!r} cannot be read", why=str(error), code="bad-version") from error
