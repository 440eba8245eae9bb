"""What to do next: the next command to type, then what else to collect, each as shell commands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.clues import Clues
from lab.diagnosis.fates import Fate
from lab.diagnosis.material import Calls, Capture, Confirms, Daemon, Log, Material, Queues


@dataclass(frozen=True)
class Advice:
    """A recommended step.

    Attributes:
        what: The reason for it, in one sentence.
        commands: Shell commands to type.
    """

    what: str
    commands: tuple[str, ...]


class Site(StrEnum):
    """The kind of machine on which the files were made and the next command is typed."""

    HOST = "host"
    POD = "pod"
    """A container. Its files do not show what its node does to its packets."""
    NODE = "node"
    """A machine that receives queries, may translate them, and forwards them."""


_NODE = (
    "kubectl get pod POD -o wide                                   # names its NODE",
    "kubectl debug node/NODE -it --profile=sysadmin --image=nicolaka/netshoot",
)
"""Opens a shell in the node's namespaces; without Kubernetes, log in to the container's host instead."""

_PID = (
    "crictl inspect --output go-template --template '{{.info.pid}}' CONTAINER    # PID; Docker:",
    "docker inspect --format '{{.State.Pid}}' CONTAINER",
)

_STRACE = "strace -f -ttt -s 600 -e trace=network,poll,ppoll,read,write,close,dup"

CALLS = Advice(
    "what the resolver sends, reads and waits for (any program that stalls will do in place of getent)",
    (f"{_STRACE} -o lookup.strace getent ahosts NAME",),
)
CALLS_OF_POD = Advice(
    "what the resolver in the container sends, reads and waits for: on the node, with the container's files and "
    "network (any program that stalls will do in place of getent)",
    (
        *_PID,
        f"{_STRACE} -o lookup.strace nsenter -t PID -n -m getent ahosts NAME",
    ),
)
CAPTURE = Advice(
    "what comes to the wire: on the machine that asks, and if that is a container, on its host; started before the "
    "lookup, stopped ten seconds after it",
    ("tcpdump -i any -s 0 -U -w dns.pcap 'port 53 or icmp or icmp6'",),
)
CAPTURE_AGAIN = Advice(
    "the same capture once more, stopped no sooner than ten seconds after the lookup: this one ends before the query "
    "that is missing, or waited for, is sent again",
    CAPTURE.commands,
)
CALLS_AGAIN = Advice(
    "the same trace once more, to the end of the lookup: this one ends at the wait",
    (f"{_STRACE} -o lookup.strace PROGRAM",),
)
CAPTURE_OF_NODE = Advice(
    "look on the node: what comes in from the container and what leaves, translated; started before the lookup, "
    "stopped ten seconds after it",
    (*_NODE, "nsenter -t 1 -n tcpdump -i any -s 0 -U -w node.pcap 'port 53 or icmp or icmp6'"),
)
COUNTERS = Advice(
    "conntrack's counters just before and just after a stall, as root and in the network namespace of the program that "
    "stalls (PID); in any other namespace they are 0, or count other traffic",
    (
        "nsenter -t PID -n conntrack -S > conntrack.before",
        "nsenter -t PID -n conntrack -S > conntrack.after",
    ),
)
COUNTERS_OF_NODE = Advice(
    "look on the node: conntrack's counters just before and just after a stall, in the node's own network namespace "
    "(1), which translates the container's packets; insert_failed and drop that rise are the clash",
    (
        *_NODE,
        "nsenter -t 1 -n conntrack -S > conntrack.before",
        "nsenter -t 1 -n conntrack -S > conntrack.after",
    ),
)
COUNTERS_ON_NODE = Advice(
    "conntrack's counters of this machine just before and just after a stall, because this machine translates; "
    "insert_failed and drop that rise are the clash",
    ("conntrack -S > conntrack.before", "conntrack -S > conntrack.after"),
)
COUNTERS_OF_CONTAINER = Advice(
    "the same in the container's network namespace: on the node, with the process id (PID) of a program in it",
    (*_PID, "nsenter -t PID -n conntrack -S"),
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
CHECK = Advice(
    "whether this machine's kernel loses queries this way, measured in two seconds in namespaces made for it",
    ("sudo lab check", "lab check root@HOST        # the same on another machine"),
)
LOG = Advice("kernel log messages about full tables and queues", ("dmesg > dmesg.txt",))
RULES = Advice(
    "whether anything sends DNS packets to a queue, and which rules there are",
    ("iptables-save -c; nft list ruleset; cat /proc/net/netfilter/nfnetlink_queue",),
)
NETWORK = Advice("whether the server answers at all, and how fast", ("dig +tries=1 +time=5 @SERVER NAME AAAA",))
UPSTREAM = Advice(
    "on which side of the intermediate resolver queries are lost: a capture of both sides, started before the lookup",
    ("tcpdump -i any -s 0 -U -w resolver.pcap 'port 53 or icmp or icmp6'",),
)
QUEUE = Advice(
    "whether the queue still loses packets: read columns six and seven, queue_dropped and user_dropped, twice",
    ("cat /proc/net/netfilter/nfnetlink_queue; sleep 10; cat /proc/net/netfilter/nfnetlink_queue",),
)
TABLE = Advice(
    "how full conntrack's table is", ("sysctl net.netfilter.nf_conntrack_count net.netfilter.nf_conntrack_max",)
)
LISTENS = Advice("whether anything listens there, on the server", ("ss -lunp 'sport = :53'; iptables-save -c",))

_NEXT = {
    Cause.QUEUE_FULL: QUEUE,
    Cause.TABLE_FULL: TABLE,
    Cause.FIREWALL: RULES,
    Cause.NOT_LISTENING: LISTENS,
    Cause.UNREACHABLE: LISTENS,
    Cause.SLOW_SERVER: NETWORK,
    Cause.SERVER_FAILS: NETWORK,
    Cause.NO_ANSWER: NETWORK,
    Cause.BOTH_LOST: RULES,
    Cause.LOST_LOCALLY: RULES,
    Cause.ANSWER_LOST: RULES,
    Cause.OPTION: Advice("what the resolver is configured to do", ("cat /etc/resolv.conf",)),
}
"""The next thing to look at, by cause, where the cause is not this bug."""


def detect_machine(clues: Clues) -> Site:
    """Return the kind of machine on which the files were made, as far as they show it."""
    if clues.around.forwards:
        return Site.NODE
    return Site.POD if clues.around.container else Site.HOST


def choose_next(material: Sequence[Material], clues: Clues, finding: Finding | None) -> Advice | None:
    """Return the next step: it confirms an open answer or follows up a certain one."""
    if finding is not None and finding.grade is not Grade.OPEN and finding.cause in _NEXT:
        return _NEXT[finding.cause]
    if finding is not None and finding.grade is Grade.CERTAIN:
        return CHECK
    return next(_list_missing(material, clues, finding), CHECK)


def collect(material: Sequence[Material], clues: Clues, finding: Finding | None) -> tuple[Advice, ...]:
    """Return what to collect to make the answer certain, most useful first; empty when it is certain."""
    if finding is not None and finding.grade is Grade.CERTAIN:
        return ()
    return tuple(dict.fromkeys(_list_missing(material, clues, finding)))


def _list_missing(material: Sequence[Material], clues: Clues, finding: Finding | None) -> Iterator[Advice]:
    cause = finding.cause if finding else None
    about_clash = cause in {None, Cause.CLASH, Cause.LOST_SOMEWHERE, Cause.NOT_HERE}
    pod = detect_machine(clues) is Site.POD
    yield from _advise_repeats(finding)
    if about_clash and (pod or cause is Cause.NOT_HERE):
        yield from (_without_kubernetes(each, clues) for each in _advise_node(clues))
    if any(isinstance(each, Daemon) for each in material):
        yield UPSTREAM
    if not any(isinstance(each, Capture) and each.packets and each.printed is None for each in material):
        yield CAPTURE
    if about_clash and not clues.insert_failed and not pod:
        yield COUNTERS_ON_NODE if detect_machine(clues) is Site.NODE else COUNTERS
    if not any(isinstance(each, Calls) and each.events for each in material):
        yield _without_kubernetes(CALLS_OF_POD, clues) if pod else CALLS
    if about_clash and not any(isinstance(each, Log) for each in material):
        yield LOG
    yield from _advise_for_cause(material, cause)


def _without_kubernetes(advice: Advice, clues: Clues) -> Advice:
    """Remove commands that need Kubernetes when the containers run on a single machine."""
    if clues.around.cluster or not clues.around.container:
        return advice
    commands = tuple(command for command in advice.commands if not command.startswith(("kubectl", "crictl")))
    return replace(advice, commands=commands)


def _advise_repeats(finding: Finding | None) -> Iterator[Advice]:
    """Return advice to repeat recordings that were stopped too soon."""
    fated = finding.fated if finding is not None and finding.grade is Grade.OPEN else ()
    if any(each.fate is Fate.ASKED_AGAIN or (each.fate is Fate.NO_ANSWER and each.again is None) for each in fated):
        yield CAPTURE_AGAIN
    if any(each.fate is Fate.UNANSWERED and each.again is None for each in fated):
        yield CALLS_AGAIN


def _advise_node(clues: Clues) -> Iterator[Advice]:
    """Return what to collect on the node, which a container's own files cannot show."""
    if not clues.insert_failed:
        yield COUNTERS_OF_NODE
        yield COUNTERS_OF_CONTAINER
    yield CAPTURE_OF_NODE


def _advise_for_cause(material: Sequence[Material], cause: Cause | None) -> Iterator[Advice]:
    if any(isinstance(each, Queues) for each in material) and cause in {None, Cause.LOST_SOMEWHERE}:
        yield RULES
    if cause in {Cause.CLASH, Cause.LOST_SOMEWHERE} and not any(isinstance(each, Confirms) for each in material):
        yield CONFIRM
    if cause in {Cause.BOTH_LOST, Cause.LOST_LOCALLY, Cause.ANSWER_LOST, Cause.CLASH}:
        yield RULES
    if cause is Cause.NO_ANSWER:
        yield NETWORK
