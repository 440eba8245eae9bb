"""The rules of `lab diagnose` for what shows that confirm dropped: the hook's log, counters, a trace of confirm."""

from __future__ import annotations

import pytest

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer, conclude
from lab.diagnosis.recognise import recognise
from tests.unit.diagnosis_files import ARMED, COUNTS, FITS, FLAT, LOST, ROSE, STALLED, UNARMED, brief, judged, pcap


def test_two_conntracks_a_failed_confirm_and_no_packet_prove_the_clash() -> None:
    """Between hook and wire there are only confirm, the neighbour and the queueing discipline."""
    assert brief(judged(pcap(*LOST), ARMED)) == FITS
    assert brief(judged(pcap(*LOST), *ROSE)) == FITS
    assert brief(judged(pcap(*LOST), ARMED, *ROSE)) == (Answer.THIS_BUG, Cause.CLASH, True)


def test_one_conntrack_at_the_hook_is_no_clash() -> None:
    """The second query used the first one's entry, so confirm had nothing to drop."""
    assert brief(judged(pcap(*LOST), UNARMED)) == (Answer.ANOTHER_CAUSE, Cause.LOST_LOCALLY, False)


def test_a_log_without_its_beginning_does_not_decide_armed() -> None:
    """Only the second attempt is left, in which both queries always share one conntrack."""
    tail = "".join(UNARMED.splitlines(keepends=True)[2:])

    assert brief(judged(pcap(*LOST), tail)) == FITS


def test_a_hooks_log_shows_that_a_conntrack_was_never_confirmed() -> None:
    """In the second attempt both queries have the first one's conntrack, so the other one is gone."""
    conclusion = judged(ARMED)

    assert brief(conclusion) == FITS
    assert "never confirmed" in conclusion.sentence
    assert brief(judged(ARMED, *ROSE)) == FITS
    assert judged(UNARMED, *ROSE).answer is Answer.CANNOT_TELL


def test_a_hooks_log_of_one_attempt_is_a_hint() -> None:
    """Without a retransmit nothing shows that a query was lost."""
    head = "".join(ARMED.splitlines(keepends=True)[:2])

    conclusion = judged(head, *ROSE)

    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.CLASH, False)
    assert "the race was armed" in conclusion.sentence


def test_a_counter_that_did_not_rise_contradicts() -> None:
    """Every kernel counts what confirm drops, if it was read in the right namespace."""
    conclusion = judged(pcap(*LOST), *FLAT)

    assert conclusion.answer is Answer.CANNOT_TELL
    assert conclusion.finding is not None
    assert "network namespace" in conclusion.finding.against[0]
    assert any("nsenter" in command for advice in conclusion.collect for command in advice.commands)


def test_risen_counters_alone_decide_nothing() -> None:
    """Kernels that resolve a clash count it too."""
    conclusion = judged(*ROSE)

    assert conclusion.answer is Answer.CANNOT_TELL
    assert "insert_failed rose by 1" in conclusion.sentence


@pytest.mark.parametrize("counters", [FLAT, FLAT[:1]])
def test_zero_counters_exclude_the_bug_in_their_namespace(counters: tuple[str, ...]) -> None:
    """Counters only rise, so one reading is as good as two."""
    conclusion = judged(*counters)

    assert brief(conclusion) == (Answer.NOT_HERE, Cause.NOT_HERE, False)
    assert conclusion.sentence.startswith("not this bug in this network namespace")
    assert any("nsenter" in command for advice in conclusion.collect for command in advice.commands)


def test_a_reading_before_the_stall_decides_nothing() -> None:
    """The clash may have happened after it."""
    before = recognise("conntrack.before", FLAT[0].encode())

    assert conclude(before).answer is Answer.CANNOT_TELL


def test_readings_in_the_wrong_order_are_reordered_with_a_note() -> None:
    """Counters never fall, so the order is visible."""
    conclusion = judged(ARMED, *reversed(ROSE))

    assert brief(conclusion) == FITS
    assert any("treated as the later reading" in warning for warning in conclusion.warnings)


def test_two_readings_in_one_file_are_two() -> None:
    """Users type `conntrack -S; curl ...; conntrack -S` into one file, with prompts."""
    line = "cpu={}   \tfound={} invalid=0 insert_failed={} drop=0 \n"
    readings = [line.format(cpu, 3 + rise, rise) for rise in (0, 1) for cpu in (0, 1)]
    both = "$ conntrack -S\n" + "".join(readings[:2]) + "$ curl http://x\nok\n$ conntrack -S\n" + "".join(readings[2:])

    assert brief(judged(pcap(*LOST), ARMED, both)) == (Answer.THIS_BUG, Cause.CLASH, True)


def test_counters_of_two_namespaces_are_not_compared() -> None:
    """One rose and another fell, which no single namespace can show."""
    conclusion = judged(COUNTS.format(2, 5, 9, 0, 0), COUNTS.format(2, 9, 4, 1, 0))

    assert conclusion.answer is Answer.CANNOT_TELL
    assert any("counters decreased" in warning for warning in conclusion.warnings)


def test_refused_counters_are_a_warning() -> None:
    """Users paste the error that they got without root."""
    refusal = "conntrack v1.4.7 (conntrack-tools): Operation failed: sorry, you must be root or get CAP_NET_ADMIN\n"

    conclusion = judged(pcap(*LOST), refusal)

    assert brief(conclusion) == FITS
    assert any("needs root" in warning for warning in conclusion.warnings)


def test_a_confirm_trace_without_packets_supports_but_does_not_prove() -> None:
    """Such a trace is the result of the advised commands; any packet may have been dropped."""
    trace = (STALLED / "trace").read_bytes()
    (dropped,) = (number for number, line in enumerate(trace.split(b"\n"), 1) if line.endswith(b"ret=0"))
    calls = (STALLED / "curl.strace").read_bytes()

    assert judged(trace).answer is Answer.CANNOT_TELL
    conclusion = judged(calls, trace)
    assert brief(conclusion) == FITS
    assert conclusion.finding is not None
    assert f"1:{dropped}" in {str(place) for place in conclusion.finding.places}
    # All files that the advice asks for: the risen counter was a loss, and the query vanished.
    counters = ((STALLED / "stat.before").read_bytes(), (STALLED / "stat.after").read_bytes())
    assert brief(judged(calls, (STALLED / "client.pcap").read_bytes(), *counters, trace)) == (*FITS[:2], True)


STAP = """\
__nf_conntrack_confirm: 10.0.0.1:{port}->10.0.0.53:53 TID: 2, ct: 0xffff880000000b00, ctinfo: 2
__nf_conntrack_confirm: return 0
"""


def test_a_trace_matches_a_query_by_id_and_port() -> None:
    """Ids have 16 bits: another socket's query may have the same."""
    assert brief(judged(pcap(*LOST), STAP.format(port=40000))) == (Answer.THIS_BUG, Cause.CLASH, True)
    conclusion = judged(pcap(*LOST), STAP.format(port=40001))
    assert brief(conclusion) == (Answer.THIS_BUG, Cause.CLASH, True)
    assert conclusion.finding is not None
    assert {str(place) for place in conclusion.finding.places} == {"1:1"}
