"""The hook module's log: every DNS packet it sent to NFQUEUE, with its conntrack at that moment.

Two forms are parsed: that of the lab's module nfqdns, and that of the article's module.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from lab.evidence import flow
from lab.evidence.constants import ANY_FLOW, IPV4_FLOW
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import PORT_MAX, parse_integer
from lab.evidence.flow import Flow

_OWN = re.compile(
    rf"\[nfqdns\] {ANY_FLOW} (?:q\d{{1,5}} )?skb (?P<skb>[0-9a-f]{{8,16}}) ct (?P<ct>[0-9a-f]{{8,16}}) "
    r"tid (?P<tid>\d{1,5}|-)(?: at (?P<monotonic>\d{1,10}\.\d{9}))?",
    re.ASCII,
)
# The article's form: "[nfqdns]: ... queued in [0], skb: %p, ct: %p, tid: %d". The kernel prints a null pointer as
# (null).
_ARTICLE = re.compile(
    rf"\[nfqdns\]: {IPV4_FLOW} queued in \[\d{{1,5}}\], skb: (?:0x)?(?P<skb>[0-9a-f]{{8,16}}), "
    r"ct: (?:0x)?(?P<ct>[0-9a-f]{8,16}| *\(n(?:ull|il)\)), tid: (?P<tid>\d{1,5})(?P<monotonic>(?!))?",
    re.ASCII,
)
_STAMP = re.compile(r"\[\s{0,12}(?P<time>\d{1,10}\.\d{1,9})\] (?=\[nfqdns\])", re.ASCII)
_MARK = re.compile(r"\[nfqdns\]:? .{0,60}->", re.ASCII)


@dataclass(frozen=True)
class HookPacket:
    """One packet at the hook.

    Attributes:
        time_s: Seconds since the kernel started, by its log's clock.
        flow: The 5-tuple.
        skb: The packet buffer's address.
        ct: The conntrack's address; None for an untracked packet.
        dns_id: The DNS id; None when the packet is too short.
        monotonic_s: When it passed the hook, CLOCK_MONOTONIC in seconds; None in logs of older versions.
        line: Line number in the log, from 1; ignored in comparisons.
    """

    time_s: float
    flow: Flow
    skb: int
    ct: int | None
    dns_id: int | None
    monotonic_s: float | None = None
    line: int = field(default=0, compare=False)


def parse(log: str) -> tuple[HookPacket, ...]:
    """Parse the hook's packets from the kernel's log (`dmesg`), in order; other lines are skipped.

    A last line without a newline is skipped, too: its last number may be truncated.

    Raises:
        UnreadableError: a line has the hook's mark but another form.
    """
    # The last element is empty, or a line without a newline.
    *lines, _cut_off = log.split("\n")
    return tuple(
        _stamped(line.removesuffix("\r"), number)
        for number, line in enumerate(lines, 1)
        if "[nfqdns]" in line and "->" in line
    )


def is_line(text: str) -> bool:
    """Return whether a message, without the log's timestamp, has the hook's mark and a flow."""
    return text.startswith("[nfqdns]") and bool(_MARK.match(text))


def _stamped(line: str, number: int) -> HookPacket:
    stamp = _STAMP.match(line)
    if stamp is None:
        raise UnreadableError(f"cannot parse the hook's line: {line[:120]!r}")
    return parse_packet(line[stamp.end() :], number, float(stamp["time"]))


def parse_packet(text: str, number: int, time_s: float = 0.0) -> HookPacket:
    """Parse one message of the hook.

    Args:
        text: The message, without the log's timestamp.
        number: The line number.
        time_s: The time by the log.

    Raises:
        UnreadableError: the message has another form.
    """
    match = _OWN.fullmatch(text) or _ARTICLE.fullmatch(text)
    if match is None:
        raise UnreadableError(f"cannot parse the hook's line: {text[:120]!r}")
    try:
        dns_id = None if match["tid"] == "-" else parse_integer(match["tid"], PORT_MAX)
        of = flow.parse(match["src"], match["sport"], match["dst"], match["dport"])
    except ValueError as error:
        raise UnreadableError(f"invalid address or number in the hook's line: {text[:120]!r}") from error
    return HookPacket(
        time_s=time_s,
        flow=of,
        skb=int(match["skb"], 16),
        ct=None if "(" in match["ct"] else int(match["ct"], 16) or None,
        dns_id=dns_id,
        monotonic_s=None if match["monotonic"] is None else float(match["monotonic"]),
        line=number,
    )
