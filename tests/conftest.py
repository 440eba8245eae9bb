"""Settings for all tests."""

from __future__ import annotations

from hypothesis import settings

# No deadline: a loaded machine may be slow.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
