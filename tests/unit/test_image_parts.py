"""Which parts of the guest image are built again."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION
from lab.image import parts
from lab.image.base import Base
from lab.image.recipe import Recipe

RELEASES = ("6.1.0-57-cloud-amd64", "6.12.117+deb12-cloud-amd64")
OF_MODULES = {f"{module}@{release}" for module in parts.MODULES for release in RELEASES}


@pytest.fixture
def base(tmp_path: Path) -> Base:
    """Return a tree with two kernels."""
    for release in RELEASES:
        (tmp_path / "base" / "kernels" / release).mkdir(parents=True)
    return Base(tmp_path / "base")


@pytest.mark.parametrize(
    ("changed", "again"),
    [
        ("verdict/log.c", {"verdict"}),
        ("clients/exchange.h", {"clients"}),
        ("image/login/random.c", {"login"}),
        ("nfqdns/nfqdns.c", {f"nfqdns@{release}" for release in RELEASES}),
        ("kbuild/cc.sh", {"kbuild", *OF_MODULES}),
        ("guest/build.sh", {"login", *parts.PROGRAMS, *OF_MODULES}),
        ("image/parts.sh", {"login", *parts.PROGRAMS, *OF_MODULES}),
        ("guest/trials.sh", set()),
        ("image/rootfs/etc/inittab", set()),
    ],
)
def test_only_what_has_changed_is_built_again(base: Base, tmp_path: Path, changed: str, again: set[str]) -> None:
    """Everything that goes into a part is in its key: an outdated part would show yesterday's program."""
    provision = Path(shutil.copytree(PROVISION, tmp_path / "provision"))
    before = {part.name: part.path for part in parts.of(Recipe(provision), base)}
    with (provision / changed).open("a") as file:
        file.write("\n")

    after = {part.name: part.path for part in parts.of(Recipe(provision), base)}

    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == again


def test_an_image_has_every_program_that_a_guest_builds() -> None:
    """A program that only build.sh knows would be missing in the image, and built in each guest."""
    (programs,) = re.findall(r"PROGRAMS-([a-z ]+)}", (PROVISION / "guest" / "build.sh").read_text())
    (modules,) = re.findall(r"MODULES-([a-z ]+)}", (PROVISION / "guest" / "build.sh").read_text())

    assert set(programs.split()) == set(parts.PROGRAMS)
    assert set(modules.split()) == set(parts.MODULES)
