"""Pages in a real Chromium: nothing complains, nothing hangs over, a keyboard is enough, live."""

from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.browser import Tab, axe, chromium
from tests.support.stage import eventually
from tests.web.conftest import Told

DRAWN = "n => document.querySelectorAll('canvas').length === n"
SIZES = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 390)]
SHOWN = (
    "/", "/services/shop", "/deliveries", "/deliveries/shop-2", "/deliveries/shop-4", "/rollouts",
    "/rollouts/shop-2", "/rollouts/shop-3", "/rollouts/shop-3/abort", "/releases",
    "/releases/shop-2", "/line", "/line/stop",
)  # fmt: skip


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as started:
        yield started


def tab(told: Told, browser: Any, who: str = "admin", **options: Any) -> Tab:
    return Tab(browser, told.address, told.api.bearer(who), **options)


def size(scheme: str, width: int) -> dict[str, Any]:
    return {"color_scheme": scheme, "viewport": {"width": width, "height": 900}}


@pytest.mark.parametrize(("scheme", "width"), SIZES)
def test_no_page_complains_asks_elsewhere_or_hangs_over(
    told: Told, browser: Any, scheme: str, width: int
) -> None:
    digest = told.stage.release("shop-2").digest
    with tab(told, browser, **size(scheme, width)) as opened:
        for path in (*SHOWN, f"/artifacts/{digest}"):
            opened.open(path)
            opened.page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            wide = opened.page.evaluate("document.documentElement.scrollWidth")
            assert (path, wide, opened.wrong) == (path, width, [])


@pytest.mark.parametrize(("scheme", "width"), SIZES)
def test_no_page_breaks_a_rule_of_accessibility(
    told: Told, browser: Any, scheme: str, width: int
) -> None:
    program = axe()
    digest = told.stage.release("shop-2").digest
    with tab(told, browser, bypass_csp=True, **size(scheme, width)) as opened:
        for path in (*SHOWN, f"/artifacts/{digest}"):
            opened.open(path)
            opened.page.evaluate(program)
            found = opened.page.evaluate("axe.run(document, {resultTypes: ['violations']})")
            told_of = [(v["id"], [n["html"] for n in v["nodes"]]) for v in found["violations"]]
            assert (path, told_of) == (path, [])


def test_charts_are_drawn_from_their_tables(told: Told, browser: Any) -> None:
    with tab(told, browser) as opened:
        opened.open("/rollouts/shop-3")
        charts = opened.page.locator("figure.chart").count()
        assert charts > 2
        opened.page.wait_for_function(
            "n => document.querySelectorAll('canvas').length === n", arg=charts
        )
        assert opened.wrong == []


@pytest.mark.parametrize("javascript", [True, False])
def test_a_rollout_is_aborted_by_keyboard_alone(told: Told, browser: Any, javascript: bool) -> None:
    before = len(told.stage.events(kind="command.given"))
    with tab(told, browser, "operator", java_script_enabled=javascript) as opened:
        opened.open("/rollouts/shop-3")
        opened.page.locator("[data-opens=r-abort]").focus()
        opened.page.keyboard.press("Enter")
        opened.page.locator("textarea:visible").wait_for()
        if javascript:  # the first field has the focus; Escape leaves all as it was
            opened.page.keyboard.press("Escape")
            assert opened.page.locator("textarea:visible").count() == 0
            assert opened.page.evaluate("document.activeElement.dataset.opens") == "r-abort"
            opened.page.keyboard.press("Space")
        else:
            assert opened.page.url.endswith("/abort")
            opened.page.locator("textarea:visible").focus()
        opened.page.keyboard.type(f"by keyboard {javascript}")
        opened.page.keyboard.press("Tab")
        opened.page.keyboard.press("Tab")
        with opened.page.expect_navigation():
            opened.page.keyboard.press("Enter")
        assert opened.wrong == []
    said = told.stage.events(kind="command.given")
    assert len(said) == before + 1
    assert (said[-1].data["verb"], said[-1].data["reason"]) == (
        "abort",
        f"by keyboard {javascript}",
    )


def test_the_line_is_stopped_by_keyboard_from_any_page(told: Told, browser: Any) -> None:
    with tab(told, browser, "operator") as opened:
        opened.open("/releases")
        opened.page.locator("[data-opens=stop-line]").focus()
        opened.page.keyboard.press("Enter")
        opened.page.keyboard.type("the database fails")
        opened.page.keyboard.press("Tab")
        opened.page.keyboard.press("Tab")
        with opened.page.expect_navigation():
            opened.page.keyboard.press("Enter")
        try:
            assert opened.page.url.endswith("/line")
            assert "the line is stopped" in opened.page.locator("h1").inner_text().lower()
        finally:
            opened.page.get_by_role("button", name="Start the line").first.click()
            opened.page.locator("dialog textarea").fill("all is well")
            with opened.page.expect_navigation():
                opened.page.locator("dialog .ends .main").click()
        assert "runs" in opened.page.locator("h1").inner_text()
        assert opened.wrong == []


def test_a_page_renews_itself_and_keeps_what_a_person_does(told: Told, browser: Any) -> None:
    with tab(told, browser, "operator") as opened:
        opened.open("/rollouts/shop-3")
        page = opened.page
        page.locator("[data-fresh]").wait_for()
        page.locator("#chart-errors summary").click()
        page.locator("[data-opens=r-promote]").click()
        page.locator("#r-promote textarea").fill("half a sent")
        page.evaluate("scrollTo(0, 200)")
        page.evaluate("document.querySelector('.timeline').dataset.mine = 'kept'")
        told.stage.say(_delivery(told), "pause", "looked at from elsewhere")
        page.get_by_text("looked at from elsewhere").first.wait_for(timeout=20000)
        assert page.locator("#r-promote textarea").input_value() == "half a sent"
        assert page.evaluate("document.activeElement.name") == "reason"
        assert page.evaluate("document.getElementById('r-promote').open")
        assert page.locator("#chart-errors details").get_attribute("open") is not None
        assert page.evaluate("scrollY") == 200
        charts = page.locator("figure.chart").count()
        page.wait_for_function(DRAWN, arg=charts)
        assert opened.wrong == []


def test_a_page_says_when_it_is_no_longer_connected(told: Told, browser: Any) -> None:
    with tab(told, browser) as opened:
        opened.page.route("**/live?*", lambda route: route.abort())
        opened.open("/")
        mark = opened.page.locator("[data-fresh][data-state=stale]")
        mark.wait_for(timeout=10000)
        eventually(lambda: "Not connected" in mark.inner_text(), mark.inner_text, 10)


def _delivery(told: Told) -> str:
    return told.stage.release("shop-3").delivery
