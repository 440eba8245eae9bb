"""A real browser that opens pages of the lab."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, sync_playwright

from lab.present.page import pdf

LANGUAGES = ("en", "zh-Hans")
PHONE, TABLET, DESK = 375, 768, 1280


@contextmanager
def started() -> Iterator[Browser]:
    """Start a browser that uses no network."""
    unboxed = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=pdf.browser(), args=[*unboxed, "--disable-gpu", *pdf.OFFLINE]
        )
        yield browser
        browser.close()


@contextmanager
def opened(browser: Browser, path: Path, **context: Any) -> Iterator[Page]:  # noqa: ANN401  the browser's own options
    """Open a page; check that it loads nothing else and logs no error."""
    asked: list[str] = []
    complaints: list[str] = []
    with browser.new_context(**context) as session:
        page = session.new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(path.as_uri())
        yield page
        assert asked == [path.as_uri()]
        assert complaints == []


def wait_until(page: Page, expression: str, bound_s: float = 60.0) -> None:
    """Wait until an expression is true.

    Playwright's own `wait_for_function` evaluates again from inside the page, which the page's policy forbids.
    """
    deadline = time.monotonic() + bound_s
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"not so after {bound_s:g} s: {expression}"
        page.wait_for_timeout(50)


def choose_language(page: Page, language: str) -> None:
    """Choose a language."""
    page.click(f'button[data-speak="{language}"]')
    assert page.locator("main:visible").get_attribute("lang") == language
    assert page.locator("html").get_attribute("lang") == language


def size(width: int) -> dict[str, Any]:
    """Return the option for a window of this width."""
    return {"viewport": {"width": width, "height": 800}}
