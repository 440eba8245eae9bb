"""Packages and images that no packager made: nothing of them leads outside of their tree or ends in a traceback."""

from __future__ import annotations

import contextlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.kernels import header
from lab.kernels.store import KernelStore
from tests import kernels
from tests.unit.added_kernels.adding import refused


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


@given(st.binary(max_size=400) | st.builds(lambda tail: kernels.image()[:0x300] + tail, st.binary(max_size=100)))
def test_any_kernel_image_is_parsed_or_refused(content: bytes) -> None:
    """A file from the internet must not crash the lab."""
    with contextlib.suppress(header.HeaderError):
        header.image(content)
