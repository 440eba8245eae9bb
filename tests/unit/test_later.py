"""Modules that are loaded when they are first used."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.foundation.later import Later, MadeOnce
from tests import stored_runs


def test_a_module_is_loaded_when_something_of_it_is_used() -> None:
    """Until then it costs nothing, and afterwards it is the module itself."""
    program = (
        "import sys; from lab.foundation.later import Later; module = Later('colorsys'); "
        "print('colorsys' in sys.modules, module.rgb_to_hsv is __import__('colorsys').rgb_to_hsv)"
    )

    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == (
        "False True\n"
    )


def test_a_module_that_is_missing_says_so_where_it_is_used() -> None:
    """An installation that lacks a package must not fail in another place."""
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        _ = Later("no_such_package").anything


def test_a_module_is_loaded_meanwhile_and_a_missing_one_ends_nothing() -> None:
    """Where it is used, its error is reported."""
    program = (
        "import sys, threading; from lab.foundation.later import load_meanwhile; load_meanwhile('colorsys'); "
        "load_meanwhile('no_such_package'); [one.join() for one in threading.enumerate() if one.daemon]; "
        "print('colorsys' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_threads_that_read_a_value_at_the_same_time_get_the_same_one() -> None:
    """Two would be two connections to a machine, one of which no one closes."""
    made = []

    class Holder:
        @MadeOnce
        def value(self) -> object:
            time.sleep(0.05)
            made.append(object())
            return made[-1]

    holder = Holder()
    with ThreadPoolExecutor(8) as pool:
        values = list(pool.map(lambda _: holder.value, range(8)))

    assert len(made) == 1
    assert all(value is made[0] for value in values)


PACKAGES = {"paramiko", "fabric", "invoke", "cryptography", "dns", "jinja2", "libarchive", "zstandard", "psutil"}
MACHINERY = {
    "http.client",
    "lab.commands.doctor",
    "lab.endpoint.ssh",
    "lab.image.build",
    "lab.kernels.download",
    "lab.kernels.own",
    "lab.provider.vagrant",
    "lab.provision.ensure",
    "rich.live",
}
"""What brings machines up and makes them ready."""

SLOW = PACKAGES | MACHINERY


@pytest.mark.parametrize(("command", "needed"), [("status", set()), ("compare", {"dns"}), ("show", {"dns"})])
def test_a_short_command_loads_nothing_slow_that_it_does_not_use(
    command: str, needed: set[str], tmp_path: Path
) -> None:
    """What speaks SSH, draws pages or unpacks kernels takes longer to load than these commands take."""
    stored_runs.at(tmp_path).run(("old-nfqueue",))
    program = (
        f"import atexit, sys; atexit.register(lambda: print(*set({SLOW!r}) & set(sys.modules)))\n"
        f"from lab.cli.main import cli; cli([{command!r}, '--json'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "LAB_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(done.stdout.splitlines()[-1].split()) <= needed
