"""A DNS server and a client, alone in separate namespaces. Tests call `ask()`.

This file also runs as a program, in new network and mount namespaces: no packet leaves them, and everything
is gone with the last process.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

ADDRESSES = {dns.rdatatype.A: "10.10.10.53", dns.rdatatype.AAAA: "fd00::53"}
"""Addresses of every name."""

WRONG = {dns.rdatatype.A: "192.0.2.66", dns.rdatatype.AAAA: "2001:db8::66"}
"""Addresses that occur only in answers a client must ignore."""

ETC = {
    "resolv.conf": "# nameserver 192.0.2.1\nnameserver nonsense\nnameserver 127.0.0.1\nnameserver 192.0.2.2\n",
    "nsswitch.conf": "hosts: dns\n",
}
"""Everything in /etc; the first valid server is the test server."""


class Server(StrEnum):
    """What the server does."""

    ANSWERS = "answers"
    LOSES_THE_FIRST_AAAA = "loses-the-first-aaaa"
    KNOWS_NO_NAME = "knows-no-name"
    SENDS_NOISE_FIRST = "sends-noise-first"
    """Messages to ignore before each answer."""
    IS_NOT_THERE = "is-not-there"


@dataclass(frozen=True)
class Query:
    """A query as the server received it."""

    type: str
    port: int


@dataclass(frozen=True)
class Outcome:
    """Exit status and output of a program, and the queries that it sent."""

    status: int
    stdout: str
    stderr: str
    queries: list[Query]


def namespaces() -> list[str]:
    """Return the command that runs another one in new namespaces, in which an ordinary user is root."""
    return ["unshare", "-n", "-m", *([] if os.geteuid() == 0 else ["-r"]), "--"]


def ask(server: Server, *command: str | Path) -> Outcome:
    """Run a client against a server; return its outcome and the queries that the server received."""
    inside = [*namespaces(), sys.executable, __file__, server, *command]
    process = subprocess.run(inside, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0, process.stderr
    outcome = json.loads(process.stdout)
    return Outcome(
        outcome["status"], outcome["stdout"], outcome["stderr"], [Query(**query) for query in outcome["queries"]]
    )


def _answer(query: dns.message.Message, addresses: dict[dns.rdatatype.RdataType, str]) -> dns.message.Message:
    question = query.question[0]
    answer = dns.message.make_response(query)
    answer.answer.append(
        dns.rrset.from_text(question.name, 0, question.rdclass, question.rdtype, addresses[question.rdtype])
    )
    return answer


def _noise(query: dns.message.Message) -> Iterator[bytes]:
    """Return messages that a client must ignore. Each has one fault, and a wrong address if it has any."""
    question = query.question[0]
    wire = _answer(query, WRONG).to_wire()
    record = len(query.to_wire())
    yield b""
    yield from (wire[:length] for length in (1, 2, 11, 12, 13, record - 1))

    other_id = _answer(query, WRONG)
    other_id.id ^= 0x100
    yield other_id.to_wire()
    no_response = _answer(query, WRONG)
    no_response.flags &= ~dns.flags.QR
    yield no_response.to_wire()
    of_another_name = dns.message.make_query(dns.name.from_text("other.test."), question.rdtype, id=query.id)
    yield _answer(of_another_name, WRONG).to_wire()
    another_type = next(rdtype for rdtype in ADDRESSES if rdtype != question.rdtype)
    of_another_type = dns.message.make_query(question.name, another_type, id=query.id)
    yield _answer(of_another_type, WRONG).to_wire()
    yield wire[:4] + b"\0\0" + wire[6:]  # the header says: no question

    # The right question, but records that do not end within the message.
    yield from (wire[:length] for length in range(record, len(wire)))
    yield wire[:6] + b"\xff\xff" + wire[8:]
    size = record + 10  # a pointer of two bytes for the name, and eight bytes more
    yield wire[:size] + b"\xff\xff" + wire[size + 2 :]
    yield wire[:record] + b"\x40" + b"x" * 64 + b"\0" + wire[record + 2 :]  # labels are never this long
    yield wire[:record] + b"\x3f" * 40  # a label that is longer than the message
    yield wire[:record] + b"\xc0"  # half a pointer
    yield (wire + b"\xff" * 512)[:512].replace(wire[:8], wire[:6] + b"\x00\x02")
    yield wire[:record] + bytes(range(256))
    # The missing bytes may still be in the buffer, from an earlier message.
    yield wire[:6] + b"\0\0" + wire[8 : record - 1]


def _replies(server: Server, query: dns.message.Message, before: list[Query]) -> Iterator[bytes]:
    rdtype = dns.rdatatype.to_text(query.question[0].rdtype)
    if server is Server.LOSES_THE_FIRST_AAAA and rdtype == "AAAA" and rdtype not in {known.type for known in before}:
        return
    if server is Server.KNOWS_NO_NAME:
        answer = dns.message.make_response(query)
        answer.set_rcode(dns.rcode.NXDOMAIN)
        yield answer.to_wire()
        return
    if server is Server.SENDS_NOISE_FIRST:
        yield from _noise(query)
    yield _answer(query, ADDRESSES).to_wire()


def _serve(listening: socket.socket, server: Server, queries: list[Query]) -> None:
    while True:
        message, asker = listening.recvfrom(4096)
        query = dns.message.from_wire(message)
        replies = list(_replies(server, query, queries))
        queries.append(Query(dns.rdatatype.to_text(query.question[0].rdtype), asker[1]))
        for reply in replies:
            listening.sendto(reply, asker)


def _main() -> None:
    """Run the program named by the arguments against the chosen server and print its outcome."""
    server, command = Server(sys.argv[1]), sys.argv[2:]
    queries: list[Query] = []
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/etc"], check=True)
    for name, content in ETC.items():
        Path("/etc", name).write_text(content)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        if server is not Server.IS_NOT_THERE:
            listening.bind(("127.0.0.1", 53))
            threading.Thread(target=_serve, args=(listening, server, queries), daemon=True).start()
        outcome = subprocess.run(command, capture_output=True, text=True, timeout=40, check=False)
        everything = asdict(Outcome(outcome.returncode, outcome.stdout, outcome.stderr, queries))
        sys.stdout.write(json.dumps(everything))
        sys.stdout.flush()
        # The thread still waits for queries.
        os._exit(0)


if __name__ == "__main__":
    _main()
