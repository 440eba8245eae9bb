"""Incidents from stored evidence: their text follows from it, and guessing does not solve them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.commands import mystery as command
from lab.evidence import raw, trial
from lab.foundation.home import SCENARIOS
from lab.foundation.language import Language
from lab.judgement import verdict
from lab.judgement.outcome import Outcome, Verdict
from lab.lesson import checks, fields, mystery
from lab.lesson.classroom import Accused, Answered, KnownFacts, Menu, ShownOutput
from lab.lesson.mystery import Mystery
from tests.command_line import lab
from tests.pseudo_terminal import lab_on_a_terminal
from tests.unit.classroom import Remembering

EVIDENCE = Path(__file__).parents[1] / "evidence"
ALL = mystery.find(mystery.OWN)
SILENT = {("counter", "client.pcap")}
"""Empty sources, whose emptiness is the clue."""


def case(name: str) -> tuple[Mystery, Path, trial.Evidence, Verdict]:
    """Return an incident with its evidence."""
    incident, directory = ALL[name]
    evidence = trial.read(directory)
    (scenario,) = find.scenarios(SCENARIOS, [incident.scenario])
    return incident, directory, evidence, verdict.judge(evidence, scenario)


@pytest.mark.parametrize("name", ALL)
def test_the_solution_follows_from_the_evidence(name: str) -> None:
    """A story not supported by its raw files would teach something wrong."""
    incident, _, _, judged = case(name)

    assert [line.lost_at for line in judged.lifelines if line.lost_at] == (
        [incident.lost_at] if incident.lost_at else []
    )


@pytest.mark.parametrize("name", ALL)
def test_every_tool_shows_its_decisive_part(name: str) -> None:
    """The file contains what the tool claims to show."""
    incident, directory, evidence, judged = case(name)
    values = fields.values(name, evidence, judged.lifelines)
    assert fields.UNKNOWN not in {values["aaaa_id"], values["thread"], values["lookup_s"]}
    for tool in incident.tool:
        only = re.compile(checks.escaped(tool.only, values)) if tool.only else None
        lines = [line for source in tool.sources for line in raw.read_lines(directory / source, only)]
        assert bool(lines) != any((name, source) in SILENT for source in tool.sources), tool.line
        for pattern in tool.mark:
            compiled = re.compile(checks.escaped(pattern, values))
            alternatives = "POLLIN" in pattern  # strace prints a wait in one line or in two
            assert alternatives or any(compiled.search(line.expandtabs()) for line in lines), (tool.line, pattern)


@pytest.mark.parametrize("name", ALL)
def test_an_incident_is_complete_in_both_languages(name: str) -> None:
    """Both have the same fields."""
    incident = ALL[name][0]
    texts = [incident.title, incident.story, incident.known, incident.solution]
    texts += [words for tool in incident.tool for words in (tool.name, tool.tells, tool.fact)]
    texts += [words for place in incident.place for words in (place.place, place.because)]
    for words in texts:
        assert words.has(Language.ENGLISH), words
        assert words.has(Language.CHINESE), words
        assert set(re.findall(r"\{\w+\}", words.en or "")) == set(re.findall(r"\{\w+\}", words.zh or "")), words


@pytest.mark.parametrize("name", ALL)
def test_the_right_place_is_not_accepted_without_proof(name: str) -> None:
    """A guess is rejected; only a player who has seen the decisive evidence solves the incident."""
    incident = ALL[name][0]
    decisive = next(number for number, tool in enumerate(incident.tool, start=1) if tool.decides)
    wrong = 1 if incident.right != 1 else 2
    last = len(incident.tool)
    # A guess; the decisive tool; a wrong place; the right one.
    room = Remembering(answers=[last + 1, incident.right, decisive, last, wrong, last, incident.right])
    result = command.solve(room, name)

    assert [part.proven for part in room.parts_of(Accused)] == [False]
    assert [answered.chosen for answered in room.parts_of(Answered)] == [wrong, incident.right]
    assert (result.data.used, result.data.wrong) == (1, 1)
    assert [len(known.facts) for known in room.parts_of(KnownFacts)] == [1, 1, 2, 2]
    assert room.asked[0].asks is Menu.TOOLS
    *_, timeline = room.parts_of(ShownOutput)
    assert any("read by the resolver" in line.text for line in timeline.lines)


def test_the_clues_of_the_kernel_that_was_fixed_are_recorded_files() -> None:
    """One trial behind DNAT and the trace of a plain one, both of 3.10.0-1127 and unchanged."""
    _, directory, _, judged = case("fixed-kernel")
    recorded = EVIDENCE / "real-kernels" / "el78"
    files = {path.name: path.read_bytes() for path in directory.iterdir()}
    plain = files.pop("plain.trace")

    assert files == {path.name: path.read_bytes() for path in (recorded / "nfqueue-dnat" / "0003").iterdir()}
    assert plain == (recorded / "nfqueue" / "0003" / "trace").read_bytes()
    assert judged.outcome is Outcome.STALLED


def test_a_tool_is_offered_once() -> None:
    """A used tool is not offered again."""
    room = Remembering()
    result = command.solve(room, "agent")

    menus = [len(questions.options) for questions in room.asked if questions.asks is Menu.TOOLS]
    assert menus == list(range(len(ALL["agent"][0].tool), -1, -1))
    assert result.data.used == result.data.of


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


def test_a_mystery_runs_unattended_and_as_json(tmp_path: Path) -> None:
    """Tests and demonstrations use it."""
    result = lab(tmp_path, "mystery", "no-queue", "--unattended")
    assert result.returncode == 0, result.stderr
    assert "86 DROP" in " ".join(result.stdout.split())
    assert "^^^^" in result.stdout

    as_json = json.loads(lab(tmp_path, "mystery", "counter", "--unattended", "--json", "--language", "zh").stdout)
    assert as_json == {"schema": 2, "name": "counter", "used": 6, "of": 6, "wrong": 0, "language": "zh-Hans"}
    assert "喊" in lab(tmp_path, "mystery", "--list", LANG="zh_CN.UTF-8").stdout
