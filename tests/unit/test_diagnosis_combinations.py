"""`lab diagnose` on combined files of the cases: an added file may leave the answer open but not turn it.

Users bring a directory: the capture that shows the stall, a log of last week, counters of another namespace. A
file that supports another cause beside a stall of this bug makes the answer "cannot tell" at most; only files of
another stall may name another cause.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.material import Material
from lab.diagnosis.recognise import recognise

CASES = Path(__file__).parents[1] / "evidence" / "diagnose-cases"

TICKET = "several-things-in-one-file/ticket.txt"

OTHER_STALLS = {
    "capture-ends-before-sibling-is-asked-again",
    "tcpdump-names-server-ignores-aaaa",
    "tcpdump-one-query-never-answered",
    "tcpdump-stub-loses-one",
}
"""Cases with the same DNS ids and names but another cause, for which another answer is correct."""

FILES = {
    str(path.relative_to(CASES)): path
    for path in sorted(CASES.rglob("*"))
    if path.is_file() and path.name not in {"expected.txt", "expected.json"} and path.parent.name not in OTHER_STALLS
}


def _runs() -> dict[tuple[str, ...], str]:
    """Return the files of each run of the cases with the correct answer."""
    runs = {}
    for path in sorted(CASES.glob("*/expected.json")):
        for run in json.loads(path.read_text()):
            names = [run["stdin"]] if "stdin" in run else run["files"]
            files = tuple(str((path.parent / name).resolve().relative_to(CASES)) for name in names)
            if run["answers"] and set(files) <= set(FILES):
                runs[files] = run["answers"][0]
    return runs


RUNS = _runs()
BUGS = sorted(files for files, answer in RUNS.items() if answer == Answer.THIS_BUG)
OPEN = sorted(files for files, answer in RUNS.items() if answer == Answer.CANNOT_TELL)


@cache
def read(name: str) -> tuple[Material, ...]:
    """Read a file of the cases."""
    return recognise(name, FILES[name].read_bytes())


def judged(*names: str) -> Conclusion:
    """Judge files of the cases together."""
    return conclude([one for name in names for one in read(name)])


@pytest.mark.parametrize("files", BUGS, ids="+".join)
def test_no_file_turns_this_bug_into_another_cause(files: tuple[str, ...]) -> None:
    """A log of a full table may be of any day; it contradicts but does not explain the capture."""
    turned = {
        (added, conclusion.finding.cause if conclusion.finding else None)
        for added in FILES
        for order in ((*files, added), (added, *files))
        if (conclusion := judged(*order)).answer is Answer.ANOTHER_CAUSE
    }

    assert turned == set()


@pytest.mark.parametrize("files", OPEN, ids="+".join)
def test_files_without_a_cause_do_not_add_up_to_one(files: tuple[str, ...]) -> None:
    """Files that name no cause alone and show nothing together must leave the answer open."""
    turned = {
        added
        for added in FILES
        if judged(added).answer is not Answer.ANOTHER_CAUSE and judged(*files, added).answer is Answer.ANOTHER_CAUSE
    }

    assert turned == set()


TEXTS = sorted(
    files[0]
    for files, answer in RUNS.items()
    if len(files) == 1 and answer in {Answer.THIS_BUG, Answer.CANNOT_TELL} and not files[0].endswith(".pcap")
)


@pytest.mark.parametrize("name", TEXTS)
def test_a_truncated_text_never_gives_another_cause(name: str) -> None:
    """Users stop too early, begin too late, and copy half of a text."""
    lines = FILES[name].read_bytes().splitlines(keepends=True)
    parts = [lines[:end] for end in range(1, len(lines))] + [lines[begin:] for begin in range(1, len(lines))]

    answers = {conclude(recognise(name, b"".join(part))).answer for part in parts}

    assert Answer.ANOTHER_CAUSE not in answers


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_edited_text_is_certain_only_if_a_trace_names_the_query(
    data: st.DataObject,
) -> None:
    """Pasted text may have been changed by grep, an editor and a mail program."""
    name = data.draw(st.sampled_from(sorted(set(TEXTS) - {"stap-of-the-article/stap.txt", TICKET})))
    lines = FILES[name].read_bytes().splitlines(keepends=True)
    numbers = st.lists(st.integers(0, len(lines) - 1), max_size=2 * len(lines))
    edited = b"".join(lines[number] for number in data.draw(numbers))

    conclusion = conclude(recognise(name, edited))

    assert conclusion.sentence
    assert not (conclusion.certain and conclusion.answer is Answer.THIS_BUG)


@given(st.lists(st.sampled_from(sorted(FILES)), min_size=1, max_size=6, unique=True))
@settings(max_examples=150, deadline=None)
def test_certainty_needs_a_trace_of_the_query_or_a_complete_chain(
    names: list[str],
) -> None:
    """Sources that only fit do not add up to certainty; the order of files does not matter.

    Exception: of two counter files with uninformative names the first is the earlier one.
    """
    conclusion = judged(*names)

    if sum("counters" in name for name in names) < 2:
        assert judged(*reversed(names)).answer is conclusion.answer
    if conclusion.certain and conclusion.answer is Answer.THIS_BUG:
        traced = {"stap-of-the-article/stap.txt", TICKET}
        hook = any(name.startswith("hook-log") for name in names)
        rose = {"pod-capture-host-counters/before.txt", "pod-capture-host-counters/after.txt"} <= set(names)
        assert traced & set(names) or (hook and rose)
