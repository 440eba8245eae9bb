"""Files that `lab diagnose` reads in part or not at all: pcapng, cut off, of another type, empty, damaged."""

from __future__ import annotations

import io
import struct

import dpkt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.conclusion import Answer
from lab.diagnosis.material import Unknown
from lab.diagnosis.recognise import recognise
from tests.unit.diagnosis_files import EVIDENCE, FITS, LOST, STALLED, brief, judged, pcap


def test_a_trace_with_truncated_messages_is_a_warning() -> None:
    """With strace -s 8 no DNS lookup was recognised, and no reason given."""
    calls = (
        "12:07:28.763470 connect(3, {sa_family=AF_INET, sin_port=htons(53), "
        'sin_addr=inet_addr("10.9.0.2")}, 16) = 0\n'
        '12:07:28.763502 sendto(3, "\\1\\26\\1\\0\\0\\1\\0\\0"..., 33, MSG_NOSIGNAL, NULL, 0) = 33\n'
    )

    assert any("cuts messages off before the query type" in each for each in judged(calls).warnings)


def blocks(data: bytes, *, order: str = "<", simple: bool = False) -> bytes:
    """Convert a pcap's frames to a pcapng in microseconds."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = 12 + len(body)
        return struct.pack(order + "II", kind, length) + body + struct.pack(order + "I", length)

    reader = dpkt.pcap.Reader(io.BytesIO(data))
    content = block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1))
    content += block(1, struct.pack(order + "HHI", reader.datalink(), 0, 0) + struct.pack(order + "HHB3x", 9, 1, 6))
    content += block(5, bytes(12))  # statistics, which are passed over
    for time_s, frame in reader:
        high, low = divmod(round(time_s * 10**6), 1 << 32)
        head = (
            struct.pack(order + "I", len(frame))
            if simple
            else struct.pack(order + "IIIII", 0, high, low, len(frame), len(frame))
        )
        content += block(3 if simple else 6, head + frame)
    return content


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_pcapng_gives_the_same_answer_as_the_pcap(order: str) -> None:
    """Wireshark writes pcapng by default."""
    data = (STALLED / "client.pcap").read_bytes()

    one, other = judged(data), judged(blocks(data, order=order))

    assert brief(one) == FITS
    assert (one.sentence, one.finding) == (other.sentence, other.finding)


def test_a_pcapng_without_times_proves_nothing() -> None:
    """Simple packet blocks have no timestamps."""
    assert judged(blocks((STALLED / "client.pcap").read_bytes(), simple=True)).answer is Answer.CANNOT_TELL


@pytest.mark.parametrize("name", ["client.pcap", "curl.strace", "dmesg", "stat.after", "conntrack-S.after", "trace"])
def test_a_truncated_file_never_gives_another_cause(name: str) -> None:
    """Disks fill up, and users paste half a file."""
    data = (STALLED / name).read_bytes()
    beside = (STALLED / ("curl.strace" if name == "client.pcap" else "client.pcap")).read_bytes()
    step = max(len(data) // 60, 1)

    for end in range(0, len(data), step):
        for files in ((data[:end],), (data[:end], beside)):
            assert judged(*files).answer is not Answer.ANOTHER_CAUSE


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"hello, world\n", "nothing in it is recognised"),
        (b"\x7fELF\x02\x01\x01" + bytes(100), "not text"),
        (b"\x1f\x8b\x08" + bytes(20), "not text"),
        (b"int main(void) { return f(x) = 3; }\n", "nothing in it is recognised"),
        ((STALLED / "client.pcap").read_bytes()[:20], "truncated"),
        (b"entries  found insert_failed\n0 0 zz\n", "nothing in it is recognised"),
        (b"\x0a\x0d\x0d\x0a" + bytes(60), "no byte order"),
    ],
)
def test_an_unknown_file_type_is_one_clear_line(content: bytes, why: str) -> None:
    """A wrong file must not count as an empty one, and must not end the answer."""
    (unread,) = recognise("0", content)

    assert isinstance(unread, Unknown)
    assert why in unread.why
    beside = judged(content, pcap(*LOST))
    assert brief(beside) == FITS
    assert any(warning.startswith("0 was left out: ") for warning in beside.warnings)


def test_an_empty_file_is_a_warning() -> None:
    """An empty capture beside a complete strace must not block the answer."""
    conclusion = judged(b"", pcap(*LOST))

    assert brief(conclusion) == FITS
    assert conclusion.warnings == ("0 contains nothing: it is empty",)


SAMPLES = [
    (EVIDENCE / "replicas" / "old-nfqueue" / name).read_bytes()
    for name in ("client.pcap", "client.strace", "dmesg", "trace", "verdict.jsonl", "stat.after", "conntrack-S.after")
] + [b"nameserver 10.0.0.1\noptions timeout:1\n", blocks((STALLED / "client.pcap").read_bytes())]


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_damaged_file_beside_a_good_one_never_ends_the_answer(data: st.DataObject) -> None:
    """No file content leads to a traceback."""
    content = bytearray(data.draw(st.sampled_from(SAMPLES)))
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 30))] = data.draw(st.binary(max_size=30))

    assert judged(bytes(content), SAMPLES[0]).sentence


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3))
@settings(deadline=None)
def test_arbitrary_bytes_never_crash_the_diagnosis(files: list[bytes]) -> None:
    """The parser assumes nothing, not even that text is text."""
    assert "\n" not in judged(*files).sentence
