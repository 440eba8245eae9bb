"""A guest image as one file: the same image arrives, and nothing else is taken for it."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.foundation.work import Work
from lab.image import build, stick
from lab.image.build import Image
from lab.image.recipe import Recipe
from tests.command_line import lab

RECIPE = Recipe(PROVISION)

KERNELS = {"6.1": "6.1.0-57-cloud-amd64"}

FILES = {
    "disk.img": bytes(70_000) + b"a root file system" + bytes(1_500_000),
    "initramfs": b"\x1f\x8b base",
    "initramfs-6.1": b"\x1f\x8b with modules",
    "vmlinuz-6.1": b"MZ a kernel",
}
"""What is moved here is not booted: tests/guest/test_stick.py moves a real image."""

Parts = dict[str, bytes]


@pytest.fixture
def image(tmp_path: Path) -> Image:
    """Return a small image in a cache."""
    image = Image(build.path_of(RECIPE, tmp_path / "cache"))
    image.path.mkdir(parents=True)
    for name, content in FILES.items():
        (image.path / name).write_bytes(content)
    build.write_manifest(image.path, RECIPE, KERNELS)
    return image


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the cache of another machine, whose disk need not have room for a whole image here."""
    monkeypatch.setattr(build, "STORED_MB", 1)
    return tmp_path / "elsewhere"


def imported(path: Path, cache: Path, sha256: str | None = None) -> stick.UnpackedImage:
    """Import a file."""
    return stick.unpack(path, RECIPE, cache, sha256, Work())


def described(**changed: object) -> dict[str, Any]:
    """Return what an archive says of itself, with changes."""
    files = {name: {"bytes": len(one), "sha256": hashlib.sha256(one).hexdigest()} for name, one in FILES.items()}
    return {"format": 1, "recipe": RECIPE.digest, "kernels": KERNELS, "files": files, **changed}


def written(path: Path, contents: object, parts: list[tuple[str, bytes]], **of_last: object) -> Path:
    """Write an archive as another program does; the last member has other attributes."""
    whole = io.BytesIO()
    members = [(stick.CONTENTS, json.dumps(contents).encode()), *parts]
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as opened:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            if name == members[-1][0]:
                for key, value in of_last.items():
                    setattr(member, key, value)
            opened.addfile(member, io.BytesIO(content))
    path.write_bytes(zstandard.compress(whole.getvalue()))
    return path


def test_the_same_image_arrives(image: Image, cache: Path, tmp_path: Path) -> None:
    """Byte for byte, with the holes of its disk; a second time nothing is done."""
    packed = stick.pack(image, tmp_path / "image.tar.zst", Work())
    first = imported(tmp_path / "image.tar.zst", cache, packed.sha256)

    assert first.is_new
    assert first.sha256 == packed.sha256 == hashlib.sha256((tmp_path / "image.tar.zst").read_bytes()).hexdigest()
    assert {path.name: path.read_bytes() for path in first.image.path.iterdir() if path.name in FILES} == FILES
    assert first.image.releases == KERNELS
    assert first.image.disk.stat().st_blocks * 512 < len(FILES["disk.img"]) / 4
    assert not imported(tmp_path / "image.tar.zst", cache).is_new
    assert build.ensure(RECIPE, cache, Work()).path == first.image.path


def test_the_same_image_makes_the_same_file(image: Image, tmp_path: Path) -> None:
    """A digest on a blackboard is one for all."""
    digests = {stick.pack(image, tmp_path / f"{number}.tar.zst", Work()).sha256 for number in range(2)}
    assert len(digests) == 1


Made = Callable[[Path], Path]

GOOD = list(FILES.items())

HOSTILE: dict[str, Made] = {
    "not an archive": lambda path: _raw(path, b"MZ"),
    "an empty file": lambda path: _raw(path, b""),
    "no contents first": lambda path: _raw(path, zstandard.compress(bytes(1024))),
    "another version's image": lambda path: written(path, described(recipe="0" * 16), GOOD),
    "another format": lambda path: written(path, described(format=2), GOOD),
    "a list for contents": lambda path: written(path, [1], GOOD),
    "more members of contents": lambda path: written(path, described(evil=1), GOOD),
    "no kernel": lambda path: written(path, described(kernels={}), GOOD),
    "a kernel that leads upwards": lambda path: written(path, described(kernels={"../6": "6"}), GOOD),
    "a release with a control character": lambda path: written(path, described(kernels={"6.1": "\x1b]0;"}), GOOD),
    "a file upwards": lambda path: written(path, described(), [*GOOD, ("../evil", b"x")]),
    "an absolute file": lambda path: written(path, described(), [*GOOD, ("/etc/evil", b"x")]),
    "a file twice": lambda path: written(path, described(), [*GOOD, GOOD[0]]),
    "a file too many": lambda path: written(path, described(), [*GOOD, ("evil", b"x")]),
    "a manifest": lambda path: written(path, described(), [("manifest.json", b"{}"), *GOOD]),
    "a file too few": lambda path: written(path, described(), GOOD[:-1]),
    "a changed file": lambda path: written(path, described(), [*GOOD[:-1], ("vmlinuz-6.1", b"MZ a Kernel")]),
    "a longer file": lambda path: written(path, described(), [*GOOD[:-1], ("vmlinuz-6.1", b"MZ a kernel ")]),
    "a symbolic link": lambda path: written(path, described(), GOOD, type=tarfile.SYMTYPE, linkname="/etc/shadow"),
    "a hard link": lambda path: written(path, described(), GOOD, type=tarfile.LNKTYPE, linkname="disk.img"),
    "a device": lambda path: written(path, described(), GOOD, type=tarfile.BLKTYPE),
    "a directory": lambda path: written(path, described(), GOOD, type=tarfile.DIRTYPE, size=0),
}


def _raw(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("what", sorted(HOSTILE))
def test_what_is_no_image_is_refused_and_leaves_nothing(cache: Path, tmp_path: Path, what: str) -> None:
    """In one clear line."""
    path = HOSTILE[what](tmp_path / "image.tar.zst")
    with pytest.raises(BadInput) as caught:
        imported(path, cache)

    assert "\n" not in caught.value.message
    assert caught.value.message.isprintable()
    assert sorted(path.name for path in tmp_path.iterdir()) in (["elsewhere", "image.tar.zst"], ["image.tar.zst"])
    assert not list((cache / "images").glob("*"))


def test_an_archive_that_is_whole_but_for_its_last_bytes_is_refused(image: Image, cache: Path, tmp_path: Path) -> None:
    """As after a stick was pulled out too early."""
    path = tmp_path / "image.tar.zst"
    stick.pack(image, path, Work())
    whole = path.read_bytes()
    for kept in (len(whole) - 5, len(whole) // 2, 5):
        path.write_bytes(whole[:kept])
        with pytest.raises(BadInput, match=r"cut off|neither"):
            imported(path, cache)
    assert not list((cache / "images").glob("*"))


def test_more_than_an_image_has_is_not_unpacked(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk of zeros is compressed to nothing: what counts is what it would fill."""
    monkeypatch.setattr(stick, "MOST_BYTES", 1_000_000)
    path = written(tmp_path / "image.tar.zst", described(), GOOD)
    with pytest.raises(BadInput, match="would unpack to more"):
        imported(path, cache)


def test_another_digest_than_the_given_one_is_refused_before_anything_is_read(
    image: Image, cache: Path, tmp_path: Path
) -> None:
    """Both digests are named."""
    packed = stick.pack(image, tmp_path / "image.tar.zst", Work())
    with pytest.raises(BadInput, match=f"{packed.sha256}, not {'0' * 64}"):
        imported(tmp_path / "image.tar.zst", cache, "0" * 64)
    assert not cache.exists()


def test_without_space_nothing_is_left(
    image: Image, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message says how much is needed."""
    stick.pack(image, tmp_path / "image.tar.zst", Work())
    monkeypatch.setattr(build, "STORED_MB", 10**9)
    with pytest.raises(BrokenEnvironment, match="1000000000 MB are needed"):
        imported(tmp_path / "image.tar.zst", cache)


@pytest.mark.parametrize("arguments", [("export", "image.zip"), ("import", "no-such.tar.zst")])
def test_a_wrong_file_name_is_bad_input(tmp_path: Path, arguments: tuple[str, str]) -> None:
    """With exit status 2, and no image is built for it."""
    result = lab(tmp_path / "home", "image", *arguments, LAB_CACHE=str(tmp_path / "cache"))
    assert result.returncode == 2
    assert arguments[1] in result.stderr


@pytest.mark.usefixtures("image")
def test_the_command_line_moves_an_image(tmp_path: Path) -> None:
    """From one cache to another, and its JSON has the digest."""
    path = str(tmp_path / "image.tar.zst")
    exported = lab(tmp_path / "home", "image", "export", path, "--json", LAB_CACHE=str(tmp_path / "cache"))
    assert exported.returncode == 0, exported.stderr
    made = json.loads(exported.stdout)
    result = lab(
        tmp_path / "other", "image", "import", path, "--sha256", made["sha256"], LAB_CACHE=str(tmp_path / "there")
    )
    assert result.returncode == 0, result.stderr
    assert "the guest image is stored" in result.stdout
    again = lab(tmp_path / "other", "image", "import", path, "--json", LAB_CACHE=str(tmp_path / "there"))
    assert json.loads(again.stdout)["new"] is False
