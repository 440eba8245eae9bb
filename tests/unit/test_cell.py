"""What names a cell of a matrix, and how it travels."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.catalogue.machine import Added, Definition
from lab.commands import cell
from lab.commands.run import How
from lab.errors import BrokenEnvironment
from lab.home import MACHINES, SCENARIOS

(OLD,) = find.machines(MACHINES, ["old"])
BASELINE, NFQUEUE = find.scenarios(SCENARIOS, ["baseline", "nfqueue"])


def added(made_of: str) -> Definition:
    """Give a kernel that somebody added at some time."""
    of = Added(title="t", release="5.0", headers=False, disk="virtio", network="virtio", made_of=made_of)
    return Definition(name="mine", era=None, added=of, boot_bound_s=60.0)


def test_a_cell_is_another_as_soon_as_anything_that_goes_into_it_is() -> None:
    """Whatever is left out of a cell's name would be answered by a cell that was made of something else."""
    keys = {
        cell.key_of(OLD, NFQUEUE, How(5), ()),
        cell.key_of(OLD, BASELINE, How(5), ()),
        cell.key_of(OLD, NFQUEUE, How(6), ()),
        cell.key_of(OLD, NFQUEUE, How(5, evidence=True), ()),
        cell.key_of(OLD.model_copy(update={"memory_mb": 4096}), NFQUEUE, How(5), ()),
        cell.key_of(added("2026-01-01"), NFQUEUE, How(5), ("aa",)),
        cell.key_of(added("2026-01-01"), NFQUEUE, How(5), ("bb",)),
    }

    assert len(keys) == 7
    assert cell.key_of(OLD, NFQUEUE, How(5), ()) in keys


def test_a_kernel_that_is_added_again_from_the_same_packages_is_the_same() -> None:
    """What it was found to be since, too, changes nothing of what is to be found."""
    once = cell.key_of(added("2026-01-01"), NFQUEUE, How(5), ("aa",))

    assert cell.key_of(added("2026-02-02"), NFQUEUE, How(5), ("aa",)) == once
    classified = added("2026-01-01").model_copy(update={"era": OLD.era})
    assert cell.key_of(classified, NFQUEUE, How(5), ("aa",)) == once


def test_a_worker_with_another_version_of_the_lab_makes_no_cell() -> None:
    """Its cell would be kept under the name of one it is not."""
    wanted = cell.Task(OLD, NFQUEUE, How(1), (), "of another lab")

    with pytest.raises(BrokenEnvironment, match="is not the one that asks for nfqueue on old"):
        cell.make(wanted, None)


def test_an_archive_is_unpacked_as_it_was_packed_and_nowhere_else(tmp_path: Path) -> None:
    """Names that lead out of the directory end up in it."""
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
