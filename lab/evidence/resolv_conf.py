"""What the resolver was told: resolv.conf(5)."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KEYWORDS = ("nameserver", "search", "domain", "options", "sortlist")
_COUNTED = re.compile(r"(timeout|attempts|ndots):(\d{1,3})", re.ASCII)


@dataclass(frozen=True)
class ResolvConf:
    """A resolv.conf.

    Attributes:
        nameservers: In order.
        search: The domains that are tried behind a name.
        options: Each word of its `options` lines, with the number of the line.
    """

    nameservers: tuple[str, ...]
    search: tuple[str, ...]
    options: tuple[tuple[str, int], ...]

    def number(self, name: str, default: int) -> int:
        """Give the value of `timeout`, `attempts` or `ndots`; the last that is given counts."""
        given = [_COUNTED.fullmatch(word) for word, _ in self.options]
        return next((int(found[2]) for found in reversed(given) if found and found[1] == name), default)


def is_resolv_conf(text: str) -> bool:
    """Say whether every line of a text is one of resolv.conf, and some line says something."""
    lines = [line.split() for line in text.splitlines() if line.strip() and line.strip()[0] not in "#;"]
    return bool(lines) and all(words[0] in _KEYWORDS and len(words) > 1 for words in lines)


def parse(text: str) -> ResolvConf:
    """Read a resolv.conf; what it does not know, the resolver passes over, too."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    options: list[tuple[str, int]] = []
    for number, line in enumerate(text.splitlines(), 1):
        keyword, *words = line.split() or [""]
        if keyword == "nameserver":
            nameservers += words[:1]
        elif keyword in {"search", "domain"}:
            search = tuple(words)
        elif keyword == "options":
            options += [(word, number) for word in words]
    return ResolvConf(tuple(nameservers), search, tuple(options))
