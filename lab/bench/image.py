"""Measures the guest image's rebuild from changed sources."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from lab.bench.figure import Figures, median
from lab.bench.tools import REPEATS, timed
from lab.foundation.home import PROVISION, Home
from lab.foundation.work import Work
from lab.image import base, build
from lab.image.recipe import Recipe

CHANGED = {"program": "verdict/log.c", "module": "nfqdns/nfqdns.c", "start": "image/initramfs-init"}
"""A source file of each kind: the verdict program, the hook module of both kernels, and what only the disk needs."""

EVERY_PART = "guest/build.sh"


def image(directory: Path) -> Figures:
    """Compare the rebuild of an image of which one file has changed with that of which all programs have.

    In a separate cache, on the user's Debian tree.
    """
    provision = Path(shutil.copytree(PROVISION, directory / "provision"))
    own = Home.from_environment().cache
    tree = base.ensure(Recipe.from_environment(PROVISION), own / "bases", directory / "base.log", Work())
    # Links take no space, within one file system.
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=own) as cache:
        shutil.copytree(tree.path, Path(cache) / "bases" / tree.path.name, copy_function=os.link)

        def rebuild(changed: str) -> float:
            with (provision / changed).open("a") as file:
                file.write("\n")
            return timed(lambda: build.ensure(Recipe.from_environment(provision), Path(cache), Work()))

        rebuild(EVERY_PART)
        took_s = {name: median(rebuild(path) for _ in range(REPEATS)) for name, path in CHANGED.items()}
        whole = median([rebuild(EVERY_PART)])
    figures = {f"changed_{name}_s": one for name, one in took_s.items()}
    ratios = {f"changed_{name}_per_all": one / whole for name, one in took_s.items()}
    return {**figures, "all_programs_s": whole, **ratios}
