"""The eras of a kernel: its behaviour when two conntracks of one flow clash."""

from enum import StrEnum


class Era(StrEnum):
    """The kernel's behaviour when the second packet of an armed race reaches the end of POST_ROUTING.

    Sources: `__nf_conntrack_confirm`, `nf_ct_resolve_clash` and `nf_conntrack_update` in
    net/netfilter/nf_conntrack_core.c; commits 71d8c47fc653 (4.7), 368982cd7d1b (4.19) and 8af79d3edb5f (6.12).
    """

    DROP = "drop"
    """Up to 4.6 and RHEL 7.0 to 7.4: confirm returns NF_DROP, the packet is lost."""
    RESOLVE = "resolve"
    """4.7 to 4.18, again from 6.12 on, and RHEL 7.7 to 7.9: the packet gets the winner's conntrack and passes."""
    RELOOKUP = "relookup"
    """4.19 to 6.11: the tuple is looked up again at reinjection, so that nothing clashes.

    Not in later kernels: the `nf_conntrack_update` of Debian's 6.12.117 does no lookup, and that kernel resolves.
    """
