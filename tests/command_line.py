"""The lab's command line in a separate process, forked from one that has loaded it: a start costs no import."""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import lab as package
from tests import schemas

_BOUND_S = 60.0

UNREACHABLE = "http://127.0.0.1:9"
"""A vault that refuses at once: nothing listens on the discard port (RFC 863). No test uses the network."""

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    [
        "__main__",
        __name__,
        *(found.name for found in pkgutil.walk_packages(package.__path__, "lab.") if found.name != "lab.__main__"),
    ]
)


def lab(
    home: Path, *arguments: str, directory: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a separate lab.

    Args:
        home: The lab's directory.
        arguments: What is typed behind `lab`.
        directory: The working directory; this process's own when None.
        variables: Extra environment variables.
    """
    environment = {
        "LAB_HOME": str(home),
        "LAB_CACHE": str(home / "cache"),
        "LAB_CONFIG": os.devnull,
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "COLUMNS": "80",
        "LAB_VAULT": UNREACHABLE,
        **variables,
    }
    argv = ["lab", *arguments]
    with tempfile.TemporaryDirectory() as streams:
        out, err = Path(streams, "out"), Path(streams, "err")
        process = _processes.Process(target=_run, args=(argv, environment, directory, out, err))
        process.start()
        process.join(_BOUND_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(argv, _BOUND_S)
        done = subprocess.CompletedProcess(argv, process.exitcode, out.read_text(), err.read_text())
    schemas.require(arguments, done.stdout)
    return done


def _run(argv: Sequence[str], environment: Mapping[str, str], directory: Path | None, out: Path, err: Path) -> None:
    from lab.cli.main import main  # noqa: PLC0415  loaded where this runs, not in every test

    if directory:
        os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(argv)
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    main()
