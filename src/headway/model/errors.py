"""Every error that Headway raises on purpose, and the exit code each one ends a command with.

HeadwayError                 70  base; `what`, `why`, `next` are the three parts a user reads
├── Failed                    1  what was asked for failed: build, tests, deploy
├── Invalid                   2  the user's input is wrong; carries `problems` with file:line:column
├── Refused                   3  a gate, policy, signature or permission says no
├── Unreachable               6  something did not answer; try again
└── Drifted                   7  the world is not as we believed: a newer generation came first

Adapters translate their vendor's errors into these at the edge.
"""

from headway.record import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault in a user's file. `line` and `column` count from 1; 0 means the whole file."""

    file: str
    line: int
    column: int
    sentence: str
    code: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        return f"{where}: {self.sentence}  [{self.code}]"


class HeadwayError(Exception):
    """What happened, why, and the next command. `code` is the same in text, JSON and docs."""

    exit_code = 70

    def __init__(self, what: str, *, why: str = "", next: str = "", code: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.next = next
        self.code = code or type(self).__name__.lower()

    def __str__(self) -> str:
        return f"{self.what}: {self.why}" if self.why else self.what


class Failed(HeadwayError):
    """The work was done and its result is bad: a red test, a build error, an unready instance."""

    exit_code = 1


class Invalid(HeadwayError):
    """The input cannot be read or makes no sense. Nothing was changed."""

    exit_code = 2

    def __init__(
        self,
        what: str,
        *,
        why: str = "",
        next: str = "",
        code: str = "",
        problems: tuple[Problem, ...] = (),
    ) -> None:
        super().__init__(what, why=why, next=next, code=code)
        self.problems = problems

    def __str__(self) -> str:
        more = f" (and {len(self.problems) - 1} more)" if len(self.problems) > 1 else ""
        return f"{self.problems[0]}{more}" if self.problems else HeadwayError.__str__(self)


class Refused(HeadwayError):
    """A rule says no. Asking again without a change gives the same answer."""

    exit_code = 3


class Unreachable(HeadwayError):
    """No answer. The same call may succeed later."""

    exit_code = 6


class Drifted(HeadwayError):
    """Somebody else, or a newer generation, was here first."""

    exit_code = 7
