"""Incidents from stored evidence: what they say follows from it, and guessing does not solve them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab import verdict
from lab.catalogue import find
from lab.commands import mystery as command
from lab.evidence import raw, trial
from lab.home import SCENARIOS
from lab.language import Language
from lab.lesson import checks, fields, mystery
from lab.lesson.classroom import Accused, Answered, Known, Menu, Output
from lab.lesson.mystery import Mystery
from tests.command_line import lab
from tests.pseudo_terminal import lab_on_a_terminal
from tests.unit.classroom import Remembering

ALL = mystery.find(mystery.OWN)
SILENT = {("counter", "client.pcap")}
"""Sources that show nothing, which is what their tools are about."""


def case(name: str) -> tuple[Mystery, Path, trial.Evidence, verdict.Verdict]:
    """Give an incident with what its evidence says."""
    told, directory = ALL[name]
    evidence = trial.read(directory)
    (scenario,) = find.scenarios(SCENARIOS, [told.scenario])
    return told, directory, evidence, verdict.judge(evidence, scenario)


@pytest.mark.parametrize("name", ALL)
def test_the_solution_is_what_the_evidence_says(name: str) -> None:
    """A story that its own raw files do not bear out would teach something wrong."""
    told, _, _, judged = case(name)

    assert [line.lost_at for line in judged.lifelines if line.lost_at] == ([told.lost_at] if told.lost_at else [])


@pytest.mark.parametrize("name", ALL)
def test_every_tool_shows_its_telling_part(name: str) -> None:
    """What a tool is said to show is really in its file."""
    told, directory, evidence, judged = case(name)
    values = fields.values(name, evidence, judged.lifelines)
    assert fields.UNKNOWN not in {values["aaaa_id"], values["thread"], values["lookup_s"]}
    for tool in told.tool:
        only = re.compile(checks.escaped(tool.only, values)) if tool.only else None
        lines = [line for source in tool.sources for line in raw.lines(directory / source, only)]
        assert bool(lines) != any((name, source) in SILENT for source in tool.sources), tool.line
        for pattern in tool.mark:
            compiled = re.compile(checks.escaped(pattern, values))
            alternatives = "POLLIN" in pattern  # a wait is in one line or in two, as strace saw it
            assert alternatives or any(compiled.search(line.expandtabs()) for line in lines), (tool.line, pattern)


@pytest.mark.parametrize("name", ALL)
def test_an_incident_says_everything_in_both_languages(name: str) -> None:
    """With the same fields in each."""
    told = ALL[name][0]
    texts = [told.title, told.story, told.known, told.solution]
    texts += [words for tool in told.tool for words in (tool.name, tool.tells, tool.fact)]
    texts += [words for place in told.place for words in (place.place, place.because)]
    for words in texts:
        assert words.has(Language.ENGLISH), words
        assert words.has(Language.CHINESE), words
        assert set(re.findall(r"\{\w+\}", words.en or "")) == set(re.findall(r"\{\w+\}", words.zh or "")), words


@pytest.mark.parametrize("name", ALL)
def test_the_right_place_is_not_accepted_without_proof(name: str) -> None:
    """Whoever guesses is told to keep looking; whoever has looked at what decides has solved it."""
    told = ALL[name][0]
    decisive = next(number for number, tool in enumerate(told.tool, start=1) if tool.decides)
    wrong = 1 if told.right != 1 else 2
    last = len(told.tool)
    # A guess; the decisive tool; a wrong place; the right one.
    room = Remembering(answers=[last + 1, told.right, decisive, last, wrong, last, told.right])
    done = command.solve(room, name)

    assert [part.proven for part in room.said(Accused)] == [False]
    assert [answered.chosen for answered in room.said(Answered)] == [wrong, told.right]
    assert (done.data.used, done.data.wrong) == (1, 1)
    assert [len(known.facts) for known in room.said(Known)] == [1, 1, 2, 2]
    assert room.asked[0].asks is Menu.TOOLS
    *_, timeline = room.said(Output)
    assert any("read by the resolver" in line.text for line in timeline.lines)


def test_a_tool_is_offered_once() -> None:
    """What was looked at is known."""
    room = Remembering()
    done = command.solve(room, "agent")

    menus = [len(asked.options) for asked in room.asked if asked.asks is Menu.TOOLS]
    assert menus == list(range(len(ALL["agent"][0].tool), -1, -1))
    assert done.data.used == done.data.of


def test_a_mystery_is_solved_at_a_terminal_without_any_machine(tmp_path: Path) -> None:
    """From the choice of the incident to the packet, in Chinese, on a narrow terminal."""
    environment = {"LAB_HOME": str(tmp_path), "LANG": "zh_CN.UTF-8", "LC_ALL": "zh_CN.UTF-8"}
    with lab_on_a_terminal(environment, "mystery", columns=40) as terminal:
        terminal.expect("要查哪一起")
        terminal.type("1\n")
        terminal.expect("目前已知")
        terminal.type("nonsense\n")
        terminal.type("3\n")
        terminal.expect(r"AAAA\?")
        terminal.expect("你的选择")
        terminal.type("5\n")
        terminal.expect(r"ret=0")
        terminal.expect("你的选择")
        terminal.type("5\n")
        terminal.expect("报文在哪儿")
        terminal.type("3\n")
        terminal.expect(r"0 \(NF_DROP\)")
        terminal.expect("破案了：用了 6 件工具中的 2 件，猜错 0")
        assert terminal.end() == 0
    assert not (tmp_path / "machines").exists()


def test_a_mystery_goes_by_itself_and_as_json(tmp_path: Path) -> None:
    """For tests, and for a look at it."""
    done = lab(tmp_path, "mystery", "no-queue", "--unattended")
    assert done.returncode == 0, done.stderr
    assert "86 DROP" in " ".join(done.stdout.split())
    assert "^^^^" in done.stdout

    as_json = json.loads(lab(tmp_path, "mystery", "counter", "--unattended", "--json", "--language", "zh").stdout)
    assert as_json == {"schema": 1, "name": "counter", "used": 6, "of": 6, "wrong": 0, "language": "zh-Hans"}
    assert "喊" in lab(tmp_path, "mystery", "--list", LANG="zh_CN.UTF-8").stdout
