"""Which tool wrote a JUnit report, and who a test is in its words. Called by `junit`.

The formats as their tools document them: pytest (xunit2), Maven Surefire 3
(surefire-test-report-3.0.xsd), gotestsum, jest-junit, Playwright's reporter `junit`.
"""

from collections.abc import Mapping

from headway.testing.result import TestId

JUNIT, PYTEST, SUREFIRE, GO = "junit", "pytest", "surefire", "gotestsum"
JEST, PLAYWRIGHT = "jest", "playwright"
Attributes = Mapping[str, str]


def of_root(tag: str, attributes: Attributes) -> str:
    """The tool, as far as the root element tells."""
    name = attributes.get("name", "")
    if tag == "testsuites" and name.startswith("jest"):
        return JEST
    if tag == "testsuites" and {"id", "skipped", "errors"} <= attributes.keys():
        return PLAYWRIGHT
    if "surefire" in " ".join(attributes.values()):
        return SUREFIRE
    return PYTEST if name in {"pytest", "pytest tests"} else JUNIT


def of_suite(known: str, attributes: Attributes) -> str:
    """The tool, once a suite is seen."""
    return PYTEST if known == JUNIT and attributes.get("name") == "pytest" else known


def of_property(known: str, name: str) -> str:
    """The tool, once a suite's property is seen."""
    return GO if known == JUNIT and name == "go.version" else known


def identity(tool: str, suites: tuple[Attributes, ...], case: Attributes) -> TestId:
    """Who the test is. `suites`: the suites around it, outermost first.

    Playwright keeps the project (browser) in `hostname`: the same test in two browsers is two
    tests. Elsewhere `hostname` is a machine, which says nothing about a test.
    """
    classname = case.get("classname", "")
    names = tuple(s["name"] for s in suites if s.get("name"))
    if tool == PLAYWRIGHT:
        host = suites[-1].get("hostname", "") if suites else ""
        return TestId(host, classname, case.get("name", ""))
    if tool in {PYTEST, GO}:
        names = ()
    return TestId("/".join(n for n in names if n != classname), classname, case.get("name", ""))
