"""The rules of `lab diagnose` for captures: a query that is missing, late, received and not sent, or lost elsewhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from tests.unit.diagnosis_files import AAAA, CLIENT, FITS, LOST, STALLED, A, Sent, brief, judged, pcap

NO_ANSWER = (Answer.ANOTHER_CAUSE, Cause.NO_ANSWER, False)


def test_the_missing_query_of_a_pair_fits_and_is_not_certain() -> None:
    """A capture alone cannot exclude a queue or a queueing discipline that dropped it."""
    conclusion = judged(pcap(*LOST))

    assert brief(conclusion) == FITS
    assert conclusion.sentence == (
        "it fits this bug: the A query (id 1) went out, and the AAAA query (id 2) from the same socket was not on the "
        "wire; it came there 5.0 s later"
    )


@pytest.mark.parametrize("after_s", [2.5, 5.0])
def test_a_resolver_that_retransmits_only_the_missing_query_is_recognised(after_s: float) -> None:
    """Musl and c-ares do not retransmit a query that was answered."""
    again = (Sent(after_s + 0.01, AAAA), Sent(after_s + 0.02, AAAA, answers=True, way=0))

    assert brief(judged(pcap(*LOST[:2], *again))) == FITS


@pytest.mark.parametrize("after_s", [0.0015, 1.3, 3.6, 8.0])
def test_a_late_second_query_outside_of_retry_times_is_no_loss(after_s: float) -> None:
    """A program may ask for a second type at any time."""
    later = (Sent(after_s, AAAA), Sent(after_s + 0.001, AAAA, answers=True, way=0))

    assert judged(pcap(*LOST[:2], *later)).answer is Answer.CANNOT_TELL


def test_a_second_socket_cannot_clash_with_the_first() -> None:
    """Each socket has a separate flow, so its late query was not lost in this clash."""
    late = (Sent(5.01, AAAA, sport=40001), Sent(5.02, AAAA, sport=40001, answers=True, way=0))

    assert judged(pcap(*LOST[:2], *late)).answer is Answer.CANNOT_TELL


def test_a_query_received_but_not_forwarded_fits() -> None:
    """A container's clash happens on its host, whose capture shows both queries arrive and one leave."""
    pod = bytes([10, 244, 0, 7])
    in_and_out = (
        Sent(0, A, src=pod, way=0),
        Sent(0.0001, AAAA, src=pod, way=0),
        Sent(0.0002, A, src=CLIENT, sport=61000, way=4),
        Sent(0.001, A, src=CLIENT, sport=61000, answers=True, way=0),
        Sent(5, A, src=pod, way=0),
        Sent(5.0001, A, src=CLIENT, sport=61000, way=4),
        Sent(5.001, A, src=CLIENT, sport=61000, answers=True, way=0),
        Sent(5.002, AAAA, src=pod, way=0),
        Sent(5.0021, AAAA, src=CLIENT, sport=61000, way=4),
        Sent(5.003, AAAA, src=CLIENT, sport=61000, answers=True, way=0),
    )

    conclusion = judged(pcap(*in_and_out))

    assert brief(conclusion) == FITS
    assert "came into this machine and did not leave it" in conclusion.sentence


def test_a_query_in_the_other_capture_was_lost_on_the_network() -> None:
    """At the server, a query lost on the network looks like one that was never sent."""
    at_client = (*LOST[:1], Sent(0.0005, AAAA), *LOST[1:])

    assert brief(judged(pcap(*LOST), pcap(*at_client))) == NO_ANSWER
    assert brief(judged(pcap(*at_client), pcap(*LOST))) == NO_ANSWER


def test_a_copy_of_a_capture_is_not_a_second_capture_point() -> None:
    """A file passed twice under two names once blamed the server."""
    private = (LOST[0], replace(LOST[4], time_s=0.0001), *LOST[1:])

    assert judged(pcap(*private)).answer is Answer.CANNOT_TELL
    assert judged(pcap(*private), pcap(*private)).answer is Answer.CANNOT_TELL


def test_a_capture_that_ends_early_proves_no_loss() -> None:
    """The query may have been held in the queue until after the capture's end."""
    calls = (STALLED / "curl.strace").read_bytes()
    cut = (STALLED / "client.pcap").read_bytes()[: 24 + 2 * 16 + 72 + 88]
    whole = judged(calls, (STALLED / "client.pcap").read_bytes())

    conclusion = judged(calls, cut)

    assert brief(whole) == FITS
    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.CLASH, False)


def test_a_retransmit_after_a_captured_answer_means_the_answer_was_dropped() -> None:
    """A rule in INPUT drops it after tcpdump has seen it."""
    both = (*LOST[:2], Sent(0.0005, AAAA), Sent(0.0015, AAAA, answers=True, way=0), *LOST[2:])

    assert brief(judged(pcap(*both))) == (Answer.ANOTHER_CAUSE, Cause.ANSWER_LOST, False)


def test_a_query_first_seen_with_its_siblings_retransmit_blames_no_answer() -> None:
    """The resolver retransmits both from a new socket; the answer that arrived was for the other query."""
    again = tuple(replace(sent, sport=41000) for sent in LOST[2:])

    conclusion = judged(pcap(*LOST[:2], *again))

    assert brief(conclusion) == (Answer.CANNOT_TELL, Cause.CLASH, False)
    assert "the AAAA query (id 2) is first seen then" in conclusion.sentence


def test_the_answer_counts_affected_lookups() -> None:
    """One lookup of a hundred is another problem than all of them."""
    well = [
        Sent(20 + n, (100 + n, "A"), answers=answers, sport=41000 + n, way=0 if answers else 4, name=f"{n}.lab.test")
        for n in range(3)
        for answers in (False, True)
    ]

    assert judged(pcap(*LOST, *well)).sentence.endswith("(the same in 1 of 4 lookups)")


@pytest.mark.parametrize(
    ("packets", "warned"),
    [
        (tuple(Sent(**{**vars(sent), "ttl": 61}) for sent in LOST), "passed routers"),
        (tuple(Sent(**{**vars(sent), "way": 4 if sent.answers else 0}) for sent in LOST), "made on the server"),
        (LOST[1:], "started too late"),
    ],
)
def test_a_capture_at_the_wrong_place_or_time_is_a_warning(packets: tuple[Sent, ...], warned: str) -> None:
    """A query missing there may have been lost anywhere before it."""
    assert any(warned in warning for warning in judged(pcap(*packets)).warnings)


def test_captures_with_different_clocks_are_a_warning() -> None:
    """Times of one must not be searched in the other."""
    shifted = tuple(Sent(**{**vars(sent), "time_s": sent.time_s + 100}) for sent in LOST)

    conclusion = judged(pcap(*LOST), pcap(*shifted))

    assert brief(conclusion) == FITS
    assert any("100.0 s apart" in warning for warning in conclusion.warnings)
