"""What a guest sends of its trials: taken as it comes, and never trusted."""

from __future__ import annotations

import io
import tarfile

import pytest

from lab import raw_files
from lab.errors import BrokenEnvironment
from lab.raw_files import Begun, Ended


def archive(*entries: tuple[str, bytes | None]) -> bytes:
    """Pack files, and directories for None, as a guest does."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in entries:
            member = tarfile.TarInfo(name)
            if content is None:
                member.type = tarfile.DIRTYPE
            member.size = len(content or b"")
            tar.addfile(member, io.BytesIO(content or b""))
    return buffer.getvalue()


PIECE = 300

UNTIL_SECOND_ENDED = (1 + 1 + 2 + 5 + 1) * 512
"""Headers of its entries and those before it, and content, in blocks."""


class Slow(io.RawIOBase):
    """Gives what is there, some bytes at a time, and says how much was taken."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        """Give no more than a piece."""
        piece = self._content[self.taken : self.taken + min(size, PIECE)]
        self.taken += len(piece)
        return piece


TWO = archive(
    ("begun/0001/", None),
    ("begun/0002/", None),
    ("0002/client.json", b"{}"),
    ("0002/dmesg", b"x" * 2000),
    ("0002/", None),
    ("0001/client.json", b"[]"),
    ("0001/", None),
)


def test_trials_come_in_the_order_in_which_they_end() -> None:
    """They run side by side, and each has its own files."""
    assert list(raw_files.read(io.BytesIO(TWO))) == [
        Begun(1),
        Begun(2),
        Ended(2, {"client.json": b"{}", "dmesg": b"x" * 2000}),
        Ended(1, {"client.json": b"[]"}),
    ]


def test_a_trial_is_there_before_the_next_one_is_sent() -> None:
    """Else a machine that dies would take finished trials with it."""
    slow = Slow(TWO)
    trials = raw_files.read(slow)

    assert next(trials) == Begun(1)
    assert slow.taken < 1500
    assert isinstance([next(trials) for _ in range(2)][-1], Ended)
    assert slow.taken <= UNTIL_SECOND_ENDED + PIECE


def test_a_guest_has_no_say_in_where_files_land() -> None:
    """Only plain files with plain names are taken."""
    link = tarfile.TarInfo("0001/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(link)
        for name in (
            "../outside",
            "0001/../outside",
            "/0001/absolute",
            "0001/inner/file",
            "0001/.hidden",
            "0001/good.txt",
        ):
            member = tarfile.TarInfo(name)
            member.size = 1
            tar.addfile(member, io.BytesIO(b"x"))
        end = tarfile.TarInfo("0001/")
        end.type = tarfile.DIRTYPE
        tar.addfile(end)

    assert list(raw_files.read(io.BytesIO(buffer.getvalue()))) == [Ended(1, {"good.txt": b"x"})]


@pytest.mark.parametrize("damaged", [b"", b"nonsense" * 100, TWO[:3000]])
def test_what_is_cut_off_is_an_error_and_no_trial(damaged: bytes) -> None:
    """A connection that broke in the middle of a trial must not look like a trial."""
    found: list[Begun | Ended] = []
    with pytest.raises(BrokenEnvironment, match="damaged"):
        found.extend(raw_files.read(io.BytesIO(damaged)))
    assert not any(isinstance(trial, Ended) for trial in found)


def test_a_file_too_long_to_be_believed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest cannot fill the host's memory."""
    monkeypatch.setattr(raw_files, "MAX_FILE_BYTES", 1999)

    with pytest.raises(BrokenEnvironment, match="2000 bytes"):
        list(raw_files.read(io.BytesIO(TWO)))
