"""A container for the tests of `lab watch`: a network namespace with a resolver's configuration and a DNS server.

    unshare --net --mount python tests/native/watched_container.py KIND LOOKUPS

It prints `ready`, waits for a line on standard input, makes the lookups by the C library, prints how long each took in
seconds, and ends at the end of standard input. The server is on the namespace's own loopback.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

HEALTHY, DEAD, LOSES, FULL, FLOODED = "healthy", "dead", "loses", "full", "flooded"
"""Kinds: a server that answers; one that never does; one that loses the first AAAA query; a queue that is full; and one
that loses the first AAAA query among answers that no one asked for, as many as a processor can send."""

SERVER = "127.0.0.1"
QUEUE = 7
BURST = 1000
AAAA = 28
NETLINK_NETFILTER, NFNL_SUBSYS_QUEUE, NFQNL_MSG_CONFIG = 12, 3, 2
NFQA_CFG_CMD, NFQA_CFG_QUEUE_MAXLEN = 1, 3


def answer(query: bytes) -> bytes:
    """Return the answer to a query: one address for A, none for AAAA."""
    end = query.index(b"\0", 12) + 5
    qtype = int.from_bytes(query[end - 4 : end - 2], "big")
    records = b"" if qtype == AAAA else b"\xc0\x0c\0\1\0\1\0\0\0\0\0\4\x7f\0\0\x50"
    return query[:2] + b"\x81\x80" + struct.pack("!HHHH", 1, bool(records), 0, 0) + query[12:end] + records


def serve(listening: socket.socket, kind: str) -> None:
    """Answer queries as the kind does."""
    lost = False
    while True:
        query, asker = listening.recvfrom(4096)
        end = query.index(b"\0", 12) + 5
        if kind == DEAD:
            continue
        if kind in {LOSES, FLOODED} and not lost and int.from_bytes(query[end - 4 : end - 2], "big") == AAAA:
            lost = True
            continue
        listening.sendto(answer(query), asker)


def fill_queue() -> socket.socket:
    """Queue what is sent to port 53, in a queue with room for one packet, for which there is no verdict."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    netlink.bind((0, 0))
    for attribute in (
        struct.pack("=HHBBH", 8, NFQA_CFG_CMD, 1, 0, 0),  # NFQNL_CFG_CMD_BIND
        struct.pack("=HH", 8, NFQA_CFG_QUEUE_MAXLEN) + struct.pack("!I", 1),
        struct.pack("=HH", 9, 2) + struct.pack("!IB", 0, 1) + b"\0\0\0",  # NFQA_CFG_PARAMS: NFQNL_COPY_META
    ):
        body = struct.pack("=BBH", 0, 0, socket.htons(QUEUE)) + attribute
        kind = NFNL_SUBSYS_QUEUE << 8 | NFQNL_MSG_CONFIG
        netlink.send(struct.pack("=IHHII", 16 + len(body), kind, 5, 0, 0) + body)
        error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
        if error:
            sys.exit(f"the queue cannot be made: {error}")
    rule = ["iptables", "-A", "OUTPUT", "-p", "udp", "--dport", "53", "-j", "NFQUEUE", "--queue-num", str(QUEUE)]
    subprocess.run(rule, check=True)
    return netlink


def flood() -> None:
    """Send answers to a port on which nothing listens, in a process that ends with this one."""
    parent = os.getpid()
    if os.fork():
        return
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((SERVER, 53535))
    # Not connected: the refusals do not matter.
    data = struct.pack("!HHHHHH", 7, 0x8180, 1, 0, 0, 0) + b"\5flood\4test\0\0\1\0\1"
    while os.getppid() == parent:
        for _ in range(BURST):
            sender.sendto(data, (SERVER, 53))
    os._exit(0)


def main() -> None:
    """Make the container."""
    kind, lookups = sys.argv[1], int(sys.argv[2])
    # The process's name is that of the namespace.
    Path("/proc/self/comm").write_text(kind)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    # Before /etc/alternatives is hidden.
    held = fill_queue() if kind == FULL else None
    subprocess.run(["mount", "-t", "tmpfs", "none", "/etc"], check=True)
    Path("/etc/resolv.conf").write_text(
        f"nameserver {SERVER}\noptions attempts:1\n" if kind in {DEAD, FULL} else f"nameserver {SERVER}\n"
    )
    Path("/etc/nsswitch.conf").write_text("hosts: dns\n")
    listening = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    listening.bind((SERVER, 53))
    threading.Thread(target=serve, args=(listening, kind), daemon=True).start()
    print("ready", flush=True)  # noqa: T201
    sys.stdin.readline()
    if kind == FLOODED:
        flood()
    for number in range(lookups):
        began_s = time.monotonic()
        with contextlib.suppress(OSError):
            socket.getaddrinfo(f"name{number}.lab.test", 80, type=socket.SOCK_STREAM)
        print(f"{time.monotonic() - began_s:.3f}", flush=True)  # noqa: T201
        time.sleep(0.02)
    sys.stdin.readline()
    del held


if __name__ == "__main__":
    main()
