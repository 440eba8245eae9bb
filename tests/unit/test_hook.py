"""Sources of the hook module: the cache or a build, and only a module that loads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from lab.endpoint.ssh import Output, Shell
from lab.foundation.home import PROVISION
from lab.provision import hook
from lab.provision.module_cache import ModuleCache

BTF = (Path(__file__).parents[1] / "btf" / "7.2.13+deb14-cloud-amd64").read_bytes()


@dataclass
class Guest:
    """A machine, as far as the hook module is concerned.

    Attributes:
        kernel: Digest of its kernel.
        loads: Modules that its kernel loads.
        builds: Result of a build; None when it fails.
        types: The files of /sys/kernel/btf.
        module: The installed module.
        offsets: Stored offsets of a packet's fields.
        built: Number of builds.
    """

    kernel: str = "kernel"
    loads: tuple[bytes, ...] = (b"built",)
    builds: bytes | None = b"built"
    types: dict[str, bytes] = field(default_factory=dict)
    module: bytes | None = None
    offsets: str = ""
    built: int = 0

    @property
    def shell(self) -> Shell:
        """Return the guest, in place of a connection to it."""
        return cast("Shell", self)

    def ask(self, argv: Sequence[str], *, bound_s: float = 0) -> str:
        """Run a command that must succeed."""
        result = self.run(argv, bound_s=bound_s)
        assert result.status == 0
        return result.stdout.decode()

    def put(self, content: bytes, path: str) -> None:
        """Write the module."""
        assert path.endswith("nfqdns.unfinished")
        self.module = content

    def run(self, argv: Sequence[str], *, bound_s: float = 0) -> Output:  # noqa: ARG002  as Shell has it
        """Do what the lab requests, distinguished by the program."""
        line = " ".join(argv)
        if "sha256sum" in line:
            return Output(0, f"{self.kernel}  -\n".encode(), "")
        if "hook.sh" in line:
            self.built += 1
            self.module = self.builds
        elif "load.sh" in line:
            well = self.module in self.loads
            self.module = self.module if well else None
            return Output(0 if well else 1, b"", "")
        elif "nfqdns.ko" in line and "cat" in line:
            return Output(0, self.module, "") if self.module else Output(1, b"", "no such file")
        elif argv[0] == "cat":
            content = self.types.get(argv[1].rpartition("/")[2])
            return Output(1, b"", "no such file") if content is None else Output(0, content, "")
        elif "echo" in line:
            self.offsets = line.partition("echo ")[2].partition(" >")[0]
        return Output(0, b"6.1.0\n", "")


@pytest.fixture
def cache(tmp_path: Path) -> ModuleCache:
    """Return an empty cache."""
    return ModuleCache(tmp_path / "modules")


def test_a_built_module_is_reused_by_the_next_guest(cache: ModuleCache) -> None:
    """A build takes a minute under emulation; another kernel build or other headers are another key."""
    first, second, other = Guest(), Guest(), Guest(kernel="another")
    for guest in (first, second, other):
        hook.provide(guest.shell, PROVISION, cache)

    assert (first.built, second.built, other.built) == (1, 0, 1)
    assert second.module == b"built"


def test_a_cached_module_that_does_not_load_is_rebuilt(cache: ModuleCache) -> None:
    """The file is complete but does not fit this kernel."""
    hook.provide(Guest(builds=b"other", loads=(b"other",)).shell, PROVISION, cache)
    second, third = Guest(), Guest()
    hook.provide(second.shell, PROVISION, cache)
    hook.provide(third.shell, PROVISION, cache)

    assert (second.built, second.module) == (1, b"built")
    assert (third.built, third.module) == (0, b"built")


def test_a_forced_rebuild_ignores_the_cache(cache: ModuleCache) -> None:
    """The cached module may be the one that did not load."""
    hook.provide(Guest().shell, PROVISION, cache)
    guest = Guest()
    hook.provide(guest.shell, PROVISION, cache, anew=True)

    assert guest.built == 1


def test_a_failed_build_is_not_cached(cache: ModuleCache) -> None:
    """The next guest tries again, because its image may have another compiler."""
    for _ in range(2):
        guest = Guest(builds=None)
        hook.provide(guest.shell, PROVISION, cache)
        assert (guest.built, guest.module) == (1, None)
    assert not cache.directory.exists()


@pytest.mark.parametrize(
    ("types", "expected"),
    [
        ({"vmlinux": BTF}, "104 208 24"),
        ({}, "none"),
        ({"vmlinux": b"no types"}, "none"),
        ({"vmlinux": b"no types", "nfnetlink_queue": BTF}, "104 208 24"),
    ],
)
def test_packet_offsets_come_from_the_kernels_btf(types: dict[str, bytes], expected: str) -> None:
    """A kernel without BTF is not asked twice."""
    guest = Guest(types=types)

    hook.provide_offsets(guest.shell)

    assert guest.offsets == expected
