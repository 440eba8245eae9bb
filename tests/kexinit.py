"""Parser of an SSH server's offer, which both sides send unencrypted."""

from __future__ import annotations

import socket
import struct

LISTS = ("key exchange", "host keys", "ciphers", "ciphers back", "macs", "macs back")
"""The first name-lists of the message, in their order (RFC 4253, section 7.1)."""

KEXINIT = 20
"""The message's number (RFC 4253, section 12)."""


def read_offer(connection: socket.socket) -> dict[str, list[str]]:
    """Return the server's name-lists; our own identification line must have been sent."""
    while _read(connection, 1) != b"\n":
        pass
    length, padding = struct.unpack(">IB", _read(connection, 5))
    payload = _read(connection, length - 1)[: length - 1 - padding]
    assert payload[0] == KEXINIT
    # A cookie of sixteen bytes follows the message number.
    at, lists = 17, {}
    for name in LISTS:
        (length,) = struct.unpack_from(">I", payload, at)
        lists[name] = payload[at + 4 : at + 4 + length].decode().split(",")
        at += 4 + length
    return lists


def _read(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = connection.recv(count - len(got))
        if not more:
            raise ConnectionError("the other side hung up")
        got += more
    return got
