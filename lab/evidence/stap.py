"""What systemtap traced of `__nf_conntrack_confirm`: the lines of provision/stap/confirm.stp."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lab.evidence import flow
from lab.evidence.errors import UnreadableError
from lab.evidence.fields import PORT_MAX, whole
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
    """A DNS packet that confirm was done with.

    Attributes:
        time_s: When it returned, by CLOCK_REALTIME in seconds.
        returned: What it returned: 0 is NF_DROP, 1 NF_ACCEPT (linux/netfilter.h).
        flow: The packet's 5-tuple.
        dns_id: Its DNS id.
        ct: The address of its conntrack afterwards; None for none.
    """

    time_s: float
    returned: int
    flow: Flow
    dns_id: int
    ct: int | None


def parse(text: str) -> tuple[Return, ...]:
    """Read `stap.out`; a last line without an end was cut off and is left out.

    Raises:
        UnreadableError: a line is none of the script's: one that was left out could be the lost packet.
    """
    lines = [line.rstrip("\r\n") for line in text.splitlines(keepends=True) if line.endswith("\n")]
    return tuple(_return(line) for line in lines if line and line != _READY and not _ENTERED.fullmatch(line))


def _return(line: str) -> Return:
    found = _RETURNED.fullmatch(line)
    if found is None:
        raise UnreadableError(f"systemtap's line is not understood: {line[:120]!r}")
    try:
        of = flow.read(found["src"], found["sport"], found["dst"], found["dport"])
        dns_id = whole(found["id"], PORT_MAX)
    except ValueError as error:
        raise UnreadableError(f"systemtap's line has no address or number where it should: {line[:120]!r}") from error
    ct = None if found["ct"] == "(null)" else int(found["ct"], 16) or None
    return Return(int(found["time"]) / 1e6, int(found["ret"]), of, dns_id, ct)
