"""Parser of systemtap's trace of `__nf_conntrack_confirm` (provision/stap/confirm.stp)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.evidence import flow
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import PORT_MAX, parse_integer
from lab.evidence.flow import Flow

_RETURNED = re.compile(
    r"(?P<time>\d{1,17}) returned (?P<ret>-?\d{1,10}) "
    r"(?P<src>[0-9.]{7,15}):(?P<sport>\d{1,5})->(?P<dst>[0-9.]{7,15}):(?P<dport>\d{1,5}) "
    r"id (?P<id>\d{1,5}) ct (?:0x)?(?P<ct>[0-9a-f]{1,16}|\(null\)) ctinfo \d{1,2}",
    re.ASCII,
)
_ENTERED = re.compile(r"\d{1,17} confirm .*", re.ASCII)
_READY = "ready"


@dataclass(frozen=True)
class Return:
    """One return of confirm for a DNS packet.

    Attributes:
        time_s: When it returned, CLOCK_REALTIME in seconds.
        returned: The return value: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h).
        flow: The packet's 5-tuple.
        dns_id: The packet's DNS id.
        ct: The address of the packet's conntrack after the return; None without a conntrack.
    """

    time_s: float
    returned: int
    flow: Flow
    dns_id: int
    ct: int | None


def parse(text: str) -> tuple[Return, ...]:
    """Parse `stap.out`; a last line without a newline is truncated and left out.

    Raises:
        UnreadableError: a line has another form: skipping it could hide the lost packet.
    """
    lines = [line.rstrip("\r\n") for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return tuple(_return(line) for line in lines if line and line != _READY and not _ENTERED.fullmatch(line))


def _return(line: str) -> Return:
    match = _RETURNED.fullmatch(line)
    if match is None:
        raise UnreadableError(f"cannot parse systemtap's line: {line[:120]!r}")
    try:
        of = flow.parse(match["src"], match["sport"], match["dst"], match["dport"])
        dns_id = parse_integer(match["id"], PORT_MAX)
    except ValueError as error:
        raise UnreadableError(f"invalid address or number in systemtap's line: {line[:120]!r}") from error
    ct = None if match["ct"] == "(null)" else int(match["ct"], 16) or None
    return Return(int(match["time"]) / 1e6, int(match["ret"]), of, dns_id, ct)
