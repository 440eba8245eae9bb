"""The published schemas, each with its result and the commands that print it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lab.bench.run import Benched
from lab.commands.box import BoxBuilt
from lab.commands.check_result import Checked, Planned
from lab.commands.classify import KernelsClassified
from lab.commands.diagnose import SamplesWritten
from lab.commands.doctor import Diagnosis
from lab.commands.doctor_collect import MachineReports
from lab.commands.handout import HandoutWritten
from lab.commands.image import ImageBuilt, ImageExported, ImageImported
from lab.commands.kernels import KernelAdded, Kernels, KernelsRemoved, KnownKernels
from lab.commands.kit import KitWritten
from lab.commands.lesson import LessonHeld, StepsListed
from lab.commands.listing import Listed
from lab.commands.logs import MachineLog
from lab.commands.machines import Statuses
from lab.commands.matrix import MatrixMade
from lab.commands.mystery import MysteriesListed, Solved
from lab.commands.plan import BringUpPlan
from lab.commands.report import ReportData
from lab.commands.runs_result import (
    RunDescribed,
    RunExported,
    RunImported,
    RunRepaired,
    RunsListed,
    RunsRemoved,
)
from lab.commands.setup import SetUp
from lab.commands.show import RawShown, RunShown, TrialShown
from lab.commands.sweep import Swept
from lab.commands.trials import RunDone
from lab.commands.workarounds import WorkaroundsTried
from lab.comparison.cells import Comparison
from lab.diagnosis.conclusion import Conclusion
from lab.foundation.errors import LabError
from lab.present.json.dispatch import SCHEMA
from lab.present.schema import comparison, machines, members, report, teaching, trials, watch, workarounds
from lab.present.schema.members import Document
from lab.watch.before_after import WatchesCompared
from lab.watch.result import StallSeen, Watched

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@dataclass(frozen=True)
class Published:
    """A schema.

    Attributes:
        name: Its name on the command line.
        of: The type of the result.
        document: The model of the document.
        commands: The command lines that print it, without `lab` and `--json`; empty if every command may print it.
    """

    name: str
    of: type
    document: type[Document]
    commands: tuple[str, ...]

    @property
    def title(self) -> str:
        """The schema's title, one line."""
        return (self.document.__doc__ or "").strip().split("\n", maxsplit=1)[0]

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema."""
        made = self.document.model_json_schema(by_alias=True)
        return {"$schema": DIALECT, "$id": f"urn:five-second-lab:schema:{SCHEMA}:{self.name}", **made}


ALL: Sequence[Published] = (
    Published("error", LabError, members.Error, ()),
    Published("doctor", Diagnosis, machines.Doctor, ("doctor",)),
    Published("doctor-collect", MachineReports, machines.DoctorReports, ("doctor --collect",)),
    Published("setup", SetUp, machines.Setup, ("setup",)),
    Published("status", Statuses, machines.Status, ("up", "status", "halt", "destroy")),
    Published("list", Listed, machines.List, ("list",)),
    Published("logs", MachineLog, machines.Logs, ("logs",)),
    Published("plan", BringUpPlan, machines.Plan, ("up --dry-run",)),
    Published("run", RunDone, comparison.Run, ("run", "demo")),
    Published("sweep", Swept, comparison.Sweep, ("sweep",)),
    Published("workarounds", WorkaroundsTried, workarounds.Workarounds, ("workarounds",)),
    Published("matrix", MatrixMade, comparison.Matrix, ("matrix",)),
    Published("matrix-empty", MatrixMade, comparison.EmptyMatrix, ("matrix",)),
    Published("compare", Comparison, comparison.Compare, ("compare",)),
    Published("show-trial", TrialShown, trials.ShowTrial, ("show",)),
    Published("show-run", RunShown, trials.ShowRun, ("show",)),
    Published("show-raw", RawShown, trials.ShowRaw, ("show --raw",)),
    Published("report", ReportData, report.Report, ("report",)),
    Published("runs-list", RunsListed, trials.RunsList, ("runs list",)),
    Published("runs-show", RunDescribed, trials.RunsShow, ("runs show",)),
    Published("runs-rm", RunsRemoved, trials.RunsRemoved, ("runs rm",)),
    Published("runs-repair", RunRepaired, trials.RunsRepaired, ("runs repair",)),
    Published("runs-export", RunExported, trials.RunsExported, ("runs export",)),
    Published("runs-import", RunImported, trials.RunsImported, ("runs import",)),
    Published("image-build", ImageBuilt, machines.ImageBuild, ("image build",)),
    Published("image-export", ImageExported, machines.ImageExport, ("image export",)),
    Published("image-import", ImageImported, machines.ImageImport, ("image import",)),
    Published("kernel-add", KernelAdded, machines.KernelAdd, ("kernel add",)),
    Published("kernel-known", KnownKernels, machines.KernelKnown, ("kernel known",)),
    Published("kernel-list", Kernels, machines.KernelList, ("kernel list",)),
    Published("kernel-remove", KernelsRemoved, machines.KernelRemove, ("kernel remove",)),
    Published("classify", KernelsClassified, machines.Classify, ("classify",)),
    Published("check", Checked, machines.Check, ("check",)),
    Published("check-plan", Planned, machines.CheckPlan, ("check --dry-run",)),
    Published("watch", Watched, watch.Watch, ("watch",)),
    Published("watch-stall", StallSeen, watch.WatchStall, ("watch",)),
    Published("watch-compare", WatchesCompared, watch.WatchCompare, ("watch --before --after",)),
    Published("diagnose", Conclusion, teaching.Diagnose, ("diagnose",)),
    Published("diagnose-example", SamplesWritten, teaching.Samples, ("diagnose --example",)),
    Published("lesson", LessonHeld, teaching.Lesson, ("lesson --unattended",)),
    Published("lesson-list", StepsListed, teaching.LessonSteps, ("lesson --list",)),
    Published("lesson-handout", HandoutWritten, teaching.Handout, ("lesson --handout",)),
    Published("mystery", Solved, teaching.Mystery, ("mystery --unattended",)),
    Published("mystery-list", MysteriesListed, teaching.Mysteries, ("mystery --list",)),
    Published("kit", KitWritten, teaching.Kit, ("kit",)),
    Published("bench", Benched, teaching.Bench, ("bench",)),
    Published("box-build", BoxBuilt, machines.Box, ("box build",)),
)


def of_command(words: Sequence[str]) -> list[Published]:
    """Return the possible schemas of a command line's output; that of an error is always one of them.

    Args:
        words: The command line, without `lab`.
    """
    typed = [word for word in words if not word.startswith("-")]
    return [
        one
        for one in ALL
        if not one.commands or any(_is_of(command.split(" --")[0].split(), typed) for command in one.commands)
    ]


def _is_of(command: Sequence[str], typed: Sequence[str]) -> bool:
    return list(typed[: len(command)]) == list(command)
