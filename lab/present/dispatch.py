"""The function that formats a command's result, found without loading those of all other commands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

Functions = Mapping[str, str]
"""By the name of a result's type: MODULE.FUNCTION, from a package."""

SHARED: Functions = {
    "Benched": "bench.bench",
    "BoxBuilt": "machines.box",
    "BringUpPlan": "machines.plan",
    "Checked": "check.checked",
    "Comparison": "comparison.comparison",
    "Conclusion": "diagnosis.conclusion",
    "Diagnosis": "machines.doctor",
    "HandoutWritten": "lesson.handout",
    "ImageBuilt": "image.built",
    "ImageExported": "image.exported",
    "ImageImported": "image.imported",
    "KernelAdded": "kernels.added",
    "Kernels": "kernels.kernels",
    "KernelsClassified": "kernels.classified",
    "KernelsRemoved": "kernels.removed",
    "KitWritten": "kit.written",
    "KnownKernels": "kernels.known",
    "Listed": "listing.listed",
    "MachineLog": "logs.logged",
    "MachineReports": "machines.reports",
    "MysteriesListed": "lesson.mysteries",
    "Planned": "check.planned",
    "RawShown": "trials.raw",
    "ReportData": "report.report",
    "RunDescribed": "runs.described",
    "RunDone": "comparison.run",
    "RunExported": "runs.exported",
    "RunImported": "runs.imported",
    "RunRepaired": "runs.repaired",
    "RunShown": "trials.run",
    "RunsListed": "runs.listed",
    "RunsRemoved": "runs.removed",
    "SamplesWritten": "diagnosis.samples",
    "SetUp": "machines.setup",
    "Statuses": "machines.statuses",
    "StepsListed": "lesson.steps",
    "StallSeen": "watch.stall",
    "Swept": "comparison.sweep",
    "WorkaroundsTried": "workarounds.tried",
    "Watched": "watch.watched",
    "WatchesCompared": "watch.compared",
}
"""Functions of the same name as text and as JSON, in lab.present.text and lab.present.json."""


def function_for(data: object, functions: Functions, package: str) -> Callable[[Any], Any]:
    """Return the function that formats a result.

    Args:
        data: The result's data.
        functions: The functions by type.
        package: Where their modules are.

    Raises:
        TypeError: there is none.
    """
    for kind in type(data).__mro__:
        if kind.__name__ in functions:
            return named(functions[kind.__name__], package)
    raise TypeError(f"there is no form of {type(data).__name__} in {package}")


def named(function: str, package: str) -> Callable[[Any], Any]:
    """Return the function of this name; only its module is loaded."""
    module, name = function.split(".")
    found: Callable[[Any], Any] = getattr(import_module(f"{package}.{module}"), name)
    return found
