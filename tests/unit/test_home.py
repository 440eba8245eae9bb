"""Where the lab keeps what belongs to it."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.foundation.home import PROJECT, Home, is_checkout


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Have a user with nothing set, in an empty directory."""
    for name in ("LAB_HOME", "LAB_CACHE", "LAB_CONFIG", "XDG_STATE_HOME", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "user"))
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    return tmp_path / "user"


def test_elsewhere_the_home_is_the_users_own(user: Path) -> None:
    """An installed lab leaves no directory wherever it is run."""
    home = Home.from_environment()

    assert home.path == user / ".local/state/five-second-lab"
    assert home.cache == user / ".cache/five-second-lab"
    assert home.config == user / ".config/five-second-lab/config.toml"


def test_a_home_in_the_current_directory_is_used(tmp_path: Path) -> None:
    """What was begun here goes on here."""
    (tmp_path / "empty" / ".lab").mkdir()

    assert Home.from_environment().path == tmp_path / "empty" / ".lab"


def test_in_a_checkout_the_home_is_the_checkouts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two checkouts have two labs, also before anything was made there."""
    monkeypatch.chdir(PROJECT)

    assert is_checkout(PROJECT)
    assert Home.from_environment().path == PROJECT / ".lab"


def test_a_named_home_comes_before_all_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """LAB_HOME may be relative to the current directory."""
    (tmp_path / "empty" / ".lab").mkdir()
    monkeypatch.setenv("LAB_HOME", "mine")

    assert Home.from_environment().path == tmp_path / "empty" / "mine"
