"""`lab diagnose` on every recording and every combination of its files: never wrong, at most undecided."""

from __future__ import annotations

import itertools
import json
from functools import cache
from pathlib import Path

import pytest

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer, Conclusion, conclude
from lab.diagnosis.material import Material
from lab.diagnosis.recognise import recognise

EVIDENCE = Path(__file__).parents[1] / "evidence"
OTHERS = EVIDENCE / "other-causes"

CALLS, WIRE, SERVER, STAT, TOOL = "strace", "client.pcap", "server.pcap", "stat", "conntrack-S"
SOURCES = {
    CALLS: ("client.strace", "curl.strace"),
    WIRE: ("client.pcap",),
    SERVER: ("server.pcap",),
    STAT: ("stat.before", "stat.after"),
    TOOL: ("conntrack-S.before", "conntrack-S.after"),
    "dmesg": ("dmesg",),
    "trace": ("trace",),
    "verdict.jsonl": ("verdict.jsonl",),
    "resolv.conf": ("resolv.conf",),
}

TRIALS = {
    **{
        f"{kernel}/{number}": outcome
        for kernel, trials in json.loads((EVIDENCE / "expected.json").read_text()).items()
        for number, outcome in trials.items()
    },
    **{
        f"replicas/{name}": expected["outcome"]
        for name, expected in json.loads((EVIDENCE / "replicas.json").read_text()).items()
    },
    "real-kernels/el70/nfqueue/0003": "stalled",
    "real-kernels/el78/nfqueue/0003": "healthy",
    "real-kernels/el78/nfqueue-dnat/0003": "stalled",
}
LOSES_BOTH = "replicas/old-verdict-dies-bypass"
"""Stalled, but by no clash: a verdict program that ends takes both queries with it."""
STALLED = sorted(name for name, outcome in TRIALS.items() if outcome == "stalled" and name != LOSES_BOTH)
NOT_STALLED = sorted(set(TRIALS) - {*STALLED, LOSES_BOTH})

N, A, F = Cause.NO_ANSWER, Cause.ANSWER_LOST, Cause.FIREWALL

CAUSES: dict[str, set[Cause]] = {
    "healthy": set(),
    "server-never-answers": {N},
    "server-loses-first-aaaa": {N},
    "server-loses-first-both": {N},
    "server-ignores-aaaa": {N},
    "server-late": {Cause.SLOW_SERVER},
    "server-late-after-retry": {Cause.SLOW_SERVER},
    "server-fails": {Cause.SERVER_FAILS},
    "first-server-dead": {N},
    "no-listener": {Cause.NOT_LISTENING, Cause.UNREACHABLE},
    "no-listener-tcp": {Cause.NOT_LISTENING},
    "output-drop": {F},
    "output-drop-aaaa": {F},
    "output-reject": {F},
    "server-side-reject": {F, Cause.UNREACHABLE},
    # A strace alone shows that no answer arrived, not why.
    "input-drop": {A, N},
    "input-drop-aaaa": {A, N},
    "network-loses-aaaa": {N},
    "network-loses-answer": {N},
    "queue-without-listener": {N, Cause.BOTH_LOST},
    "queue-loses-aaaa": {Cause.CLASH},
    "single-request-slow": {Cause.OPTION},
    "search-slow": {Cause.OPTION},
    "short-timeout": {N},
    "strace-relative": {N},
    "strace-of-day": {N},
    "strace-whole-seconds": {N},
    "strace-without-times": {N},
    "strace-without-f": {N},
    "strace-cuts-strings": {N},
    "strace-decorated": {N},
    "capture-any": {N},
    "capture-any-old": {N},
    "capture-snapped": {N},
    "capture-nanoseconds": {N},
}
"""Allowed causes of each recording with any files; none where nothing is wrong."""


@cache
def sources(directory: Path) -> dict[str, tuple[Material, ...]]:
    """Read the files of a recording by source; missing ones are left out."""
    files = {}
    for source, names in SOURCES.items():
        paths = [path for name in names if (path := directory / name).exists()]
        if paths:
            files[source] = tuple(one for path in paths for one in recognise(path.name, path.read_bytes()))
    return files


def conclusions(directory: Path) -> dict[frozenset[str], Conclusion]:
    """Judge every combination of a recording's sources."""
    known = sources(directory)
    combinations = [chosen for count in range(1, len(known) + 1) for chosen in itertools.combinations(known, count)]
    return {frozenset(chosen): conclude([one for source in chosen for one in known[source]]) for chosen in combinations}


@pytest.mark.parametrize("trial", STALLED)
def test_a_stalled_trial_is_this_bug_or_open_for_any_files(trial: str) -> None:
    """A wrong cause would send users to a server or a firewall that has no fault."""
    answers = {conclusion.answer for conclusion in conclusions(EVIDENCE / trial).values()}

    assert answers == {Answer.THIS_BUG, Answer.CANNOT_TELL}


@pytest.mark.parametrize("trial", STALLED)
def test_a_stalled_trial_with_all_files_is_this_bug(trial: str) -> None:
    """Each trial has all files that `lab diagnose` asks users to collect."""
    every = conclusions(EVIDENCE / trial)[frozenset(sources(EVIDENCE / trial))]

    assert (every.answer, every.finding and every.finding.cause) == (Answer.THIS_BUG, Cause.CLASH)
    assert every.finding is not None
    assert every.finding.places


def test_a_lookup_that_loses_both_queries_is_never_this_bug() -> None:
    """A clash costs one of two."""
    answers = {conclusion.answer for conclusion in conclusions(EVIDENCE / LOSES_BOTH).values()}

    assert answers == {Answer.ANOTHER_CAUSE, Answer.CANNOT_TELL}


@pytest.mark.parametrize("trial", NOT_STALLED)
def test_a_trial_without_a_stall_stays_undecided(trial: str) -> None:
    """Counters may have risen and the race may have been armed, but without a loss there is no bug."""
    assert {conclusion.answer for conclusion in conclusions(EVIDENCE / trial).values()} == {Answer.CANNOT_TELL}


def test_every_other_cause_has_its_expectation() -> None:
    """A recording that no test reads proves nothing."""
    assert {path.name for path in OTHERS.iterdir() if path.is_dir()} == set(CAUSES)


@pytest.mark.parametrize("name", sorted(CAUSES))
def test_another_cause_is_named_or_open_for_any_files(name: str) -> None:
    """Taking another cause for this bug is the most expensive mistake."""
    answers = conclusions(OTHERS / name)

    causes = {each.finding.cause for each in answers.values() if each.finding and each.answer is not Answer.CANNOT_TELL}
    assert causes == CAUSES[name] or causes < CAUSES[name]
    assert not any(each.certain and each.answer is Answer.THIS_BUG for each in answers.values())
    if CAUSES[name]:
        assert causes


def test_a_loss_that_looks_like_this_bug_is_excluded_by_the_counter() -> None:
    """A queue that loses one query looks like a clash from outside, so users are asked for counters."""
    answers = conclusions(OTHERS / "queue-loses-aaaa")

    without = answers[frozenset({CALLS, WIRE})]
    assert (without.answer, without.certain) == (Answer.THIS_BUG, False)
    assert any("conntrack -S" in command for advice in without.collect for command in advice.commands)
    for counters in (STAT, TOOL):
        beside = answers[frozenset({CALLS, WIRE, counters})]
        assert beside.answer is Answer.CANNOT_TELL
        assert beside.finding is not None
        assert "insert_failed did not rise" in beside.finding.against[0]


@pytest.mark.parametrize("name", ["strace-relative", "strace-of-day", "strace-whole-seconds", "strace-without-times"])
def test_a_strace_is_matched_with_a_capture_by_ids(name: str) -> None:
    """Unrelated clocks must not hide that a query was on the wire."""
    beside = conclusions(OTHERS / name)[frozenset({CALLS, WIRE})]

    assert beside.finding is not None
    assert beside.finding.cause is N
    files = {place.file for place in beside.finding.places}
    assert files == {"client.strace", "client.pcap"}


@pytest.mark.parametrize(
    ("name", "chosen", "trap"),
    [
        ("strace-relative", {CALLS}, "relative times"),
        ("strace-of-day", {CALLS}, "times of day"),
        ("strace-without-times", {CALLS}, "no times"),
        ("strace-cuts-strings", {CALLS}, "use -s 600"),
        ("capture-snapped", {WIRE}, "tcpdump -s 0"),
        ("output-drop", {WIRE}, "no DNS message"),
        ("server-side-reject", {STAT}, "another network namespace"),
        ("server-side-reject", {TOOL}, "another network namespace"),
        ("healthy", {STAT}, "no counter rose"),
    ],
)
def test_known_pitfalls_give_a_warning(name: str, chosen: set[str], trap: str) -> None:
    """Each one has cost a user an afternoon."""
    assert any(trap in warning for warning in conclusions(OTHERS / name)[frozenset(chosen)].warnings)


def test_files_of_two_machines_are_not_combined() -> None:
    """Another machine's capture has none of the strace's ids; a query missing there proves nothing."""
    calls = sources(OTHERS / "server-loses-first-aaaa")[CALLS]
    wire = sources(OTHERS / "healthy")[WIRE]

    conclusion = conclude([*calls, *wire])

    assert conclusion.answer is Answer.CANNOT_TELL
    assert any("none of the strace's DNS ids" in warning for warning in conclusion.warnings)


def test_the_answer_names_its_lines_and_packets() -> None:
    """Users look them up, and a kernel engineer wants them in the ticket."""
    trial = EVIDENCE / "3.10.0-123.el7" / "1"
    conclusion = conclude([one for source in (CALLS, WIRE, STAT, "dmesg") for one in sources(trial)[source]])

    assert conclusion.finding is not None
    assert conclusion.certain
    named = {str(place) for place in conclusion.finding.places}
    assert named == {
        "curl.strace:23",
        "curl.strace:54",
        "client.pcap, packet 1",
        "client.pcap, packet 5",
        "dmesg:2",
        "dmesg:3",
        "stat.after:1",
    }
    lines = (trial / "curl.strace").read_text().splitlines()
    texts = {str(place): place.text for place in conclusion.finding.places}
    assert lines[53].startswith(texts["curl.strace:54"][:100])
