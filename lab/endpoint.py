"""What a provider yields: where and how to log in to a machine. Everything above it is the same for every machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


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
