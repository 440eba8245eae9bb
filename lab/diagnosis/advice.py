"""What to collect next: exact commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lab.diagnosis.clues import Clues
from lab.diagnosis.findings import Cause, Finding, Grade
from lab.diagnosis.material import Calls, Capture, Log, Material


@dataclass(frozen=True)
class Advice:
    """One thing to collect.

    Attributes:
        what: Why, in a sentence.
        commands: What to type.
    """

    what: str
    commands: tuple[str, ...]


CALLS = Advice(
    "what the resolver sends, reads and waits for (any program that stalls will do in place of getent)",
    ("strace -f -ttt -s 600 -e trace=network,poll,ppoll,read,write,close,dup -o lookup.strace getent ahosts NAME",),
)
CAPTURE = Advice(
    "what comes to the wire: on the machine that asks, and if that is a container, on its host; started before the "
    "lookup, stopped ten seconds after it",
    ("tcpdump -i any -s 0 -U -w dns.pcap 'port 53 or icmp or icmp6'",),
)
COUNTERS = Advice(
    "conntrack's counters just before and just after a stall, as root and in the network namespace of the program that "
    "stalls (PID); in any other they are 0, or somebody else's",
    (
        "nsenter -t PID -n conntrack -S > conntrack.before",
        "nsenter -t PID -n conntrack -S > conntrack.after",
    ),
)
CONFIRM = Advice(
    "what confirm returns while a lookup stalls: ret=0x0 is NF_DROP, the bug itself",
    (
        "cd /sys/kernel/debug/tracing || cd /sys/kernel/tracing",
        "echo 'r:confirm __nf_conntrack_confirm ret=$retval' >> kprobe_events; echo 1 > events/kprobes/confirm/enable",
        "getent ahosts NAME; cat trace > confirm.trace",
        "echo 0 > events/kprobes/confirm/enable; echo '-:confirm' >> kprobe_events",
    ),
)
LOG = Advice("what the kernel says of full tables and queues", ("dmesg > dmesg.txt",))
RULES = Advice(
    "whether anything sends DNS packets to a queue, and which rules there are",
    ("iptables-save -c; nft list ruleset; cat /proc/net/netfilter/nfnetlink_queue",),
)
NETWORK = Advice("whether the server answers at all, and how fast", ("dig +tries=1 +time=5 @SERVER NAME AAAA",))


def collect(material: Sequence[Material], clues: Clues, finding: Finding | None) -> tuple[Advice, ...]:
    """Give what would make the answer sure, the most telling first; nothing where it is."""
    if finding is not None and finding.grade is Grade.CERTAIN:
        return ()
    return tuple(_missing(material, clues, finding))


def _missing(material: Sequence[Material], clues: Clues, finding: Finding | None) -> Iterator[Advice]:
    about_clash = finding is None or finding.cause is Cause.CLASH
    calls = [each for each in material if isinstance(each, Calls)]
    captures = [each for each in material if isinstance(each, Capture)]
    if not any(each.packets for each in captures):
        yield CAPTURE
    if not any(each.events for each in calls):
        yield CALLS
    if about_clash and not clues.insert_failed:
        yield COUNTERS
    if about_clash and not any(isinstance(each, Log) for each in material):
        yield LOG
    if finding is not None and finding.cause is Cause.CLASH:
        yield CONFIRM
    if finding is not None and finding.cause in {Cause.BOTH_LOST, Cause.LOST_LOCALLY, Cause.ANSWER_LOST, Cause.CLASH}:
        yield RULES
    if finding is not None and finding.cause is Cause.NO_ANSWER:
        yield NETWORK
