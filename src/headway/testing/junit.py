"""JUnit XML as pytest, Maven Surefire, gotestsum, Jest and Playwright write it. Called by `kind`.

Retries inside a report are kept as tries: Surefire's and Playwright's `flakyFailure` and
`rerunFailure`, gotestsum's repeated test cases. A suite that counts more failures than its test
cases tell of (it crashed, or did not compile) is a failed test of its own: nothing gets lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from headway.document.problems import quoted
from headway.testing import dialect
from headway.testing.markup import Chunks, Fault, walk
from headway.testing.result import BAD, Case, Outcome, Report, TestId

MOST_CASES = 500_000
MOST_MESSAGE = 2_000
SUITE = "(suite)"
NOT_RUN = frozenset({"notrun", "disabled", "skipped", "suppressed"})
FAILURES = {"failure": "failed", "rerunFailure": "failed", "error": "errored"}
FAILURES |= {"rerunError": "errored"}
FLAKES = frozenset({"flakyFailure", "flakyError"})
RERUNS = frozenset({"rerunFailure", "rerunError"})


def read(data: Chunks, file: str) -> Report:
    """The report. `file` is its name in errors. Raises Invalid: `not-junit`, `bad-number`,
    `no-name`, and what `markup.walk` raises.
    """
    sink = _Reader(file)
    walk(data, file, sink)
    return Report(file, sink.tool, tuple(sink.cases))


@dataclass(slots=True)
class _Suite:
    attributes: Mapping[str, str]
    line: int
    declared: int
    tests: int
    cases: int = 0
    failures: int = 0
    strays: int = 0


@dataclass(slots=True)
class _Open:
    """The test case being read."""

    attributes: Mapping[str, str]
    line: int
    outcome: Outcome = "passed"
    flakes: int = 0
    reruns: int = 0
    message: str = ""
    words: list[str] = field(default_factory=list)
    length: int = 0


class _Reader:
    def __init__(self, file: str) -> None:
        self.fault, self.tool = Fault(file), dialect.JUNIT
        self.cases: list[Case] = []
        self.suites: list[_Suite] = []
        self.case: _Open | None = None
        self.telling = 0

    def start(self, tag: str, attributes: Mapping[str, str], line: int) -> None:
        if not self.suites:
            self._root(tag, attributes, line)
        if tag in {"testsuites", "testsuite"}:
            self._suite(attributes, line)
        elif tag == "property":
            self.tool = dialect.of_property(self.tool, attributes.get("name", ""))
        elif tag == "testcase":
            self._testcase(attributes, line)
        elif self.case is not None:
            self._inside(self.case, tag, attributes)
        elif tag in FAILURES:
            self.suites[-1].strays += 1

    def text(self, text: str) -> None:
        case = self.case
        if self.telling and case is not None and case.length < MOST_MESSAGE:
            case.words.append(text[: MOST_MESSAGE - case.length])
            case.length += len(case.words[-1])

    def end(self, tag: str) -> None:
        if tag == "testcase" and self.case is not None:
            self._finish(self.case)
            self.case = None
        elif tag in FAILURES or tag in FLAKES:
            self.telling = max(0, self.telling - 1)
        elif tag in {"testsuites", "testsuite"}:
            self._close(self.suites.pop())

    def _root(self, tag: str, attributes: Mapping[str, str], line: int) -> None:
        if tag not in {"testsuites", "testsuite"}:
            self.fault.at(line, 1, f"{quoted(tag)} is not the root of a JUnit report", "not-junit")
        self.tool = dialect.of_root(tag, attributes)

    def _suite(self, attributes: Mapping[str, str], line: int) -> None:
        self.tool = dialect.of_suite(self.tool, attributes)
        count = {
            what: int(self.fault.number(attributes.get(what), line, f"`{what}` of a suite"))
            for what in ("tests", "failures", "errors")
        }
        declared = count["failures"] + count["errors"]
        self.suites.append(_Suite(attributes, line, declared, count["tests"]))

    def _testcase(self, attributes: Mapping[str, str], line: int) -> None:
        if self.case is not None:
            self.fault.at(line, 1, "a test case inside a test case", "not-junit")
        if not attributes.get("name") and not attributes.get("classname"):
            self.fault.at(line, 1, "a test case has neither name nor classname", "no-name")
        self.case = _Open(attributes, line)
        if {attributes.get("status", ""), attributes.get("result", "")} & NOT_RUN:
            self.case.outcome = "skipped"

    def _inside(self, case: _Open, tag: str, attributes: Mapping[str, str]) -> None:
        if tag in FAILURES:
            case.outcome = "errored" if FAILURES[tag] == "errored" else "failed"
        elif tag == "skipped" and case.outcome == "passed":
            case.outcome = "skipped"
        if tag in FAILURES or tag in FLAKES:
            case.flakes += tag in FLAKES
            case.reruns += tag in RERUNS
            case.message = case.message or attributes.get("message", "")[:MOST_MESSAGE]
            self.telling += 1

    def _finish(self, case: _Open) -> None:
        seconds = self.fault.number(case.attributes.get("time"), case.line, "`time` of a test")
        inner = tuple(s.attributes for s in self.suites[1:]) or (self.suites[0].attributes,)
        made = Case(
            id=dialect.identity(self.tool, inner, case.attributes),
            outcome=case.outcome,
            seconds=seconds,
            failures=case.flakes + case.reruns + (case.outcome in BAD),
            passes=int(case.outcome == "passed"),
            message=(case.message or "".join(case.words)).strip(),
            file=case.attributes.get("file", "") or inner[-1].get("file", ""),
            line=case.line,
        )
        self._keep(made)

    def _keep(self, made: Case) -> None:
        if len(self.cases) >= MOST_CASES:
            self.fault.at(made.line, 1, f"there are more than {MOST_CASES} tests", "too-large")
        self.cases.append(made)
        self.suites[-1].cases += 1
        self.suites[-1].failures += made.failures

    def _close(self, suite: _Suite) -> None:
        missing = max(suite.strays, suite.declared - suite.failures)
        if missing or (suite.tests and not suite.cases):
            self._untold(suite, missing)
        if self.suites:
            self.suites[-1].cases += suite.cases
            self.suites[-1].failures += suite.failures

    def _untold(self, suite: _Suite, missing: int) -> None:
        """What a suite counts but no test case tells of."""
        said = f"the suite counts {missing} failures that no test tells of"
        if not missing:
            said = f"the suite counts {suite.tests} tests and tells of none"
        name = suite.attributes.get("name", "")
        self.cases.append(
            Case(TestId(name, "", SUITE), "errored", 0.0, 1, 0, said, line=suite.line)
        )
        suite.cases += 1
        suite.failures = max(suite.failures + 1, suite.declared)
