"""The report in a real browser: in both languages, light and dark, on a phone and on paper."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from pypdf import PdfReader

from lab.report import pdf
from tests import stored_runs
from tests.command_line import lab
from tests.stored_runs import HOSTILE

LANGUAGES = ("en", "zh-Hans")
SCHEMES = ("light", "dark")
PHONE, TABLET, DESK = 375, 768, 1280

A4_PT = (595, 842)
"""210 by 297 mm (ISO 216)."""

ENGLISH_TERMS = """
A AAAA Alpine CentOS DNAT DNS Debian EPERM Fisher Go IPv6 Kubernetes LOCAL_OUT Linux NAT NFQUEUE NF_ACCEPT NF_DROP
NOTRACK Node OUTPUT POSTROUTING POST_ROUTING Python RES_TIMEOUT Service TCP Tab UDP UTC Wilson aaaa af79d3edb5f ares
baseline busybox bypass clash conf confirm conntrack ctrewind curl drop getaddrinfo getent glibc insert_failed iptables
js kprobe mangle ms musl netem new nfqdns nftables no nslookup old postrouting queue raw reinject relookup reopen
request resolv resolve single socket strace tc tcpdump today tracefs use vc verdict wget
"""
"""What engineers say in English in the midst of Chinese: names of functions, fields, tables, programs, machines."""

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
"""Everything that a reader or a screen reader is told, but for raw lines, code, names and figures."""

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
"""Texts about what was measured that have digits beside those that name their place in the JSON."""

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
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Give a page made of recorded trials and a sweep, with hostile words among them, and its JSON."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(stored_runs.ALL, change=stored_runs.hostile)
    stored.store.leave_out(run, "today", "nfqueue-musl", HOSTILE)
    sweep = stored.sweep()
    path = stored.home / "report.html"
    done = lab(stored.home, "report", run.id, sweep.id, "-o", str(path), "--json", "--quiet")
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Give a browser that is kept from looking for any network."""
    unboxed = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=pdf.browser(), args=[*unboxed, "--disable-gpu", *pdf.OFFLINE]
        )
        yield started
        started.close()


@contextmanager
def opened(browser: Browser, path: Path, **context: Any) -> Iterator[Page]:  # noqa: ANN401  the browser's own options
    """Open a page, and make sure that it loads nothing but itself and complains of nothing."""
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


def speak(page: Page, language: str) -> None:
    """Choose a language."""
    page.click(f'button[data-speak="{language}"]')
    assert page.locator("main:visible").get_attribute("lang") == language
    assert page.locator("html").get_attribute("lang") == language


def size(width: int) -> dict[str, Any]:
    """Give the option for a window of this width."""
    return {"viewport": {"width": width, "height": 800}}


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [PHONE, TABLET, DESK])
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_fits_every_window_in_both_languages_light_and_dark(
    browser: Browser, made: tuple[Path, dict[str, Any]], language: str, width: int, scheme: str
) -> None:
    """Nothing sticks out sideways, every text can be told from its ground, and every control has a name."""
    with opened(browser, made[0], **size(width), color_scheme=scheme) as page:
        speak(page, language)
        page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")

        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(CONTRASTS) == []
        assert page.evaluate(NAMELESS) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_figure_of_the_page_is_the_jsons(
    browser: Browser, made: tuple[Path, dict[str, Any]], language: str
) -> None:
    """Each names its place there, has the value that stands there, and shows that, rounded as it may be."""
    path, document = made
    with opened(browser, path) as page:
        speak(page, language)
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
    """Give what stands at a place (RFC 6901)."""
    for token in pointer.split("/")[1:]:
        key = token.replace("~1", "/").replace("~0", "~")
        document = document[int(key) if isinstance(document, list) else key]
    return document


def shows(text: str, value: Any) -> bool:  # noqa: ANN401
    """Tell whether a text is a value, rounded to as many digits as it has."""
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
    """Give after how many digits a number is rounded."""
    mantissa, _, exponent = number.partition("e")
    return len(mantissa.partition(".")[2]) - int(exponent or 0)


def test_the_chinese_page_is_chinese(browser: Browser, made: tuple[Path, dict[str, Any]]) -> None:
    """No word is English but those that engineers say so; what a machine said, and only that, is marked as English."""
    allowed = set(ENGLISH_TERMS.split())
    with opened(browser, made[0]) as page:
        speak(page, "zh-Hans")
        texts = page.locator("main:visible").evaluate(READ)
        foreign = page.locator(
            'main:visible :is(p, li, dd, dt, td, th, figcaption) > span[lang="en"]'
        ).all_inner_texts()
    # A trial's name is what people type, in every language.
    texts = [re.sub(r"\w+/[\w-]+/\d+", "", text) for text in texts]
    words = {word for text in texts for word in re.findall(r"[A-Za-z_]{2,}[0-9a-z]*", text)}

    assert sorted(words - allowed) == []
    assert foreign == []
    assert len([text for text in texts if re.search(r"[\u4e00-\u9fff]", text)]) > 200


def test_the_english_page_has_no_chinese(browser: Browser, made: tuple[Path, dict[str, Any]]) -> None:
    """The other way round."""
    with opened(browser, made[0]) as page:
        assert not [text for text in page.locator("main:visible").evaluate(READ) if re.search(r"[\u3000-\uffef]", text)]


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mark_shows_the_raw_line_it_rests_on(
    browser: Browser, made: tuple[Path, dict[str, Any]], language: str
) -> None:
    """By the pointer, by the keyboard, by touch; Escape or a tap elsewhere puts it away."""
    path, document = made
    old = document["twins"]["exhibits"][0]
    (dropped,) = [line["text"] for line in old["tools"]["trace"] if "confirm: " in line["text"] and line["telling"]]
    with opened(browser, path, **size(DESK), has_touch=True) as page:
        speak(page, language)
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
    browser: Browser, made: tuple[Path, dict[str, Any]]
) -> None:
    """What nothing proves is not drawn."""
    with opened(browser, made[0]) as page:
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


def test_the_choice_of_light_and_dark_wins_over_the_systems(
    browser: Browser, made: tuple[Path, dict[str, Any]]
) -> None:
    """And can be given back."""
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    with opened(browser, made[0], color_scheme="dark") as page:
        dark = page.evaluate(ground)
        page.click('button[data-shine="light"]')
        light = page.evaluate(ground)
        page.click('button[data-shine="auto"]')

        assert light != dark
        assert page.evaluate(ground) == dark


def test_without_scripts_one_language_is_shown_whole(browser: Browser, made: tuple[Path, dict[str, Any]]) -> None:
    """No control that would do nothing, and the browser's own hint on each mark."""
    with opened(browser, made[0], java_script_enabled=False) as page:
        assert page.locator("main:visible").count() == 1
        assert page.locator("main:visible").get_attribute("lang") == "en"
        assert page.locator("button:visible").count() == 0
        assert page.locator("main:visible .point title").count() > 30


@pytest.mark.parametrize(
    ("language", "told", "untold"),
    [("en", "Where the packet went", "包去了哪里"), ("zh", "包去了哪里", "Where the packet went")],
)
def test_the_pdf_is_on_a4_in_the_language_that_was_asked_for(
    made: tuple[Path, dict[str, Any]], tmp_path: Path, language: str, told: str, untold: str
) -> None:
    """By the lab's own option; figures and raw lines are on paper too, controls are not, and nothing is left behind."""
    before = set(Path(tempfile.gettempdir()).glob("lab-pdf-*"))
    runs = [run["run"] for run in made[1]["runs"]]
    done = lab(made[0].parent, "report", *runs, "-o", str(tmp_path / "report.html"), "--pdf", "--language", language)
    assert done.returncode == 0, done.stderr
    pages = PdfReader(tmp_path / "report.pdf").pages
    text = "".join(page.extract_text() for page in pages)

    assert {(round(page.mediabox.width), round(page.mediabox.height)) for page in pages} == {A4_PT}
    assert 4 <= len(pages) <= 20
    assert (tmp_path / "report.pdf").stat().st_size < 2_000_000, "something that was drawn became an image"
    assert told in text
    assert untold not in text
    assert "NF_DROP" in text
    assert "insert_failed" in text
    assert "English" not in text
    assert "[nfqdns]" in text
    assert set(Path(tempfile.gettempdir()).glob("lab-pdf-*")) == before
