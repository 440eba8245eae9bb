"""Handouts in a real browser: they load nothing, report no error, and print on A4."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pypdf
import pytest
from playwright.sync_api import Browser, Page

from tests.browser import started
from tests.command_line import lab
from tests.unit.classroom import Remembering
from tests.unit.test_lesson_walk import ON_OLD, OURS, held, session_with

A4 = (595, 842)
"""A4 in points (ISO 216)."""

CSS_PX_PER_MM = 96 / 25.4


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a lab with a lesson on recorded trials, with handouts for learners and for trainers."""
    home = tmp_path_factory.mktemp("lab")
    held(session_with(home, old="old-nfqueue"), Remembering(), ON_OLD)
    for name, options in (("learner", ()), ("trainer", ("--trainer", "--language", "zh"))):
        result = lab(home, "lesson", "--handout", str(home / f"{name}.html"), *options)
        assert result.returncode == 0, result.stderr
        assert "lab lesson did not" not in result.stdout
    return home


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser that uses no network."""
    with started() as browser:
        yield browser


def opened(browser: Browser, path: Path, width_mm: float) -> tuple[Page, list[str]]:
    """Open a page; return it with every request and every error message."""
    page = browser.new_page(viewport={"width": round(width_mm * CSS_PX_PER_MM), "height": 1000})
    requests: list[str] = []
    page.on("console", lambda message: requests.append(message.text))
    page.on("pageerror", lambda error: requests.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri(), wait_until="load")
    return page, [address for address in requests if address != path.as_uri() and not address.startswith("data:")]


@pytest.mark.parametrize(("name", "language"), [("learner", "en"), ("trainer", "zh-Hans")])
def test_a_handout_loads_nothing_and_fits_a_page_and_a_phone(
    home: Path, browser: Browser, name: str, language: str
) -> None:
    """A handout is opened from a mail attachment, on any device."""
    for width_mm in (180, 80):
        page, complaints = opened(browser, home / f"{name}.html", width_mm)
        assert complaints == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert page.locator("html").get_attribute("lang") == language
        assert page.locator("section").count() == len(OURS)
        assert page.locator("script").count() == 0
        page.close()


def test_decisive_parts_are_visibly_marked(home: Path, browser: Browser) -> None:
    """A mark is more than an HTML tag."""
    page, _ = opened(browser, home / "learner.html", 180)
    mark = page.locator("section[id='09-kernel-trace'] mark", has_text="ret=0").first

    assert mark.evaluate("mark => getComputedStyle(mark).backgroundColor") == "rgb(255, 229, 138)"
    assert mark.evaluate("mark => getComputedStyle(mark).fontWeight") == "700"


def test_answers_are_visible_only_in_the_trainers_edition(home: Path, browser: Browser) -> None:
    """The rendered text is checked, as a reader sees it."""
    page, _ = opened(browser, home / "learner.html", 180)
    output = page.locator("body").inner_text()
    assert page.locator(".because, .explains, .right, .edition").count() == 0
    assert "☑" not in output
    assert "☐" in output

    page, _ = opened(browser, home / "trainer.html", 180)
    assert page.locator(".right").count() == sum(len(step.question) for step in OURS)
    assert page.locator(".because").count() == sum(len(question.option) for step in OURS for question in step.question)
    assert page.locator(".explains").count() == sum(step.explains is not None for step in OURS)


def test_a_handout_is_printed_on_a4(home: Path) -> None:
    """The PDF's text can be selected, Chinese too."""
    path = home / "printed.pdf"
    result = lab(home, "lesson", "--handout", str(path), "--trainer", "--language", "zh")
    assert result.returncode == 0, result.stderr

    pages = pypdf.PdfReader(path).pages
    assert {tuple(round(float(side)) for side in page.mediabox[2:]) for page in pages} == {A4}
    assert len(pages) > len(OURS) / 2
    text = "".join(page.extract_text() for page in pages)
    assert "寻找丢失的报文" in text
    assert "__nf_conntrack_confirm" in text
    assert not (home / "printed.html").exists()
