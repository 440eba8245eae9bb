"""Downloads: resumed after a broken connection, never a mixture of two files, bounded, no passwords in messages."""

from __future__ import annotations

import base64
import contextlib
import json
import socketserver
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.foundation.errors import BrokenEnvironment, Cancelled
from lab.foundation.work import StepProgressed, Work
from lab.kernels import download, reach, web
from tests.vault import Web, serving

CONTENT = bytes(range(256)) * 4000


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resume without a delay."""
    monkeypatch.setattr(download, "PAUSE_S", 0.0)


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Web]:
    """Serve one file."""
    with serving(tmp_path / "web") as served:
        (served.directory / "a.rpm").write_bytes(CONTENT)
        yield served


def resume(vault: Web, partial: Path, **bounds: int) -> None:
    """Download the file."""
    download.resume(f"{vault.address}/a.rpm", partial, Work(), **bounds)


def test_a_broken_download_is_resumed_at_its_offset(vault: Web, tmp_path: Path) -> None:
    """A kernel has 50 MB; restarting each time would never finish on a bad line."""
    vault.cut_after = 300_000
    resume(vault, tmp_path / "a.rpm.part")

    assert (tmp_path / "a.rpm.part").read_bytes() == CONTENT
    assert vault.ranges() == [None, "bytes=300000-", "bytes=600000-", "bytes=900000-"]
    assert [headers.get("if-range") for *_, headers in vault.asked] == [None, *['"one"'] * 3]
    assert [path.name for path in tmp_path.glob("a.rpm*")] == ["a.rpm.part"]


def test_a_later_command_resumes_an_interrupted_download(
    vault: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interruptions are Ctrl-C or a lost network."""
    monkeypatch.setattr(download, "_PROGRESS_PAUSE_S", 0.0)
    partial = tmp_path / "a.rpm.part"
    work = Work(lambda event: work.cancel() if isinstance(event, StepProgressed) else None)
    with pytest.raises(Cancelled):
        download.resume(f"{vault.address}/a.rpm", partial, work)
    leftovers = partial.stat().st_size
    assert 0 < leftovers < len(CONTENT)
    resume(vault, partial)

    assert partial.read_bytes() == CONTENT
    assert vault.ranges() == [None, f"bytes={leftovers}-"]


def test_a_server_without_ranges_restarts_the_download(vault: Web, tmp_path: Path) -> None:
    """Its full answer is not appended to the partial file."""
    vault.cut_after = 300_000
    vault.resumes = False
    partial = tmp_path / "a.rpm.part"
    with pytest.raises(download.FailedError, match="only 300000 of 1024000 bytes arrived"):
        resume(vault, partial)
    assert len(vault.asked) == 1 + download.ATTEMPTS
    vault.cut_after = None
    resume(vault, partial)

    assert partial.read_bytes() == CONTENT


@pytest.mark.parametrize("validator", [{"ETag": '"two"'}, {"Last-Modified": "Sun, 29 Nov 2026 10:00:00 GMT"}, {}])
def test_a_file_that_changed_meanwhile_is_downloaded_again(
    vault: Web, tmp_path: Path, validator: dict[str, str]
) -> None:
    """A mixture of two files would be detected only by the signature, every time."""
    partial = tmp_path / "a.rpm.part"
    vault.cut_after = 300_000
    with pytest.raises(download.FailedError):
        _once(vault, partial)
    other = CONTENT[::-1] + b"longer"
    (vault.directory / "a.rpm").write_bytes(other)
    vault.validator, vault.cut_after = validator, None
    resume(vault, partial)

    assert partial.read_bytes() == other


def _once(vault: Web, partial: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(download, "ATTEMPTS", 0)
        patch.setattr(download, "_download_all", _one_attempt)
        resume(vault, partial)


def _one_attempt(address: str, partial: Path, work: Work, most_bytes: int) -> None:
    download._read_response(address, partial, work, most_bytes)  # noqa: SLF001  one question, one answer


def test_without_a_validator_the_length_decides(vault: Web, tmp_path: Path) -> None:
    """Downloads resume also from servers that send neither ETag nor date."""
    vault.validator = {}
    vault.cut_after = 600_000
    resume(vault, tmp_path / "a.rpm.part")

    assert (tmp_path / "a.rpm.part").read_bytes() == CONTENT
    assert vault.ranges() == [None, "bytes=600000-"]


def test_a_weak_etag_is_not_used_to_resume(vault: Web, tmp_path: Path) -> None:
    """RFC 9110: If-Range takes strong ones only."""
    vault.validator = {"ETag": 'W/"one"', "Last-Modified": "Sun, 29 Nov 2026 10:00:00 GMT"}
    vault.cut_after = 600_000
    resume(vault, tmp_path / "a.rpm.part")

    assert vault.asked[1][2]["if-range"] == "Sun, 29 Nov 2026 10:00:00 GMT"


def test_a_complete_download_is_not_requested_again(vault: Web, tmp_path: Path) -> None:
    """The command was killed after the last byte and before the next step."""
    partial = tmp_path / "a.rpm.part"
    partial.write_bytes(CONTENT)
    state = {"address": f"{vault.address}/a.rpm", "validator": '"one"', "total": len(CONTENT)}
    Path(f"{partial}.json").write_text(json.dumps(state))
    resume(vault, partial)

    assert vault.ranges() == [f"bytes={len(CONTENT)}-"]
    assert partial.read_bytes() == CONTENT


@pytest.mark.parametrize("state", ["", "[]", '{"address": 1}', "{"])
def test_a_damaged_note_of_a_partial_download_restarts_it(vault: Web, tmp_path: Path, state: str) -> None:
    """There is no crash."""
    partial = tmp_path / "a.rpm.part"
    partial.write_bytes(b"rubbish")
    Path(f"{partial}.json").write_text(state)
    resume(vault, partial)

    assert partial.read_bytes() == CONTENT


def test_an_oversized_download_is_cut_off_at_its_limit(vault: Web, tmp_path: Path) -> None:
    """It makes no difference whether the server announces the size."""
    with pytest.raises(download.FailedError, match="it has 1024000 bytes, more than 1000"):
        resume(vault, tmp_path / "a.rpm.part", most_bytes=1000)


@contextlib.contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """Serve the same bytes for every request and return the server's address."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.rfile.readline()
            with contextlib.suppress(ConnectionError):
                self.wfile.write(answer)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/a.rpm"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: /a.rpm\r\n\r\n", "the server redirects more than 5 times"),
        (b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n", "'file:///etc/passwd' is not allowed"),
        (b"HTTP/1.1 404 \x1b[31mred\x1b]0;title\x07\r\n\r\n", "the server returned 404 ?[31mred?]0;title?"),
        (b"SSH-2.0-OpenSSH\r\n", "SSH-2.0-OpenSSH"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nxxxx", "it compressed (gzip), which was not requested"),
        (b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 5000, "it has more than 4000 bytes"),
    ],
    ids=["circle", "file", "escapes", "no HTTP", "compressed", "too long"],
)
def test_any_bad_answer_gives_one_printable_line_and_no_file(tmp_path: Path, answer: bytes, reason: str) -> None:
    """The reason is printed on the user's terminal and in tables."""
    with answering(answer) as address, pytest.raises(download.FailedError) as caught:
        download.resume(address, tmp_path / "a.rpm.part", Work(), 4000)

    assert str(caught.value).endswith(reason)
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


def test_progress_has_bytes_and_rate(vault: Web, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user sees that data arrive and how much is left."""
    monkeypatch.setattr(download, "_PROGRESS_PAUSE_S", 0.0)
    lines: list[str] = []
    work = Work(lambda event: lines.append(event.text) if isinstance(event, StepProgressed) else None)
    download.resume(f"{vault.address}/a.rpm", tmp_path / "a.rpm.part", work)

    assert lines[-1].startswith("1.0 of 1.0 MB, ")
    assert lines[-1].endswith(" MB/s")


def test_a_password_is_sent_only_to_its_host_and_never_printed(vault: Web, tmp_path: Path) -> None:
    """A log may be sent to others."""
    events: list[str] = []
    work = Work(lambda event: events.append(str(event)))
    with_password = vault.address.replace("//", "//me:secret@")
    with pytest.raises(download.FailedError) as caught:
        download.resume(f"{with_password}/absent.rpm", tmp_path / "absent.rpm.part", work)

    assert vault.asked[0][2]["authorization"] == f"Basic {base64.b64encode(b'me:secret').decode()}"
    assert "secret" not in f"{caught.value} {events} {web.redact(with_password)}"
    assert web.host(with_password) == web.host(vault.address)
    with pytest.raises(BrokenEnvironment) as broken:
        download.fetch("http://me:secret@127.0.0.1:1/a.rpm", tmp_path, work)
    assert "secret" not in broken.value.message


def test_availability_is_checked_with_one_request(vault: Web) -> None:
    """From a server without HEAD one byte is requested."""
    assert reach.why_not([f"{vault.address}/a.rpm"], 3.0) is None
    assert [method for method, *_ in vault.asked] == ["HEAD"]
    vault.knows_head = False
    assert reach.why_not([f"{vault.address}/a.rpm"], 3.0) is None
    assert vault.asked[-1][0] == "GET"
    assert vault.ranges()[-1] == "bytes=0-0"
    reason = reach.why_not([f"{vault.address}/absent.rpm", "http://127.0.0.1:1/a.rpm"], 3.0)
    assert reason is not None
    assert "the server returned 404 Not Found" in reason or "405" in reason
    assert "127.0.0.1:1: Connection refused" in reason


def test_one_mirror_that_answers_is_enough(vault: Web) -> None:
    """Other mirrors may be gone or hang."""
    assert reach.why_not(["http://127.0.0.1:1/a.rpm", f"{vault.address}/a.rpm"], 3.0) is None


@pytest.mark.parametrize(
    "ask", [reach.why_not, lambda addresses, _: _fails(addresses[0])], ids=["question", "download"]
)
def test_availability_is_checked_through_the_users_proxy(
    vault: Web, monkeypatch: pytest.MonkeyPatch, ask: Callable[[list[str], float], object]
) -> None:
    """The check uses the same route as the download."""
    monkeypatch.setenv("http_proxy", vault.address)
    monkeypatch.delenv("no_proxy", raising=False)
    ask(["http://vault.invalid/a.rpm"], 3.0)

    assert {path for _, path, _ in vault.asked} == {"http://vault.invalid/a.rpm"}


def _fails(address: str) -> None:
    with tempfile.TemporaryDirectory() as directory, pytest.raises(download.FailedError, match="404"):
        download.resume(address, Path(directory, "a.rpm.part"), Work())
