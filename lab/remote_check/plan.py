"""Plans a check: which rules queue, which modules have to be loaded, and the consequences for the machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from lab.foundation.errors import BrokenEnvironment
from lab.remote_check.look import Look, PartState
from lab.remote_check.require import require_machine, require_root

By = Literal["nftables", "iptables"]

PER_NAMESPACE = (4, 10)
"""Since then conntrack is active only in network namespaces that request it (commit 0c66dc1ea3f0); not in RHEL 7."""


OWN_HOOKS = (4, 3)
"""Since then each network namespace has its own netfilter hooks (commit 085db2c04557). Before, the first chain of
nf_tables that translates applies to the flows of all namespaces: rules of others have no effect, and those of the
machine may lose theirs, too (observed on 3.10.0-1127). Tables of ip_tables are per namespace."""


@dataclass(frozen=True)
class KernelPart:
    """A part of the kernel that the trials need.

    Attributes:
        module: Module name.
        options: Configuration options.
        what: Its purpose.
        may_be_absent: Whether some kernels do the same without it, or trials show less without it.
    """

    module: str
    options: tuple[str, ...]
    what: str
    may_be_absent: bool = False


COMMON = (
    KernelPart("nf_conntrack", ("CONFIG_NF_CONNTRACK",), "conntrack, the subject of the check"),
    KernelPart("nf_conntrack_ipv4", ("CONFIG_NF_CONNTRACK_IPV4",), "conntrack of IPv4, up to 4.18", may_be_absent=True),
    KernelPart("nfnetlink", ("CONFIG_NETFILTER_NETLINK",), "netfilter's messages to programs"),
    KernelPart("nfnetlink_queue", ("CONFIG_NETFILTER_NETLINK_QUEUE",), "NFQUEUE"),
    KernelPart("nf_conntrack_netlink", ("CONFIG_NF_CT_NETLINK",), "a queued packet's conntrack", may_be_absent=True),
    KernelPart("veth", ("CONFIG_VETH",), "the wire between two namespaces"),
)

RULES: dict[By, tuple[KernelPart, ...]] = {
    "nftables": (
        KernelPart("nf_tables", ("CONFIG_NF_TABLES",), "rules by nf_tables"),
        KernelPart("nf_tables_ipv4", ("CONFIG_NF_TABLES_IPV4",), "rules for IPv4, up to 4.16", may_be_absent=True),
        KernelPart("nft_ct", ("CONFIG_NFT_CT",), "a rule that requests conntrack"),
        KernelPart("nft_queue", ("CONFIG_NFT_QUEUE",), "a rule that queues"),
    ),
    "iptables": (
        KernelPart("ip_tables", ("CONFIG_IP_NF_IPTABLES", "CONFIG_IP_NF_IPTABLES_LEGACY"), "rules by ip_tables"),
        KernelPart("iptable_mangle", ("CONFIG_IP_NF_MANGLE",), "the table they are in"),
        KernelPart("xt_conntrack", ("CONFIG_NETFILTER_XT_MATCH_CONNTRACK",), "a rule that requests conntrack"),
        KernelPart("xt_NFQUEUE", ("CONFIG_NETFILTER_XT_TARGET_NFQUEUE",), "a rule that queues"),
    ),
}
"""Parts that can queue packets. Rules are created through the kernel's interfaces, without the machine's programs."""

NAT: dict[By, tuple[KernelPart, ...]] = {
    "nftables": (
        KernelPart("nf_nat", ("CONFIG_NF_NAT",), "address translation"),
        KernelPart(
            "nf_nat_ipv4", ("CONFIG_NF_NAT_IPV4",), "address translation for IPv4, up to 5.0", may_be_absent=True
        ),
        KernelPart("nft_chain_nat", ("CONFIG_NFT_NAT",), "a chain for it, from 5.1 on", may_be_absent=True),
        KernelPart(
            "nft_chain_nat_ipv4", ("CONFIG_NFT_CHAIN_NAT_IPV4",), "a chain for it, up to 5.0", may_be_absent=True
        ),
        KernelPart("nft_nat", ("CONFIG_NFT_NAT",), "a rule that translates"),
    ),
    "iptables": (
        KernelPart("nf_nat", ("CONFIG_NF_NAT",), "address translation"),
        KernelPart(
            "nf_nat_ipv4", ("CONFIG_NF_NAT_IPV4",), "address translation for IPv4, up to 5.0", may_be_absent=True
        ),
        KernelPart("iptable_nat", ("CONFIG_IP_NF_NAT",), "the table that translates"),
        KernelPart("xt_nat", ("CONFIG_NETFILTER_XT_NAT",), "a rule that translates"),
        KernelPart("xt_statistic", ("CONFIG_NETFILTER_XT_MATCH_STATISTIC",), "a rule for every second flow"),
    ),
}
"""Parts that map two queries to two servers. They are loaded only for the trials behind DNAT, after the others: NAT in
the kernel may change the outcome of even a plain clash (nf_ct_resolve_clash in 4.7 to 4.9)."""

STAYS = "veth"
"""Unloading it removes every veth link of the machine, also those of others: the kernel does not count them as uses."""

MODULES = tuple(dict.fromkeys(part.module for parts in (COMMON, *RULES.values(), *NAT.values()) for part in parts))
"""All modules that look.sh reports."""


@dataclass(frozen=True)
class BehindDnat:
    """How trials behind DNAT to two servers would be made.

    Attributes:
        rule: What creates the rules; None when nothing can.
        load: Modules to load for them, each after its dependencies: those for the plain trials are unloaded by then.
        why_not: Why they cannot be made; empty when they can.
    """

    rule: By | None
    load: tuple[str, ...] = ()
    why_not: str = ""


@dataclass(frozen=True)
class CheckPlan:
    """Planned actions of a check.

    Attributes:
        rule: What queues the packets.
        sudo: Whether sudo is used.
        load: Modules to load, each after its dependencies; all but STAYS are unloaded at the end.
        meaning: Consequences of loading them, and those for DNAT, one sentence each.
        behind_dnat: The trials behind DNAT.
    """

    rule: By
    sudo: bool
    load: tuple[str, ...]
    meaning: tuple[str, ...]
    behind_dnat: BehindDnat

    @property
    def all_loads(self) -> tuple[str, ...]:
        """Modules to load for any of the trials, without duplicates."""
        return tuple(dict.fromkeys((*self.load, *self.behind_dnat.load)))


def of(look: Look, *, refused: By | None = None) -> CheckPlan:
    """Return the plan for checking a machine.

    Args:
        look: The machine.
        refused: The kind of rules that its kernel rejected although it seemed to support them.

    Raises:
        BrokenEnvironment: it cannot be checked; the message names what is missing.
    """
    require_machine(look, "lab check")
    require_root(look, "network namespaces and rules in them need root")
    lacks = {rule: _lacks(look, (*COMMON, *parts)) for rule, parts in RULES.items()}
    able = [rule for rule, missing in lacks.items() if not missing and rule != refused]
    loads = {rule: _loads(look, (*COMMON, *RULES[rule])) for rule in able}
    if not loads:
        raise _cannot_queue(look, lacks)
    rule = min(loads, key=lambda each: len(loads[each]))
    if loads[rule] and look.is_locked:
        names = ", ".join(loads[rule])
        raise BrokenEnvironment(
            f"modules would have to be loaded, and this machine does not allow that: {names}",
            hint="kernel.modules_disabled is set until the next boot",
        )
    behind = _behind_dnat(look, rule, refused)
    plan = CheckPlan(rule, sudo=not look.is_root, load=loads[rule], meaning=(), behind_dnat=behind)
    return replace(plan, meaning=tuple(_meaning(look, plan.all_loads)))


def _behind_dnat(look: Look, preferred: By, refused: By | None) -> BehindDnat:
    """Plan the trials behind DNAT, preferably with the kind of rules of the plain trials."""
    parts = {rule: (*COMMON, *RULES[rule], *NAT[rule]) for rule in RULES}
    lacks = {rule: _lacks(look, needed) for rule, needed in parts.items()}
    possible = [
        rule for rule in RULES if rule != refused and (rule == "iptables" or _release(look.kernel) >= OWN_HOOKS)
    ]
    rule = min((rule for rule in possible if not lacks[rule]), key=lambda each: each != preferred, default=None)
    if rule is None:
        closest = preferred if preferred in possible else possible[0]
        return BehindDnat(None, why_not=f"{_and(lacks[closest])} is missing")
    load = _loads(look, parts[rule])
    if load and look.is_locked:
        return BehindDnat(None, why_not=f"this machine does not allow loading modules, and needs {', '.join(load)}")
    return BehindDnat(rule, load)


def _and(parts: list[KernelPart]) -> str:
    return " and ".join(f"{part.module} ({part.what})" for part in parts)


def _lacks(look: Look, parts: tuple[KernelPart, ...]) -> list[KernelPart]:
    return [
        part for part in parts if not part.may_be_absent and look.state(part.module, *part.options) is PartState.ABSENT
    ]


def _loads(look: Look, parts: tuple[KernelPart, ...]) -> tuple[str, ...]:
    """Return the modules to load for these parts, without duplicates."""
    wanted = [part for part in parts if look.state(part.module, *part.options) is PartState.LOADABLE]
    needed = [module for part in wanted for module in look.needed_for(part.module)]
    return tuple(dict.fromkeys(module for module in needed if module not in look.loaded))


def _cannot_queue(look: Look, lacks: dict[By, list[KernelPart]]) -> BrokenEnvironment:
    common = [part for part in lacks["nftables"] if part in COMMON]
    if common:
        missing = ", ".join(f"{part.module} ({part.what})" for part in common)
        return BrokenEnvironment(f"kernel {look.kernel} lacks {missing}", hint=_how_to_have(look, common))
    ways = ", nor ".join(f"by {rule}: {_and(parts)} is missing" for rule, parts in lacks.items())
    parts = [part for missing in lacks.values() for part in missing]
    return BrokenEnvironment(f"kernel {look.kernel} can queue packets neither {ways}", hint=_how_to_have(look, parts))


def _how_to_have(look: Look, parts: list[KernelPart]) -> str:
    if any(look.config.get(option) == "m" for part in parts for option in part.options):
        return "modprobe does not find it or may not load it: see modprobe.d, kernel-modules-extra, linux-modules-extra"
    options = ", ".join(option for part in parts for option in part.options[:1])
    return f"it was built without {options}: nothing in NFQUEUE can be checked on it"


def _meaning(look: Look, load: tuple[str, ...]) -> Iterator[str]:
    if not load:
        return
    if "nf_conntrack" in load or "nf_conntrack_ipv4" in load:
        if _release(look.kernel) < PER_NAMESPACE:
            yield (
                "on this kernel, conntrack tracks the packets of every network namespace, including this machine's, "
                "from when it is loaded until it is unloaded"
            )
        elif any("enable_hooks=" in line for line in look.options):
            yield (
                "/etc/modprobe.d sets enable_hooks for nf_conntrack: it then tracks in every network namespace, "
                "including this machine's, until it is unloaded"
            )
        else:
            yield "conntrack tracks only where a rule requests it, and only the check's own namespaces will have one"
        yield "the settings net.netfilter.nf_conntrack_* appear with their defaults, and disappear with the module"
    tables = [f'"{table.removeprefix("iptable_")}"' for table in ("iptable_mangle", "iptable_nat") if table in load]
    if tables:
        yield (
            f"an empty table {' and '.join(tables)}, which changes no packet, may appear in other namespaces until it "
            "is unloaded"
        )
    if "nf_nat" in load:
        yield (
            "address translation is loaded for the last trials only, behind DNAT to two servers: while it is loaded, a "
            "clash may have another outcome on some kernels"
        )
    if STAYS in load:
        yield f"{STAYS} stays loaded: unloading it would remove links that others may have created with it meanwhile"
    if set(load) - {STAYS}:
        yield "modules that others use by then stay loaded; all others are unloaded at the end"


def _release(kernel: str) -> tuple[int, int]:
    version = re.match(r"(\d+)\.(\d+)", kernel)
    return (int(version[1]), int(version[2])) if version else (0, 0)
