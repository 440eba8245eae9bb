"""Packets dropped by the kernel, as reported by perf, trace-cmd, tracefs, pwru, dropwatch and retsnoop."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from lab.evidence import flow
from lab.evidence.flow import Flow

_LINE_MAX = 2000
NETFILTER = "NETFILTER_DROP"
"""SKB_DROP_REASON_NETFILTER_DROP (net/dropreason-core.h): a hook (a rule, or confirm) returned NF_DROP."""

_HOOKS = frozenset(
    {"nf_hook_slow", "nf_hook_slow_list", "nf_hook", "__nf_conntrack_confirm", "nf_confirm", "ipv4_confirm"}
)
"""Functions that drop packets for netfilter; before Linux 5.17 there are no drop reasons."""

_FLOW = re.compile(
    r"\[?(?P<src>[0-9a-fA-F.:]{2,45}?)\]?:(?P<sport>\d{1,5})->\[?(?P<dst>[0-9a-fA-F.:]{2,45}?)\]?:(?P<dport>\d{1,5})\((?P<protocol>\w{0,8})\)"
)
# skb:kfree_skb of perf script, trace-cmd and tracefs; perf trace prints its arguments in brackets.
_EVENT = re.compile(
    r"\s*(?:(?P<before>\d{1,12}\.\d{3,9}) )?.{0,80}?(?:[ (](?P<time>\d{1,10}\.\d{3,9}))?[:)]?\s*"
    r"(?:skb:)?kfree_skb[:(]\s*(?P<rest>.*skbaddr.*)"
)
_REASON = re.compile(r"reason: ?(?:SKB_DROP_REASON_)?(?P<reason>[A-Z][A-Z0-9_]{2,60}|\d{1,4})")
_LOCATION = re.compile(r"location[=:] ?(?P<where>[a-zA-Z_]\w{0,80}|0x[0-9a-f]{1,16})")
_PWRU = re.compile(
    r"\s*0x[0-9a-f]{8,16}\s+\d{1,4}\s+(?:\S{1,40}|\[[^\]]{1,40}\])\s+.{0,160}?"
    r"(?:kfree_skb_reason|sk_skb_reason_drop|kfree_skbmem|kfree_skb)(?:\((?:SKB_DROP_REASON_)?(?P<reason>[A-Z0-9_]{2,60})\))?.{0,160}"
)
_PWRU_OTHER = re.compile(r"\s*0x[0-9a-f]{8,16}\s+\d{1,4}\s+.{0,200}->.{0,200}|\s*SKB\s+CPU\s+PROCESS.*")
_DROPWATCH = re.compile(
    r"\s*(?P<count>\d{1,12}) drops? at (?:location )?(?P<where>[a-zA-Z_]\w{0,80}|0x[0-9a-f]{1,16})(?:[+ ].{0,100})?|"
    r"\s*drop at: (?P<at>[a-zA-Z_]\w{0,80}|0x[0-9a-f]{1,16}).{0,120}"
)
_DROPWATCH_MORE = re.compile(
    r"\s*(?:drop reason: (?:SKB_DROP_REASON_)?(?P<reason>[A-Z0-9_]{2,60})|origin: (?:software|hardware)|input port .*|"
    r"timestamp: .*|protocol: .*|length: \d.*|original length: .*)\s*"
)
_BPFTRACE = re.compile(r"\s*@(?P<name>\w{0,40})\[(?P<key>[^\]]{1,200})\]: (?P<count>\d{1,12})\s*")
# retsnoop: a function's duration and return value, then its name; nf_hook_slow returns -EPERM.
_RETSNOOP = re.compile(
    r"\s*(?:[!*]\s+)?(?:[\d.]{1,12}(?:us|ms|ns)\s+)?\[(?P<error>-E[A-Z]{2,14}|NULL|true|false|-?\d{1,12})\]\s+"
    r"(?P<where>[a-zA-Z_]\w{0,80})(?:[+ (].{0,200})?"
)
_FUNCTION = re.compile(r"[a-zA-Z_]\w{1,80}")
_BUFFERS_MAX = 100_000


@dataclass(frozen=True)
class Drop:
    """A dropped packet, or several that were dropped at one place.

    Attributes:
        time_s: Time by the tool's clock, in seconds; None where it is not shown.
        reason: The kernel's drop reason (from Linux 5.17 on), without SKB_DROP_REASON_; None where it is not shown.
        where: The function that dropped it; None where it is not shown.
        flow: The packet's 5-tuple; None where it is not shown.
        protocol: `udp`, `tcp`; None where it is not shown.
        count: Number of packets.
        line: Line number, from 1.
    """

    time_s: float | None
    reason: str | None
    where: str | None
    flow: Flow | None
    protocol: str | None
    count: int = 1
    line: int = field(default=0, compare=False)

    @property
    def by_netfilter(self) -> bool:
        """Whether a netfilter hook dropped it: a rule, or conntrack's confirm."""
        return self.reason == NETFILTER or (self.where in _HOOKS and self.reason in {None, "NOT_SPECIFIED"})


@dataclass(frozen=True)
class ToolDrops:
    """The drops that one tool reported.

    Attributes:
        tool: `kfree_skb` (perf, trace-cmd, tracefs), `pwru`, `dropwatch`, `retsnoop`, `bpftrace`.
        drops: The drops in order.
    """

    tool: str
    drops: tuple[Drop, ...]


def is_line(line: str) -> bool:
    """Return whether a line was printed by one of these tools."""
    line = line[:_LINE_MAX]
    if "kfree_skb" in line or "drop" in line or "0x" in line or "CPU" in line:
        return any(pattern.fullmatch(line) for pattern in (_EVENT, _PWRU, _PWRU_OTHER, _DROPWATCH, _DROPWATCH_MORE))
    return bool(_DROPWATCH_MORE.fullmatch(line) or _is_netfilters(line))


def _is_netfilters(line: str) -> bool:
    """Return whether a line of retsnoop, or of a bpftrace map, reports a drop by a netfilter hook."""
    returned = _RETSNOOP.fullmatch(line)
    if returned is not None and returned["where"] in _HOOKS:
        return True
    counted = _BPFTRACE.fullmatch(line)
    return counted is not None and any(name in counted["key"] for name in (*_HOOKS, NETFILTER))


def parse(lines: Iterable[tuple[int, str]]) -> tuple[ToolDrops, ...]:
    """Parse drops from numbered lines, grouped by tool."""
    drops_by_tool: dict[str, list[Drop]] = {}
    functions: dict[str, str] = {}
    for number, line in lines:
        for tool, drop in _drop(line[:_LINE_MAX], number):
            buffer = line.split(None, 1)[0]
            where = functions.get(buffer) if tool == "pwru" else drop.where
            drops_by_tool.setdefault(tool, []).append(replace(drop, where=where))
        _follow(line[:_LINE_MAX], functions)
        more = _DROPWATCH_MORE.fullmatch(line[:_LINE_MAX])
        if more is not None and more["reason"] and drops_by_tool.get("dropwatch"):
            last = drops_by_tool["dropwatch"][-1]
            drops_by_tool["dropwatch"][-1] = Drop(None, more["reason"], last.where, None, None, last.count, last.line)
    return tuple(ToolDrops(tool, tuple(drops)) for tool, drops in drops_by_tool.items())


def _follow(line: str, functions: dict[str, str]) -> None:
    """Record the last function in which pwru saw a packet buffer: named after the flow, before it in old versions."""
    words = line.split()
    at = next((index for index, word in enumerate(words) if "->" in word), None)
    if at is None or not _PWRU_OTHER.fullmatch(line) or len(functions) > _BUFFERS_MAX:
        return
    name = _FUNCTION.match(words[at + 1] if at + 1 < len(words) else words[at - 1])
    if name is not None and not name[0].startswith(("kfree_skb", "sk_skb_reason_drop", "skb_release")):
        functions[words[0]] = name[0]


def _drop(line: str, number: int) -> Iterable[tuple[str, Drop]]:
    if (event := _EVENT.fullmatch(line)) is not None:
        reason, where = _REASON.search(event["rest"]), _LOCATION.search(event["rest"])
        time = event["time"] or event["before"]
        yield (
            "kfree_skb",
            Drop(
                None if time is None else float(time) / (1 if event["time"] else 1e3),  # perf trace has milliseconds
                None if reason is None else reason["reason"],
                None if where is None else where["where"],
                None,
                None,
                line=number,
            ),
        )
    elif (watched := _PWRU.fullmatch(line)) is not None:
        of = _FLOW.search(line)
        yield "pwru", Drop(None, watched["reason"], None, _flow(of), of["protocol"] if of else None, line=number)
    elif (counted := _DROPWATCH.fullmatch(line)) is not None:
        yield (
            "dropwatch",
            Drop(None, None, counted["where"] or counted["at"], None, None, int(counted["count"] or 1), number),
        )
    elif (returned := _RETSNOOP.fullmatch(line)) is not None and returned["where"] in _HOOKS:
        if returned["error"] in {"-EPERM", "0"}:
            yield "retsnoop", Drop(None, None, returned["where"], None, None, line=number)
    elif (summed := _BPFTRACE.fullmatch(line)) is not None and _is_netfilters(line):
        reason_of = NETFILTER if NETFILTER in summed["key"] else None
        function = next((name for name in sorted(_HOOKS, key=len, reverse=True) if name in summed["key"]), None)
        yield "bpftrace", Drop(None, reason_of, function, None, None, int(summed["count"]), number)


def _flow(match: re.Match[str] | None) -> Flow | None:
    if match is None:
        return None
    try:
        return flow.parse(match["src"], match["sport"], match["dst"], match["dport"])
    except ValueError:
        return None
