"""An archive of a run may come from anyone: nothing in it reaches beyond the run, and a refused one leaves nothing."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lab.foundation import bounded, tar
from lab.foundation.errors import BadInput
from lab.runs.pack import pack
from lab.runs.run import RUN
from lab.runs.unpack import unpack
from tests import stored_runs
from tests.command_line import lab

Members = list[tuple[tarfile.TarInfo, bytes]]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an archive of a run of recorded trials, compressed with gzip."""
    stored = stored_runs.at(tmp_path_factory.mktemp("lab"))
    run = stored.run(("old-nfqueue",))
    path = stored.home / "run.tar.gz"
    pack(stored.store.path(run), run, path)
    return path


def members(archive: Path) -> Members:
    """Return the members of an archive, as another program reads them."""
    with tarfile.open(archive) as opened:
        return [(member, (opened.extractfile(member) or io.BytesIO()).read()) for member in opened.getmembers()]


def written(path: Path, made: Members, form: int = tarfile.USTAR_FORMAT) -> Path:
    """Write an archive as another program does."""
    with tarfile.open(path, "w:gz", format=form) as opened:
        for member, content in made:
            opened.addfile(member, io.BytesIO(content))
    return path


def entry(name: str, content: bytes = b"x", kind: bytes = tarfile.REGTYPE, link: str = "") -> Members:
    """Return a member."""
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    member.size = len(content) if kind == tarfile.REGTYPE else 0
    return [(member, content if kind == tarfile.REGTYPE else b"")]


def nothing_is_stored(runs: Path) -> bool:
    """Return whether no run, and nothing hidden beside them, is left."""
    return not runs.exists() or not any(runs.iterdir())


def test_an_archive_can_be_read_by_any_tar(archive: Path) -> None:
    """It has a directory for each directory, one owner and one date."""
    read = [member for member, _ in members(archive)]

    assert read[0].isdir()
    assert all(member.name.split("/")[0] == read[0].name for member in read)
    assert {(member.uid, member.gid, member.uname, member.mtime) for member in read} == {(0, 0, "", read[0].mtime)}
    assert [member.name for member in read] == sorted(
        (member.name for member in read), key=lambda name: name.split("/")
    )


def hostile(run: str) -> dict[str, Members]:
    """Return what an archive of a run must not hold, by what it is."""
    trial = f"{run}/old/nfqueue/0001"
    return {
        "an absolute path": entry("/etc/cron.d/evil"),
        "a path upwards": entry(f"{run}/../../evil"),
        "a path upwards in a trial": entry(f"{trial}/../../../../evil"),
        "another run": entry("20200101T000000Z/run.json"),
        "a hidden file": entry(f"{trial}/.bashrc"),
        "a file too deep": entry(f"{trial}/deep/er"),
        "a file beside the scenarios": entry(f"{run}/old/evil"),
        "a trial without a number": entry(f"{run}/old/nfqueue/evil/dmesg"),
        "a control character": entry(f"{trial}/\x1b]0;evil"),
        "a line feed": entry(f"{trial}/a\nlab: forged"),
        "a symbolic link": entry(f"{trial}/dmesg2", kind=tarfile.SYMTYPE, link="/etc/passwd"),
        "a symbolic link for a directory": entry(f"{run}/old/linked", kind=tarfile.SYMTYPE, link="/etc"),
        "a hard link": entry(f"{trial}/dmesg2", kind=tarfile.LNKTYPE, link=f"{run}/run.json"),
        "a device": entry(f"{trial}/null", kind=tarfile.CHRTYPE),
        "a disk": entry(f"{trial}/disk", kind=tarfile.BLKTYPE),
        "a pipe": entry(f"{trial}/pipe", kind=tarfile.FIFOTYPE),
        "a sparse file": entry(f"{trial}/sparse", kind=tarfile.GNUTYPE_SPARSE),
        "a file twice": entry(f"{run}/{RUN}", b"{}"),
        "a file below a file": entry(f"{run}/{RUN}/nfqueue/0001/dmesg"),
        "a cell that run.json does not name": entry(f"{run}/evil/nfqueue/0001/dmesg"),
    }


@pytest.mark.parametrize("what", sorted(hostile("x")))
def test_what_no_run_holds_is_refused_and_leaves_nothing(archive: Path, tmp_path: Path, what: str) -> None:
    """One clear line, whichever of the archive's ends it stands at."""
    good = members(archive)
    evil = hostile(good[0][0].name)[what]
    for number, made in enumerate(([*good, *evil], [*evil, *good])):
        path = written(tmp_path / f"{number}.tar.gz", made)
        with pytest.raises(BadInput) as caught:
            unpack(path, tmp_path / "runs")
        assert "\n" not in caught.value.message
        assert caught.value.message.isprintable()
        assert nothing_is_stored(tmp_path / "runs")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.tar.gz", "1.tar.gz", "runs"]


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_a_header_whose_size_would_have_to_be_believed_is_refused(archive: Path, tmp_path: Path, form: int) -> None:
    """Extended headers name things that the plain ones do not."""
    good = members(archive)
    long_name = entry(f"{good[0][0].name}/old/nfqueue/0001/{'x' * 120}")
    with pytest.raises(BadInput, match="neither a plain file nor a directory"):
        unpack(written(tmp_path / "run.tar.gz", [*good, *long_name], form), tmp_path / "runs")


@pytest.mark.parametrize("pack_it", [gzip.compress, zstandard.compress], ids=["gzip", "zstandard"])
@pytest.mark.parametrize("of_headers", [False, True], ids=["content", "headers"])
def test_a_bomb_is_refused_before_it_fills_the_disk(
    archive: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    pack_it: Callable[[bytes], bytes],
    of_headers: bool,  # noqa: FBT001  a parameter of the test
) -> None:
    """Neither a file that is nothing but zeros, nor thousands of empty ones."""
    monkeypatch.setattr(bounded, "FREE_OF_RATIO", 1_000_000)
    run = members(archive)[0][0].name
    size = 8_000_000
    if of_headers:
        content = b"".join(tar.header(f"{run}/old/nfqueue/{number:04}", None, 0) for number in range(1, 9000)) + tar.END
        monkeypatch.setattr("lab.runs.unpack.RATIO", 2)
    else:
        content = tar.header(f"{run}/old/nfqueue/0001/dmesg", size, 0) + bytes(size) + tar.END
    path = tmp_path / "bomb.tar"
    path.write_bytes(pack_it(content))

    assert path.stat().st_size < 200_000
    with pytest.raises(BadInput, match="would unpack to more than"):
        unpack(path, tmp_path / "runs")
    assert nothing_is_stored(tmp_path / "runs")


def test_a_file_that_is_larger_than_a_raw_file_can_be_is_refused_by_its_header(tmp_path: Path) -> None:
    """Nothing of it is read."""
    path = tmp_path / "run.tar.gz"
    path.write_bytes(gzip.compress(tar.header("20200101T000000Z/run.json", 7_000_000_000, 0)))
    with pytest.raises(BadInput, match="more than 16000000"):
        unpack(path, tmp_path / "runs")


@pytest.mark.parametrize(
    "description", ["", "{", "[]", '{"schema_version": 99}', '{"schema_version": 1, "id": "../../x"}', "\x00" * 99]
)
def test_a_run_that_cannot_be_read_is_not_stored(archive: Path, tmp_path: Path, description: str) -> None:
    """It would be a damaged run at once."""
    made = [
        (member, description.encode() if member.name.endswith(RUN) else content) for member, content in members(archive)
    ]
    for member, content in made:
        member.size = len(content)
    with pytest.raises(BadInput, match=r"run\.json"):
        unpack(written(tmp_path / "run.tar.gz", made), tmp_path / "runs")
    assert nothing_is_stored(tmp_path / "runs")


def test_a_machine_whose_name_leads_out_of_the_run_is_refused(archive: Path, tmp_path: Path) -> None:
    """What is read of a run is read below its directory."""
    made = [
        (member, content.replace(b'"old":', b'"../../old":') if member.name.endswith(RUN) else content)
        for member, content in members(archive)
    ]
    for member, content in made:
        member.size = len(content)
    with pytest.raises(BadInput):
        unpack(written(tmp_path / "run.tar.gz", made), tmp_path / "runs")


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_archive_with_changed_bytes_is_imported_whole_or_refused(
    archive: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Whatever is changed in it: no other error, and nothing outside."""
    plain = bytearray(gzip.decompress(archive.read_bytes()))
    for _ in range(data.draw(st.integers(1, 4))):
        plain[data.draw(st.integers(0, len(plain) - 1))] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(plain))))
    directory = tmp_path_factory.mktemp("import")
    path = directory / "run.tar.gz"
    path.write_bytes(gzip.compress(bytes(plain[:cut]), 1))
    try:
        stored = [unpack(path, directory / "runs").run.id]
    except BadInput as error:
        stored, message = [], error.message
    else:
        message = ""
    assert (message == "") == bool(stored)
    assert message == "" or message.isprintable()
    assert [run.name for run in (directory / "runs").iterdir()] == stored
    assert {one.name for one in directory.iterdir()} <= {"run.tar.gz", "runs"}


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=3000), magic=st.sampled_from([b"", bounded.GZIP, bounded.ZSTANDARD]))
def test_any_file_at_all_is_refused_in_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, magic: bytes
) -> None:
    """Also one that begins as an archive does."""
    directory = tmp_path_factory.mktemp("import")
    path = directory / "run.tar.zst"
    path.write_bytes(magic + content)
    with pytest.raises(BadInput) as caught:
        unpack(path, directory / "runs")
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("cut", [10, 500, -9, -1])
def test_an_archive_that_was_cut_off_is_refused(archive: Path, tmp_path: Path, cut: int) -> None:
    """A download that broke off, whatever it was compressed with."""
    plain = gzip.decompress(archive.read_bytes())
    for number, whole in enumerate((archive.read_bytes(), zstandard.compress(plain))):
        path = tmp_path / str(number)
        path.write_bytes(whole[:cut])
        with pytest.raises(BadInput):
            unpack(path, tmp_path / "runs")


def test_a_refused_archive_is_one_line_on_a_terminal(archive: Path, tmp_path: Path) -> None:
    """Exit status 2, and no traceback."""
    good = members(archive)
    evil = written(tmp_path / "evil.tar.gz", [*good, *hostile(good[0][0].name)["a control character"]])
    done = lab(tmp_path / "lab", "runs", "import", str(evil), "--quiet")

    assert done.returncode == 2
    assert done.stderr.startswith("lab: evil.tar.gz cannot be imported: ")
    assert "\x1b" not in done.stderr
    assert "Traceback" not in done.stderr


def test_a_file_that_is_larger_than_an_archive_can_hold_is_not_exported(tmp_path: Path) -> None:
    """What could not be imported is not exported either."""
    stored = stored_runs.at(tmp_path)
    run = stored.run(("old-nfqueue",))
    (large,) = stored.store.path(run).glob("old/nfqueue/0002/client.pcap")
    with large.open("ab") as file:
        file.truncate(17_000_000)
    with pytest.raises(BadInput, match="more than 16000000"):
        pack(stored.store.path(run), run, tmp_path / "run.tar.zst")
    assert not list(tmp_path.glob("*run.tar.zst*"))
