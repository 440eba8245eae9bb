"""Reads what the other side of an SSH connection offers, which each side sends in the clear."""

from __future__ import annotations

import socket
import struct

LISTS = ("key exchange", "host keys", "ciphers", "ciphers back", "macs", "macs back")
"""The first name-lists of the message, in their order (RFC 4253, section 7.1)."""

KEXINIT = 20
"""The message's number (RFC 4253, section 12)."""


def read_offer(connection: socket.socket) -> dict[str, list[str]]:
    """Give the other side's name-lists; our own line that says who we are must have been sent."""
    while _read(connection, 1) != b"\n":
        pass
    length, padding = struct.unpack(">IB", _read(connection, 5))
    payload = _read(connection, length - 1)[: length - 1 - padding]
    assert payload[0] == KEXINIT
    # After the number comes a cookie of sixteen bytes.
    at, found = 17, {}
    for name in LISTS:
        (length,) = struct.unpack_from(">I", payload, at)
        found[name] = payload[at + 4 : at + 4 + length].decode().split(",")
        at += 4 + length
    return found


def _read(connection: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = connection.recv(count - len(got))
        if not more:
            raise ConnectionError("the other side hung up")
        got += more
    return got
