"""Sends DNS queries at a rate, and answers them, on the loopback of its network namespace.

python3 questions.py RATE SECONDS
"""

from __future__ import annotations

import socket
import struct
import sys
import time

SOCKETS = 200
SERVER = ("127.0.0.1", 53)


def main() -> None:
    """Send pairs of an A and an AAAA query, each with its answer: four packets."""
    rate, seconds = int(sys.argv[1]), float(sys.argv[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(SERVER)
        clients = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(SOCKETS)]
        for client in clients:
            client.connect(SERVER)
        next_s = time.monotonic()
        for number in range(int(rate * seconds / 4)):
            client = clients[number % SOCKETS]
            for qtype in (1, 28):
                header = struct.pack("!HHHHHH", (2 * number + (qtype > 1)) & 0xFFFF, 0x0100, 1, 0, 0, 0)
                client.send(header + b"\3www\7example\3com\0" + struct.pack("!HH", qtype, 1))
                query, asker = server.recvfrom(512)
                server.sendto(query[:2] + b"\x81\x80" + query[4:], asker)
                client.recv(512)
            next_s += 4 / rate
            time.sleep(max(0.0, next_s - time.monotonic()))


if __name__ == "__main__":
    main()
