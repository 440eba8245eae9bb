"""SSH keys of one lab: one to log in with, and one for each machine's server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lab.foundation.errors import BrokenEnvironment
from lab.foundation.files import write_once
from lab.foundation.later import Later

if TYPE_CHECKING:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec
else:
    serialization = Later("cryptography.hazmat.primitives.serialization")
    ec = Later("cryptography.hazmat.primitives.asymmetric.ec")


@dataclass(frozen=True)
class KeyPair:
    """A key pair on disk.

    Attributes:
        private: The private key's file, mode 0600.
        public: The public key, as one line in OpenSSH format.
    """

    private: Path
    public: str


def ensure(private: Path) -> KeyPair:
    """Return the key pair at a path, creating it if missing; safe for concurrent callers.

    ECDSA on P-256 is the only kind supported by OpenSSH since 5.7 and by paramiko. It is stored in OpenSSL's PEM format
    with the public key beside it, since Vagrant's net-ssh (7.0) can neither sign with a key in OpenSSH's format nor
    derive the public key.

    Raises:
        BrokenEnvironment: the file contains no such key, or others may read it.
    """
    if not private.exists():
        new = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PrivateFormat.TraditionalOpenSSL
        unencrypted = new.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
        write_once(private, unencrypted, mode=0o600)
    if private.stat().st_mode & 0o077:
        raise BrokenEnvironment(f"{private} can be read by others", hint=f"chmod 600 {private}")
    try:
        key = serialization.load_pem_private_key(private.read_bytes(), password=None)
    except ValueError as error:
        raise BrokenEnvironment(f"{private} holds no key: {error}", hint="remove it: a new one is made") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BrokenEnvironment(f"{private} holds no ECDSA key", hint="remove it: a new one is made")
    openssh = (serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    public = key.public_key().public_bytes(*openssh).decode()
    write_once(private.with_suffix(".pub"), public + "\n")
    return KeyPair(private, public)
