"""What `lab doctor` asks for: only what this machine still needs."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from lab.commands import doctor
from lab.foundation import process
from lab.foundation.distribution import Distribution
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.image import build
from lab.image.recipe import Recipe
from lab.session.session import Session

DEBIAN = Distribution("Debian", "debian", "python3", ("python3",))
SUSE = Distribution("openSUSE Leap 15.6", "suse", "python3.11", ("python311",))

SetFree = Callable[[int], None]


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> SetFree:
    """Set how much space, in MB, every file system has."""

    def set_free(free_mb: int) -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda _path: SimpleNamespace(free=free_mb * 1_000_000))

    return set_free


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Return a lab whose directories do not exist yet."""
    return Home(tmp_path / "a" / "lab", tmp_path / "b" / "cache", tmp_path / "config.toml")


STATES = {
    "to be built": {"has_image": False, "builds": True},
    "to be imported": {"has_image": False, "builds": False},
    "stored": {"has_image": True, "builds": True},
}
"""Of the guest image on a machine."""


@pytest.mark.parametrize(
    ("free_mb", "image", "problems"),
    [
        (3600, "to be built", []),
        (3400, "to be built", ["space"]),
        (1200, "to be imported", []),
        (900, "to be imported", ["space"]),
        (900, "stored", []),
        (100, "stored", ["space for machines"]),
        (100, "to be built", ["space", "space for machines"]),
    ],
)
def test_space_is_asked_for_what_is_still_to_be_written(
    home: Home, free: SetFree, free_mb: int, image: str, problems: list[str]
) -> None:
    """A build takes more than an import, and machines on a stored image take little."""
    free(free_mb)
    checks = doctor.space(home, **STATES[image])

    assert [check.name for check in checks if not check.ok] == problems
    assert all(check.needed for check in checks)


def test_a_real_cache_with_an_image_needs_no_space_for_one(home: Home, free: SetFree) -> None:
    """The whole command, with an image as a build leaves it."""
    free(900)
    recipe = Recipe.from_environment(PROVISION)
    with Session(home, Work()) as session:
        before = {check.name: check for check in doctor.doctor(session).data.checks}
        image = build.path_of(recipe, home.cache)
        image.mkdir(parents=True)
        build.write_manifest(image, recipe, {"6.1": "6.1.0-1-amd64"})
        after = {check.name: check for check in doctor.doctor(session).data.checks}

    assert not before["space"].ok
    assert "space" not in after
    assert after["space for machines"].ok
    assert after["guest image"].ok


def test_an_image_is_built_only_where_that_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """On x86_64, where there is a package of mmdebstrap."""
    monkeypatch.setattr(process, "find", lambda _program: None)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    assert doctor.builds_images(DEBIAN)
    assert not doctor.builds_images(SUSE)
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert not doctor.builds_images(DEBIAN)


def test_a_machine_that_cannot_build_an_image_is_not_ready_without_one(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the advice is to import it."""
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with Session(home, Work()) as session:
        result = doctor.doctor(session)
    (image,) = (check for check in result.data.checks if check.name == "guest image")

    assert image.needed
    assert "lab image import" in image.found
    assert result.exit_status == 3
