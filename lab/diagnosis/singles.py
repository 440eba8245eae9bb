"""Findings from files that show no complete lookup: times, single counters, tables, drop traces, printed packets.

None of them identifies a cause alone: each states an observation, and the answer stays open.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

from lab.diagnosis.causes import Cause, Finding, Grade
from lab.diagnosis.clues import Clues
from lab.diagnosis.fates import RETRY_S
from lab.diagnosis.material import (
    Capture,
    Citation,
    Conntracks,
    Disciplines,
    Drops,
    Material,
    Queues,
    Reading,
    Rules,
    Times,
)
from lab.evidence import lookup_times
from lab.evidence.constants import DNS_PORT
from lab.evidence.lookup_times import LookupStatistics, Peak, Sample
from lab.evidence.printed.model import PrintedDatagram

PLACES_MAX = 5
"""Most lines cited as evidence."""

_CLIENTS = {
    1.0: "a client that waits a second",
    2.5: "musl retries then",
    5.0: "glibc and c-ares retry then, as in this bug",
    7.5: "musl retries then, for the second time",
    10.0: "glibc has sent two attempts by then",
}
"""Clients by their timeouts: musl res_msend.c (timeout / attempts), glibc resolv.h (RES_TIMEOUT), c-ares ares.h."""


def find_in_material(material: Sequence[Material], *, followed: bool) -> Iterator[Finding]:
    """Return findings of each such file.

    Args:
        material: All files.
        followed: Whether a lookup was followed; if so, a table of flows or queues adds nothing.
    """
    yield from _times([each for each in material if isinstance(each, Times)])
    for each in material:
        if isinstance(each, Drops):
            yield from _drops(each, followed=followed)
        elif isinstance(each, Conntracks) and not followed:
            yield from _entries(each)
        elif isinstance(each, Capture):
            yield from _undecoded(each)
        elif isinstance(each, Queues) and not followed:
            yield from _queues(each)
        elif isinstance(each, Rules) and not followed:
            yield _rules(each)
        elif isinstance(each, Disciplines):
            yield from _disciplines(each)
        elif isinstance(each, Reading) and each.counts.get("UdpRcvbufErrors"):
            yield _full_sockets(each)


def find_never_failed(clues: Clues) -> Iterator[Finding]:
    """Find counters showing that confirm has dropped nothing in their network namespace."""
    places = [Citation(each.name, each.line, None, "insert_failed 0, read once") for each in clues.never_failed]
    places += [each.place for each in clues.counted if each.never_failed]
    if places:
        says = (
            "insert_failed is 0, and counters only rise: since this namespace (or this machine) started, no packet was "
            "dropped at confirm here; if the program that stalls is in a container, or another machine translates its "
            "packets, look on its host"
        )
        yield Finding(Cause.NOT_HERE, Grade.FITS, says, tuple(places))


def _times(lists: Sequence[Times]) -> Iterator[Finding]:
    """Find lookups that take a client's full timeouts: a packet was lost and retried; which one is not visible."""
    samples = [(each, sample) for each in lists for sample in each.samples]
    if not samples:
        return
    summary = lookup_times.summarize(tuple(sample for _, sample in samples))
    if not (summary.stalled or summary.failed):
        return
    says = (
        f"{_stalled(summary, samples)}: a client's timeout, so a query or its answer was lost and retried; times do "
        "not show which, or where"
    )
    slow = sorted(samples, key=lambda pair: -pair[1].seconds)[:PLACES_MAX]
    yield Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, tuple(each.place(sample.line) for each, sample in slow))


def _stalled(summary: LookupStatistics, samples: Sequence[tuple[Times, Sample]]) -> str:
    """Return how many lookups stalled, and at which waits."""
    of = f"of {summary.count} {'lookup' if summary.count == 1 else 'lookups'}"
    if not summary.stalled:
        return f"{summary.failed} {of} failed"
    peaks = ", ".join(_peak(peak) for peak in summary.peaks)
    slowest_s = max(sample.seconds for _, sample in samples)
    failed = f"; {summary.failed} failed" if summary.failed else ""
    return f"{summary.stalled} {of} stalled, at {peaks or f'up to {slowest_s:.1f} s'}{failed}"


def _peak(peak: Peak) -> str:
    client = _CLIENTS.get(peak.wait_s)
    return f"{peak.wait_s:g} s: {peak.count}" + (f" ({client})" if client else "")


def _drops(drops: Drops, *, followed: bool) -> Iterator[Finding]:
    """Find packets in a drop trace, which names the kernel function but not the rule or clash behind the drop.

    When a lookup was followed, drops in a hook are weighed with that lookup instead.
    """
    own = [
        drop
        for drop in drops.drops
        if drop.by_netfilter or (drop.flow is not None and DNS_PORT in {drop.flow.sport, drop.flow.dport})
    ]
    if not own or (followed and any(drop.by_netfilter for drop in own)):
        return
    counts = Counter((drop.reason or "no reason given", drop.where or "a function not shown") for drop in own)
    (reason, where), count = counts.most_common(1)[0]
    times = "a packet" if count == 1 else f"{count} packets"
    says = f"{drops.tool} shows that the kernel dropped {times} in {where} ({reason})"
    confirm = next((drop for drop in own if drop.by_netfilter and "confirm" in (drop.where or "")), None)
    if confirm is not None:
        says = f"{drops.tool} shows that the kernel dropped a packet in {confirm.where}, as a clash does at confirm"
        yield Finding(Cause.CLASH, Grade.FITS, says, (drops.place(confirm.line),))
        return
    if any(drop.by_netfilter for drop in own):
        says = (
            f"a netfilter hook dropped a packet on this machine, by {drops.tool} ({reason} in {where}): a rule, a full "
            "queue or table, or confirm at a clash; a trace of confirm shows which"
        )
    places = tuple(drops.place(drop.line) for drop in own[:PLACES_MAX])
    yield Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, places)


def _queues(queues: Queues) -> Iterator[Finding]:
    """Find a queue without losses: packets wait for verdicts here, which is the precondition of this race."""
    if not queues.rows:
        return
    waiting = ", ".join(f"queue {row.queue}: {row.waiting} packets wait" for row in queues.rows[:PLACES_MAX])
    says = (
        f"a program gives verdicts on packets here ({waiting}), and no packet was dropped on a full queue; if it "
        "queues DNS before conntrack confirms it, two queries of one flow can clash: the rules show whether it does"
    )
    places = tuple(queues.place(row.line) for row in queues.rows[:PLACES_MAX])
    yield Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, places)


def _rules(rules: Rules) -> Finding:
    """Find what may be queued, and where; rules in the raw table see a packet before conntrack does."""
    if not rules.rules:
        says = f"no rule in {rules.name} sends packets to a queue, so no queue arms this race there"
        return Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, (Citation(rules.name, None, None, "no queue"),))
    late = [rule for rule in rules.rules if rule.table != "raw" and "raw" not in rule.chain]
    where = ", ".join(
        f"queue {rule.queue} in {rule.table or 'a table'} {rule.chain}".strip() for rule in (late or rules.rules)[:3]
    )
    what = (
        "a packet waits there before conntrack confirms it, where two queries of one flow can clash"
        if late
        else "conntrack sees a packet only after the raw table, so the queue cannot cause a clash"
    )
    says = f"rules send packets to {where}: {what}"
    places = tuple(rules.place(rule.line) for rule in (late or rules.rules)[:PLACES_MAX])
    return Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, places)


def _disciplines(disciplines: Disciplines) -> Iterator[Finding]:
    """Find drops of a queueing discipline, which is behind confirm and before the capture tap."""
    own = [each for each in disciplines.qdiscs if each.dropped]
    if own:
        says = ", ".join(
            f"{each.kind} of {each.device} has dropped {each.dropped} packets" for each in own[:PLACES_MAX]
        )
        says += ": single queries may be among them; a second reading after a stall shows whether they are"
        places = tuple(disciplines.place(each.line) for each in own[:PLACES_MAX])
        yield Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, places)


def _full_sockets(reading: Reading) -> Finding:
    """Find answers lost on a full socket buffer; the counter covers all programs."""
    count = reading.counts["UdpRcvbufErrors"]
    says = (
        f"{count} datagrams were lost because their socket's buffer was full (UdpRcvbufErrors, of all programs since "
        "this network namespace was created): a second reading after a stall shows whether answers are among them"
    )
    place = Citation(reading.name, reading.line, None, f"UdpRcvbufErrors {count}")
    return Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, (place,))


def _entries(entries: Conntracks) -> Iterator[Finding]:
    """Find unreplied DNS entries; an entry that lost a clash was never in the table, so a table cannot show one."""
    own = [each for each in entries.entries if each.original.dport == DNS_PORT]
    if not own:
        return
    waiting = [each for each in own if not each.answered and each.kind != "DESTROY"]
    what = "event" if own[0].kind else "entry"
    plural = {"event": "events", "entry": "entries"}[what]
    says = (
        f"conntrack shows {len(own)} {what if len(own) == 1 else plural} of DNS, {len(waiting)} of them without an "
        "answer so far (UNREPLIED); a packet lost at a clash never entered the table, so this does not show it: "
        "counters before and after a stall, a capture or a trace of confirm do"
    )
    places = tuple(entries.place(each.line) for each in (waiting or own)[:PLACES_MAX])
    yield Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, places)


def _undecoded(capture: Capture) -> Iterator[Finding]:
    """Find repeated packets that were printed without being decoded: only lengths, ports and times are known."""
    flows: dict[object, list[PrintedDatagram]] = defaultdict(list)
    for datagram in capture.printed.undecoded if capture.printed else ():
        flows[datagram.flow].append(datagram)
    for sent in flows.values():
        answered = sent[0].flow.reversed in flows
        waits_s = [later.time_s - earlier.time_s for earlier, later in pairwise(sent)]
        repeats = len({datagram.length for datagram in sent}) == 1 and waits_s and min(waits_s) >= RETRY_S
        if answered or not repeats:
            continue
        says = (
            f"packets to port {sent[0].flow.dport} are not decoded as DNS; one flow's packet is repeated every "
            f"{sum(waits_s) / len(waits_s):.1f} s from the same port, without an answer, which a clash does not cause: "
            "it costs a flow one packet, once"
        )
        places = tuple(capture.place(datagram.line, "") for datagram in sent[:PLACES_MAX])
        yield Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, places)
        return
    if flows and not capture.packets:
        datagram = next(iter(flows.values()))[0]
        says = f"the packets in {capture.name} are not decoded as DNS (port {datagram.flow.dport})"
        yield Finding(Cause.LOST_SOMEWHERE, Grade.OPEN, says, (capture.place(datagram.line, ""),))
