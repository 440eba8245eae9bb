"""The published schemas: each result has one that fits it, and a member that is renamed or missing does not fit."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lab.bench.run import Benched
from lab.catalogue.era import Era
from lab.catalogue.machine import System
from lab.commands import diagnose, report, show, sweep, workarounds
from lab.commands import runs as run_commands
from lab.commands.box import BoxBuilt
from lab.commands.check_result import Planned
from lab.commands.classify import KernelClassified, KernelsClassified
from lab.commands.doctor import Check, Diagnosis
from lab.commands.doctor_collect import MachineReport, MachineReports
from lab.commands.handout import HandoutWritten
from lab.commands.image import ImageBuilt, ImageExported, ImageImported
from lab.commands.kernels import KernelAdded, KernelKnown, Kernels, KernelShown, KernelsRemoved, KnownKernels
from lab.commands.kit import KitFile, KitWritten, PartLeftOut
from lab.commands.lesson import LessonHeld, StepsListed
from lab.commands.listing import KernelListed, Listed, MachineListed, ScenarioListed
from lab.commands.logs import LogLine, MachineLog
from lab.commands.machines import MachineStatus, Statuses
from lab.commands.matrix import MatrixMade
from lab.commands.mystery import MysteriesListed, Solved
from lab.commands.plan import BringUpPlan, MachinePlan
from lab.commands.setup import SetUp
from lab.commands.trials import RunDone
from lab.commands.walk import Score
from lab.commands.wanted_kernels import NotRun
from lab.comparison import review
from lab.foundation.errors import BadInput
from lab.foundation.home import Home
from lab.foundation.language import Language
from lab.foundation.work import Work
from lab.image.stick import PackedImage
from lab.kernels.known import Key, Known
from lab.kernels.source import KernelSource
from lab.kernels.store import Classified, Kernel
from lab.present.json import dispatch
from lab.present.schema.published import ALL, Published, of_command
from lab.provider.base import State
from lab.session.session import Session
from lab.watch.before_after import ComparedCounts, WatchesCompared
from lab.watch.result import StallCount
from tests import schemas, stored_runs
from tests.command_line import lab
from tests.unit.test_bench import PART
from tests.unit.test_check_sentence import PLANNED, SEEN, checked
from tests.unit.test_forms import made_cells
from tests.unit.test_kernel_verbs import classified
from tests.unit.test_watch_results import STALL, WATCHED

STALLED = stored_runs.RECORDED / "old-nfqueue"

KERNEL = Kernel(
    name="mine",
    release="6.1.0",
    sources=(KernelSource(given="linux.deb", sha256="0" * 64), KernelSource(given="dir", sha256=None)),
    added="2026-11-29T10:17:40Z",
    modules=3,
    headers=False,
    lacks=("nf_conntrack",),
    disk="virtio",
    network="e1000",
    classified=Classified(era=Era.DROP, reason="it stalled", run="r"),
)
SHOWN = KernelShown(KERNEL, 1000, State.ABSENT)
UNKNOWN = KernelShown(KERNEL.model_copy(update={"classified": None, "known": "centos:7.0"}), 1000, State.RUNNING)
KNOWN = Known("centos:7.0", "3.10", ("a.rpm",), ("http://x/",), None, None, checked=True, era=None, measured=None)
OF_SUITE = replace(KNOWN, suite="sid", key=Key("A" * 40, ("key",)))
STATUS = MachineStatus("old", "t", State.ABSENT, None, Era.DROP, None, replica=False, added=False)
COUNTS = ComparedCounts("", StallCount(1, 20), StallCount(0, 20))
LESSON = LessonHeld("r", Path("r"), ("a",), (), Score(1, 2), Score(), unattended=True, language=Language.CHINESE)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[object]:
    """Return a result of every kind, most of them made of recorded trials."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(("old-nfqueue", "today-nfqueue", "old-nfqueue-cache"))
    stored.store.leave_out(run, "today", "nfqueue-cache", "no dnsmasq")
    swept = stored.sweep()
    tried = stored.workarounds()
    compared = review.judge_run(stored.store, run)
    work = Work()
    home = Home(stored.home, stored.home / "cache", stored.home / "config.toml")
    archive = stored.home / "run.tar.gz"
    with Session(home, work) as session:
        of_trials: list[Callable[[], object]] = [
            lambda: show.show(session, run.id, None),
            lambda: show.show(session, run.id, "old/nfqueue/1"),
            lambda: show.show(session, run.id, "old/nfqueue/2"),
            lambda: show.show_raw(session, run.id, "old/nfqueue/2", "client.pcap", None),
            lambda: sweep.again(session, swept.id, None),
            lambda: workarounds.again(session, tried.id),
            lambda: report.report(session, [run.id, swept.id], Path("r.html"), pdf=True),
            lambda: run_commands.list_all(session),
            lambda: run_commands.show(session, run.id),
            lambda: run_commands.mend(session, run.id),
            lambda: run_commands.export(session, run.id, archive),
            lambda: run_commands.import_(session, archive),
            lambda: run_commands.rm(session, [swept.id], None, yes=True),
            lambda: diagnose.diagnose(work, [str(STALLED)]),
            lambda: diagnose.diagnose(work, [str(STALLED / "resolv.conf")]),
            lambda: diagnose.write_samples(stored.home / "samples"),
        ]
        of_stored = [make().data for make in of_trials]  # type: ignore[attr-defined]
    cells, not_run = made_cells(), (NotRun("centos:7.9", "no network"),)
    return [
        *of_stored,
        compared,
        RunDone(run, Path("r"), compared),
        MatrixMade(run.id, Path("r"), compared, cells, not_run),
        MatrixMade(None, None, None, cells, not_run),
        BadInput("no run", hint="make one"),
        BadInput("no run", evidence=Path("fault.log")),
        Benched({"warm": PART}, Path("latest.json"), {"warm": {"saving_s": 0.4}}),
        BoxBuilt(Path("box"), "1", "0"),
        Diagnosis((Check("qemu", ok=False, needed=True, found="none", package="qemu-system-x86"),), ("apt",)),
        SetUp(("qemu-system-x86",), ("sudo apt-get install qemu-system-x86",), done=False),
        MachineReports((MachineReport("laptop-7", ready=False, lacks=("cpio: not installed",), mend=("apt",)),)),
        ImageBuilt(Path("image"), "0123456789abcdef", {"6.1": "6.1.0-57-cloud-amd64"}),
        ImageExported(Path("image.tar.zst"), "0123456789abcdef", PackedImage("0" * 64, 1)),
        ImageImported(Path("image"), "0123456789abcdef", "0" * 64, is_new=True),
        KitWritten(Path("class.zip"), "0" * 64, (KitFile("guide.html", 1, "0" * 64),), (PartLeftOut("a", "lab demo"),)),
        Statuses((STATUS, replace(STATUS, system=System.REPLICA, kernel="6.1", address="127.0.0.1:1", problem="hung"))),
        Listed(
            (MachineListed("old", "t", Era.DROP, (System.KERNEL, System.REPLICA)),),
            (ScenarioListed("nfqueue", "t"),),
            (KernelListed("mine", "6.1", None),),
        ),
        Listed(None, None, ()),
        MachineLog("old", Path("lab.log"), (LogLine("booting", 1.5, "done", 2.0), LogLine("a console's line"))),
        BringUpPlan((MachinePlan("old", "t", "qemu", "asked", None, ()),)),
        KernelAdded(SHOWN, new=True),
        Kernels((SHOWN, UNKNOWN)),
        KernelsRemoved(("mine",)),
        KnownKernels((KernelKnown(KNOWN, cached=True, added_as="x", era=None, measured=None),)),
        KnownKernels((KernelKnown(OF_SUITE, cached=False, added_as=None, era=Era.DROP, measured="m"),)),
        KernelsClassified((classified(Era.DROP), classified(None))),
        KernelsClassified((KernelClassified("bare", None, replace(classified(None).found, trials=())),)),
        Planned("web1", SEEN, PLANNED, 5),
        checked("6.1-rewound-to-resolve/plain", "6.1-rewound-to-resolve/dnat"),
        checked("6.1/plain", why_not="no NAT"),
        LESSON,
        replace(LESSON, run=None, path=None),
        StepsListed((("healthy", "A healthy lookup"),)),
        HandoutWritten((Path("a.html"),), "r", trainer=True, not_walked=("quiz",)),
        Solved("agent", 1, 2, 3, Language.ENGLISH),
        MysteriesListed((("agent", "An agent"),)),
        STALL,
        WATCHED,
        WatchesCompared("a", "b", COUNTS, (replace(COUNTS, namespace="host"),)),
    ]


def document(result: object) -> Any:  # noqa: ANN401  as json.loads has it
    """Return what a command prints of a result with --json."""
    return json.loads(dispatch.text(result))


def of(result: object) -> list[Published]:
    """Return the schemas that are published for results of this kind."""
    return [one for one in ALL if isinstance(result, one.of)]


def test_every_result_that_can_be_printed_as_json_has_a_schema(results: list[object]) -> None:
    """And every schema has a result here that tests it."""
    printable = set(dispatch.FUNCTIONS)

    assert printable == {one.of.__name__ for one in ALL}
    assert {one.of.__name__ for result in results for one in of(result)} == printable


def test_every_result_fits_its_schema_and_no_other(results: list[object]) -> None:
    """The schemas are strict enough to tell all documents apart."""
    for result in results:
        printed = document(result)
        fitting = [one.name for one in ALL if schemas.validator(one.name).is_valid(printed)]
        expected = [one.name for one in of(result)]
        errors = {name: [error.message for error in schemas.validator(name).iter_errors(printed)] for name in expected}
        assert len(fitting) == 1, (type(result).__name__, fitting, errors)
        assert fitting[0] in expected


def changed(printed: Any) -> Iterator[tuple[str, Any]]:  # noqa: ANN401  any JSON
    """Return a document with each one of its objects' members renamed in turn, where objects have fixed members."""

    def walk(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:  # noqa: ANN401  any JSON
        if isinstance(value, dict):
            for key in value:
                yield (*path, key)
                yield from walk(value[key], (*path, key))
        elif isinstance(value, list) and value:
            yield from walk(value[0], (*path, 0))

    for path in walk(printed, ()):
        other = copy.deepcopy(printed)
        holder = other
        for key in path[:-1]:
            holder = holder[key]
        holder[f"{path[-1]}_renamed"] = holder.pop(path[-1])
        yield "/".join(str(key) for key in path), other


FREE = {
    "machines",
    "counters",
    "counters_by_tool",
    "strangers",
    "sources",
    "scenarios",
    "tried",
    "not_there",
    "systems",
}
FREE |= {"causes", "rose"}
FREE |= {"steps", "mysteries", "kernels", "known", "parts", "figures"}
"""Objects whose members are names of the user's, or of files, kernels and counters."""


def test_a_member_that_is_renamed_anywhere_does_not_fit(results: list[object]) -> None:
    """A program that reads the document by its schema would be broken by it."""
    for result in results:
        validators = [schemas.validator(one.name) for one in of(result)]
        for path, other in changed(document(result)):
            names = path.split("/")
            if len(names) > 1 and names[-2] in FREE:
                continue
            if {"machine", "before"} & set(names[:-1]) and isinstance(result, Benched):
                continue  # what a benchmark notes of a machine is free, and so are the names of figures
            assert not any(validator.is_valid(other) for validator in validators), (type(result).__name__, path)


@pytest.mark.parametrize("one", ALL, ids=lambda one: one.name)
def test_a_schema_is_one_and_says_its_version_and_name(one: Published) -> None:
    """It can be given to any validator."""
    schema = one.schema()
    Draft202012Validator.check_schema(schema)

    assert schema["properties"]["schema"]["const"] == dispatch.SCHEMA
    assert schema["$id"] == f"urn:five-second-lab:schema:{dispatch.SCHEMA}:{one.name}"
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == set(schema["properties"])
    assert one.title


def test_the_schemas_of_a_command_are_found_by_its_words() -> None:
    """The tests' own look at every document that they print."""
    assert [one.name for one in of_command(["runs", "list", "--json"])] == ["error", "runs-list"]
    assert [one.name for one in of_command(["up", "--dry-run", "old"])] == ["error", "status", "plan"]
    assert of_command(["nonsense"]) == [ALL[0]]
    with pytest.raises(AssertionError):
        schemas.require(["doctor", "--json"], '{"schema": 2, "checks": [], "mends": []}')


def test_the_command_prints_a_schema_and_lists_all(tmp_path: Path) -> None:
    """A name that is mistyped is answered with the nearest."""
    printed = json.loads(lab(tmp_path, "schema", "compare").stdout)
    listed = json.loads(lab(tmp_path, "schema", "--json").stdout)
    shown = lab(tmp_path, "schema").stdout
    wrong = lab(tmp_path, "schema", "comparre")

    assert printed == next(one.schema() for one in ALL if one.name == "compare")
    assert list(listed["schemas"]) == [one.name for one in ALL]
    assert wrong.returncode == 2
    assert "did you mean 'compare'?" in wrong.stderr
    assert {one.name for one in ALL} <= set(shown.split())
