#!/usr/bin/python3
"""A product as small as possible: accepts each packet of a queue, after a time.

Usage: own-agent.py QUEUE MILLISECONDS
"""

from __future__ import annotations

import os
import socket
import struct
import sys
import time
from collections.abc import Iterator

NETLINK_NETFILTER = 12  # linux/netlink.h
NFNL_SUBSYS_QUEUE = 3  # linux/netfilter/nfnetlink.h
PACKET, VERDICT, CONFIG = range(3)  # linux/netfilter/nfnetlink_queue.h: enum nfqnl_msg_types
CFG_CMD, CFG_PARAMS = 1, 2  # enum nfqnl_attr_config
CMD_BIND = 1  # enum nfqnl_msg_config_cmds
COPY_PACKET = 2  # enum nfqnl_config_mode
PACKET_HDR, VERDICT_HDR = 1, 2  # enum nfqnl_attr_type
NF_ACCEPT = 1  # linux/netfilter.h
NLMSG_ERROR = 2  # linux/netlink.h
REQUEST, ACK = 1, 4  # NLM_F_REQUEST, NLM_F_ACK
HEADER = 16  # struct nlmsghdr
FAMILY = 4  # struct nfgenmsg
ATTRIBUTE = 4  # struct nlattr
KIND = 0x3FFF  # NLA_TYPE_MASK
COPIED_BYTES = 128


def attribute(kind: int, data: bytes) -> bytes:
    """Return a netlink attribute, padded."""
    return struct.pack("=HH", ATTRIBUTE + len(data), kind) + data + b"\0" * (-len(data) % 4)


def send(netlink: socket.socket, kind: int, queue: int, attributes: bytes, flags: int = 0) -> None:
    """Send a message about a queue."""
    body = struct.pack("=BB", socket.AF_UNSPEC, 0) + struct.pack("!H", queue) + attributes
    kind |= NFNL_SUBSYS_QUEUE << 8
    netlink.send(struct.pack("=IHHII", HEADER + len(body), kind, REQUEST | flags, 0, 0) + body)


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the kind and the body of each message."""
    while len(data) >= HEADER:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[HEADER:length]
        data = data[length + -length % 4 :]


def configure(netlink: socket.socket, queue: int, attributes: bytes) -> None:
    """Configure a queue; ends the program with the kernel's answer if it refuses."""
    send(netlink, CONFIG, queue, attributes, ACK)
    for kind, body in messages(netlink.recv(65536)):
        if kind == NLMSG_ERROR and struct.unpack_from("=i", body)[0]:
            sys.exit(f"queue {queue}: {os.strerror(-struct.unpack_from('=i', body)[0])}")


def packet_id(body: bytes) -> int | None:
    """Return the id of a packet, from the attribute that begins with it."""
    data = body[FAMILY:]
    while len(data) >= ATTRIBUTE:
        length, kind = struct.unpack_from("=HH", data)
        if kind & KIND == PACKET_HDR:
            return int.from_bytes(data[4:8], "big")
        data = data[max(ATTRIBUTE, length + -length % 4) :]
    return None


def serve(queue: int, wait_s: float) -> None:
    """Accept every packet of a queue, for ever."""
    netlink = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER)
    netlink.bind((0, 0))
    configure(netlink, queue, attribute(CFG_CMD, struct.pack("!BBH", CMD_BIND, 0, socket.AF_INET)))
    configure(netlink, queue, attribute(CFG_PARAMS, struct.pack("!IB", COPIED_BYTES, COPY_PACKET)))
    print("listening to queue", queue, flush=True)
    while True:
        for kind, body in messages(netlink.recv(65536)):
            number = packet_id(body) if kind == NFNL_SUBSYS_QUEUE << 8 | PACKET else None
            if number is not None:
                time.sleep(wait_s)
                send(netlink, VERDICT, queue, attribute(VERDICT_HDR, struct.pack("!II", NF_ACCEPT, number)))


serve(int(sys.argv[1]), int(sys.argv[2]) / 1000)
