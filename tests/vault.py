"""A test vault: throwaway keys, RPMs signed with them, and a loopback server with faults."""

from __future__ import annotations

import contextlib
import http.server
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lab.kernels.known import Key, Known
from tests import kernels


@dataclass(frozen=True)
class Signer:
    """A throwaway key in a separate key ring.

    Attributes:
        home: GnuPG's directory.
        fingerprint: The key's fingerprint.
    """

    home: Path
    fingerprint: str

    def export(self, path: Path, *, armored: bool = True) -> Path:
        """Write the public key to a file."""
        path.write_bytes(_gpg(self.home, *(["--armor"] if armored else []), "--export"))
        return path

    def sign(self, package: Path, *, whole: bool = True) -> Path:
        """Sign an RPM as CentOS does (header, and header with payload), or only its header."""
        defines = {"_gpg_name": self.fingerprint, "_gpg_path": self.home, "__gpg": shutil.which("gpg")}
        options = [part for name, value in defines.items() for part in ("--define", f"{name} {value}")]
        command: list[str | Path] = ["rpmsign", *options, *(["--rpmv3"] if whole else []), "--addsign", package]
        subprocess.run(command, check=True, capture_output=True)
        return package

    def revoke(self) -> None:
        """Revoke the key with the certificate that GnuPG created with it."""
        text = (self.home / "openpgp-revocs.d" / f"{self.fingerprint}.rev").read_text()
        certificate = self.home / "revocation"
        certificate.write_text(text.replace(":-----BEGIN", "-----BEGIN"))  # the colon prevents accidental use
        _gpg(self.home, "--import", str(certificate))


@contextlib.contextmanager
def signer(name: str) -> Iterator[Signer]:
    """Create a key; remove it and its agent at the end."""
    # Not below pytest's directory: the agent's socket path is limited to 107 bytes.
    home = Path(tempfile.mkdtemp(prefix="lab-key-"))
    try:
        _gpg(home, "--passphrase", "", "--quick-generate-key", name, "rsa2048", "default", "never")
        listing = _gpg(home, "--list-keys", "--with-colons").decode()
        yield Signer(home, next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr")))
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def _gpg(home: Path, *arguments: str) -> bytes:
    command: list[str | Path] = ["gpg", "--homedir", home, "--batch", "--pinentry-mode", "loopback", *arguments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def package(where: Path) -> Path:
    """Create a small unsigned RPM."""
    files = where / "files"
    (files / "boot").mkdir(parents=True)
    (files / "boot" / "config-1").write_text("CONFIG_NF_CONNTRACK=y\n" * 500)
    (rpm,) = kernels.rpms(files, where, payload="w0.gzdio", small="/boot/*")
    return rpm


def release(directory: Path) -> Path:
    """Create the files of a vault's release: a kernel and its headers, unsigned."""
    directory.mkdir()
    tree = kernels.tree(directory / "tree")
    headers = directory / "headers"
    (headers / "usr/src/kernels" / kernels.RELEASE).mkdir(parents=True)
    (headers / "usr/src/kernels" / kernels.RELEASE / "Makefile").write_text("all:\n")
    kernels.rpms(tree, directory, payload="w1.gzdio", **kernels.KERNEL_OF_RHEL_7)
    kernels.rpms(headers, directory, payload="w1.gzdio", kernel_devel="/usr/src/kernels/*")
    for directory_to_remove in (tree, headers, directory / "build"):
        shutil.rmtree(directory_to_remove)
    return directory


def known(address: str, fingerprint: str, *files: str, checked: bool = True) -> Known:
    """Return a kernel whose packages are at an address."""
    return Known(
        name="mine:1",
        release=kernels.RELEASE,
        packages=tuple(f"1/{file}" for file in files or ("kernel.rpm",)),
        bases=(address,),
        key=Key(fingerprint, ("1/KEY",)),
        suite=None,
        checked=checked,
        era=None,
        measured=None,
    )


@dataclass
class Web:
    """A loopback server for a directory.

    Attributes:
        directory: Served directory.
        address: Its address.
        resumes: Whether it supports ranges.
        validator: Header that distinguishes versions of a file; none when empty.
        cut_after: Bytes of an answer after which it breaks the connection; None for all.
        knows_head: Whether it answers HEAD.
        hangs: Whether it sends no answer until `let_go` is set.
        asked: Requests: method, path and headers.
    """

    directory: Path
    address: str = ""
    resumes: bool = True
    validator: Mapping[str, str] = field(default_factory=lambda: {"ETag": '"one"'})
    cut_after: int | None = None
    knows_head: bool = True
    hangs: bool = False
    let_go: threading.Event = field(default_factory=threading.Event)
    asked: list[tuple[str, str, Mapping[str, str]]] = field(default_factory=list)

    def ranges(self) -> list[str | None]:
        """Return the requested range of each request."""
        return [headers.get("range") for _, _, headers in self.asked]


class _Handler(http.server.BaseHTTPRequestHandler):
    """Request handler that follows the server's `web`."""

    web: Web

    def do_HEAD(self) -> None:
        if self.web.knows_head:
            self._answer()
        else:
            self._refuse(405)

    def do_GET(self) -> None:
        rest = self._answer()
        self.close_connection = True
        with contextlib.suppress(ConnectionError):  # the download was refused or cancelled
            self.wfile.write(rest[: self.web.cut_after])
            self.wfile.flush()

    def _answer(self) -> bytes:
        """Send the headers and return the body."""
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.web.asked.append((self.command, self.path, headers))
        file = self.web.directory / self.path.lstrip("/")
        if self.web.hangs:
            self.web.let_go.wait(30)
            return b""
        if not file.is_file():
            return self._refuse(404)
        content = file.read_bytes()
        start = self._start(headers)
        if start >= len(content) > 0:
            return self._refuse(416, Content_Range=f"bytes */{len(content)}")
        rest = content[start:]
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        for name, value in {"Content-Length": str(len(rest)), **self.web.validator}.items():
            self.send_header(name, value)
        self.end_headers()
        return rest

    def _refuse(self, status: int, **headers: str) -> bytes:
        self.send_response(status)
        for name, value in {"Content-Length": "0", **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        return b""

    def _start(self, headers: Mapping[str, str]) -> int:
        """Return the first byte to send: 0, unless a later one is requested for the same version."""
        wanted = headers.get("range", "")
        is_same = headers.get("if-range", "") in {"", *self.web.validator.values()}
        if not (self.web.resumes and is_same and wanted.startswith("bytes=")):
            return 0
        return int(wanted.removeprefix("bytes=").split("-")[0])

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(directory: Path) -> Iterator[Web]:
    """Serve a directory on the loopback."""
    directory.mkdir(exist_ok=True)
    web = Web(directory)
    handler = type("Handler", (_Handler,), {"web": web})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    web.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield web
    finally:
        web.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
