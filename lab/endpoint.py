"""What a provider yields: where and how to log in to a machine. Everything above it is the same for every machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.errors import BadInput

_ACCOUNT = re.compile(
    r"(?:(?P<user>[^@\s:/]+)@)?(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9][A-Za-z0-9._-]*)(?::(?P<port>\d{1,5}))?"
)


@dataclass(frozen=True)
class Endpoint:
    """One machine's SSH server.

    Attributes:
        machine: The machine's name.
        host: Address.
        port: TCP port.
        user: Who logs in.
        key_file: The private key, mode 0600.
        host_key: The server's public key, as one line of OpenSSH; no other is accepted.
    """

    machine: str
    host: str
    port: int
    user: str
    key_file: Path
    host_key: str


@dataclass(frozen=True)
class Account:
    """An account on a machine that is not the lab's: what lets its user in, and how it is known, is the user's own.

    Attributes:
        host: Name or address, or what the user's SSH configuration calls it.
        user: Who logs in; None for whom SSH would take.
        port: TCP port, likewise.
        key_file: The private key; None for the agent's and the usual ones.
    """

    host: str
    user: str | None = None
    port: int | None = None
    key_file: Path | None = None

    @property
    def machine(self) -> str:
        """What it is called in messages."""
        return f"{self.user}@{self.host}" if self.user else self.host


def account(text: str, key_file: Path | None = None) -> Account:
    """Read `[user@]host[:port]`; an IPv6 address stands in brackets.

    Raises:
        BadInput: it has another form.
    """
    found = _ACCOUNT.fullmatch(text)
    port = int(found["port"]) if found and found["port"] else None
    if found is None or port == 0 or (port or 0) >= 1 << 16:
        raise BadInput(f"'{text}' is no [user@]host[:port]", hint="for example: lab check root@web1.example.com:2222")
    return Account(found["host"].strip("[]"), found["user"], port, key_file)
