"""Parses OpenPGP key files (RFC 4880) and computes the fingerprints of their keys."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_ARMORED = re.compile(
    rb"-----BEGIN PGP PUBLIC KEY BLOCK-----\s*?\n(?P<block>.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL
)
_ARMOR_HEADER = re.compile(rb"[A-Za-z]+: .*")
"""Armor header lines, between the first line and an empty one: RFC 4880, 6.2."""

_SIGNATURE, _PUBLIC_KEY, _PUBLIC_SUBKEY = 2, 6, 14
"""Packet tags: RFC 4880, 4.3."""

_VERSION = 4
"""Key version whose fingerprint is a SHA-1: RFC 4880, 12.2."""


class KeyFileError(ValueError):
    """The content is not an OpenPGP key file, or is damaged."""


@dataclass(frozen=True)
class PublicKey:
    """A public key.

    Attributes:
        fingerprint: 40 hexadecimal digits, upper case.
        content: Its packets without subkeys: the primary key, its user ids and their signatures.
    """

    fingerprint: str
    content: bytes


def keys(content: bytes) -> list[PublicKey]:
    """Return the primary keys of a key file, armored or not; keys of versions other than 4 are skipped.

    Raises:
        UnreadableError: it is not a key file, or is damaged.
    """
    keys: list[PublicKey] = []
    is_wanted = False
    for tag, body, whole in _packets(_dearmored(content)):
        if tag == _PUBLIC_KEY:
            is_wanted = body[:1] == bytes([_VERSION])
            if is_wanted:
                keys.append(PublicKey(_fingerprint(body), whole))
        elif tag == _PUBLIC_SUBKEY:
            is_wanted = False
        elif is_wanted:
            keys[-1] = PublicKey(keys[-1].fingerprint, keys[-1].content + whole)
    return keys


def _fingerprint(body: bytes) -> str:
    digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2) + body, usedforsecurity=False)
    return digest.hexdigest().upper()


def _dearmored(content: bytes) -> bytes:
    blocks = [match["block"] for match in _ARMORED.finditer(content)]
    if not blocks:
        return content
    try:
        return b"".join(_decoded(block) for block in blocks)
    except binascii.Error as error:
        raise KeyFileError(f"its armor is damaged: {error}") from error


def _decoded(block: bytes) -> bytes:
    lines = [line.strip() for line in block.splitlines()]
    # The line that begins with "=" is a 24-bit checksum; the fingerprint makes it unnecessary.
    data = [line for line in lines if not line.startswith(b"=") and not _ARMOR_HEADER.fullmatch(line)]
    # Whitespace in the data is ignored: RFC 4880, 6.4.
    return base64.b64decode(b"".join(b"".join(data).split()), validate=True)


def _packets(content: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield each packet's tag, its body and the whole packet: RFC 4880, 4.2."""
    at = 0
    while at < len(content):
        first = content[at]
        if not first & 0x80:
            raise KeyFileError("it is not an OpenPGP key file")
        tag, prefix, size = _new_form(content, at) if first & 0x40 else _old_form(content, at)
        end = at + prefix + size
        if end > len(content):
            raise KeyFileError("it is truncated")
        yield tag, content[at + prefix : end], content[at:end]
        at = end


def _new_form(content: bytes, at: int) -> tuple[int, int, int]:
    tag, lengths = content[at] & 0x3F, content[at + 1 : at + 6]
    if lengths and lengths[0] < 192:  # noqa: PLR2004  RFC 4880, 4.2.2.1
        return tag, 2, lengths[0]
    if len(lengths) > 1 and lengths[0] < 224:  # noqa: PLR2004  4.2.2.2
        return tag, 3, ((lengths[0] - 192) << 8) + lengths[1] + 192
    if len(lengths) == 5 and lengths[0] == 255:  # noqa: PLR2004  4.2.2.3
        return tag, 6, int.from_bytes(lengths[1:])
    raise KeyFileError("a packet's length is damaged")


def _old_form(content: bytes, at: int) -> tuple[int, int, int]:
    tag, kind = content[at] >> 2 & 0x0F, content[at] & 3
    if kind == 3:  # noqa: PLR2004  4.2.1: indeterminate length, not used for keys
        raise KeyFileError("a packet has no length")
    octets = 1 << kind
    length = content[at + 1 : at + 1 + octets]
    if len(length) < octets:
        raise KeyFileError("it is truncated")
    return tag, 1 + octets, int.from_bytes(length)
