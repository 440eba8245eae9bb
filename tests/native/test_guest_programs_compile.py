"""Compile the guests' C programs with the headers and rules of the oldest guest."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lab.foundation.home import PROVISION
from lab.image.recipe import SOURCES

UAPI = Path(__file__).parent / "uapi"

PROGRAMS = sorted(
    path
    for directory in SOURCES
    for path in (PROVISION / directory).glob("*.c")
    if directory not in {"nfqdns", "ctrewind"} and not path.name.endswith(".mod.c")
)
"""All programs that are no kernel modules."""


def complaints(source: Path, *flags: str) -> str:
    """Compile one file as CentOS 7.0 would and return the compiler's messages."""
    include = ["-isystem", str(UAPI / "3.10.0-123.el7"), f"-I{source.parent}"]
    warnings = ["-Wall", "-Wextra", "-Wshadow", "-Wconversion", "-Wno-sign-conversion", "-Werror"]
    command = ["gcc", "-std=gnu99", "-D_GNU_SOURCE", "-fsyntax-only", *warnings, *include, *flags, str(source)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_program_compiles_against_the_headers_of_3_10_0_123(source: Path) -> None:
    """Each header may come first: those of CentOS 7.0 do not include all that they use."""
    assert complaints(source) == ""


@pytest.mark.parametrize("source", PROGRAMS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_no_designator_is_nested(source: Path) -> None:
    """The gcc of CentOS 7.0 warns of missing initialisers at `.a.b = 1`; today's does not."""
    lines = source.read_text().splitlines()
    nested = [line for line in lines if line.lstrip().startswith(".") and ".." not in line and _names(line) > 1]

    assert nested == []


def _names(line: str) -> int:
    return line.split("=", maxsplit=1)[0].count(".")


def test_the_older_headers_are_incomplete_by_themselves(tmp_path: Path) -> None:
    """A header of 3.10.0-123 included first does not compile; otherwise the test above could not fail."""
    source = tmp_path / "first.c"
    source.write_text("#include <linux/netfilter.h>\nint main(void) { return NF_DROP; }\n")

    assert "in_addr" in complaints(source)


@pytest.mark.parametrize("makefile", sorted(PROVISION.glob("*/Makefile")), ids=lambda path: path.parent.name)
def test_an_unknown_compiler_warning_does_not_fail_a_guest_build(makefile: Path) -> None:
    """Guests build with their own compiler; only tests treat warnings as errors."""
    assert "Werror" not in makefile.read_text()


@pytest.mark.parametrize("directory", ["verdict", "trace", "clients", "lanes", "kbuild"])
def test_a_program_is_built_although_the_compiler_warns(directory: str, tmp_path: Path) -> None:
    """The compiler used here warns about every file."""
    compiler = tmp_path / "compiler"
    compiler.write_text('#!/bin/sh\nexec gcc "$@" -include "${0%/*}/warns.h"\n')
    compiler.chmod(0o755)
    (tmp_path / "warns.h").write_text("#warning this compiler is untested\n")
    sources = tmp_path / "sources"
    shutil.copytree(PROVISION / directory, sources)
    subprocess.run(["make", "-s", "-C", sources, "clean"], check=True)
    environment = os.environ | {"CC": str(compiler)}

    result = subprocess.run(["make", "-C", sources], env=environment, capture_output=True, text=True, check=False)

    assert "this compiler is untested" in result.stderr
    assert result.returncode == 0, result.stderr
