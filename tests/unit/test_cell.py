"""Names of matrix cells and their transfer."""

from __future__ import annotations

import zipfile
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from lab.catalogue import find
from lab.catalogue.machine import Added, Definition
from lab.commands import cell
from lab.commands.matrix_workers import Workers
from lab.commands.trials import TrialOptions
from lab.foundation.errors import BadInput, BrokenEnvironment
from lab.foundation.home import MACHINES, SCENARIOS

(OLD,) = find.machines(MACHINES, ["old"])
BASELINE, NFQUEUE = find.scenarios(SCENARIOS, ["baseline", "nfqueue"])


def added(made_of: str) -> Definition:
    """Return a kernel that was added at a given time."""
    of = Added(title="t", kernel="mine", release="5.0", headers=False, disk="virtio", network="virtio", made_of=made_of)
    return Definition(name="mine", era=None, added=of, boot_bound_s=60.0)


def test_a_cells_key_changes_with_every_input() -> None:
    """An input missing in the key would return a cell made from something else."""
    keys = {
        cell.key_of(OLD, NFQUEUE, TrialOptions(5), ()),
        cell.key_of(OLD, BASELINE, TrialOptions(5), ()),
        cell.key_of(OLD, NFQUEUE, TrialOptions(6), ()),
        cell.key_of(OLD, NFQUEUE, TrialOptions(5, evidence=True), ()),
        cell.key_of(OLD.model_copy(update={"memory_mb": 4096}), NFQUEUE, TrialOptions(5), ()),
        cell.key_of(added("2026-01-01"), NFQUEUE, TrialOptions(5), ("aa",)),
        cell.key_of(added("2026-01-01"), NFQUEUE, TrialOptions(5), ("bb",)),
    }

    assert len(keys) == 7
    assert cell.key_of(OLD, NFQUEUE, TrialOptions(5), ()) in keys


def test_a_kernel_added_again_from_the_same_packages_has_the_same_key() -> None:
    """Results recorded for the kernel since then do not change the key."""
    once = cell.key_of(added("2026-01-01"), NFQUEUE, TrialOptions(5), ("aa",))

    assert cell.key_of(added("2026-02-02"), NFQUEUE, TrialOptions(5), ("aa",)) == once
    classified = added("2026-01-01").model_copy(update={"era": OLD.era})
    assert cell.key_of(classified, NFQUEUE, TrialOptions(5), ("aa",)) == once


def test_a_worker_with_another_version_of_the_lab_makes_no_cell() -> None:
    """Its cell would be stored under the wrong key."""
    wanted = cell.Task(OLD, NFQUEUE, TrialOptions(1), (), "of another lab")

    with pytest.raises(BrokenEnvironment, match="is not the one that asks for nfqueue on old"):
        cell.make(wanted, None)


def test_an_archive_is_unpacked_only_inside_its_directory(tmp_path: Path) -> None:
    """Names that lead out of the directory stay inside it."""
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "b" / "raw").write_bytes(b"\0raw")
    cell.unpack(cell.packed(source), tmp_path / "target")
    assert (tmp_path / "target" / "a" / "b" / "raw").read_bytes() == b"\0raw"

    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../../evil", "evil")
    cell.unpack((tmp_path / "evil.zip").read_bytes(), tmp_path / "inside" / "deep")

    assert not list(tmp_path.glob("evil"))
    assert [path.name for path in (tmp_path / "inside" / "deep").iterdir()] == ["evil"]


def test_more_parallel_cells_than_memory_allows_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The host would kill their guests; fewer cells are fine."""
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=4 << 30, available=4 << 30))
    tasks = [cell.Task(OLD, NFQUEUE, TrialOptions(1), (), str(number)) for number in range(8)]

    with pytest.raises(BadInput, match="this machine has memory for 2 cells at a time, not 64"):
        Workers(jobs=64).place(tasks)
    with Workers(jobs=64).place(tasks[:2]):
        pass
