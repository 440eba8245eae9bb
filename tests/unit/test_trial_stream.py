"""The stream of trials from a guest: read as it arrives and never trusted."""

from __future__ import annotations

import io
import tarfile

import pytest

from lab.foundation.errors import BrokenEnvironment
from lab.runs import trial_stream
from lab.runs.trial_stream import Begun, Ended


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
"""Size in tar blocks: headers of this and earlier entries, and content."""


class Slow(io.RawIOBase):
    """A stream that returns a few bytes at a time and counts them."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.taken = 0

    def read(self, size: int = -1) -> bytes:
        """Return no more than a piece."""
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
    """They run in parallel, each with its own files."""
    assert list(trial_stream.read(io.BytesIO(TWO))) == [
        Begun(1),
        Begun(2),
        Ended(2, {"client.json": b"{}", "dmesg": b"x" * 2000}),
        Ended(1, {"client.json": b"[]"}),
    ]


def test_a_trial_is_delivered_before_the_next_one_arrives() -> None:
    """Otherwise a dying machine would lose finished trials."""
    slow = Slow(TWO)
    trials = trial_stream.read(slow)

    assert next(trials) == Begun(1)
    assert slow.taken < 1500
    assert isinstance([next(trials) for _ in range(2)][-1], Ended)
    assert slow.taken <= UNTIL_SECOND_ENDED + PIECE


def test_a_guest_cannot_choose_where_files_are_written() -> None:
    """Only regular files with plain names are accepted."""
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

    assert list(trial_stream.read(io.BytesIO(buffer.getvalue()))) == [Ended(1, {"good.txt": b"x"})]


@pytest.mark.parametrize("damaged", [b"", b"nonsense" * 100, TWO[:3000]])
def test_a_truncated_trial_is_an_error(damaged: bytes) -> None:
    """A connection that broke during a trial must not yield a trial."""
    events: list[Begun | Ended] = []
    with pytest.raises(BrokenEnvironment, match="damaged"):
        events.extend(trial_stream.read(io.BytesIO(damaged)))
    assert not any(isinstance(trial, Ended) for trial in events)


def test_an_oversized_file_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest cannot fill the host's memory."""
    monkeypatch.setattr(trial_stream, "MAX_FILE_BYTES", 1999)

    with pytest.raises(BrokenEnvironment, match="2000 bytes"):
        list(trial_stream.read(io.BytesIO(TWO)))
