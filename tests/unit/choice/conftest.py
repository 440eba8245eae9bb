"""No choice is made by the environment of the tests."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("LAB_PROVIDER", "LAB_HYPERVISOR", "LAB_SYSTEM"):
        monkeypatch.delenv(name, raising=False)
