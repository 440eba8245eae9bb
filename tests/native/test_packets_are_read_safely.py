"""The verdict program's parser of kernel messages: it reads everything and nothing beyond the end."""

from __future__ import annotations

import random
import struct
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION

# include/uapi/linux/netfilter/nfnetlink.h, nfnetlink_queue.h, nfnetlink_conntrack.h, nf_conntrack_common.h
PACKET_MESSAGE = 3 << 8 | 0
PACKET_HDR, PAYLOAD, CT = 1, 10, 11
CTA_STATUS, CTA_ID = 3, 12
NESTED = 1 << 15
CONFIRMED = 1 << 3

SEED = 5
MUTATIONS = 20_000


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the reader with sanitizers that stop at the first invalid read."""
    program = tmp_path_factory.mktemp("packets") / "read_packets"
    sources = [Path(__file__).parent / "read_packets.c", PROVISION / "verdict" / "packet.c"]
    checks = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g", "-O1"]
    subprocess.run(
        ["gcc", "-std=gnu99", "-D_GNU_SOURCE", *checks, f"-I{PROVISION / 'verdict'}", "-o", program, *sources],
        check=True,
    )
    return program


def read(reader: Path, messages: list[bytes]) -> list[str]:
    """Return what the reader parses of each message."""
    stream = b"".join(struct.pack("=I", len(message)) + message for message in messages)
    result = subprocess.run([reader], input=stream, capture_output=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout.decode().splitlines()


def attribute(kind: int, content: bytes) -> bytes:
    """Return a netlink attribute: its length and type, the content, and padding to four bytes."""
    return struct.pack("=HH", 4 + len(content), kind) + content + b"\0" * (-len(content) % 4)


def message(*attributes: bytes, kind: int = PACKET_MESSAGE) -> bytes:
    """Return a message of a queue: struct nlmsghdr, struct nfgenmsg, attributes."""
    body = struct.pack("=BBH", 2, 0, 0) + b"".join(attributes)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


def query(qtype: int = 28) -> bytes:
    """Return a DNS query for www.lab.test in UDP over IPv4."""
    dns = struct.pack(">HHHHHH", 12236, 0x100, 1, 0, 0, 0) + b"\3www\3lab\4test\0" + struct.pack(">HH", qtype, 1)
    udp = struct.pack(">HHHH", 36416, 53, 8 + len(dns), 0)
    addresses = bytes([10, 10, 10, 89, 10, 10, 10, 53])
    return struct.pack(">BBHHHBBH", 0x45, 0, 28 + len(dns), 1, 0x4000, 64, 17, 0) + addresses + udp + dns


HEADER = attribute(PACKET_HDR, struct.pack(">IHBx", 7, 0x800, 4))
CONNTRACK = attribute(
    CT | NESTED,
    attribute(CTA_STATUS, struct.pack(">I", CONFIRMED)) + attribute(CTA_ID, struct.pack(">I", 2823048062)),
)
WHOLE = message(HEADER, attribute(PAYLOAD, query()), CONNTRACK)


def test_all_fields_of_a_message_are_read(reader: Path) -> None:
    """The conntracks in a message decide whether a trial is armed."""
    unconfirmed = attribute(
        CT | NESTED, attribute(CTA_ID, struct.pack(">I", 1)) + attribute(CTA_STATUS, struct.pack(">I", 0))
    )
    flow = "from 10.10.10.89:36416 to 10.10.10.53:53 dns 12236"

    assert read(reader, [WHOLE, message(unconfirmed, attribute(PAYLOAD, query(1)), HEADER), message(HEADER)]) == [
        f"id 7 {flow} type 28 conntrack 2823048062 confirmed",
        f"id 7 {flow} type 1 conntrack 1 new",
        "id 7",
    ]


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        WHOLE[:19],
        message(attribute(PAYLOAD, query())),
        message(attribute(PACKET_HDR, b"\0\0\0"), attribute(PAYLOAD, query())),
        message(HEADER, kind=2),
        struct.pack("=I", len(WHOLE) + 4) + WHOLE[4:],
        struct.pack("=I", 16) + WHOLE[4:],
        message(struct.pack("=HH", 0, PACKET_HDR), HEADER),
        message(struct.pack("=HH", 3, PACKET_HDR), HEADER),
        message(struct.pack("=HH", 0xFFFF, PACKET_HDR), HEADER),
    ],
)
def test_messages_without_a_packet_are_ignored(reader: Path, broken: bytes) -> None:
    """A verdict for an invalid packet id would release another packet."""
    assert read(reader, [broken]) == ["nothing"]


@pytest.mark.parametrize(
    ("payload", "read_of_it"),
    [
        (b"", ""),
        (query()[:19], ""),
        (query()[:27], ""),
        (b"\x65" + query()[1:], ""),
        (b"\x4f" + query()[1:40], ""),
        (b"\x44" + query()[1:], ""),
        (query()[:9] + b"\6" + query()[10:], ""),
        (query()[:6] + b"\0\1" + query()[8:], ""),
        (query()[:28], " from 10.10.10.89:36416 to 10.10.10.53:53"),
        (query()[:29], " from 10.10.10.89:36416 to 10.10.10.53:53"),
        (query()[:30], " from 10.10.10.89:36416 to 10.10.10.53:53 dns 12236"),
        (query()[:55], " from 10.10.10.89:36416 to 10.10.10.53:53 dns 12236"),
        (query()[:40] + b"\xc0\x0c" + query()[42:], " from 10.10.10.89:36416 to 10.10.10.53:53 dns 12236"),
    ],
)
def test_only_present_fields_of_a_truncated_packet_are_read(reader: Path, payload: bytes, read_of_it: str) -> None:
    """The packet is still released."""
    assert read(reader, [message(HEADER, attribute(PAYLOAD, payload))]) == [f"id 7{read_of_it}"]


def test_no_byte_outside_of_a_truncated_message_is_read(reader: Path) -> None:
    """Each length is tried, with the correct and with the original length in the header."""
    cut = [WHOLE[:length] for length in range(len(WHOLE))]
    messages = [struct.pack("=I", len(one)) + one[4:] if len(one) >= 4 else one for one in cut]

    assert read(reader, cut) == ["nothing"] * len(cut)
    assert len(read(reader, messages)) == len(messages)


def test_no_byte_outside_of_a_corrupted_message_is_read(reader: Path) -> None:
    """Random bytes are changed, often to invalid lengths of attributes or labels."""
    chance = random.Random(SEED)  # noqa: S311  the same each time
    changed = []
    for _ in range(MUTATIONS):
        one = bytearray(WHOLE[: chance.randint(20, len(WHOLE))])
        for _ in range(chance.randint(1, 4)):
            one[chance.randrange(16, len(one))] = chance.choice([0, 1, 4, 63, 64, 127, 255, chance.randrange(256)])
        one[:4] = struct.pack("=I", len(one))
        changed.append(bytes(one))

    results = read(reader, changed)
    assert len(results) == MUTATIONS
    assert len(set(results)) > MUTATIONS // 100
