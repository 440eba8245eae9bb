"""The timelines of a report play in a real browser, and every step is what the trials' JSON has."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests import stored_runs
from tests.browser import DESK, LANGUAGES, PHONE, choose_language, opened, size, started, wait_until
from tests.command_line import lab

MACHINES = ("old", "new", "today")

STAGES = {
    "sent by the resolver",
    "queued at the hook",
    "verdict given",
    "confirm returned",
    "on the wire",
    "seen by the server",
    "answer on the wire",
    "read by the resolver",
}

SHOWN = """
(panel) => [...panel.closest('section').querySelectorAll('.timeline')].flatMap((figure) =>
  figure.querySelector('.now').classList.contains('fresh')
    ? [...figure.querySelectorAll('.now p')].map((words) => {
        const lines = [];
        for (let next = words.nextElementSibling; next && next.localName === 'div'; next = next.nextElementSibling) {
          lines.push([next.querySelector('.where').textContent, next.querySelector('code').textContent]);
        }
        return { machine: figure.dataset.machine, words: words.textContent, lines };
      })
    : [])
"""
"""What the page tells about the events of the current step."""

AWAY = """
(panel) => [...panel.closest('section').querySelectorAll('.query')].flatMap((query) => {
  const token = query.querySelector('.token .body');
  const reached = [...query.querySelectorAll('.point:not(.ahead) .reach')];
  if (!token.checkVisibility() || !reached.length) { return []; }
  const middle = (node) => [node.x + node.width / 2, node.y + node.height / 2];
  const [x, y] = middle(token.getBoundingClientRect());
  const [markX, markY] = middle(reached[reached.length - 1].getBoundingClientRect());
  const isHere = query.querySelector('.point.event') !== null;
  return [{ isHere, away: Math.hypot(x - markX, y - markY) }];
})
"""
"""How far each query on its way is from the last mark that it reached, and whether it reached that just now."""

HEADS = """
(panel) => [...panel.closest('section').querySelectorAll('.head-line')]
  .filter((line) => line.checkVisibility())
  .map((line) => Math.round(line.getBoundingClientRect().y))
"""
"""Where the current moment is in each timeline."""

FAINT = """
() => [...document.querySelectorAll('[data-step], .says')]
  .filter((part) => part.checkVisibility() && getComputedStyle(part).opacity !== '1').length
"""


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Return a page about one scenario on three machines, and what `lab show --json` says about each trial."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(tuple(f"{machine}-nfqueue" for machine in MACHINES), bare=False)
    path = stored.home / "report.html"
    assert lab(stored.home, "report", run.id, "-o", str(path), "--quiet").returncode == 0
    shown = {
        machine: json.loads(lab(stored.home, "show", run.id, f"{machine}/nfqueue/2", "--json").stdout)
        for machine in MACHINES
    }
    return path, shown


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Return a browser that uses no network."""
    with started() as browser:
        yield browser


def panel_of(page: Page) -> Any:  # noqa: ANN401  the browser's own
    """Return the visible controls."""
    return page.locator("main:visible .player")


def step_of(page: Page) -> int:
    """Return the number of the current step."""
    return int(panel_of(page).get_attribute("data-step"))


def stop_clock(page: Page) -> None:
    """Make the page's time stand still; it passes when a test says so."""
    page.clock.install(time=0)
    page.clock.pause_at(1)


def expected_events(shown: dict[str, Any]) -> list[tuple[float, str, str]]:
    """Return a trial's events from its JSON: when, for which query, and where or what."""
    start_s = min(point["time_s"] for line in shown["lifelines"] for point in line["points"] if point["time_s"])
    events = [
        (point["time_s"] - start_s, f"{line['qtype']} {line['dns_id']}", point["stage"])
        for line in shown["lifelines"]
        for point in line["points"]
        if point["status"] in {"seen", "dropped"}
    ]
    waits = [(event["time_s"] - start_s, "", "wait") for event in shown["resolver_timeouts"] if event["waited_s"] > 1]
    return sorted(events + waits)


def test_every_step_is_an_event_of_the_json(browser: Browser, recorded: tuple[Path, dict[str, Any]]) -> None:
    """All events of every trial are stepped through once, in their order, with their raw lines; then backwards."""
    path, shown = recorded
    with opened(browser, path, **size(DESK)) as page:
        panel = panel_of(page)
        panel.focus()
        forwards, away = [], []
        for _ in json.loads(panel.get_attribute("data-steps")):
            page.keyboard.press("ArrowRight")
            forwards.append(panel.evaluate(SHOWN))
            away += panel.evaluate(AWAY)
        backwards = [forwards[-1]]
        for _ in forwards[1:]:
            page.keyboard.press("ArrowLeft")
            backwards.append(panel.evaluate(SHOWN))

    assert backwards[::-1] == forwards
    assert all(forwards)
    assert any(query["isHere"] for query in away)
    assert [query for query in away if query["isHere"] and query["away"] > 1] == []
    for machine in MACHINES:
        assert_shown([event for step in forwards for event in step if event["machine"] == machine], shown[machine])


def assert_shown(events: list[dict[str, Any]], shown: dict[str, Any]) -> None:
    """Assert that a page showed a trial's events as its JSON has them."""
    expected = expected_events(shown)
    recorded = [re.match(r"(\w+ \d+): ([a-z ]+), ([\d.]+) (ms|s)", event["words"]) for event in events]
    assert len(events) == len(expected)
    for event, match, (when_s, query, stage) in zip(events, recorded, expected, strict=True):
        assert event["lines"], event
        if stage == "wait":
            assert match is None
            assert "the resolver waits" in event["words"].lower()
            continue
        assert match is not None, event
        assert (match[1], match[2]) == (query, stage)
        assert float(match[3]) / (1000 if match[4] == "ms" else 1) == pytest.approx(when_s, abs=0.00051)
    dropped = [event for event in events if "NF_DROP" in event["words"]]
    assert len(dropped) == sum(point["status"] == "dropped" for line in shown["lifelines"] for point in line["points"])


def test_it_plays_in_step_and_pauses(browser: Browser, recorded: tuple[Path, dict[str, Any]]) -> None:
    """The queries glide between the marks, and every machine is at the same moment."""
    with opened(browser, recorded[0], **size(DESK)) as page:
        stop_clock(page)
        panel = panel_of(page)
        page.click("main:visible [data-do=play]")
        page.clock.run_for(1000)
        playing, heads, away = step_of(page), panel.evaluate(HEADS), panel.evaluate(AWAY)
        page.clock.run_for(3000)
        later = step_of(page)
        page.click("main:visible [data-do=play]")
        page.clock.run_for(5000)

        assert playing < later == step_of(page)
        assert len(heads) == len(MACHINES)
        assert len(set(heads)) == 1
        assert any(query["away"] > 1 for query in away)


def test_a_higher_speed_plays_faster_and_the_end_is_an_end(
    browser: Browser, recorded: tuple[Path, dict[str, Any]]
) -> None:
    """At the end it stops by itself; start begins anew."""
    with opened(browser, recorded[0], **size(DESK)) as page:
        stop_clock(page)
        panel = panel_of(page)
        reached = []
        for keys in ("", "+"):
            page.click("main:visible [data-do=whole]")
            panel.focus()
            for key in (*keys, " "):
                page.keyboard.press(key)
            page.clock.run_for(6000)
            page.keyboard.press(" ")
            reached.append(step_of(page))
        page.keyboard.press("End")
        last = step_of(page)
        page.keyboard.press(" ")
        page.clock.run_for(100)
        anew = step_of(page)
        page.keyboard.press("End")

        assert reached[0] < reached[1]
        assert anew == 0
        assert last == len(json.loads(panel.get_attribute("data-steps"))) - 1
        assert page.locator("main:visible [data-do=play]").get_attribute("aria-pressed") == "false"


def test_the_five_seconds_are_folded_or_waited_for(browser: Browser, recorded: tuple[Path, dict[str, Any]]) -> None:
    """Folded they pass while one reads that nothing happens; on request they last as long as they did."""
    with opened(browser, recorded[0], **size(DESK)) as page:
        stop_clock(page)
        panel = panel_of(page)
        steps = json.loads(panel.get_attribute("data-steps"))
        (timeout,) = [place for place, (_, _, folded_s) in enumerate(steps) if folded_s > 1]
        panel.focus()

        def reached(after_ms: int) -> tuple[int, str]:
            page.keyboard.press("Home")
            for _ in range(timeout - 1):
                page.keyboard.press("ArrowRight")
            page.keyboard.press(" ")
            page.clock.run_for(after_ms)
            page.keyboard.press(" ")
            return step_of(page), page.locator("main:visible .clock").inner_text()

        assert reached(2500)[0] >= timeout
        page.keyboard.press("w")
        half, clock = reached(2500)
        assert half == timeout - 1
        assert 2 < float(clock.removesuffix(" s")) < 3
        assert reached(round(steps[timeout][2] * 1000) + 300)[0] >= timeout


def test_who_asks_for_less_motion_steps(browser: Browser, recorded: tuple[Path, dict[str, Any]]) -> None:
    """Nothing moves by itself, neither by a button nor by a key."""
    with opened(browser, recorded[0], **size(DESK), reduced_motion="reduce") as page:
        stop_clock(page)
        panel = panel_of(page)
        panel.focus()
        page.keyboard.press(" ")
        page.clock.run_for(3000)
        assert panel.get_attribute("data-step") is None
        assert not page.locator("main:visible [data-do=play]").is_visible()
        page.keyboard.press("ArrowRight")
        page.clock.run_for(3000)
        assert step_of(page) == 0


def test_paper_has_the_whole_picture(browser: Browser, recorded: tuple[Path, dict[str, Any]]) -> None:
    """Whatever step a page is at when it is printed."""
    with opened(browser, recorded[0], **size(DESK)) as page:
        panel_of(page).focus()
        page.keyboard.press("ArrowRight")
        wait_until(page, f"({FAINT})() > 0")
        page.emulate_media(media="print")

        wait_until(page, f"({FAINT})() === 0")
        expect(page.locator(":is(.player, .now, .token, .head-line):visible")).to_have_count(0)


def test_each_language_shows_the_same_event_in_its_words(
    browser: Browser, recorded: tuple[Path, dict[str, Any]]
) -> None:
    """And Escape shows the whole picture again."""
    with opened(browser, recorded[0], **size(PHONE)) as page:
        for _ in range(2):
            page.click("main:visible [data-do=next]")
        words = []
        for language in LANGUAGES:
            choose_language(page, language)
            assert step_of(page) == 1
            words.append(page.locator("main:visible .now.fresh p").first.inner_text())
        panel_of(page).focus()
        page.keyboard.press("Escape")

        assert "queued at the hook" in words[0]
        assert re.search("[\u4e00-\u9fff]", words[1])
        assert page.locator("main:visible .now:visible").count() == 0
        wait_until(page, f"({FAINT})() === 0")
