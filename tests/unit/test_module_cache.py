"""Built modules are cached for all labs, complete and few."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.provision import module_cache
from lab.provision.module_cache import ModuleCache


def test_a_module_is_cached_by_all_of_its_inputs(tmp_path: Path) -> None:
    """Another kernel or other sources are another key."""
    cache = ModuleCache(tmp_path / "modules")
    cache.put("aaa", b"module")

    assert cache.get("aaa") == b"module"
    assert ModuleCache(tmp_path / "modules").get("aaa") == b"module"
    assert cache.get("aa") is None


@pytest.mark.parametrize("damage", [b"", b"modul", b"module of another kernel"])
def test_an_empty_or_damaged_module_is_discarded(tmp_path: Path, damage: bytes) -> None:
    """It is rebuilt instead of failing in the guest."""
    cache = ModuleCache(tmp_path)
    cache.put("aaa", b"module")
    (path,) = tmp_path.iterdir()
    path.write_bytes(damage)

    assert cache.get("aaa") is None
    assert list(tmp_path.iterdir()) == []


def test_a_module_replaces_one_with_the_same_key(tmp_path: Path) -> None:
    """Two builds of the same sources may differ in bytes."""
    cache = ModuleCache(tmp_path)
    cache.put("aaa", b"module")
    cache.put("aaa", b"another")

    assert cache.get("aaa") == b"another"
    assert len(list(tmp_path.iterdir())) == 1


def test_least_recently_used_modules_are_evicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache does not grow with every kernel."""
    monkeypatch.setattr(module_cache, "KEPT", 2)
    cache = ModuleCache(tmp_path)
    for age, key in enumerate(["old", "older"], 1):
        cache.put(key, b"module")
        os.utime(next(tmp_path.glob(f"{key}-*")), (1000 - age, 1000 - age))
    cache.put("new", b"module")

    assert [key for key in ("older", "old", "new") if cache.get(key)] == ["old", "new"]


def test_concurrent_labs_share_the_cache_safely(tmp_path: Path) -> None:
    """Each reader gets a complete module or none while others replace it."""
    module = [f"module {number}".encode() * 1000 for number in range(4)]

    def use(number: int) -> set[bytes]:
        cache = ModuleCache(tmp_path)
        contents = set()
        for _ in range(150):
            cache.put("aaa", module[number])
            contents.add(cache.get("aaa") or module[number])
        return contents

    with ThreadPoolExecutor(4) as labs:
        contents = set().union(*labs.map(use, range(4)))

    assert contents <= set(module)
