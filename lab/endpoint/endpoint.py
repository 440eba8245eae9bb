"""The endpoint that a provider returns: address and login of a machine, the same for every kind of machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lab.foundation.errors import BadInput

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
        user: Login name.
        key_file: The private key, mode 0600.
        host_key: The server's public key, as one line in OpenSSH format; no other is accepted.
    """

    machine: str
    host: str
    port: int
    user: str
    key_file: Path
    host_key: str


@dataclass(frozen=True)
class Account:
    """An account on a machine that is not the lab's; its credentials and host key are the user's.

    Attributes:
        host: Name or address, or an alias in the user's SSH configuration.
        user: Login name; None for SSH's default.
        port: TCP port; None for SSH's default.
        key_file: The private key; None for the agent's and the default ones.
    """

    host: str
    user: str | None = None
    port: int | None = None
    key_file: Path | None = None

    @property
    def machine(self) -> str:
        """Name for messages."""
        return f"{self.user}@{self.host}" if self.user else self.host


def account(text: str, key_file: Path | None = None) -> Account:
    """Parse `[user@]host[:port]`; an IPv6 address is in brackets.

    Raises:
        BadInput: it has another form.
    """
    match = _ACCOUNT.fullmatch(text)
    port = int(match["port"]) if match and match["port"] else None
    if match is None or port == 0 or (port or 0) >= 1 << 16:
        raise BadInput(f"'{text}' is not [user@]host[:port]", hint="for example: lab check root@web1.example.com:2222")
    return Account(match["host"].strip("[]"), match["user"], port, key_file)
