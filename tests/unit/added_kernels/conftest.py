"""What kernels are added to, and from."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.kernels.store import KernelStore
from tests import kernels


@pytest.fixture
def store(tmp_path: Path) -> KernelStore:
    """Return a lab's empty kernel store."""
    return KernelStore(tmp_path / "kernels")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Return an installed kernel."""
    return kernels.tree(tmp_path / "tree")
