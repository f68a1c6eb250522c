"""What pytest, Maven, Go, Jest and Playwright write is read for what it means."""

import pytest

from headway.model.errors import Invalid
from headway.testing import junit
from headway.testing.result import Report, TestId, attempts

PYTEST = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" errors="1" failures="2" skipped="2"
 tests="7" time="1.500" timestamp="2026-01-02T03:04:05+00:00" hostname="box-7">
<testcase classname="tests.unit.test_cart.TestCart" name="test_sum[1-2]" time="0.100" />
<testcase classname="tests.unit.test_cart" name="test_bad" time="0.200"><failure
 message="AssertionError: assert 1 == 2">def test_bad(): ...</failure></testcase>
<testcase classname="tests.unit.test_cart" name="test_later" time="0.000"><skipped
 type="pytest.xfail" message="later" /></testcase>
<testcase classname="tests.unit.test_cart" name="test_off" time="0.000"><skipped
 type="pytest.skip" message="no">x.py:1: no</skipped></testcase>
<testcase classname="tests.unit.test_cart" name="test_leaves" time="0.300" />
<testcase classname="tests.unit.test_cart" name="test_both" time="0.300"><failure
 message="AssertionError: first">...</failure></testcase>
<testcase classname="tests.unit.test_cart" name="test_both" time="0.300"><error
 message="failed on teardown with &quot;OSError&quot;">...</error></testcase>
</testsuite></testsuites>"""

SUREFIRE = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"
 xsi:noNamespaceSchemaLocation="https://maven.apache.org/surefire/maven-surefire-plugin/xsd/surefire-test-report-3.0.xsd"
 version="3.0" name="com.shop.CartTest" time="1,234.5" tests="3" errors="0" skipped="0"
 failures="1" flakes="1">
  <properties><property name="java.version" value="17"/></properties>
  <testcase name="adds" classname="com.shop.CartTest" time="1,234.0"/>
  <testcase name="flaps" classname="com.shop.CartTest" time="0.02">
    <flakyFailure message="expected 1" type="org.opentest4j.AssertionFailedError">
      <stackTrace><![CDATA[at CartTest.flaps]]></stackTrace><system-out>x</system-out>
    </flakyFailure></testcase>
  <testcase name="breaks" classname="com.shop.CartTest" time="0.02">
    <failure message="boom" type="x">trace</failure>
    <rerunFailure message="boom" type="x"><stackTrace>t</stackTrace></rerunFailure>
    <rerunError message="boom" type="x"><stackTrace>t</stackTrace></rerunError></testcase>
</testsuite>"""

GOTESTSUM = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="0" time="0.4">
  <testsuite tests="4" failures="1" time="0.400000" name="example.com/shop/cart"
   timestamp="2026-01-02T03:04:05Z">
    <properties><property name="go.version" value="go1.22 linux/amd64"></property></properties>
    <testcase classname="example.com/shop/cart" name="TestAdd/empty_cart" time="0.0"></testcase>
    <testcase classname="example.com/shop/cart" name="TestFlaps" time="0.010000">
      <failure message="Failed" type="">=== RUN   TestFlaps&#xA;    cart_test.go:9&#xA;</failure>
    </testcase>
    <testcase classname="example.com/shop/cart" name="TestFlaps" time="0.020000"></testcase>
    <testcase classname="example.com/shop/cart" name="TestOff" time="0.000000">
      <skipped message="=== RUN   TestOff"></skipped></testcase>
  </testsuite></testsuites>"""

JEST = """<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="jest tests" tests="2" failures="1" errors="1" time="0.5">
  <testsuite name="cart" errors="0" failures="1" skipped="0" timestamp="2026-01-02T03:04:05"
   time="0.4" tests="2">
    <testcase classname="cart adds" name="cart adds" time="0.004" file="src/cart.test.js">
    </testcase>
    <testcase classname="cart removes" name="cart removes" time="0.002">
      <failure>Error: expect(received).toBe(expected)
    at Object.toBe (src/cart.test.js:5:13)</failure></testcase>
  </testsuite>
  <testsuite name="src/broken.test.js" errors="1" failures="0" skipped="0" tests="0" time="0.1">
  </testsuite></testsuites>"""

PLAYWRIGHT = """<testsuites id="" name="" tests="3" failures="1" skipped="0" errors="0" time="3.2">
<testsuite name="cart.spec.ts" timestamp="2026-01-02T03:04:05.000Z" hostname="chromium" tests="2"
 failures="0" skipped="0" time="1.2" errors="0">
<testcase name="buys" classname="cart.spec.ts" time="1.2"></testcase>
<testcase name="pays" classname="cart.spec.ts" time="0.9">
<flakyFailure message="cart.spec.ts:9:1 pays" type="FAILURE" time="0.4"><stackTrace><![CDATA[x]]>
</stackTrace></flakyFailure></testcase></testsuite>
<testsuite name="cart.spec.ts" timestamp="2026-01-02T03:04:05.000Z" hostname="firefox" tests="1"
 failures="1" skipped="0" time="2.0" errors="0">
<testcase name="buys" classname="cart.spec.ts" time="2.0"><failure
 message="cart.spec.ts:3:1 buys" type="FAILURE"><![CDATA[  [firefox] expected]]></failure>
<system-out><![CDATA[[[ATTACHMENT|a.png]]
]]></system-out></testcase></testsuite></testsuites>"""


def read(text: str) -> Report:
    return junit.read([text.encode()], "report.xml")


def by_name(report: Report) -> dict[str, tuple[int, int]]:
    return {a.id.name: (a.failures, a.passes) for a in attempts(report.cases)}


def test_pytest() -> None:
    report = read(PYTEST)
    assert report.tool == "pytest"
    assert report.cases[0].id == TestId("", "tests.unit.test_cart.TestCart", "test_sum[1-2]")
    assert by_name(report) == {
        "test_sum[1-2]": (0, 1), "test_bad": (1, 0), "test_later": (0, 0), "test_off": (0, 0),
        "test_leaves": (0, 1), "test_both": (1, 0),
    }  # fmt: skip
    assert report.cases[1].message == "AssertionError: assert 1 == 2"


def test_maven_surefire_keeps_its_reruns() -> None:
    report = read(SUREFIRE)
    assert report.tool == "surefire"
    assert report.cases[0].id == TestId("", "com.shop.CartTest", "adds")
    assert report.cases[0].seconds == 1234.0
    assert by_name(report) == {"adds": (0, 1), "flaps": (1, 1), "breaks": (3, 0)}
    assert report.cases[1].outcome == "passed"


def test_go_repeats_a_test_that_ran_again() -> None:
    report = read(GOTESTSUM)
    assert report.tool == "gotestsum"
    assert report.cases[0].id == TestId("", "example.com/shop/cart", "TestAdd/empty_cart")
    assert by_name(report) == {"TestAdd/empty_cart": (0, 1), "TestFlaps": (1, 1), "TestOff": (0, 0)}
    assert "=== RUN   TestFlaps" not in {c.id.name for c in report.cases}


def test_jest_tells_of_a_file_that_did_not_even_load() -> None:
    report = read(JEST)
    assert report.tool == "jest"
    assert report.cases[0].file == "src/cart.test.js"
    assert "toBe(expected)" in report.cases[1].message
    broken = report.cases[-1]
    assert broken.id == TestId("src/broken.test.js", "", junit.SUITE)
    assert (broken.outcome, broken.failures) == ("errored", 1)
    assert len(report.cases) == 3


def test_playwright_keeps_browsers_apart_and_retries_together() -> None:
    report = read(PLAYWRIGHT)
    assert report.tool == "playwright"
    assert {str(a.id): (a.failures, a.passes) for a in attempts(report.cases)} == {
        "chromium::cart.spec.ts::buys": (0, 1),
        "chromium::cart.spec.ts::pays": (1, 1),
        "firefox::cart.spec.ts::buys": (1, 0),
    }


def test_a_machine_name_is_no_part_of_a_test() -> None:
    one, other = read(PYTEST), read(PYTEST.replace("box-7", "box-8"))
    assert [c.id for c in one.cases] == [c.id for c in other.cases]


@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ('<testsuite name="x" tests="3"/>', "3 tests and tells of none"),
        ('<testsuite name="x" failures="2"><testcase name="a"/></testsuite>', "counts 2 failures"),
        ('<testsuite name="x"><error message="crash"/></testsuite>', "counts 1 failures"),
    ],
)
def test_what_a_suite_counts_and_does_not_tell_is_red(suite: str, said: str) -> None:
    (bad,) = [c for c in read(suite).cases if c.failures]
    assert said in bad.message


def test_nested_suites_count_what_is_inside_once() -> None:
    nested = (
        '<testsuites failures="1"><testsuite name="a" failures="1"><testsuite name="b" '
        'failures="1"><testcase name="t" classname="c"><failure/></testcase></testsuite>'
        "</testsuite></testsuites>"
    )
    (only,) = read(nested).cases
    assert str(only.id) == "a/b::c::t"


def test_what_was_not_run_is_skipped() -> None:
    text = '<testsuite><testcase name="a" status="notrun"/><testcase name="b" result="skipped"/>'
    assert by_name(read(f"{text}</testsuite>")) == {"a": (0, 0), "b": (0, 0)}


@pytest.mark.parametrize(
    ("text", "where", "code"),
    [
        ("<html/>", "report.xml:1:1", "not-junit"),
        ("<testsuite>\n<testcase/></testsuite>", "report.xml:2:1", "no-name"),
        ('<testsuite>\n<testcase name="a" time="x"/></testsuite>', "report.xml:2:1", "bad-number"),
        ('<testsuite>\n<testcase name="a" time="nan"/></testsuite>', "report.xml:2", "bad-number"),
        ('<testsuite tests="-1"/>', "report.xml:1:1", "bad-number"),
        ('<testsuite>\n<testcase name="a">', "report.xml:2:20", "not-xml"),
        ("", "report.xml:1:1", "not-xml"),
    ],
)
def test_a_broken_report_says_where(text: str, where: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(text)
    assert caught.value.code == code
    assert str(caught.value).startswith(where)
