"""Which compiler builds the program for a server, by the architecture that the server names."""

from __future__ import annotations

import platform
from pathlib import Path

import pytest

from lab.foundation import distribution, process
from lab.foundation.distribution import Distribution
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.work import Work
from lab.remote_check import cross

DEBIAN = Distribution("Debian", "debian", "python3", ("python3",))
ROCKY = Distribution("Rocky Linux", "rhel", "python3", ("python3",))


@pytest.mark.parametrize(("own", "other"), [("x86_64", "aarch64"), ("aarch64", "x86_64")])
def test_either_architecture_builds_for_the_other(own: str, other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own comes first, and nothing twice."""
    monkeypatch.setattr(platform, "machine", lambda: own)
    assert cross.buildable() == (own, other)


@pytest.mark.parametrize(
    ("architecture", "debian", "triplet"),
    [("aarch64", "arm64", "aarch64-linux-gnu"), ("x86_64", "amd64", "x86_64-linux-gnu")],
)
def test_the_compiler_and_the_files_are_those_of_the_server(
    architecture: str, debian: str, triplet: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was downloaded before is used as it is."""
    asked: list[str] = []

    def find(program: str) -> str:
        asked.append(program)
        return f"/usr/bin/{program}"

    monkeypatch.setattr(process, "find", find)
    root = tmp_path / "cross" / f"bookworm-{debian}"
    root.mkdir(parents=True)

    variables = dict(word.split("=", 1) for word in cross.make_variables(architecture, tmp_path, Work()))

    assert asked[0] == f"{triplet}-gcc"
    assert variables["CROSS"] == f"{triplet}-"
    assert (variables["HEADERS_ROOT"], variables["ARCH_HEADERS"]) == (str(root), triplet)


@pytest.mark.parametrize(
    ("host", "advice"), [(DEBIAN, "apt-get install --no-install-recommends gcc-aarch64-linux-gnu; or "), (ROCKY, "")]
)
def test_a_missing_compiler_is_named_with_what_helps_on_this_host(
    host: Distribution, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A distribution without the package gets the advice that works there; nothing is downloaded."""
    monkeypatch.setattr(process, "find", lambda _program: None)
    monkeypatch.setattr(distribution, "read", lambda: host)
    with pytest.raises(BrokenEnvironment, match="built by aarch64-linux-gnu-gcc, which is not installed") as refusal:
        cross.make_variables("aarch64", tmp_path, Work())

    hint = refusal.value.hint or ""
    assert advice in hint
    assert hint.endswith("run the lab on a machine of architecture aarch64")
    assert ("install" in hint) is bool(advice)
    assert not list(tmp_path.iterdir())
