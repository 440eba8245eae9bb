"""Reading of input files: encodings, containers, and files that could block for ever."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.diagnosis.material import Capture, Log, Material, Reading, Unknown
from lab.diagnosis.recognise import read_all, recognise
from lab.evidence.errors import UnreadableError
from lab.evidence.intake import containers, text
from lab.evidence.intake.sources import Content, Unopened, open_all

EVIDENCE = Path(__file__).parents[1] / "evidence"
COUNTERS = "cpu=0 \tfound=5 invalid=0 insert=0 insert_failed=10 drop=10 early_drop=0 error=0 search_restart=0\n"
PCAP = (EVIDENCE / "printed" / "eth.pcap").read_bytes()

ENCODINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "mark": lambda content: content.encode("utf-8-sig"),
    "utf-16": lambda content: content.encode("utf-16"),
    "utf-16 without a mark": lambda content: content.encode("utf-16-le"),
    "utf-16 of the other order": lambda content: content.encode("utf-16-be"),
    "utf-32": lambda content: content.encode("utf-32"),
    "crlf": lambda content: content.replace("\n", "\r\n").encode(),
    "utf-16 and crlf": lambda content: content.replace("\n", "\r\n").encode("utf-16"),
    "cr": lambda content: content.replace("\n", "\r").encode(),
    "odd spaces": lambda content: content.replace("\t", "\u00a0").replace(" ", "\u2003").encode(),
    "no end": lambda content: content.rstrip("\n").encode(),
}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_counters_are_parsed_in_any_encoding(encoding: str) -> None:
    """A byte order mark hid one line and reversed the answer."""
    (material,) = recognise("counters", ENCODINGS[encoding](COUNTERS * 1 + COUNTERS.replace("cpu=0", "cpu=1")))

    assert isinstance(material, Reading)
    assert material.counts["insert_failed"] == 20


def packed(kind: str, name: str = "dns.pcap", data: bytes = PCAP) -> bytes:
    """Return a file in a container."""
    buffer = io.BytesIO()
    if kind == "zip":
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(name, data)
        return buffer.getvalue()
    if kind.startswith("tar"):
        with tarfile.open(fileobj=buffer, mode="w") as archive_tar:
            about = tarfile.TarInfo(f"sosreport/{name}")
            about.size = len(data)
            archive_tar.addfile(about, io.BytesIO(data))
            link = tarfile.TarInfo("sosreport/link")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive_tar.addfile(link)
        data = buffer.getvalue()
    how: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "tar.gz": gzip.compress,
        "bzip2": bz2.compress,
        "xz": lzma.compress,
        "tar.xz": lzma.compress,
        "zstd": zstandard.compress,
    }
    return how.get(kind, bytes)(data)


@pytest.mark.parametrize("kind", ["gzip", "bzip2", "xz", "zstd", "zip", "tar", "tar.gz", "tar.xz"])
def test_a_capture_is_read_from_any_container(tmp_path: Path, kind: str) -> None:
    """Support asks for archives, and log rotation compresses."""
    path = tmp_path / "file"
    path.write_bytes(packed(kind))
    material = tuple(read_all(open_all([str(path)])))

    assert [type(each) for each in material] == [Capture]
    assert isinstance(material[0], Capture)
    assert material[0].frames == 18


def test_two_compressed_streams_in_one_file_are_both_read() -> None:
    """Logs are appended to compressed ones."""
    assert containers.unpack(gzip.compress(b"one ") + gzip.compress(b"two")) == b"one two"
    assert containers.unpack(zstandard.compress(b"one ") + zstandard.compress(b"two")) == b"one two"


def test_a_truncated_container_is_read_up_to_its_end() -> None:
    """The disk was full."""
    data = gzip.compress(os.urandom(100_000))

    assert len(containers.unpack(data[:60_000])) > 30_000


@pytest.mark.parametrize("compress", [gzip.compress, bz2.compress, lzma.compress, zstandard.compress])
def test_a_decompression_bomb_is_refused(compress: Callable[[bytes], bytes]) -> None:
    """Memory use is bounded."""
    with pytest.raises(UnreadableError, match="more than"):
        containers.unpack(compress(bytes(containers.UNPACKED_MAX + 1)))


def test_nested_archives_have_a_depth_limit(tmp_path: Path) -> None:
    """An archive may contain itself."""
    data = b"nothing"
    for _ in range(8):
        data = packed("zip", "inner.zip", data)
    path = tmp_path / "nested.zip"
    path.write_bytes(data)

    (innermost,) = open_all([str(path)])

    assert isinstance(innermost, Content)
    assert innermost.name == f"{path}/inner.zip/inner.zip/inner.zip"
    assert containers.is_archive(innermost.data)


@given(st.sampled_from(["gzip", "bzip2", "xz", "zstd", "zip", "tar", "tar.gz"]), st.data())
@settings(deadline=None)
def test_a_damaged_container_is_a_result_or_a_refusal(kind: str, data: st.DataObject) -> None:
    """Every exception of the libraries is handled."""
    content = bytearray(packed(kind, data=b"nameserver 10.0.0.1\n" * 20))
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(content)))
        content[at : at + data.draw(st.integers(0, 9))] = data.draw(st.binary(max_size=9))
    try:
        if containers.is_compressed(bytes(content)):
            containers.unpack(bytes(content))
        elif containers.is_archive(bytes(content)):
            tuple(containers.iter_members(bytes(content)))
    except UnreadableError:
        return


def test_a_directory_is_read_without_its_links_and_pipes(tmp_path: Path) -> None:
    """Entries that could block or lead elsewhere are skipped."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "dns.pcap").write_bytes(PCAP)
    (tmp_path / "notes").write_text("hello\n")
    (tmp_path / "link").symlink_to("/etc")
    os.mkfifo(tmp_path / "pipe")
    material: tuple[Material, ...] = tuple(read_all(open_all([str(tmp_path)])))

    assert [each.name for each in material] == [str(tmp_path / "inner" / "dns.pcap"), str(tmp_path)]
    assert isinstance(material[1], Unknown)
    assert "1 of its files" in material[1].why


@pytest.mark.parametrize(
    ("path", "why"),
    [("/dev/zero", "a device"), ("/dev/null", "a device"), ("/nonexistent", "No such file"), ("/proc/kmsg", "kernel")],
)
def test_an_endless_file_is_refused_before_it_is_opened(path: str, why: str) -> None:
    """Reading it would hang or consume data of others."""
    (material,) = open_all([path])

    assert isinstance(material, Unopened)
    assert why in material.why


def test_a_fifo_without_a_writer_is_refused_at_once(tmp_path: Path) -> None:
    """Opening it would block for ever."""
    os.mkfifo(tmp_path / "pipe")
    begin_s = time.monotonic()
    (material,) = open_all([str(tmp_path / "pipe")])

    assert isinstance(material, Unopened)
    assert "FIFO" in material.why
    assert time.monotonic() - begin_s < 5


def test_an_inaccessible_path_does_not_end_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path in a directory without access once ended the answer as a broken environment."""
    good = tmp_path / "conntrack.txt"
    good.write_text(COUNTERS)
    inside = Path.is_dir

    def is_dir(path: Path) -> bool:
        if path.name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return inside(path)

    monkeypatch.setattr(Path, "is_dir", is_dir)

    material = list(open_all([str(tmp_path / "closed"), "", str(good)]))

    assert [type(each) for each in material] == [Unopened, Unopened, Content]
    assert isinstance(material[1], Unopened)
    assert (material[1].name, material[1].why) == ("''", "its name is empty")


def test_kernel_files_with_size_zero_are_read() -> None:
    """/proc/net/stat/nf_conntrack is one."""
    (material,) = open_all(["/proc/self/status"])

    assert isinstance(material, Content)
    assert material.data.startswith(b"Name:")


@pytest.mark.parametrize("name", ["-", "/dev/stdin"])
def test_standard_input_is_read(name: str) -> None:
    """Users type `cat file | lab diagnose -`."""
    program = (
        f"from lab.evidence.intake.sources import open_all; print([len(each.data) for each in open_all(['{name}'])])"
    )
    result = subprocess.run([sys.executable, "-c", program], input=b"12345", capture_output=True, check=True)

    assert result.stdout == b"[5]\n"


def test_lines_are_decoded_one_at_a_time_and_keep_their_places() -> None:
    """A large file is in memory only once."""
    lines = text.split_lines("eins\r\nzw\u00f6lf\n\nend".encode())

    assert list(lines) == ["eins", "zw\u00f6lf", "", "end"]
    assert (lines[-1], lines[1:3]) == ("end", ("zw\u00f6lf", ""))
    assert len(text.split_lines(b"one\n")) == 1


def test_a_very_long_line_is_truncated() -> None:
    """A strace line of 20 MB took 2.8 GB."""
    (material,) = recognise("long", b'1.0 sendto(3, "' + b"\\1" * 10_000_000 + b'", 33, 0, NULL, 0) = 33\n')

    assert isinstance(material, Unknown)
    assert len(text.split_lines(b"a" * 10_000_000)[0]) == text.LINE_MAX


def test_zero_bytes_in_a_log_do_not_refuse_it() -> None:
    """A crash leaves such a block."""
    (material,) = recognise("log", b"[1.5] nf_conntrack: table full, dropping packet\n" + bytes(4096) + b"\n[2.5] up\n")

    assert isinstance(material, Log)
    assert len(material.log.matches) == 1


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_arbitrary_bytes_give_lines_or_a_refusal(data: bytes) -> None:
    """No input crashes the reader."""
    try:
        lines = text.split_lines(data)
    except UnreadableError:
        return
    for line in lines:
        assert "\n" not in text.tidy(line)


@given(st.text(max_size=300))
@settings(deadline=None)
def test_tidying_lines_is_idempotent(line: str) -> None:
    """Only removed quotation marks may expose another one."""
    once = text.tidy(line)

    assert once == once.rstrip()
    assert "\x1b" not in once
