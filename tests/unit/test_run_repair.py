"""A damaged run's description is rebuilt from what lies beside its trials; names of runs are found."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.comparison import review
from lab.foundation.errors import BadInput
from lab.runs import cell_file, damage, layout, names, repair
from lab.runs.damage import DamagedRunError
from lab.runs.run import RUN, Run
from lab.runs.store import RunStore
from tests import stored_runs
from tests.stored_runs import Stored

NAMES = ("old-nfqueue", "new-nfqueue", "old-baseline", "today-nfqueue")


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Stored, Run]:
    """Return a lab with one run of recorded trials."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(NAMES)
    stored.store.leave_out(run, "today", "baseline", "it lacks something")
    return stored, run


def damaged_copy(recorded: tuple[Stored, Run], directory: Path, content: bytes) -> Path:
    """Return a copy of the run whose description holds something else."""
    stored, run = recorded
    path = directory / run.id
    shutil.copytree(stored.store.path(run), path)
    (path / RUN).write_bytes(content)
    return path


def without_cell_files(path: Path) -> Path:
    """Make a run as an older lab stored it."""
    for file in path.rglob(cell_file.FILE):
        file.unlink()
    return path


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_a_description_costs_a_trial(
    recorded: tuple[Stored, Run], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut off, overwritten or gone: what is rebuilt has every trial, and can be read."""
    stored, run = recorded
    whole = (stored.store.path(run) / RUN).read_bytes()
    content = data.draw(
        st.one_of(
            st.integers(0, len(whole)).map(lambda kept: whole[:kept]),
            st.binary(max_size=50).flatmap(
                lambda junk: st.integers(0, len(whole)).map(lambda at: whole[:at] + junk + whole[at + len(junk) :])
            ),
        )
    )
    path = damaged_copy(recorded, tmp_path_factory.mktemp("runs"), content)
    if data.draw(st.booleans()):
        without_cell_files(path)
    repair.store(path, repair.rebuild(path))

    rebuilt = damage.read(path)
    assert {"old", "new", "today"} <= set(rebuilt.machines)
    assert {"nfqueue", "baseline"} <= set(rebuilt.scenarios)
    assert layout.finished_trials(path) == 8


def test_what_cells_keep_rebuilds_the_description_as_it_was(recorded: tuple[Stored, Run], tmp_path: Path) -> None:
    """All but its end, which no trial knows."""
    path = damaged_copy(recorded, tmp_path, b"")
    assert repair.rebuild(path).run == recorded[1].model_copy(update={"finished": None})


def test_what_is_left_of_an_older_description_is_used(recorded: tuple[Stored, Run], tmp_path: Path) -> None:
    """A description that was cut off at its end still has most of its members."""
    stored, run = recorded
    whole = (stored.store.path(run) / RUN).read_bytes()
    rebuilt = repair.rebuild(without_cell_files(damaged_copy(recorded, tmp_path, whole[:-40])))

    assert rebuilt.run.machines == run.machines
    assert list(rebuilt.run.scenarios) == list(run.scenarios)
    assert rebuilt.run.finished == run.finished
    assert rebuilt.machines_not_known == ()


def test_what_nothing_tells_of_is_named_and_its_trials_stay(recorded: tuple[Stored, Run], tmp_path: Path) -> None:
    """An older run whose description is gone: scenarios are the catalogue's, machines are not known."""
    path = without_cell_files(damaged_copy(recorded, tmp_path, b"\x00" * 100))
    own = path / "old" / "my-own"
    shutil.copytree(path / "old" / "nfqueue", own)
    rebuilt = repair.rebuild(path)
    repair.store(path, rebuilt)

    assert rebuilt.machines_not_known == ("new", "old", "today")
    assert set(rebuilt.scenarios_of_catalogue) == {"nfqueue", "baseline"}
    assert rebuilt.scenarios_not_known == ("my-own",)
    store = RunStore(tmp_path)
    compared = review.judge_run(store, store.newest())
    assert sum(cell.trials for cell in compared.cells) == 10
    assert not any(cell.expected for cell in compared.cells)
    assert (path / repair.KEPT).read_bytes() == b"\x00" * 100


def test_a_description_in_a_directory_of_another_name_is_damaged(recorded: tuple[Stored, Run], tmp_path: Path) -> None:
    """A copied directory would stand for the run it was copied from."""
    stored, run = recorded
    path = tmp_path / "backup"
    shutil.copytree(stored.store.path(run), path)
    with pytest.raises(DamagedRunError, match=run.id):
        damage.read(path)


def test_runs_that_were_put_together_keep_the_whole_runs_description(tmp_path: Path) -> None:
    """A matrix is made of cells, each of which knew only itself."""
    parts = []
    for name in ("old-nfqueue", "new-nfqueue"):
        part = stored_runs.at(tmp_path / name)
        parts.append(part.store.path(part.run((name,))))
    store = RunStore(tmp_path / "runs")
    whole = store.merge(parts)
    path = store.path(whole)
    (path / RUN).unlink()

    assert repair.rebuild(path).run == whole.model_copy(update={"finished": None})


IDS = ["20261124T080000Z", "20261123T160000Z-2", "20261123T160000Z"]


@pytest.mark.parametrize(
    ("typed", "chosen"),
    [
        ("newest", IDS[0]),
        ("20261124", IDS[0]),
        ("20261123T160000Z", IDS[2]),
        ("20261123T160000Z-", IDS[1]),
    ],
)
def test_a_name_is_found_whole_before_its_beginning(typed: str, chosen: str) -> None:
    """A whole name that others begin with is that run's."""
    assert names.choose(typed, IDS) == chosen


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("20261123", "the beginning of several runs"),
        ("", "no run is called ''"),
        ("newst", "did you mean 'newest'?"),
        ("20261124T080001Z", f"did you mean '{IDS[0]}'?"),
        ("nonsense", "there are: 20261124T080000Z"),
        ("../20261124T080000Z", "no run is called"),
    ],
)
def test_a_name_that_fits_none_or_several_is_answered_with_those_that_there_are(typed: str, message: str) -> None:
    """No run is guessed."""
    with pytest.raises(BadInput) as caught:
        names.choose(typed, IDS)
    assert message in f"{caught.value.message} {caught.value.hint}"


@given(st.text(max_size=30), st.lists(st.from_regex(names.NAME, fullmatch=True), max_size=5))
def test_whatever_is_typed_names_a_run_that_is_there_or_none(typed: str, there: list[str]) -> None:
    """Nothing typed leads to another directory."""
    try:
        chosen = names.choose(typed, there)
    except BadInput:
        return
    assert chosen in there
