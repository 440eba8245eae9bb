"""Formats added kernels, known kernels and classifications as members of a JSON object."""

from __future__ import annotations

from lab.commands.classify import KernelClassified, KernelsClassified
from lab.commands.kernels import KernelAdded, KernelKnown, Kernels, KernelShown, KernelsRemoved, KnownKernels
from lab.present import ticket
from lab.present.json import machines


def kernels(data: Kernels) -> dict[str, object]:
    """Return the members of a list of kernels."""
    return {"kernels": {shown.kernel.name: _shown(shown) for shown in data.kernels}}


def known(data: KnownKernels) -> dict[str, object]:
    """Return the members of a list of known kernels."""
    return {"known": {one.known.name: _known(one) for one in data.kernels}}


def added(data: KernelAdded) -> dict[str, object]:
    """Return the members of a kernel that was added."""
    return {"kernel": _shown(data.shown), "new": data.new}


def removed(data: KernelsRemoved) -> dict[str, object]:
    """Return the members of kernels that were removed."""
    return {"removed": data.names}


def classified(data: KernelsClassified) -> dict[str, object]:
    """Return the members of kernels that were classified."""
    return {"machines": {one.name: _classified(one) for one in data.machines}}


def _shown(shown: KernelShown) -> dict[str, object]:
    """Return the members of an added kernel."""
    return {**shown.kernel.model_dump(mode="json"), "size_bytes": shown.size_bytes, "state": shown.state}


def _known(one: KernelKnown) -> dict[str, object]:
    """Return the members of a known kernel."""
    data = one.known
    return {
        "release": data.release,
        "era": one.era,
        "measured": one.measured,
        "cached": one.cached,
        "added_as": one.added_as,
        "packages": data.packages,
        "checked": data.checked,
        "suite": data.suite,
        "key": data.key.fingerprint if data.key else None,
    }


def _classified(one: KernelClassified) -> dict[str, object]:
    """Return the members of a classification."""
    found = one.found
    trials = [{"trial": name, **vars(trial)} for name, trial in zip(one.trials, found.trials, strict=True)]
    # Without the stored era, which the experiment has just measured.
    ran_on = {key: value for key, value in machines.ran_on(one.ran_on).items() if key != "era"} if one.ran_on else None
    return {**vars(found), "trials": trials, "run": one.run, "machine": ran_on, "sentence": ticket.classified(one)}
