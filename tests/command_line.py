"""The lab's command line in a process of its own, forked from one that has loaded it: a start costs no loading."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from lab import cli

_BOUND_S = 60.0

_processes = multiprocessing.get_context("forkserver")
_processes.set_forkserver_preload(
    ["__main__", __name__, "lab.report.as_text", "lab.report.as_json"]
    + [f"lab.cli.{path.stem}" for path in Path(cli.__path__[0]).glob("[a-z]*.py")]
)


def lab(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command line in a lab of its own.

    Args:
        home: Where that lab keeps everything.
        arguments: What is typed behind `lab`.
        variables: Of the environment, beside the few it has.
    """
    environment = {
        "LAB_HOME": str(home),
        "LAB_CACHE": str(home / "cache"),
        "LAB_CONFIG": str(home / "config.toml"),
        "HOME": str(home),
        "PATH": "/usr/bin:/bin",
        "COLUMNS": "80",
        **variables,
    }
    argv = ["lab", *arguments]
    with tempfile.TemporaryDirectory() as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        process = _processes.Process(target=_run, args=(argv, environment, out, err))
        process.start()
        process.join(_BOUND_S)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise subprocess.TimeoutExpired(argv, _BOUND_S)
        return subprocess.CompletedProcess(argv, process.exitcode, out.read_text(), err.read_text())


def _run(argv: Sequence[str], environment: Mapping[str, str], out: Path, err: Path) -> None:
    from lab.cli.main import main  # noqa: PLC0415  loaded where this runs, not in every test

    os.environ.clear()
    os.environ.update(environment)
    sys.argv = list(argv)
    for path, stream in ((out, sys.stdout), (err, sys.stderr)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), stream.fileno())
    main()
