"""A real Chromium for tests of pages; they are skipped where it or Playwright is missing.

`axe` looks for axe-core as npm packs it, in HEADWAY_AXE (a path of axe.min.js); without it only the
accessibility rules are not looked at.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WHERE = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def program() -> str:
    """Chromium; skips the test without it."""
    found = next((w for w in WHERE if Path(w).exists()), None) or shutil.which("chromium")
    if not found:
        pytest.skip("no Chromium here")
    return found


@contextmanager
def chromium() -> Iterator[Any]:
    """The browser, until the block ends."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    where = program()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=where, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def axe() -> str:
    """The program of axe-core; skips the test without it."""
    path = Path(os.environ.get("HEADWAY_AXE", ""))
    if not path.is_file():
        pytest.skip("HEADWAY_AXE names no axe.min.js (npm pack axe-core)")
    return path.read_text()


class Tab:
    """One page of the browser that keeps what went wrong in it."""

    def __init__(self, browser: Any, address: str, headers: dict[str, str], **options: Any) -> None:
        self.context = browser.new_context(extra_http_headers=headers, **options)
        self.page = self.context.new_page()
        self.address, self.wrong = address, []
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.wrong.append(f"error {error}"))
        self.page.on("request", self._asked)

    def __enter__(self) -> "Tab":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def open(self, path: str) -> None:
        self.page.goto(self.address + path, wait_until="load")

    def _said(self, message: Any) -> None:
        if message.type in {"error", "warning"}:
            self.wrong.append(f"{message.type} {message.text}")

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.address, "data:", "blob:")):
            self.wrong.append(f"asked {request.url}")
