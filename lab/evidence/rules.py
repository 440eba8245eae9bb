"""Parser of packet filter rules that queue packets: iptables-save, iptables -S and -L, nft list ruleset."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

_LINE_MAX = 2000
_SAVED_TABLE = re.compile(r"\*(?P<table>filter|nat|mangle|raw|security)\s*")
_SAVED_CHAIN = re.compile(r":[A-Za-z0-9_.:-]{1,40} (?:ACCEPT|DROP|-) \[\d{1,20}:\d{1,20}\]\s*")
_SAVED_RULE = re.compile(
    r"\s*(?:\[\d{1,20}:\d{1,20}\] )?(?:ip6?tables (?:-w )?(?:-t (?P<table>[a-z]{2,10}) )?)?"
    r"-(?:A|I|P|N) (?P<chain>[A-Za-z0-9_.:-]{1,40})\b.*"
)
_SAVED_REST = re.compile(r"COMMIT|# (?:Generated|Completed) (?:by|on) .*|# Warning: .*legacy.*")
_LISTED_CHAIN = re.compile(r"Chain (?P<chain>[A-Za-z0-9_.:-]{1,40}) \((?:policy|\d{1,6} references).*")
_LISTED_HEAD = re.compile(r"\s*(?:num\s+)?(?:pkts\s+bytes\s+)?target\s+prot\s+opt\s+.*")
_LISTED_RULE = re.compile(
    r"\s*(?:\d{1,6}\s+)?(?:\d{1,12}[KMG]?\s+\d{1,12}[KMG]?\s+)?[A-Z][A-Za-z0-9_.:-]{1,40}\s+"
    r"(?:udp|tcp|icmp|all|17|6|0)\s+(?:--|-f|!f)\s+.*"
)
_NFT_TABLE = re.compile(r"\s*table (?:ip6?|inet|arp|bridge|netdev) (?P<table>\S{1,40}) \{")
_NFT_CHAIN = re.compile(r"\s*chain (?P<chain>\S{1,60}) \{")
_NFT_HOOK = re.compile(
    r"\s*type (?:filter|nat|route) hook (?P<hook>[a-z]{2,12}) .{0,40}?priority (?P<priority>[^;]{1,40});.*"
)
_NFT_RULE = re.compile(r"\s*(?:meta |ip6? |udp |tcp |th |iif|oif|ct |fib |counter |queue |log |#? ?xt match )\S*.*")
_NUMBER = re.compile(
    r"(?:--queue-num|--queue-balance|NFQUEUE (?:num|balance)|queue (?:flags \S{1,40} )?(?:num|to)) (\d{1,5})"
)


@dataclass(frozen=True)
class Rule:
    """A rule that sends packets to a queue.

    Attributes:
        queue: The queue's number; None where it is not shown.
        table: The table; empty where it is not shown.
        chain: The chain, and with nftables the hook and the priority; empty where it is not shown.
        text: The rule.
        line: Line number, from 1.
    """

    queue: int | None
    table: str
    chain: str
    text: str
    line: int = field(default=0, compare=False)


def is_line(line: str) -> bool:
    """Return whether a line belongs to a list of rules, or sets a rule in a script."""
    line = line[:_LINE_MAX]
    first = line.lstrip()[:1]
    if first in "*:-[C#" or "iptables" in line[:40] or "ip6tables" in line[:40]:
        patterns = (_SAVED_TABLE, _SAVED_CHAIN, _SAVED_RULE, _SAVED_REST, _LISTED_CHAIN)
        if first and any(pattern.fullmatch(line) for pattern in patterns):
            return True
    if "target" in line and _LISTED_HEAD.fullmatch(line):
        return True
    if "--" in line and _LISTED_RULE.fullmatch(line):
        return True
    return any(pattern.fullmatch(line) for pattern in (_NFT_TABLE, _NFT_CHAIN, _NFT_HOOK)) or _is_nft_queue(line)


def _is_nft_queue(line: str) -> bool:
    return "queue" in line and _NFT_RULE.fullmatch(line) is not None and _NUMBER.search(line) is not None


def parse(lines: Iterable[tuple[int, str]]) -> tuple[Rule, ...]:
    """Parse the rules that queue packets from numbered lines."""
    rules: list[Rule] = []
    table = chain = ""
    for number, whole in lines:
        line = whole[:_LINE_MAX]
        if named := _SAVED_TABLE.fullmatch(line) or _NFT_TABLE.fullmatch(line):
            table, chain = named["table"], ""
        elif named := _LISTED_CHAIN.fullmatch(line) or _NFT_CHAIN.fullmatch(line):
            chain = named["chain"]
        elif hook := _NFT_HOOK.fullmatch(line):
            chain = f"{chain}, hook {hook['hook']}, priority {hook['priority'].strip()}".lstrip(", ")
        elif "NFQUEUE" in line or _is_nft_queue(line):
            saved = _SAVED_RULE.fullmatch(line)
            queue = _NUMBER.search(line)
            rules.append(
                Rule(
                    queue=int(queue[1]) if queue else None,
                    table=(saved["table"] if saved else None) or table,
                    chain=saved["chain"] if saved else chain,
                    text=line.strip(),
                    line=number,
                )
            )
    return tuple(rules)
