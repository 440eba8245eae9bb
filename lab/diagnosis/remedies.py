"""Remedies that the lab has measured, each with the scenario that shows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from lab.diagnosis.causes import Cause, Finding
from lab.diagnosis.clues import Clues
from lab.diagnosis.fates import Fate

_MUSL_S = (2.3, 2.8)
"""musl retries the missing query after 2.5 s (res_msend.c: timeout / attempts)."""

_FIVE_S = (4.8, 5.8)
"""glibc waits five seconds (resolv.h: RES_TIMEOUT), and so does c-ares (ares_private.h: DEFAULT_TIMEOUT)."""


class ResolverLibrary(StrEnum):
    """The resolver library, judged by its waits and its second attempt."""

    GLIBC = "glibc"
    MUSL = "musl"
    CARES = "c-ares"


@dataclass(frozen=True)
class Remedy:
    """A measure that helps, or that is tried often and does not help.

    Attributes:
        what: What to do, and what it costs.
        commands: What to type or to write into a file; empty where that depends on the product.
        scenario: The scenario that measures it; None where none does.
    """

    what: str
    commands: tuple[str, ...] = ()
    scenario: str | None = None


_REOPEN = Remedy(
    "the second query gets a separate socket, and so a separate flow (glibc; one more round trip for each lookup)",
    ("options single-request-reopen        # in resolv.conf",),
    "nfqueue-single-request-reopen",
)
_REOPEN_OF_POD = Remedy(
    _REOPEN.what,
    ("dnsConfig: {options: [{name: single-request-reopen}]}        # in the pod's spec",),
    "nfqueue-single-request-reopen",
)
_TCP = Remedy(
    "DNS over TCP: one connection has one conntrack (glibc; one more handshake for each lookup)",
    ("options use-vc        # in resolv.conf",),
    "nfqueue-use-vc",
)
_MUSL = Remedy(
    "musl (Alpine) ignores glibc's options, so single-request-reopen in resolv.conf does not help: use what follows",
    scenario="nfqueue-musl",
)
_CARES = Remedy(
    "c-ares (Node.js, many builds of curl) does not know single-request-reopen: use what follows",
    scenario="nfqueue-c-ares",
)
_NODE_CACHE = Remedy(
    "a caching resolver on the node: in Kubernetes NodeLocal DNSCache, whose address is exempt from conntrack; it asks "
    "its own server from another port for each query",
    ("https://kubernetes.io/docs/tasks/administer-cluster/nodelocaldns/",),
    "nfqueue-cache",
)
_CACHE = Remedy(
    "a caching resolver on this machine, which asks its server from another port for each query; it does not help "
    "where the hook queues the loopback as well (scenario nfqueue-cache-loopback)",
    ("nameserver 127.0.0.1        # in resolv.conf",),
    "nfqueue-cache",
)
_RAW = Remedy(
    "queue before conntrack: the product's NFQUEUE rule in the raw table, at OUTPUT or PREROUTING, not in mangle or "
    "POSTROUTING",
    ("iptables -t raw -A OUTPUT -p udp --dport 53 -j NFQUEUE --queue-num NUMBER --queue-bypass",),
    "nfqueue-raw",
)
_NOTRACK = Remedy(
    "exempt DNS from conntrack; not where its address is translated (services, DNAT, masquerading): that needs "
    "conntrack",
    (
        "iptables -t raw -A OUTPUT -p udp --dport 53 -j CT --notrack",
        "iptables -t raw -A PREROUTING -p udp --sport 53 -j CT --notrack",
    ),
    "nfqueue-notrack",
)
_KERNEL = Remedy(
    "a kernel that resolves the clash: CentOS/RHEL 7.7 or later (3.10.0-1062), upstream 4.7 or later; behind DNAT to "
    "two resolvers that of CentOS/RHEL 7 does not help (scenario nfqueue-dnat)",
    ("uname -r; sudo lab check",),
    "nfqueue",
)
_KERNEL_OF_NAT = Remedy(
    "a newer kernel on the node: behind DNAT to two resolvers CentOS/RHEL 7.7 to 7.9 still loses the query (measured "
    "on 3.10.0-1127), 5.10 and later did not; with NFQUEUE some kernels did up to the fix of 2024 (8af79d3edb5f, 6.12)",
    ("uname -r; sudo lab check",),
    "nfqueue-dnat",
)
_QUEUE_LENGTH = Remedy(
    "the verdict program is too slow, or its queue too short: raise the queue's length (NFQA_CFG_QUEUE_MAXLEN, by "
    "default 1024: an option of the program) for queue_dropped, its socket's buffer for user_dropped, or let packets "
    "pass when it is full (NFQA_CFG_F_FAIL_OPEN; --queue-bypass helps only where nothing listens)",
    ("sysctl -w net.core.rmem_max=8388608 net.core.rmem_default=8388608; then restart the program",),
)
_TABLE_SIZE = Remedy(
    "conntrack's table is too small for this machine's traffic, or its entries live too long",
    ("sysctl -w net.netfilter.nf_conntrack_max=262144", "sysctl net.netfilter.nf_conntrack_udp_timeout"),
)


def choose_remedies(finding: Finding | None, clues: Clues) -> tuple[Remedy, ...]:
    """Return remedies against a cause, the most suitable first."""
    if finding is None:
        return ()
    if finding.cause is Cause.QUEUE_FULL:
        return (_QUEUE_LENGTH,)
    if finding.cause is Cause.TABLE_FULL:
        return (_TABLE_SIZE,)
    return tuple(_of_clash(finding, clues)) if finding.cause is Cause.CLASH else ()


def _of_clash(finding: Finding, clues: Clues) -> Iterator[Remedy]:
    who = detect_client(finding)
    pod = clues.around.container
    translated = pod or finding.behind or clues.around.forwards
    queued = bool(clues.hooks or clues.queues)
    if who is ResolverLibrary.MUSL:
        yield _MUSL
    elif who is ResolverLibrary.CARES:
        yield _CARES
    else:
        yield _REOPEN_OF_POD if pod else _REOPEN
    yield _NODE_CACHE if pod else _CACHE
    if queued or not pod:
        yield _RAW
    if not translated:
        yield _NOTRACK
    if who in {None, ResolverLibrary.GLIBC}:
        yield _TCP
    yield _KERNEL_OF_NAT if translated else _KERNEL


def detect_client(finding: Finding) -> ResolverLibrary | None:
    """Return the resolver library, judged by the time and the content of its retry; None when that does not show it.

    glibc retries both, one by one (res_send.c: RES_SNGLKUP); musl and c-ares retry the missing query alone.
    """
    lost = [each for each in finding.fated if each.fate is not Fate.ANSWERED]
    rest = [each for each in finding.fated if each.fate is Fate.ANSWERED]
    waits_s = [each.took_s for each in lost if each.took_s]
    if any(_MUSL_S[0] <= wait_s <= _MUSL_S[1] for wait_s in waits_s):
        return ResolverLibrary.MUSL
    if not any(_FIVE_S[0] <= wait_s <= _FIVE_S[1] for wait_s in waits_s):
        return None
    if any(len(each.question.asked) > 1 for each in rest):
        return ResolverLibrary.GLIBC
    asked_again = any(len(each.question.asked) > 1 or each.inferred for each in lost)
    return ResolverLibrary.CARES if rest and asked_again else None
