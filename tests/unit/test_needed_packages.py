"""Missing packages of a split kernel are named, for every way of splitting."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.foundation.errors import BadInput
from lab.foundation.work import Note, Work
from lab.kernels import add as kernels_add
from lab.kernels import needed
from lab.kernels.source import Given
from lab.kernels.store import Kernel, KernelStore
from tests import kernels

SID = "7.2.13+deb14-cloud-amd64"


def add(tmp_path: Path, *packages: Path) -> Kernel:
    """Add a kernel."""
    sources = Given([str(path) for path in packages])
    kernel, _ = kernels_add.add(KernelStore(tmp_path / "kernels"), sources, "mine", [], Work())
    return kernel


def split_as_debian(tmp_path: Path) -> dict[str, Path]:
    """Create a kernel's packages as Debian sid splits them: linux-image has no files."""
    parts = {part: tmp_path / part for part in ("image", "binary", "modules", "base")}
    tree = kernels.tree(tmp_path / "tree")
    for part, moved in (("binary", "boot"), ("modules", "lib/modules")):
        target = parts[part] / moved
        target.parent.mkdir(parents=True)
        shutil.move(tree / moved, target)
    for part in ("image", "base"):
        (parts[part] / "usr/share/doc").mkdir(parents=True)
    own = [f"linux-{part}-{SID} (= 7.2.13-1)" for part in ("base", "binary", "modules")]
    depends = {
        "image": ", ".join(["dracut | initramfs-tools (>= 0.120) | linux-initramfs-tool", *own]),
        "binary": own[0],
        "modules": f"kmod, {own[0]}",
        "base": "",
    }
    return {
        part: kernels.deb(files, tmp_path / f"{part}.deb", name=f"linux-{part}-{SID}", depends=depends[part])
        for part, files in parts.items()
    }


def test_debians_empty_image_names_the_packages_that_have_the_kernel(tmp_path: Path) -> None:
    """All three are named, without initramfs programs; with all of them the kernel is added."""
    packages = split_as_debian(tmp_path)
    with pytest.raises(BadInput) as caught:
        add(tmp_path, packages["image"])

    lacking = ", ".join(f"linux-{part}-{SID}" for part in ("base", "binary", "modules"))
    assert f"linux-image-{SID} needs packages that were not given: {lacking}" in caught.value.message
    assert "kernel-core" not in f"{caught.value.message} {caught.value.hint}"
    assert "initramfs" not in caught.value.message
    assert add(tmp_path, *packages.values()).lacks == ()


def test_of_several_packages_only_those_that_are_missing_are_named(tmp_path: Path) -> None:
    """With two packages of four, the error names the other two."""
    packages = split_as_debian(tmp_path)
    with pytest.raises(BadInput) as caught:
        add(tmp_path, packages["image"], packages["modules"])

    assert caught.value.message.endswith(f" need packages that were not given: linux-base-{SID}, linux-binary-{SID}")


def test_incomplete_headers_give_a_note(tmp_path: Path) -> None:
    """The kernel runs, but its hook module cannot be built."""
    image = kernels.deb(kernels.tree(tmp_path / "tree"), tmp_path / "image.deb")
    files = tmp_path / "headers"
    (files / "usr/src" / f"linux-headers-{kernels.RELEASE}").mkdir(parents=True)
    (files / "usr/src" / f"linux-headers-{kernels.RELEASE}" / "Makefile").touch()
    depends = "linux-headers-1-common (= 1), linux-kbuild-1, linux-compiler-gcc-12-x86"
    headers = kernels.deb(files, tmp_path / "headers.deb", name="linux-headers-1", depends=depends)
    notes: list[str] = []
    work = Work(lambda event: notes.append(event.text) if isinstance(event, Note) else None)
    kernels_add.add(KernelStore(tmp_path / "kernels"), Given([str(image), str(headers)]), "mine", [], work)

    lacking = "linux-headers-1 needs packages that were not given: linux-headers-1-common, linux-kbuild-1"
    assert notes == [f"{lacking}; without them some features may not work"]


REQUIRES = {
    "kernel": "kernel-core-uname-r = 1, kernel-modules-uname-r = 1, kernel-modules-core-uname-r = 1",
    "kernel_modules": "kernel-modules-core-uname-r = 1",
    "kernel_core": "kernel-modules-core-uname-r = 1, linux-firmware",
}


@pytest.fixture
def of_fedora(tmp_path: Path) -> dict[str, Path]:
    """Create a kernel's packages as Fedora and RHEL do: `kernel` has no files."""
    files = kernels.fedora_like(kernels.tree(tmp_path / "tree"))
    layout = {"kernel": ""} | kernels.KERNEL_OF_FEDORA
    packages = {name: f"{lines}\nRequires: {REQUIRES.get(name, 'nothing')}" for name, lines in layout.items()}
    paths = kernels.rpms(files, tmp_path, payload="w1.gzdio", **packages)
    return {path.stem: path for path in paths}


@pytest.mark.parametrize(
    ("given_packages", "lacking"),
    [
        (["kernel"], "kernel needs packages that were not given: kernel-core, kernel-modules-core, kernel-modules"),
        (["kernel-modules"], "kernel-modules needs packages that were not given: kernel-modules-core"),
        (
            ["kernel", "kernel-core", "kernel-modules"],
            "kernel, kernel-core, kernel-modules need packages that were not given: kernel-modules-core",
        ),
    ],
)
def test_an_rpm_without_files_names_its_requirements(
    tmp_path: Path, of_fedora: dict[str, Path], given_packages: list[str], lacking: str
) -> None:
    """Users find the package named `kernel` first."""
    with pytest.raises(BadInput) as caught:
        add(tmp_path, *(of_fedora[name] for name in given_packages))

    assert lacking in caught.value.message
    assert "damaged" not in caught.value.message


def test_a_package_without_files_is_accepted_among_others(tmp_path: Path, of_fedora: dict[str, Path]) -> None:
    """A shell pattern includes it."""
    assert add(tmp_path, *of_fedora.values()).lacks == ()


def test_a_metapackage_names_its_current_kernel() -> None:
    """Users download linux-image-amd64."""
    packages = needed.of_control(
        "Package: linux-image-amd64\nDepends: linux-image-6.1.0-57-amd64 (= 6.1.192-3)\nDescription: x\n Depends: y\n"
    )

    assert packages == needed.PackageMetadata("linux-image-amd64", ("linux-image-6.1.0-57-amd64",))


def test_multi_line_fields_and_alternatives_are_parsed() -> None:
    """See deb-control(5); linux-base has only scripts and is not part of a kernel."""
    packages = needed.of_control(
        "Package: a\nPre-Depends: linux-base-1\nDepends: linux-base (>= 4.12~),\n linux-modules-1 | linux-modules-2,"
        "\n linux-binary-1:amd64,\n libc6\n"
    )

    assert packages == needed.PackageMetadata("a", ("linux-base-1", "linux-modules-1", "linux-binary-1"))


def test_packages_that_need_each_other_are_complete_together() -> None:
    """Each one needs the other, and both are given."""
    packages = [needed.PackageMetadata("a", ("b",)), needed.PackageMetadata("b", ("a",))]

    assert needed.missing(packages) == {}
    assert needed.missing(packages[:1]) == {"a": ["b"]}


@given(st.text(max_size=300) | st.builds("Package: a\nDepends:{}".format, st.text(max_size=200)))
def test_any_control_file_is_parsed(text: str) -> None:
    """It comes from the internet."""
    needed.of_control(text)


@given(st.binary(max_size=300) | st.builds(lambda tail: b"!<arch>\n" + tail, st.binary(max_size=300)))
def test_any_package_metadata_is_parsed_or_ignored(content: bytes) -> None:
    """An error about a package must not become a crash of the parser."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        assert needed.read(Path(file.name)) is None
