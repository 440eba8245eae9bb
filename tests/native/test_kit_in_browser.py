"""The pages of a trainer's kit in a real browser: incidents are solved there, and the guide is one page of paper."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader

from lab.foundation.language import NAMES
from lab.lesson import mystery
from lab.present.kit import guide
from tests.browser import DESK, LANGUAGES, PHONE, choose_language, opened, size, started, wait_until
from tests.command_line import lab

INCIDENTS = {name: incident for name, (incident, _) in mystery.find(mystery.OWN).items()}


WHOLE_KIT = ("mysteries.html", "report.html", *(f"{kind}.{tag}.html" for kind in ("handout", "key") for tag in NAMES))
"""The pages of a kit that was made after a run and a lesson."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the directory of an unpacked kit."""
    directory = tmp_path_factory.mktemp("kit")
    assert lab(directory / "lab", "kit", "-o", str(directory / "class.zip"), "--quiet").returncode == 0
    with zipfile.ZipFile(directory / "class.zip") as archive:
        archive.extractall(directory)
    return directory / "five-second-lab-class"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser that uses no network."""
    with started() as browser:
        yield browser


@pytest.mark.parametrize("name", INCIDENTS)
def test_an_incident_is_solved_only_with_proof(browser: Browser, pages: Path, name: str) -> None:
    """As `lab mystery` does: the right place alone is not accepted, and each tool adds its fact."""
    incident = INCIDENTS[name]
    proof = next(number for number, tool in enumerate(incident.tool) if tool.decides)
    wrong = next(number for number, place in enumerate(incident.place) if not place.right)
    with opened(browser, pages / "mysteries.html", **size(DESK)) as page:
        case = page.locator(f"#en-{name}")
        verdict, solution = case.locator(".verdict"), case.locator(".solution")
        places, tools = case.locator(".place > summary"), case.locator(".tool > summary")

        places.nth(incident.right - 1).click()
        assert "nothing that you have looked at proves it" in verdict.inner_text()
        assert not solution.is_visible()
        places.nth(wrong).click()
        assert "Not there" in verdict.inner_text()
        tools.nth(proof).click()
        wait_until(page, f"document.querySelectorAll('#en-{name} .facts li').length === 2")
        places.nth(incident.right - 1).click()

        assert "wrong answers: 1" in verdict.inner_text()
        assert solution.is_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["mysteries.html", "guide.html"])
def test_the_pages_fit_a_phone_in_both_languages(browser: Browser, pages: Path, name: str, scheme: str) -> None:
    """Nothing overflows sideways."""
    with opened(browser, pages / name, **size(PHONE), color_scheme=scheme) as page:
        for language in LANGUAGES:
            choose_language(page, language)
            page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
            assert page.evaluate("document.documentElement.scrollWidth") <= PHONE


def test_without_scripts_everything_can_be_read(browser: Browser, pages: Path) -> None:
    """The solution too, behind a fold."""
    with opened(browser, pages / "mysteries.html", java_script_enabled=False) as page:
        assert page.locator("main:visible").count() == 1
        assert page.locator("main:visible .solution:visible").count() == len(INCIDENTS)
        assert page.locator("button:visible").count() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_guide_is_one_page_of_paper(browser: Browser, tmp_path: Path, language: str) -> None:
    """A4, in the language that is shown, with everything that a kit can have."""
    (tmp_path / "guide.html").write_text(guide("0123456789abcdef" * 4, WHOLE_KIT))
    with opened(browser, tmp_path / "guide.html") as page:
        choose_language(page, language)
        page.pdf(path=tmp_path / "guide.pdf", prefer_css_page_size=True)
    (sheet,) = PdfReader(tmp_path / "guide.pdf").pages
    assert "lab doctor" in sheet.extract_text()
    assert "key.en.html" in sheet.extract_text()
