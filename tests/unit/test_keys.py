"""The lab's SSH keys."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lab.foundation import keys
from lab.foundation.errors import BrokenEnvironment


def test_concurrent_requests_get_the_same_key(tmp_path: Path) -> None:
    """Two machines that start together log in with one key, not with halves of two."""
    with ThreadPoolExecutor(8) as pool:
        pairs = list(pool.map(keys.ensure, [tmp_path / "keys" / "login"] * 8))

    assert len({pair.public for pair in pairs}) == 1
    assert sorted(path.name for path in (tmp_path / "keys").iterdir()) == ["login", "login.pub"]
    assert (tmp_path / "keys" / "login.pub").read_text() == pairs[0].public + "\n"


def test_a_private_key_is_readable_only_by_its_owner(tmp_path: Path) -> None:
    """No umask and no race exposes it; an exposed key is not used."""
    pair = keys.ensure(tmp_path / "login")
    assert pair.private.stat().st_mode & 0o777 == 0o600

    pair.private.chmod(0o644)
    with pytest.raises(BrokenEnvironment, match="read by others"):
        keys.ensure(tmp_path / "login")


def test_a_damaged_key_is_a_clear_error(tmp_path: Path) -> None:
    """Otherwise a login would fail later."""
    (tmp_path / "login").write_text("nonsense")
    (tmp_path / "login").chmod(0o600)

    with pytest.raises(BrokenEnvironment, match="holds no key"):
        keys.ensure(tmp_path / "login")
