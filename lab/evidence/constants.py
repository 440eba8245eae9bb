"""Constants shared by several sources: of DNS, packets, the kernel and conntrack's counters."""

from __future__ import annotations

from typing import Literal

DNS_PORT = 53
"""RFC 1035, 4.2."""

NF_DROP = 0
"""linux/netfilter.h"""

INSERT_FAILED, DROP = "insert_failed", "drop"
CLASH_RESOLVE, CLASHRES = "clash_resolve", "clashres"
"""One counter of conntrack, from 5.10 on; /proc has the short name (net/netfilter/nf_conntrack_standalone.c)."""

EntryChange = Literal["NEW", "UPDATE", "DESTROY"]
"""Event types of an entry, named as by conntrack -E and the kernel (nf_conntrack_netlink.c)."""

FLOW_FIELDS = ("src", "sport", "dst", "dport")
"""Field names of a flow in conntrack(8) and the kernel."""

IPV4_FLOW = r"(?P<src>[0-9.]{7,15}):(?P<sport>\d{1,5})->(?P<dst>[0-9.]{7,15}):(?P<dport>\d{1,5})"
"""Pattern of a flow over IPv4 as printed by the hook module and the traces."""

ANY_FLOW = (
    r"\[?(?P<src>[0-9.]{7,15}|(?<=\[)[0-9a-f:.]{2,45}(?=\]))\]?:(?P<sport>\d{1,5})"
    r"->\[?(?P<dst>[0-9.]{7,15}|(?<=\[)[0-9a-f:.]{2,45}(?=\]))\]?:(?P<dport>\d{1,5})"
)
"""The same over IPv4 or IPv6, whose addresses are in brackets."""

FORKS = frozenset({"clone", "clone3", "fork", "vfork"})
"""System calls that create a process or a thread."""

DAY_S = 86400

REALTIME_LEAST_S = 1e8
"""Smaller timestamps, before 1973, are relative to the start."""
