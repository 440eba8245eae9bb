"""Handouts in a real browser: they load nothing, complain of nothing, and print on A4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.command_line import lab
from tests.unit.classroom import Remembering
from tests.unit.test_lesson_walk import ON_OLD, OURS, held, session_with

ARGUMENTS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

A4 = (595, 842)
"""In points (ISO 216)."""

CSS_PX_PER_MM = 96 / 25.4


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a lab with a lesson on recorded trials, written down for learners and for trainers."""
    home = tmp_path_factory.mktemp("lab")
    held(session_with(home, old="old-nfqueue"), Remembering(), ON_OLD)
    for name, options in (("learner", ()), ("trainer", ("--trainer", "--language", "zh"))):
        done = lab(home, "lesson", "--handout", str(home / f"{name}.html"), *options)
        assert done.returncode == 0, done.stderr
        assert "lab lesson did not" not in done.stdout
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give the system's browser."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=list(ARGUMENTS))
        yield browser
        browser.close()


def opened(browser: Browser, path: Path, width_mm: float) -> tuple[Page, list[str]]:
    """Open a page; gives everything that it asked for and complained of."""
    page = browser.new_page(viewport={"width": round(width_mm * CSS_PX_PER_MM), "height": 1000})
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text))
    page.on("pageerror", lambda error: found.append(str(error)))
    page.on("request", lambda request: found.append(request.url))
    page.goto(path.as_uri(), wait_until="load")
    return page, [told for told in found if told != path.as_uri() and not told.startswith("data:")]


@pytest.mark.parametrize(("name", "language"), [("learner", "en"), ("trainer", "zh-Hans")])
def test_a_handout_loads_nothing_and_fits_a_page_and_a_phone(
    home: Path, browser: Browser, name: str, language: str
) -> None:
    """It is opened from a mail's attachment, on whatever there is."""
    for width_mm in (180, 80):
        page, complaints = opened(browser, home / f"{name}.html", width_mm)
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.locator("html").get_attribute("lang") == language
        assert page.locator("section").count() == len(OURS)
        assert page.locator("script").count() == 0
        page.close()


def test_the_telling_parts_are_marked_so_that_they_are_seen(home: Path, browser: Browser) -> None:
    """By more than a tag."""
    page, _ = opened(browser, home / "learner.html", 180)
    mark = page.locator("section[id='09-kernel-trace'] mark", has_text="ret=0").first

    assert mark.evaluate("mark => getComputedStyle(mark).backgroundColor") == "rgb(255, 229, 138)"
    assert mark.evaluate("mark => getComputedStyle(mark).fontWeight") == "700"


def test_answers_are_seen_in_the_trainers_edition_alone(home: Path, browser: Browser) -> None:
    """In the text that a reader gets to see."""
    page, _ = opened(browser, home / "learner.html", 180)
    shown = page.locator("body").inner_text()
    assert page.locator(".because, .explains, .right, .edition").count() == 0
    assert "☑" not in shown
    assert "☐" in shown

    page, _ = opened(browser, home / "trainer.html", 180)
    assert page.locator(".right").count() == sum(len(step.question) for step in OURS)
    assert page.locator(".because").count() == sum(len(question.option) for step in OURS for question in step.question)
    assert page.locator(".explains").count() == sum(step.explains is not None for step in OURS)


def test_a_handout_is_printed_on_a4(home: Path) -> None:
    """By its suffix; the text in it can be selected, Chinese too."""
    path = home / "printed.pdf"
    done = lab(home, "lesson", "--handout", str(path), "--trainer", "--language", "zh")
    assert done.returncode == 0, done.stderr

    pages = pypdf.PdfReader(path).pages
    assert {tuple(round(float(side)) for side in page.mediabox[2:]) for page in pages} == {A4}
    assert len(pages) > len(OURS) / 2
    text = "".join(page.extract_text() for page in pages)
    assert "寻找丢失的报文" in text
    assert "__nf_conntrack_confirm" in text
    assert not (home / "printed.html").exists()
