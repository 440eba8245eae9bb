"""SSH keys made for one lab: one that logs in, and one for each machine's server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from lab.errors import BrokenEnvironment
from lab.files import write_once


@dataclass(frozen=True)
class KeyPair:
    """A key pair on disk.

    Attributes:
        private: The private key's file, mode 0600.
        public: The public key, as one line of OpenSSH.
    """

    private: Path
    public: str


def ensure(private: Path) -> KeyPair:
    """Give the key pair at a path, made when it is not there; any number may ask for it at once.

    ECDSA on P-256: the one kind that OpenSSH from 5.7 to today and paramiko both take. In OpenSSL's own PEM form, with
    the public half beside it, since Vagrant's net-ssh (7.0) can neither sign with one in OpenSSH's form nor tell the
    public half by itself.

    Raises:
        BrokenEnvironment: there is a file, but no such key in it or others may read it.
    """
    if not private.exists():
        new = ec.generate_private_key(ec.SECP256R1())
        write_once(
            private, new.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()), mode=0o600
        )
    if private.stat().st_mode & 0o077:
        raise BrokenEnvironment(f"{private} can be read by others", hint=f"chmod 600 {private}")
    try:
        key = load_pem_private_key(private.read_bytes(), password=None)
    except ValueError as error:
        raise BrokenEnvironment(f"{private} holds no key: {error}", hint="remove it: a new one is made") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey):
        raise BrokenEnvironment(f"{private} holds no ECDSA key", hint="remove it: a new one is made")
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    write_once(private.with_suffix(".pub"), public + "\n")
    return KeyPair(private, public)
