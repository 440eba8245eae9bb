"""The rules of `lab diagnose` for the kernel's log, and for what contradicts the bug: an option, a full table."""

from __future__ import annotations

import re

import pytest

from lab.diagnosis.causes import Cause
from lab.diagnosis.conclusion import Answer
from lab.evidence import kernel_log
from tests.unit.diagnosis_files import ARMED, EVIDENCE, FITS, LOST, ROSE, brief, judged, pcap


@pytest.mark.parametrize("option", ["single-request", "single-request-reopen", "use-vc"])
def test_an_option_that_keeps_queries_apart_contradicts(option: str) -> None:
    """With it glibc never has two queries in flight on one UDP flow."""
    conclusion = judged(pcap(*LOST), f"nameserver 10.0.0.53\noptions {option} timeout:5\n")

    assert conclusion.answer is Answer.CANNOT_TELL
    assert conclusion.finding is not None
    assert option in conclusion.finding.against[0]


TABLE_FULL = "nf_conntrack: nf_conntrack: table full, dropping packet"
QUEUE_FULL = "nf_queue: full at 1024 entries, dropping packets(s)"
LOGGED = "[UFW BLOCK] IN= OUT=eth0 SRC=10.0.0.1 DST=10.0.0.53 LEN=58 PROTO=UDP SPT=40000 DPT=53 LEN=38"
FORMS = (
    "[ 1234.567890] {}\n",
    "<4>[ 1234.567890] {}\n",
    "[Mon Nov 23 15:25:03 2026] {}\n",
    "[日 11月 23 15:25:03 2026] {}\n",
    "[日  5月  3 15:25:03 2026] {}\n",
    "Nov 23 15:25:03 server kernel: {}\n",
    "Nov 23 15:25:03 server kernel: [ 1234.567890] {}\n",
    "2026-11-23T15:25:03.123456+01:00 server kernel: [ 1234.567890] {}\n",
    "[ 1234.567890] server kernel: {}\n",
    "kern  :warn  : [ 1234.567890] {}\n",
)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("line", "cause"),
    [(TABLE_FULL, Cause.TABLE_FULL), (QUEUE_FULL, Cause.QUEUE_FULL), (LOGGED, Cause.FIREWALL)],
)
def test_a_kernel_log_is_parsed_in_every_common_format(form: str, line: str, cause: Cause) -> None:
    """The formats of dmesg, dmesg -T, -x, journalctl and syslog all differ."""
    conclusion = judged(form.format("something else") + form.format(line))

    assert brief(conclusion) == (Answer.ANOTHER_CAUSE, cause, False)
    assert conclusion.finding is not None
    assert str(conclusion.finding.places[0]) == "0:2"


def test_a_flood_of_table_full_messages_uses_bounded_memory() -> None:
    """A log of 50 MB with this message took 340 MB and half a minute."""
    flood = FORMS[3].format(TABLE_FULL) * (kernel_log.MATCHES_MAX + 50) + FORMS[3].format(QUEUE_FULL)

    messages = kernel_log.parse(flood).matches

    assert len(messages) == kernel_log.MATCHES_MAX + 1
    assert messages[-1] == kernel_log.LogMatch(kernel_log.MATCHES_MAX + 51, kernel_log.QUEUE_FULL)


@pytest.mark.parametrize("form", FORMS)
def test_the_hooks_lines_are_parsed_in_every_log_format(form: str) -> None:
    """The hook's log decides between armed and unarmed."""
    texts = [re.sub(r"^\[.*?\] ", "", line) for line in ARMED.splitlines()]
    log = "".join(form.format(f"{text} at 1234.{number}00000000") for number, text in enumerate(texts))

    assert brief(judged(pcap(*LOST), log, *ROSE)) == (Answer.THIS_BUG, Cause.CLASH, True)


@pytest.mark.parametrize("line", [TABLE_FULL, QUEUE_FULL])
def test_causes_that_also_drop_single_queries_contradict(line: str) -> None:
    """A full table or queue drops one of two silently, and nothing shows which cause it was."""
    assert judged(pcap(*LOST), FORMS[0].format(line)).answer is Answer.CANNOT_TELL


def test_a_firewall_that_logged_the_query_dropped_it() -> None:
    """The log line has the query's source port."""
    assert brief(judged(pcap(*LOST), FORMS[0].format(LOGGED))) == (Answer.ANOTHER_CAUSE, Cause.FIREWALL, True)
    assert brief(judged(pcap(*LOST), FORMS[0].format(LOGGED.replace("40000", "50000")))) == FITS


def test_a_full_table_explains_a_refused_send() -> None:
    """The first packet of every new flow gets EPERM, as if a rule had dropped it."""
    calls = (EVIDENCE / "other-causes" / "output-drop" / "client.strace").read_bytes()

    assert brief(judged(calls)) == (Answer.ANOTHER_CAUSE, Cause.FIREWALL, True)
    assert brief(judged(calls, FORMS[0].format(TABLE_FULL))) == (Answer.ANOTHER_CAUSE, Cause.TABLE_FULL, True)
