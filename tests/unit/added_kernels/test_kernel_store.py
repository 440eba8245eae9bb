"""The store of added kernels: names, checksums, downloads, leftovers, eras, damaged descriptions."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.catalogue.era import Era
from lab.foundation.errors import BadInput, BrokenEnvironment, LabError
from lab.foundation.home import MACHINES
from lab.foundation.work import Note, Work
from lab.kernels import add as kernels_add
from lab.kernels import download
from lab.kernels.find import machines
from lab.kernels.source import Given
from lab.kernels.store import Classified, KernelStore
from tests import kernels
from tests.unit.added_kernels.adding import add, made


def test_a_kernel_name_is_unique(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """Machines and kernels share the names; adding the same package again is no error."""
    package = kernels.deb(tree, tmp_path / "linux.deb")
    with pytest.raises(BadInput, match="a machine is called 'old'"):
        add(store, package, name="old")
    added = add(store, package)
    assert add(store, package) == added
    with pytest.raises(BadInput, match="there is already a kernel 'mine'"):
        add(store, tree)
    assert add(store, package, name=None).name == "linux-4-18-0-test"
    for name in ("../x", "Mine", "a" * 32, ""):
        with pytest.raises(BadInput, match="not a valid machine name"):
            add(store, package, name=name)


def test_a_wrong_checksum_is_refused(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """A matching one is stored with the kernel."""
    package = kernels.deb(tree, tmp_path / "linux.deb")
    right = hashlib.sha256(package.read_bytes()).hexdigest()
    with pytest.raises(BadInput, match=f"its SHA-256 is {right}, not 000"):
        add(store, package, sha256=("000",))
    with pytest.raises(BadInput, match="once for each package"):
        add(store, package, package, sha256=(right,))
    assert add(store, package, sha256=(right.upper(),)).sources[0].sha256 == right


@contextlib.contextmanager
def _server(directory: Path) -> Iterator[str]:
    """Serve a directory; redirect `/again/N` N times."""

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.startswith("/again/"):
                remaining = int(self.path.split("/")[2])
                self.send_response(302)
                self.send_header("Location", f"/again/{remaining - 1}" if remaining else "/linux.deb")
                self.end_headers()
            elif self.path.startswith("/file"):
                self.send_response(302)
                self.send_header("Location", (directory / "linux.deb").as_uri())
                self.end_headers()
            elif self.path.startswith("/short"):
                self.send_response(200)
                self.send_header("Content-Length", "1000")
                self.end_headers()
                self.wfile.write(b"x" * 10)
            else:
                super().do_GET()

        def log_request(self, code: object = "-", size: object = "-") -> None:
            pass

        def log_error(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Handler, directory=str(directory)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_url_is_downloaded_and_its_checksum_reported(
    store: KernelStore, tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few redirections are followed, many are not, and never one to a file of this machine."""
    web = made(tmp_path / "web")
    package = kernels.deb(tree, web / "linux.deb")
    right = hashlib.sha256(package.read_bytes()).hexdigest()
    notes: list[str] = []
    work = Work(lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    with _server(web) as address:
        kernel, _ = kernels_add.add(store, Given([f"{address}/again/3"]), "mine", [], work)
        assert (kernel.sources[0].sha256, kernel.sources[0].given) == (right, f"{address}/again/3")
        assert any(right in line and "not compared with an expected one" in line for line in notes)
        add(store, f"{address}/linux.deb", name="other", sha256=(right,))
        for path, why in (
            ("again/9", "(?i)redirect"),
            ("file", "(?i)redirect"),
            ("short", "only 10 of 1000 bytes arrived"),
        ):
            with pytest.raises(LabError, match=why):
                add(store, f"{address}/{path}", name="third")
        with pytest.raises(BadInput, match="the server returned 404"):
            add(store, f"{address}/absent.deb", name="third")
        monkeypatch.setattr(download, "MOST_BYTES", 100)
        with pytest.raises(BrokenEnvironment, match="more than 100"):
            add(store, f"{address}/linux.deb", name="third")
    with pytest.raises(BrokenEnvironment, match="cannot be fetched"):
        add(store, f"{address}/linux.deb", name="third")
    assert store.names() == ["mine", "other"]


def test_leftovers_of_a_killed_command_are_removed_by_the_next(store: KernelStore, tree: Path) -> None:
    """A half-added kernel is never listed."""
    leftovers = store.path(".unfinished-killed")
    (leftovers / "tree").mkdir(parents=True)
    add(store, tree)

    assert not leftovers.exists()
    assert store.names() == ["mine"]


def test_an_added_kernel_has_no_era_until_it_is_classified(store: KernelStore, tree: Path) -> None:
    """It never passes for a replica, and scenario expectations do not apply to it."""
    add(store, tree)
    (definition,) = machines(MACHINES, store, ["mine"])
    machine = definition.on(definition.on_image)  # type: ignore[arg-type]
    assert (machine.era, machine.replica, machine.added) == (None, False, True)
    store.classified("mine", Classified(era=Era.DROP, reason="seen", run="1"))
    assert machines(MACHINES, store, ["mine"])[0].era is Era.DROP
    assert [one.name for one in machines(MACHINES, store, [], all_kernels=True)][-1] == "mine"
    assert "mine" not in [one.name for one in machines(MACHINES, store, [])]
    with pytest.raises(BadInput, match="kernels: mine"):
        machines(MACHINES, store, ["nonsense"])
    store.remove("mine")
    assert store.names() == []


def test_a_damaged_kernel_description_is_reported_and_removable(store: KernelStore, tree: Path) -> None:
    """It does not hide other kernels."""
    add(store, tree)
    add(store, tree, name="other")
    (store.path("mine") / "kernel.json").write_text(json.dumps({"schema_version": 2}))

    assert [kernel.name for kernel in store.all()] == ["other"]
    with pytest.raises(BadInput, match="cannot be read as a kernel") as caught:
        store.get("mine")
    assert caught.value.hint is not None
    assert "lab kernel remove mine" in caught.value.hint
