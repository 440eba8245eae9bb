"""What a check would do to a machine: which rule queues, what would have to be loaded, and what that means."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from lab.checking.look import Look, State
from lab.errors import BrokenEnvironment

By = Literal["nftables", "iptables"]

PER_NAMESPACE = (4, 10)
"""Since then conntrack tracks only in the network namespaces that ask for it (commit 0c66dc1ea3f0); RHEL 7 has not."""


@dataclass(frozen=True)
class Part:
    """A part of the kernel that the trials need.

    Attributes:
        module: Its module's name.
        options: What it is configured by.
        what: What it is for.
        may_be_absent: Whether there are kernels that do the same without it, or trials that tell less.
    """

    module: str
    options: tuple[str, ...]
    what: str
    may_be_absent: bool = False


COMMON = (
    Part("nf_conntrack", ("CONFIG_NF_CONNTRACK",), "conntrack, which this is about"),
    Part("nf_conntrack_ipv4", ("CONFIG_NF_CONNTRACK_IPV4",), "conntrack of IPv4, up to 4.18", may_be_absent=True),
    Part("nfnetlink", ("CONFIG_NETFILTER_NETLINK",), "netfilter's messages to programs"),
    Part("nfnetlink_queue", ("CONFIG_NETFILTER_NETLINK_QUEUE",), "NFQUEUE"),
    Part("nf_conntrack_netlink", ("CONFIG_NF_CT_NETLINK",), "tells a queued packet's conntrack", may_be_absent=True),
    Part("veth", ("CONFIG_VETH",), "the wire between two namespaces"),
)

RULES: dict[By, tuple[Part, ...]] = {
    "nftables": (
        Part("nf_tables", ("CONFIG_NF_TABLES",), "rules by nf_tables"),
        Part("nf_tables_ipv4", ("CONFIG_NF_TABLES_IPV4",), "rules for IPv4, up to 4.16", may_be_absent=True),
        Part("nft_ct", ("CONFIG_NFT_CT",), "a rule that asks for conntrack"),
        Part("nft_queue", ("CONFIG_NFT_QUEUE",), "a rule that queues"),
    ),
    "iptables": (
        Part("ip_tables", ("CONFIG_IP_NF_IPTABLES", "CONFIG_IP_NF_IPTABLES_LEGACY"), "rules by ip_tables"),
        Part("iptable_mangle", ("CONFIG_IP_NF_MANGLE",), "the table they are in"),
        Part("xt_conntrack", ("CONFIG_NETFILTER_XT_MATCH_CONNTRACK",), "a rule that asks for conntrack"),
        Part("xt_NFQUEUE", ("CONFIG_NETFILTER_XT_TARGET_NFQUEUE",), "a rule that queues"),
    ),
}
"""What may queue the packets. The rules are made through the kernel's own interfaces: no program of the machine's."""

STAYS = "veth"
"""Unloading it takes every veth link of the machine away, whoever made it: the kernel does not count that as a use."""

MODULES = tuple(part.module for parts in (COMMON, *RULES.values()) for part in parts)
"""All that look.sh is to look for."""


@dataclass(frozen=True)
class Plan:
    """What would be done.

    Attributes:
        rule: What queues the packets.
        sudo: Whether by sudo.
        load: The modules that would be loaded, each behind those that it needs; all but STAYS are unloaded at the end.
        meaning: What loading them means for the machine, a sentence each.
    """

    rule: By
    sudo: bool
    load: tuple[str, ...]
    meaning: tuple[str, ...]


def of(look: Look, architecture: str) -> Plan:
    """Plan the check of a machine.

    Args:
        look: The machine.
        architecture: For which one the program can be built, as `uname -m` says it.

    Raises:
        BrokenEnvironment: it cannot be checked; the message says what is missing.
    """
    _require_a_machine_like_ours(look, architecture)
    _require_root(look)
    lacks = {rule: _lacks(look, (*COMMON, *parts)) for rule, parts in RULES.items()}
    loads = {rule: _loads(look, (*COMMON, *RULES[rule])) for rule, missing in lacks.items() if not missing}
    if not loads:
        raise _cannot_queue(look, lacks)
    rule = min(loads, key=lambda each: len(loads[each]))
    if loads[rule] and look.is_locked:
        names = ", ".join(loads[rule])
        raise BrokenEnvironment(
            f"modules would have to be loaded, and this machine loads none any more: {names}",
            hint="kernel.modules_disabled is set until it is booted again",
        )
    return Plan(rule, sudo=not look.is_root, load=loads[rule], meaning=tuple(_meaning(look, loads[rule])))


def _require_a_machine_like_ours(look: Look, architecture: str) -> None:
    if look.system != "Linux":
        raise BrokenEnvironment(f"this is {look.system}, not Linux: there is no conntrack to be checked")
    if look.architecture != architecture:
        raise BrokenEnvironment(
            f"this is a machine of architecture {look.architecture}, and the lab runs on {architecture}: "
            "the program that makes the trials is built for its own architecture only",
            hint=f"run the lab on a machine of architecture {look.architecture}, or on this one: lab check",
        )


def _require_root(look: Look) -> None:
    if not look.is_root and not look.has_sudo:
        raise BrokenEnvironment(
            "network namespaces and rules in them need root, and sudo does not let this user in without a password",
            hint="log in as root, run the lab as root, or let sudo know you first: sudo -v",
        )


def _lacks(look: Look, parts: tuple[Part, ...]) -> list[Part]:
    return [part for part in parts if not part.may_be_absent and look.state(part.module, *part.options) is State.ABSENT]


def _loads(look: Look, parts: tuple[Part, ...]) -> tuple[str, ...]:
    """Give what would be loaded for these, each once."""
    wanted = [part for part in parts if look.state(part.module, *part.options) is State.LOADABLE]
    needed = [module for part in wanted for module in look.needed_for(part.module)]
    return tuple(dict.fromkeys(module for module in needed if module not in look.loaded))


def _cannot_queue(look: Look, lacks: dict[By, list[Part]]) -> BrokenEnvironment:
    common = [part for part in lacks["nftables"] if part in COMMON]
    if common:
        told = ", ".join(f"{part.module} ({part.what})" for part in common)
        return BrokenEnvironment(f"kernel {look.kernel} lacks {told}", hint=_how_to_have(look, common))
    told = ", nor ".join(
        f"by {rule}: {' and '.join(f'{part.module} ({part.what})' for part in parts)} is missing"
        for rule, parts in lacks.items()
    )
    parts = [part for missing in lacks.values() for part in missing]
    return BrokenEnvironment(f"kernel {look.kernel} can queue packets neither {told}", hint=_how_to_have(look, parts))


def _how_to_have(look: Look, parts: list[Part]) -> str:
    if any(look.config.get(option) == "m" for part in parts for option in part.options):
        return "modprobe finds none, or may load none: see modprobe.d, kernel-modules-extra, linux-modules-extra"
    options = ", ".join(option for part in parts for option in part.options[:1])
    return f"it was built without {options}: nothing in NFQUEUE can be checked on it"


def _meaning(look: Look, load: tuple[str, ...]) -> Iterator[str]:
    if not load:
        return
    if "nf_conntrack" in load or "nf_conntrack_ipv4" in load:
        if _release(look.kernel) < PER_NAMESPACE:
            yield (
                "on this kernel, conntrack tracks the packets of every network namespace, this machine's own too, "
                "from when it is loaded until it is unloaded"
            )
        elif any("enable_hooks=" in line for line in look.options):
            yield (
                "/etc/modprobe.d sets enable_hooks for nf_conntrack: it then tracks in every network namespace, "
                "this machine's own too, until it is unloaded"
            )
        else:
            yield "conntrack tracks only where a rule asks for it, and only the check's own namespaces will have one"
        yield "the settings net.netfilter.nf_conntrack_* appear with their defaults, and go away with the module"
    if "iptable_mangle" in load:
        yield 'an empty table "mangle", which changes no packet, may appear in other namespaces until it is unloaded'
    if STAYS in load:
        yield f"{STAYS} stays loaded: unloading it would take away links that others may have made with it meanwhile"
    if set(load) - {STAYS}:
        yield "what others have come to use meanwhile stays loaded; all the rest is unloaded at the end"


def _release(kernel: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", kernel)
    return (int(found[1]), int(found[2])) if found else (0, 0)
