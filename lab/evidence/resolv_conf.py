"""Parser of the resolver's configuration, resolv.conf(5)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

_COUNTED = re.compile(r"(timeout|attempts|ndots):(\d{1,3})", re.ASCII)
_ALL_OPTIONS = (
    "debug ndots timeout attempts rotate no-aaaa no-check-names inet6 ip6-bytestring ip6-dotint no-ip6-dotint edns0 "
    "single-request single-request-reopen no-tld-query use-vc no-reload trust-ad insecure1 insecure2"
)
_OPTIONS = frozenset(_ALL_OPTIONS.split())
"""Options of glibc (resolv.conf(5)), and BSD's `insecure1`, `insecure2`."""

_DOMAIN = re.compile(r"\.|(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62})\.?){1,30}", re.ASCII)
_LINE_MAX = 2000


@dataclass(frozen=True)
class ResolvConf:
    """A parsed resolv.conf.

    Attributes:
        nameservers: The servers' addresses in order.
        search: The search domains.
        options: Each word of the `options` lines, with its line number.
    """

    nameservers: tuple[str, ...]
    search: tuple[str, ...]
    options: tuple[tuple[str, int], ...]

    def number(self, name: str, default: int) -> int:
        """Return the value of `timeout`, `attempts` or `ndots`; the last one wins."""
        matches = [_COUNTED.fullmatch(word) for word, _ in self.options]
        return next((int(match[2]) for match in reversed(matches) if match and match[1] == name), default)


def is_line(line: str) -> bool:
    """Return whether a line is certainly one of resolv.conf; prose may also begin with `search` or `options`."""
    keyword, *words = line[:_LINE_MAX].split() or [""]
    if keyword == "nameserver":
        return len(words) >= 1 and _is_address(words[0]) and (len(words) == 1 or words[1][:1] in {"#", ";"})
    if keyword == "options":
        return bool(words) and all(word.partition(":")[0] in _OPTIONS for word in words)
    if keyword in {"search", "domain"}:
        domains = bool(words) and all(_DOMAIN.fullmatch(word) for word in words)
        return domains and (len(words) == 1 or any("." in word for word in words))
    return keyword == "sortlist" and bool(words) and all(_is_address(word.partition("/")[0]) for word in words)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def parse(text: str) -> ResolvConf:
    """Parse a resolv.conf; unknown lines are skipped, as by the resolver."""
    return parse_lines(enumerate(text.splitlines(), 1))


def parse_lines(lines: Iterable[tuple[int, str]]) -> ResolvConf:
    """Parse the numbered lines of a resolv.conf."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[tuple[str, int]] = []
    for number, line in lines:
        keyword, *words = line.split() or [""]
        if keyword == "nameserver":
            nameservers += words[:1]
        elif keyword in {"search", "domain"}:
            search = tuple(words)
        elif keyword == "options":
            options += [(word, number) for word in words]
    return ResolvConf(tuple(nameservers), search, tuple(options))
