"""The report in a real browser: in both languages, light and dark, on a phone and on paper."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser
from pypdf import PdfReader

from tests import stored_runs
from tests.browser import DESK, LANGUAGES, PHONE, TABLET, choose_language, opened, size, started
from tests.command_line import lab
from tests.stored_runs import HOSTILE

SCHEMES = ("light", "dark")

A4_PT = (595, 842)
"""210 by 297 mm (ISO 216)."""

ENGLISH_TERMS = """
A AAAA Alpine CentOS DNAT DNS Debian EPERM End Esc Fisher Go Home IPv6 Kubernetes LOCAL_OUT Linux NAT NFQUEUE NF_ACCEPT
NF_DROP NOTRACK Node OUTPUT POSTROUTING POST_ROUTING PREROUTING Python RES_TIMEOUT Service TCP Tab UDP UTC Wilson aaaa
af79d3edb5f ares baseline busybox bypass clash conf confirm conntrack ctrewind curl drop getaddrinfo getent glibc
insert_failed iptables js kprobe mangle ms musl netem new nfqdns nftables no nslookup old pod postrouting queue raw
reinject relookup reopen request resolv resolve single socket strace tc tcpdump today tracefs use vc verdict wget
"""
"""English terms within Chinese text: names of functions, fields, tables, programs, machines."""

READ = """
(main) => {
  const texts = [];
  const foreign = (node) => node.closest('code, pre, b, data, time, [lang="en"], script, style, .ct');
  const walker = document.createTreeWalker(main, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode;
    if (node.data.trim() && !foreign(node.parentElement)) { texts.push(node.data.trim()); }
  }
  main.querySelectorAll('[aria-label]').forEach((element) => {
    if (!element.closest('[lang="en"]')) { texts.push(element.getAttribute('aria-label')); }
  });
  return texts;
}
"""
"""All text for a reader or a screen reader, except raw lines, code, names and figures."""

FIGURES = """
() => [...document.querySelectorAll('[data-at]')].map((element) => ({
  at: element.dataset.at,
  value: element.hasAttribute('value') ? element.getAttribute('value') : element.dataset.value,
  text: element.localName === 'data' ? element.textContent : null,
}))
"""

UNTRACED = """
(main) => [...main.querySelectorAll(
  'td:not([lang], .about), h1, figcaption:not(.legend), .who, .counts'
)].flatMap((element) => {
  const copy = element.cloneNode(true);
  copy.querySelectorAll('data, code, b, time, svg, [lang="en"]').forEach((part) => part.remove());
  return /[0-9]/.test(copy.textContent) ? [copy.textContent.trim()] : [];
})
"""
"""Texts about measurements with digits outside of the elements that name a place in the JSON."""

CONTRASTS = """
() => {
  const numbers = (text) => text.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((part) => {
    const share = part / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  }).reduce((sum, part, place) => sum + part * [0.2126, 0.7152, 0.0722][place], 0);
  const behind = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const colour = numbers(getComputedStyle(each).backgroundColor);
      if (colour.length < 4 || colour[3] > 0.99) { return colour; }
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility() || element.closest('title, desc')) { continue; }
    const style = getComputedStyle(element);
    const ink = numbers(element.closest('svg') ? style.fill : style.color);
    const [one, other] = [light(ink), light(behind(element))].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) { found.push(ratio.toFixed(2) + ' ' + walker.currentNode.data.trim().slice(0, 40)); }
  }
  return found;
}
"""
"""Texts whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3, level AA), by its formula."""

NAMELESS = """
() => [...document.querySelectorAll('main button, nav button, svg[role], g[role], [role=region], [tabindex]')]
  .filter((element) => element.checkVisibility())
  .filter((element) => {
    const by = (element.getAttribute('aria-labelledby') || '').split(' ').filter(Boolean);
    const name = element.getAttribute('aria-label')
      || by.map((id) => document.getElementById(id)?.textContent || '').join(' ')
      || element.textContent;
    return !name.trim() || by.some((id) => !document.getElementById(id));
  }).map((element) => element.outerHTML.slice(0, 120))
"""


@pytest.fixture(scope="module")
def report_page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a page made of recorded trials and a sweep, with hostile text among them, and its JSON."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(stored_runs.ALL, change=stored_runs.hostile)
    stored.store.leave_out(run, "today", "nfqueue-musl", HOSTILE)
    sweep = stored.sweep()
    path = stored.home / "report.html"
    result = lab(stored.home, "report", run.id, sweep.id, "-o", str(path), "--json", "--quiet")
    assert result.returncode == 0, result.stderr
    return path, json.loads(result.stdout)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser that uses no network."""
    with started() as browser:
        yield browser


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [PHONE, TABLET, DESK])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_fits_every_window_in_both_languages_light_and_dark(
    browser: Browser, report_page: tuple[Path, dict[str, Any]], language: str, width: int, scheme: str
) -> None:
    """Nothing overflows sideways, every text contrasts with its background, and every control has a name."""
    with opened(browser, report_page[0], **size(width), color_scheme=scheme) as page:
        choose_language(page, language)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRASTS) == []
        assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_of_the_page_matches_the_json(
    browser: Browser, report_page: tuple[Path, dict[str, Any]], language: str
) -> None:
    """Each figure names its place in the JSON and shows the value there, possibly rounded."""
    path, document = report_page
    with opened(browser, path) as page:
        choose_language(page, language)
        figures = page.evaluate(FIGURES)
        untraced = page.locator("main:visible").evaluate(UNTRACED)

    assert len(figures) > 400
    assert untraced == []
    for figure in figures:
        value = looked_up(document, figure["at"])
        assert json.loads(figure["value"]) == value, figure
        if figure["text"] is not None:
            assert shows(figure["text"], value), (figure["text"], value)


def looked_up(document: Any, pointer: str) -> Any:  # noqa: ANN401  whatever JSON has
    """Return the value at a JSON pointer (RFC 6901)."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        document = document[int(key) if isinstance(document, list) else key]
    return document


def shows(text: str, value: Any) -> bool:  # noqa: ANN401
    """Return whether a text is a value, rounded to as many digits as the text has."""
    if value is None:
        return text == "-"
    values = value if isinstance(value, list) else [value]
    unit = 1000 if "ms" in text else 100 if "%" in text else 1
    numbers = re.findall(r"\d+(?:\.\d+)?(?:e-\d+)?", text)
    return len(numbers) == len(values) and all(
        abs(float(number) - each * unit) <= 0.5000001 * 10.0 ** -decimals(number)
        for number, each in zip(numbers, values, strict=True)
    )


def decimals(number: str) -> int:
    """Return the number of digits after the decimal point."""
    mantissa, _, exponent = number.partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def test_the_chinese_page_is_chinese(browser: Browser, report_page: tuple[Path, dict[str, Any]]) -> None:
    """The only English words are terms that engineers use and text from a machine, marked as English."""
    allowed = set(ENGLISH_TERMS.split())
    with opened(browser, report_page[0]) as page:
        choose_language(page, "zh-Hans")
        texts = page.locator("main:visible").evaluate(READ)
        foreign = page.locator(
            'main:visible :is(p, li, dd, dt, td, th, figcaption) > span[lang="en"]'
        ).all_inner_texts()
    # A trial's name is typed in every language.
    texts = [re.sub(r"\w+/[\w-]+/\d+", "", text) for text in texts]
    words = {word for text in texts for word in re.findall(r"[A-Za-z_]{2,}[0-9a-z]*", text)}

    assert sorted(words - allowed) == []
    assert foreign == []
    assert len([text for text in texts if re.search(r"[\u4e00-\u9fff]", text)]) > 200


def test_the_english_page_has_no_chinese(browser: Browser, report_page: tuple[Path, dict[str, Any]]) -> None:
    """The English page has no Chinese text."""
    with opened(browser, report_page[0]) as page:
        assert not [text for text in page.locator("main:visible").evaluate(READ) if re.search(r"[\u3000-\uffef]", text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mark_shows_the_raw_line_it_rests_on(
    browser: Browser, report_page: tuple[Path, dict[str, Any]], language: str
) -> None:
    """It shows by pointer, keyboard and touch; Escape or a tap elsewhere hides it."""
    path, document = report_page
    old = document["twins"]["exhibits"][0]
    (dropped,) = [line["text"] for line in old["tools"]["trace"] if "confirm: " in line["text"] and line["telling"]]
    with opened(browser, path, **size(DESK), has_touch=True) as page:
        choose_language(page, language)
        tip, lost = page.locator("main:visible .tip"), page.locator("main:visible .point.lost")

        lost.locator(".cross").hover()
        assert dropped.strip() in tip.inner_text()
        page.mouse.move(0, 0)
        assert tip.is_hidden()

        lost.focus()
        assert dropped.strip() in tip.inner_text()
        page.keyboard.press("Escape")
        assert tip.is_hidden()

        lost.locator(".cross").tap()
        assert dropped.strip() in tip.inner_text()
        page.locator("main:visible h1").tap()
        assert tip.is_hidden()

        page.locator("main:visible .point.wait").focus()
        assert "poll" in tip.inner_text()


def test_every_mark_has_a_raw_line_and_is_reached_by_the_keyboard(
    browser: Browser, report_page: tuple[Path, dict[str, Any]]
) -> None:
    """A point without evidence is not drawn."""
    with opened(browser, report_page[0]) as page:
        marks = page.evaluate(
            """() => [...document.querySelectorAll('.point')].map((point) => ({
              stop: point.tabIndex, ids: point.dataset.lines.trim().split(/\\s+/),
              there: point.dataset.lines.trim().split(/\\s+/).every((id) => document.getElementById(id)),
            }))"""
        )
        ids = page.evaluate("[...document.querySelectorAll('[id]')].map((element) => element.id)")

    assert len(marks) > 60
    assert all(mark["there"] and mark["ids"] != [""] and mark["stop"] == 0 for mark in marks)
    assert len(ids) == len(set(ids))


def test_the_chosen_colour_scheme_overrides_the_systems(
    browser: Browser, report_page: tuple[Path, dict[str, Any]]
) -> None:
    """The choice can be reset."""
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    with opened(browser, report_page[0], color_scheme="dark") as page:
        dark = page.evaluate(ground)
        page.click('button[data-shine="light"]')
        light = page.evaluate(ground)
        page.click('button[data-shine="auto"]')

        assert light != dark
        assert page.evaluate(ground) == dark


def test_without_scripts_one_language_is_shown_whole(
    browser: Browser, report_page: tuple[Path, dict[str, Any]]
) -> None:
    """No dead control is shown, and each mark has the browser's own tooltip."""
    with opened(browser, report_page[0], java_script_enabled=False) as page:
        assert page.locator("main:visible").count() == 1
        assert page.locator("main:visible").get_attribute("lang") == "en"
        assert page.locator("button:visible").count() == 0
        assert page.locator("main:visible .point title").count() > 30


@pytest.mark.parametrize(
    ("language", "expected_text", "untold"),
    [("en", "Where the packet went", "包去了哪里"), ("zh", "包去了哪里", "Where the packet went")],
)
def test_the_pdf_is_on_a4_in_the_chosen_language(
    report_page: tuple[Path, dict[str, Any]], tmp_path: Path, language: str, expected_text: str, untold: str
) -> None:
    """The PDF has figures and raw lines but no controls, and no temporary file is left behind."""
    before = set(Path(tempfile.gettempdir()).glob("lab-pdf-*"))
    runs = [run["run"] for run in report_page[1]["runs"]]
    result = lab(
        report_page[0].parent, "report", *runs, "-o", str(tmp_path / "report.html"), "--pdf", "--language", language
    )
    assert result.returncode == 0, result.stderr
    pages = PdfReader(tmp_path / "report.pdf").pages
    text = "".join(page.extract_text() for page in pages)

    assert {(round(page.mediabox.width), round(page.mediabox.height)) for page in pages} == {A4_PT}
    assert 4 <= len(pages) <= 20
    assert (tmp_path / "report.pdf").stat().st_size < 2_000_000, "something that was drawn became an image"
    assert expected_text in text
    assert untold not in text
    assert "NF_DROP" in text
    assert "insert_failed" in text
    assert "English" not in text
    assert "[nfqdns]" in text
    assert set(Path(tempfile.gettempdir()).glob("lab-pdf-*")) == before
