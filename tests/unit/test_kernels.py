"""Kernels from packages and directories: which are accepted, which are refused, and the messages."""

from __future__ import annotations

import contextlib
import functools
import gzip
import hashlib
import http.server
import io
import json
import lzma
import struct
import subprocess
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import libarchive
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from lab.catalogue.era import Era
from lab.foundation.errors import BadInput, BrokenEnvironment, LabError
from lab.foundation.home import MACHINES
from lab.foundation.work import Note, Work
from lab.image import initramfs
from lab.kernels import add as kernels_add
from lab.kernels import download, header
from lab.kernels.find import machines
from lab.kernels.modules import Modules
from lab.kernels.source import Given
from lab.kernels.store import BOOT_MODULES, DISK, IMAGE, Classified, Kernel, KernelStore
from lab.provider import console
from lab.provider.console import Ending
from tests import kernels


@pytest.fixture
def store(tmp_path: Path) -> KernelStore:
    """Return a lab's empty kernel store."""
    return KernelStore(tmp_path / "kernels")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return an installed kernel."""
    return kernels.tree(tmp_path / "tree")


def add(store: KernelStore, *sources: Path | str, name: str | None = "mine", sha256: tuple[str, ...] = ()) -> Kernel:
    """Add a kernel."""
    kernel, _ = kernels_add.add(store, Given([str(source) for source in sources], sha256), name, ["old"], Work())
    return kernel


def in_disk(store: KernelStore, path: str) -> str:
    """Return the names in a directory of a kernel's guest disk."""
    disk = store.path("mine") / DISK
    command: list[str | Path] = ["/sbin/debugfs", "-R", f"ls -p {path}", disk]
    listing = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return " ".join(line.split("/")[5] for line in listing.splitlines() if line.count("/") > 5)


def refused(store: KernelStore, *sources: Path | str, match: str) -> LabError:
    """Check that sources are refused as bad input in one line and leave nothing behind."""
    with pytest.raises(BadInput, match=match) as caught:
        add(store, *sources)
    assert "\n" not in caught.value.message
    assert store.names() == []
    assert [path.name for path in store.path("x").parent.iterdir() if path.name != "adding.lock"] == []
    return caught.value


PACKAGES: dict[str, Callable[[Path, Path], list[Path]]] = {
    "deb with xz": lambda files, where: [kernels.deb(files, where / "linux.deb")],
    "deb with zstd": lambda files, where: [kernels.deb(files, where / "linux.deb", compression="zstd")],
    "RHEL 7": lambda files, where: kernels.rpms(files, where, payload="w1.xzdio", **kernels.KERNEL_OF_RHEL_7),
    "Fedora": lambda files, where: kernels.rpms(
        kernels.fedora_like(files), where, payload="w1.zstdio", **kernels.KERNEL_OF_FEDORA
    ),
    "gzipped RPM": lambda files, where: kernels.rpms(files, where, payload="w1.gzdio", **kernels.KERNEL_OF_RHEL_7),
    "directory": lambda files, _: [files],
}


@pytest.mark.parametrize("form", PACKAGES)
def test_a_kernel_is_extracted_from_every_package_format(
    store: KernelStore, tree: Path, tmp_path: Path, form: str
) -> None:
    """Only modules that the guest needs are extracted, and no script runs."""
    kernel = add(store, *PACKAGES[form](tree, tmp_path))

    assert (kernel.release, kernel.disk, kernel.network, kernel.lacks) == (kernels.RELEASE, "virtio", "virtio", ())
    assert kernel.modules == len(kernels.MODULES) - 1
    assert (store.path("mine") / IMAGE).read_bytes() == kernels.image()
    assert "drm" not in in_disk(store, f"/lib/modules/{kernels.RELEASE}/kernel/drivers")
    assert "modules.dep.bin" in in_disk(store, f"/lib/modules/{kernels.RELEASE}")
    assert list(tmp_path.glob("*.ran")) == []


def test_an_initramfs_loads_what_the_disk_and_the_network_card_need(store: KernelStore, tree: Path) -> None:
    """Dependencies come first, soft ones included: ext4 without crc32c cannot mount."""
    add(store, tree)

    with libarchive.file_reader(str(store.path("mine") / BOOT_MODULES)) as entries:
        names = [entry.name for entry in entries if entry.name.endswith(".ko")]
    order = [name.split("/")[-1][3:-3] for name in sorted(names)]
    assert set(order) == {"virtio", "virtio_pci", "virtio_blk", "net_failover", "virtio_net", "jbd2", "ext4"} | {
        "crc32c_generic"
    }
    for needed, by in (("virtio", "virtio_blk"), ("net_failover", "virtio_net"), ("jbd2", "ext4")):
        assert order.index(needed) < order.index(by)


@pytest.mark.parametrize(
    ("suffix", "pack"),
    [(".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstandard.compress)],
    ids=["gz", "xz", "zst"],
)
def test_compressed_modules_are_decompressed_for_the_guest(
    store: KernelStore, tree: Path, suffix: str, pack: Callable[[bytes], bytes]
) -> None:
    """The guest's modprobe may not know the compression."""
    for path in list(tree.rglob("*.ko")):
        path.with_name(path.name + suffix).write_bytes(pack(path.read_bytes()))
        path.unlink()

    assert add(store, tree).modules == len(kernels.MODULES) - 1
    assert in_disk(store, f"/lib/modules/{kernels.RELEASE}/kernel/fs/ext4").split()[-1] == "ext4.ko"


def test_a_truncated_module_is_named(store: KernelStore, tree: Path) -> None:
    """Otherwise the guest would not find its disk."""
    path = next(tree.rglob("ext4.ko"))
    path.with_name("ext4.ko.xz").write_bytes(lzma.compress(path.read_bytes())[:-20])
    path.unlink()

    with pytest.raises(BrokenEnvironment, match=r"ext4\.ko\.xz is damaged"):
        add(store, tree)
    assert store.names() == []


def test_a_kernel_build_tree_is_accepted(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """modules.order lists objects since 6.2 and modules before; debug information is stripped."""
    built = tmp_path / "linux"
    for path in tree.rglob("*.ko"):
        target = built / str(path).split("/kernel/")[-1]
        target.parent.mkdir(parents=True, exist_ok=True)
        path.rename(target)
    order = [str(path.relative_to(built)) for path in sorted(built.rglob("*.ko"))]
    (built / "modules.order").write_text("".join(f"{name[:-3]}.o\n" for name in order))
    (built / "modules.builtin").write_text("")
    (built / "arch/x86/boot").mkdir(parents=True)
    (built / "arch/x86/boot/bzImage").write_bytes(kernels.image())
    refused(store, built, match="there is no include/config/kernel.release")
    (built / "include/config").mkdir(parents=True)
    (built / "include/config/kernel.release").write_text(kernels.RELEASE + "\n")
    source = ".text\nnop\n.section .debug_info\n.zero 4000000\n"
    heavy = built / "drivers/net/veth.ko"
    with_debug = '.section .modinfo,"a"\n.string "depends="\n' + source
    subprocess.run(["gcc", "-x", "assembler", "-c", "-", "-o", heavy], input=with_debug.encode(), check=True)

    kernel = add(store, built)

    assert (kernel.release, kernel.modules) == (kernels.RELEASE, len(kernels.MODULES) - 1)
    assert store.size_bytes("mine") < 3_000_000
    (built / "fs/ext4/ext4.ko").unlink()
    with pytest.raises(BadInput, match=r"fs/ext4/ext4\.o of modules\.order was not built"):
        add(store, built, name="other")


def test_headers_are_installed_only_with_their_kernel(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """The build link leads to the headers' place in the guest."""
    headers = tmp_path / "headers" / "usr/src/kernels" / kernels.RELEASE
    headers.mkdir(parents=True)
    (headers / "Makefile").write_text("all:\n")
    kernel = tmp_path / "kernel"
    (package,) = kernels.rpms(tree, kernel_dir := _made(kernel), payload="w1.gzdio", **kernels.KERNEL_OF_RHEL_7)
    assert kernel_dir == kernel
    devel = tmp_path / "devel"
    (with_headers,) = kernels.rpms(
        tmp_path / "headers", _made(devel), payload="w1.gzdio", kernel_devel=f"/usr/src/kernels/{kernels.RELEASE}"
    )

    assert add(store, package, with_headers).headers
    assert "Makefile" in in_disk(store, f"/usr/src/kernels/{kernels.RELEASE}")
    assert "build" in in_disk(store, f"/lib/modules/{kernels.RELEASE}")
    headers.rename(headers.with_name("3.10.0"))
    others = tmp_path / "others"
    (other,) = kernels.rpms(
        tmp_path / "headers", _made(others), payload="w1.gzdio", kernel_devel="/usr/src/kernels/3.10.0"
    )
    with pytest.raises(BadInput, match=r"the headers are of 3\.10\.0, but the kernel is 4\.18\.0"):
        add(store, package, other, name="other")


def _made(directory: Path) -> Path:
    directory.mkdir()
    return directory


def test_a_truncated_package_is_reported_as_truncated(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """Every truncation is detected; so is a file that is no package."""
    for package in (kernels.deb(tree, tmp_path / "linux.deb"), *PACKAGES["RHEL 7"](tree, tmp_path)):
        whole = package.read_bytes()
        for share in (0.1, 0.5, 0.9, 0.99):
            package.write_bytes(whole[: int(len(whole) * share)])
            refused(store, package, match=rf"^{package.name}: it is damaged or cut off: [^=]+$")
    (tmp_path / "note.txt").write_text("hello\n")
    refused(store, tmp_path / "note.txt", match="neither an RPM nor a Debian package")
    refused(store, tmp_path / "absent.deb", match="there is no such file")


def test_a_kernel_of_another_architecture_is_named(store: KernelStore, tmp_path: Path) -> None:
    """The modules or the image show the architecture."""
    refused(store, kernels.tree(tmp_path / "arm", machine=kernels.AARCH64), match="is for aarch64; .* are x86_64")
    files = kernels.tree(tmp_path / "i386")
    next((files / "boot").iterdir()).write_bytes(kernels.image(bits=32))
    refused(store, files, match="is for i386")


def test_parts_of_two_kernels_are_not_combined(store: KernelStore, tree: Path) -> None:
    """A kernel does not load another one's modules, so the guest would not find its disk."""
    image = next((tree / "boot").iterdir())
    image.write_bytes(kernels.image("5.14.0-1.x86_64"))
    refused(store, tree, match=r"the kernel is 5\.14\.0-1\.x86_64, but its modules are for 4\.18\.0")
    (tree / "lib/modules/other/kernel").mkdir(parents=True)
    (tree / "lib/modules/other/kernel/a.ko").write_bytes(b"")
    refused(store, tree, match="several kernels were given: 4.18.0-test.x86_64, other")


def test_a_missing_package_is_requested_by_name(store: KernelStore, tree: Path, tmp_path: Path) -> None:
    """RHEL splits a kernel and its modules into several packages."""
    packages = {path.stem: path for path in PACKAGES["Fedora"](tree, tmp_path)}
    error = refused(store, packages["kernel-modules"], match="no kernel image was given")
    assert error.hint is not None
    assert "kernel-core" in error.hint
    refused(store, packages["kernel-core"], match="has no ext4")
    kernel = add(store, packages["kernel-core"], packages["kernel-modules-core"])
    assert kernel.lacks == ("nf_conntrack", "nfnetlink_queue")


def test_a_kernel_without_a_driver_for_the_guests_disk_is_refused(store: KernelStore, tmp_path: Path) -> None:
    """The error comes at once, not after a failed boot; AHCI and e1000 are enough."""
    files = kernels.tree(tmp_path / "files", without="virtio_blk")
    refused(
        store, files, match="no driver for the guest's disk: it takes virtio_pci with virtio_blk or ahci with sd_mod"
    )
    builtin = next(files.rglob("modules.builtin"))
    builtin.write_text("kernel/drivers/ata/ahci.ko\nkernel/drivers/scsi/sd_mod.ko\n")
    assert add(store, files).disk == "ahci"


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


def _deb(path: Path, *members: tarfile.TarInfo) -> Path:
    """Create a package that no packager would: deb(5), ar(5)."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as tar:
        for member in members:
            tar.addfile(member, io.BytesIO(b"x" * member.size))
    header = f"{'data.tar':<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(data.getvalue()):<10}`\n"
    path.write_bytes(b"!<arch>\n" + header.encode() + data.getvalue())
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, to: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, to
    member.size = 1 if kind == tarfile.REGTYPE else 0
    return member


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([_member("boot/../../outside")], "a path that leaves it"),
        ([_member("lib/modules/1/a", tarfile.SYMTYPE, "../../../../etc")], "a link that leaves it"),
        ([_member("lib/modules/1/a", tarfile.SYMTYPE, "/../etc")], "a link that leaves it"),
        ([_member("dev/null", tarfile.CHRTYPE)], "it holds a device"),
        (
            [_member("usr/src/kernels/1", tarfile.SYMTYPE, "/boot"), _member("usr/src/kernels/1/a")],
            "lies behind a symbolic link",
        ),
        ([_member("lib/modules/1/a/b"), _member("lib/modules/1/a")], "is a file and a directory"),
    ],
    ids=["path", "link", "absolute link", "device", "through a link", "file and directory"],
)
def test_a_package_cannot_write_outside_of_its_tree(
    store: KernelStore, tmp_path: Path, members: list[tarfile.TarInfo], message: str
) -> None:
    """No path and no link in it leads outside."""
    refused(store, _deb(tmp_path / "evil.deb", *members), match=message)

    assert not (tmp_path / "outside").exists()


def test_links_in_a_package_do_not_lead_to_files_of_the_host(store: KernelStore, tmp_path: Path) -> None:
    """A file behind the link would be copied into a guest, as the kernel or as a list of modules."""
    (tmp_path / "secret").write_text("secret")
    links = [
        _member("boot/vmlinuz-1", tarfile.SYMTYPE, f"{tmp_path}/secret"),
        _member("lib/modules/1/modules.builtin", tarfile.SYMTYPE, f"{tmp_path}/secret"),
        _member("usr/lib/modules/1", tarfile.SYMTYPE, str(tmp_path)),
    ]
    refused(store, _deb(tmp_path / "links.deb", *links), match="no modules were given")
    refused(store, _deb(tmp_path / "image.deb", _member("lib/modules/1/a"), *links), match="no kernel image was given")


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
    web = _made(tmp_path / "web")
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


@given(st.binary(max_size=400) | st.builds(lambda tail: kernels.image()[:0x300] + tail, st.binary(max_size=100)))
def test_any_kernel_image_is_parsed_or_refused(content: bytes) -> None:
    """A file from the internet must not crash the lab."""
    with contextlib.suppress(header.HeaderError):
        header.image(content)


@given(st.data())
def test_any_module_file_is_parsed_or_refused(data: st.DataObject) -> None:
    """Bytes behind a real module's header are altered at random."""
    content = bytearray(_a_module())
    for at, byte in data.draw(
        st.dictionaries(st.integers(0, len(content) - 1), st.integers(0, 255), max_size=8)
    ).items():
        content[at] = byte
    cut = bytes(content[: data.draw(st.integers(0, len(content)))])
    with contextlib.suppress(header.HeaderError):
        header.module(cut)
    header.has_debug_information(cut)


@functools.cache
def _a_module() -> bytes:
    """Return a 64-bit ELF file with one section, .modinfo, and its names."""
    names, modinfo = b"\0.modinfo\0.shstrtab\0", b"depends=a,b\0softdep=pre: c post: d\0vermagic=1 SMP\0"
    ident = b"\x7fELF\x02\x01\x01" + bytes(9)
    first = struct.pack("<HHIQQQIHHHHHH", 1, 62, 1, 0, 0, 64 + len(names) + len(modinfo), 0, 64, 0, 0, 64, 3, 2)
    sections = [(0, 0, 0), (1, 64 + len(names), len(modinfo)), (10, 64, len(names))]
    table = b"".join(struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, at, size, 0, 0, 1, 0) for name, at, size in sections)
    return ident + first + names + modinfo + table


def test_a_modules_dependencies_are_read() -> None:
    """Post-dependencies are not among its needs."""
    module = header.module(_a_module())

    assert (module.architecture, module.release, module.depends, module.softly) == (
        "x86_64",
        "1",
        ("a", "b"),
        ("c",),
    )


def test_without_modules_builtin_no_module_counts_as_missing(tree: Path) -> None:
    """A kernel from a user's own tree may have anything built in."""
    modules = Modules(tree / "lib/modules" / kernels.RELEASE)
    assert not modules.has("sch_netem")
    assert modules.has("ipv6")
    next(tree.rglob("modules.builtin")).unlink()
    assert Modules(modules.directory).has("sch_netem")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (
            "[    1.2] Kernel panic - not syncing: VFS: Unable to mount root fs\n[    1.3] CPU: 0\n",
            "the kernel panicked: VFS: Unable to mount root fs",
        ),
        ("lab: no disk found\r\n", "no disk found"),
        ("\n\nXZ-compressed data is corrupt\n\n -- System halted", "XZ-compressed data is corrupt"),
        ("Server listening on :: port 22.\n", None),
        ("", None),
    ],
)
def test_a_failed_boot_is_reported_with_the_kernels_message(message: str, why: str | None) -> None:
    """The last lines of a stack trace are not useful."""
    assert console.last_words(message) == why


@pytest.mark.parametrize(
    ("text", "ending", "why", "help_"),
    [
        ("", Ending(2.4, by_itself=True), "QEMU exited after 2 s, and its console stayed empty", "LAB_ACCEL"),
        (
            "\r\n",
            Ending(120.1, by_itself=False),
            "QEMU was stopped after 120 s, and its console stayed empty",
            "SERIAL",
        ),
        ("udhcpc: started\n", Ending(9.0, by_itself=True), "QEMU exited after 9 s; sshd did not listen", None),
        ("lab: no disk found\n", Ending(9.0, by_itself=True), "no disk found", None),
    ],
)
def test_a_silent_failed_boot_is_reported_by_how_it_ended(
    text: str, ending: Ending, why: str, help_: str | None
) -> None:
    """There is no point in referring users to an empty console."""
    message, hint = console.failure(text, ending)

    assert message.startswith(why)
    assert help_ in (hint or "") if help_ else hint is None


def test_a_module_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few kilobytes can expand to gigabytes."""
    monkeypatch.setattr(initramfs, "MOST_MODULE_BYTES", 100_000)
    for suffix, pack in ((".gz", gzip.compress), (".xz", lzma.compress), (".zst", zstandard.compress)):
        path = tmp_path / f"bomb.ko{suffix}"
        path.write_bytes(pack(bytes(1_000_000)))
        with pytest.raises(BrokenEnvironment, match="larger than any module"):
            initramfs.unpacked(path)
