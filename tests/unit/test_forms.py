"""A comparison as a CI reads it: JUnit XML and TAP, read by an XML parser and by Perl's TAP::Parser."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.commands.matrix import CellMade, MatrixMade
from lab.commands.trials import RunDone
from lab.commands.wanted_kernels import NotRun
from lab.comparison import review
from lab.comparison.cells import CellVerdict, Comparison, LeftOut
from lab.judgement.outcome import Outcome
from lab.present import cases, forms, junit, tap
from lab.present.cases import CaseStatus, ScenarioCase
from lab.runs.run import Run
from tests import stored_runs
from tests.command_line import lab

HOSTILE = "\x1b]0;x\x07 <b>&amp;\"'\n]]> # SKIP \\ \ud800\ufffe\u202e ✓ 内核"


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """Return a comparison that has a case of each kind: passed, failed, not armed, and nothing expected."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(("old-nfqueue", "new-nfqueue", "today-nfqueue", "old-baseline", "old-nfqueue-musl"))
    whole = review.judge_run(stored.store, run)
    passed, wrong, unarmed, unknown, unjudged = whole.cells
    wrong = replace(wrong, verdict=CellVerdict.STALLED, stalled=2, counted=2)
    unarmed = replace(unarmed, verdict=CellVerdict.UNARMED, counted=0, stalled=0)
    unjudged = replace(unjudged, unjudged={Outcome.FAILED: 1})
    changed = (passed, wrong, unarmed, replace(unknown, expected=None), unjudged)
    return replace(whole, cells=changed, left_out=(LeftOut("old", "nfqueue-cache", HOSTILE),))


def test_a_scenario_on_a_machine_is_a_case_that_passes_fails_or_is_skipped(compared: Comparison) -> None:
    """Nothing that says nothing of the kernel passes for a success."""
    ended = [case.ended for case in cases.of_comparison(compared)]

    assert ended == [
        CaseStatus.PASSED,
        CaseStatus.FAILED,
        CaseStatus.SKIPPED,
        CaseStatus.SKIPPED,
        CaseStatus.FAILED,
        CaseStatus.SKIPPED,
    ]


def test_a_failure_says_in_a_sentence_what_happened_and_what_was_expected(compared: Comparison) -> None:
    """The CI's page needs no other text."""
    failed = cases.of_comparison(compared)[1]

    assert failed.sentence.startswith(f"nfqueue on {failed.called}: stalled, 2 of 2 armed trials stalled, median ")
    assert failed.sentence.endswith("; expected: healthy")


def test_junit_is_read_by_an_xml_parser_with_the_same_counts(compared: Comparison) -> None:
    """A suite for each machine, with what the machine was."""
    root = ET.fromstring(junit.xml(cases.of_comparison(compared), compared))  # noqa: S314  our own
    found = root.findall("./testsuite/testcase")

    assert (root.tag, len(found)) == ("testsuites", 6)
    for tag, counter in (("failure", "failures"), ("skipped", "skipped"), ("error", "errors")):
        assert int(root.attrib[counter]) == len(root.findall(f"./testsuite/testcase/{tag}"))
    assert [suite.attrib["name"] for suite in root.findall("testsuite")] == ["old (replica)", "new (replica)", "today"]
    kernels = {one.attrib["value"] for one in root.iterfind("./testsuite/properties/property[@name='kernel']")}
    assert kernels == {"6.1.0-56-cloud-amd64"}
    (_, failure) = root.iterfind("./testsuite/testcase/failure")
    assert failure.text == failure.attrib["message"]
    assert "expected: healthy" in (failure.text or "")


LINE = re.compile(r"(?P<ok>ok|not ok) (?P<number>\d+) - (?P<name>(?:\\[\\#]|[^\\#\n])+?)(?: # SKIP (?P<why>.+))?")


def read(text: str) -> list[tuple[str, bool]]:
    """Return what the lines of TAP say, read by the grammar of its specification: ok or not, and whether skipped."""
    version, plan, *rest = text.split("\n")
    assert version == "TAP version 13"
    found: list[tuple[str, bool]] = []
    block = False
    for line in rest:
        if line.startswith("  "):
            block = line != "  ..."
            continue
        assert not block
        one = LINE.fullmatch(line)
        assert one is not None, line
        assert int(one["number"]) == len(found) + 1
        found.append((one["ok"], one["why"] is not None))
    assert plan.split(" # ")[0] == f"1..{len(found)}"
    return found


def test_tap_has_a_line_for_each_case(compared: Comparison) -> None:
    """Skipped ones are marked, failed ones are not ok."""
    assert read(tap.lines(cases.of_comparison(compared))) == [
        ("ok", False),
        ("not ok", False),
        ("ok", True),
        ("ok", True),
        ("not ok", False),
        ("ok", True),
    ]


@pytest.mark.skipif(shutil.which("prove") is None, reason="Perl's prove is not installed")
def test_prove_counts_the_same_failures(compared: Comparison, tmp_path: Path) -> None:
    """The reader that the protocol comes from."""
    path = tmp_path / "lab.t"
    path.write_text(tap.lines(cases.of_comparison(compared)) + "\n")
    done = subprocess.run(["prove", "--exec", "cat", path], capture_output=True, text=True, check=False)

    assert "Failed tests:  2, 5" in done.stdout
    assert "Failed 2/6 subtests" in done.stdout
    assert "Parse errors" not in done.stdout
    assert done.returncode == 1


@given(
    st.lists(st.tuples(st.text(max_size=40), st.text(max_size=40), st.sampled_from(CaseStatus), st.text(max_size=60)))
)
def test_no_text_makes_a_report_that_cannot_be_read(given_cases: list[tuple[str, str, CaseStatus, str]]) -> None:
    """Control characters, markup, directives and half characters of any machine's name or reason."""
    made = tuple(
        ScenarioCase(
            machine, cases.clean(machine) or "-", cases.clean(scenario) or "-", ended, cases.clean(sentence) or "-"
        )
        for machine, scenario, ended, sentence in given_cases
    )
    root = ET.fromstring(junit.xml(made, Comparison({}, (), {})))  # noqa: S314  our own
    read_back = [case.attrib["name"] for case in root.iterfind("./testsuite/testcase")]

    assert sorted(read_back) == sorted(case.scenario for case in made)
    assert len(read(tap.lines(made))) == len(made)
    assert tap.lines(made).count("\nnot ok") == sum(
        case.ended in {CaseStatus.FAILED, CaseStatus.ERROR} for case in made
    )


def test_a_hostile_reason_neither_forges_a_line_nor_breaks_a_report(compared: Comparison) -> None:
    """What a machine says is text and no more; letters of every language stay."""
    xml = forms.piece(compared, "junit") or ""
    lines = (forms.piece(compared, "tap") or "").split("\n")

    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", xml)
    assert "内核" in xml
    assert lines[-1].startswith("ok 6 - nfqueue-cache on old (replica) # SKIP left out: ?]0;x? <b>")
    assert r"\# SKIP \\" in lines[-1]


def test_a_run_and_a_matrix_are_printed_in_every_form(compared: Comparison) -> None:
    """A cell that was not made, and a kernel that was not obtained, are errors."""
    made = made_cells()
    matrix = MatrixMade("r", Path("r"), compared, made, (NotRun("centos:7.9", "no network"),))
    nothing = MatrixMade(None, None, None, made[1:])
    run = RunDone(a_run(), Path("r"), compared)

    for form in ("md", "csv", "html", "junit", "tap"):
        assert forms.piece(run, form) == forms.piece(compared, form)
        assert forms.piece(nothing, form) is not None
    root = ET.fromstring(forms.piece(matrix, "junit") or "")  # noqa: S314  our own
    errors = [one.attrib["message"] for one in root.iterfind("./testsuite/testcase/error")]
    assert errors == ["no room", "it was not run: no network"]
    assert read(forms.piece(nothing, "tap") or "") == [("not ok", False)]


def made_cells() -> tuple[CellMade, ...]:
    """Return a cell that was made, and one that was not."""
    return (
        CellMade("old", "nfqueue", "0", cached=False),
        CellMade("new", "dnat", "1", cached=False, problem="no room"),
    )


def a_run() -> Run:
    """Return a run's description."""
    return Run(
        schema_version=1, id="r", started="", finished=None, trials=1, machines=stored_runs.MACHINES, scenarios={}
    )


def test_compare_prints_both_and_the_exit_status_stays(tmp_path: Path) -> None:
    """Nothing but the document is on standard output."""
    stored_runs.at(tmp_path).run(("old-nfqueue",))
    for form, beginning in (("junit", "<?xml"), ("tap", "TAP version 13\n1..1\nok 1 - nfqueue on old (replica)\n")):
        done = lab(tmp_path, "compare", "--format", form)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(beginning)
