"""Saved states of machines: complete or absent, checked, and invalid once any input has changed."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.catalogue.era import Era
from lab.catalogue.machine import Added, Debian, Machine
from lab.foundation.errors import BrokenEnvironment
from lab.foundation.home import PROVISION
from lab.image import recipe
from lab.provider import accelerator, ingredients, qemu_process, qmp
from lab.provider.boot import Boot
from lab.provider.qmp import Monitor
from lab.provider.saved import CLOCK, DISK, MEMORY, Ingredients, SavedState
from lab.provision import ensure

MACHINE = Machine(name="m", era=Era.DROP, system=Debian(title="t", kernel="6.1", rewound=True))


@pytest.fixture
def qemu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a fake QEMU that never runs."""
    program = tmp_path / "bin" / qemu_process.PROGRAM
    program.parent.mkdir()
    program.write_text("one build\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent))
    return program


def made_of(  # noqa: PLR0913  what can differ, each by name
    machine: Machine = MACHINE,
    *,
    image: str = "image",
    kernel: str = "/image/kernel",
    accel: str = accelerator.TCG,
    host_key: str = "host",
    login: str = "login",
    provisioning: str = "provisioning",
) -> Ingredients:
    """Return a state's inputs."""
    boot = Boot("6.1.0", Path(kernel), (Path("/image/initramfs"),))
    argv = qemu_process.arguments(machine, boot, accel, Path("/lab/machines/m"))
    keys = [host_key, login]
    return ingredients.of(machine, image=image, argv=argv, public_keys=keys, provisioning=provisioning)


def write(directory: Path, ingredients: Ingredients, content: bytes = b"guest" * 1000) -> SavedState:
    """Save a state."""
    directory.mkdir(exist_ok=True)
    saved = SavedState(directory)
    with saved.written(ingredients) as scratch:
        (scratch / MEMORY).write_bytes(content)
        (scratch / DISK).write_bytes(content[:100])
        (scratch / CLOCK).write_text("1795488526.830289")
    return saved


def test_a_state_is_valid_while_nothing_changes(tmp_path: Path, qemu: Path) -> None:
    """Only its owner can read it, because it holds keys."""
    saved = write(tmp_path / "m", made_of())

    assert qemu.exists()
    assert saved.differs_in(made_of()) == []
    saved.check()
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode) for path in [saved.memory.parent, *saved.memory.parent.iterdir()]
    }
    assert modes == {"saved": 0o700, MEMORY: 0o600, DISK: 0o600, CLOCK: 0o600, "manifest.json": 0o600}


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        (lambda: made_of(MACHINE.model_copy(update={"memory_mb": 1024})), "definition of the machine"),
        (lambda: made_of(MACHINE.model_copy(update={"cpus": 3})), "definition of the machine"),
        (lambda: made_of(MACHINE.model_copy(update={"era": Era.RESOLVE})), "definition of the machine"),
        (lambda: made_of(MACHINE.model_copy(update={"ssh_port": 2222})), "definition of the machine"),
        (lambda: made_of(image="another"), "guest image"),
        (lambda: made_of(kernel="/image/another"), "arguments for QEMU"),
        (lambda: made_of(accel=accelerator.KVM), "arguments for QEMU"),
        (lambda: made_of(host_key="another"), "keys"),
        (lambda: made_of(login="another"), "keys"),
        (lambda: made_of(provisioning="another"), "provisioning"),
    ],
)
def test_each_changed_input_of_a_state_is_named(
    tmp_path: Path, qemu: Path, changed: Callable[[], Ingredients], named: str
) -> None:
    """An outdated state would pass for the requested machine."""
    saved = write(tmp_path / "m", made_of())

    assert qemu.exists()
    assert named in saved.differs_in(changed())


ADDED = Machine(
    name="m",
    era=None,
    system=Added(
        kernel="k", title="t", release="3.10.0", headers=True, disk="virtio", network="virtio", made_of="2026-01-01"
    ),
)


@pytest.mark.parametrize(
    ("machine", "changes"),
    [
        (ADDED, {"era": Era.DROP}),
        (ADDED, {"boot_bound_s": 5.0}),
        (ADDED, {"system": ADDED.system.model_copy(update={"title": "another"})}),
        (MACHINE, {"system": MACHINE.system.model_copy(update={"title": "another"})}),
    ],
    ids=["an era that was found", "patience", "title", "a replica's title"],
)
def test_unrelated_changes_keep_a_state_valid(
    tmp_path: Path, qemu: Path, machine: Machine, changes: dict[str, object]
) -> None:
    """`lab classify` stores an era after saving; the next command must not boot again."""
    saved = write(tmp_path / "m", made_of(machine))

    assert qemu.exists()
    assert saved.differs_in(made_of(machine.model_copy(update=changes))) == []


def test_another_kernel_under_the_same_name_is_another_machine(tmp_path: Path, qemu: Path) -> None:
    """The old state would run the removed kernel."""
    saved = write(tmp_path / "m", made_of(ADDED))
    other = ADDED.system.model_copy(update={"made_of": "2026-02-02"})

    assert qemu.exists()
    assert saved.differs_in(made_of(ADDED.model_copy(update={"system": other}))) == ["definition of the machine"]


def test_another_build_of_qemu_invalidates_a_state(tmp_path: Path, qemu: Path) -> None:
    """Its devices may differ even within one version."""
    saved = write(tmp_path / "m", made_of())
    qemu.write_text("another build\n")

    assert saved.differs_in(made_of()) == ["QEMU"]


def test_changed_kernel_arguments_and_format_invalidate_a_state(
    tmp_path: Path, qemu: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both depend on the lab's version."""
    saved = write(tmp_path / "m", made_of())
    assert qemu.exists()

    monkeypatch.setattr(recipe, "KERNEL_ARGUMENTS", "quiet")
    monkeypatch.setattr(ingredients, "FORMAT", "next")
    assert saved.differs_in(made_of()) == ["arguments for QEMU", "format of saved states"]


def test_the_provisioning_key_changes_with_its_inputs(tmp_path: Path) -> None:
    """Inputs are guest files and the number of lanes; unrelated files change nothing."""
    provision = tmp_path / "provision"
    shutil.copytree(PROVISION, provision)
    before = ensure.named(provision, lanes=1)
    assert before == ensure.named(PROVISION, lanes=1)
    assert before != ensure.named(provision, lanes=2)

    (provision / "guest" / "note.txt").write_text("of no matter")
    assert ensure.named(provision, lanes=1) == before
    with (provision / "guest" / "network.sh").open("a") as script:
        script.write("# changed\n")
    assert ensure.named(provision, lanes=1) != before


def flip_a_byte(path: Path) -> None:
    """Change one bit at half the length of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("file", [MEMORY, DISK, CLOCK])
@pytest.mark.parametrize(
    "damage",
    [flip_a_byte, lambda path: path.unlink(), lambda path: os.truncate(path, 5)],
    ids=["bit", "gone", "short"],
)
def test_a_damaged_state_is_detected_before_it_is_restored(
    tmp_path: Path, file: str, damage: Callable[[Path], None]
) -> None:
    """A state damaged by a power cut or a bad disk must not run."""
    saved = write(tmp_path / "m", {})
    damage(tmp_path / "m" / "saved" / file)

    with pytest.raises(BrokenEnvironment, match="damaged"):
        saved.check()


@pytest.mark.parametrize("manifest", ["", "[]", '{"made_of": 1}', "{}"])
def test_a_state_with_an_unreadable_manifest_is_invalid(tmp_path: Path, manifest: str) -> None:
    """The manifest may have any content."""
    saved = write(tmp_path / "m", {"keys": "k"})
    (tmp_path / "m" / "saved" / "manifest.json").write_text(manifest)

    assert saved.differs_in({"keys": "k"}) == ["keys"]
    with pytest.raises(BrokenEnvironment, match="damaged"):
        saved.check()


def test_a_state_without_its_timestamp_is_an_error(tmp_path: Path) -> None:
    """Its files may be complete otherwise."""
    saved = write(tmp_path / "m", {})
    (tmp_path / "m" / "saved" / CLOCK).write_text("")

    with pytest.raises(BrokenEnvironment, match="time of saving"):
        _ = saved.clock_s


def test_an_interrupted_save_keeps_the_previous_state(tmp_path: Path) -> None:
    """This holds for any kind of interruption."""
    saved = write(tmp_path / "m", {"keys": "first"})

    def save_half() -> None:
        with saved.written({"keys": "second"}) as scratch:
            (scratch / MEMORY).write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_half()

    assert saved.differs_in({"keys": "first"}) == []
    saved.check()
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["saved"]


def test_a_half_written_state_is_removed_by_the_next_save(tmp_path: Path) -> None:
    """It would take up space for ever."""
    (tmp_path / "m" / "saved.unfinished" / "deep").mkdir(parents=True)
    write(tmp_path / "m", {})

    assert [path.name for path in (tmp_path / "m").iterdir()] == ["saved"]


def answering(directory: Path, *lines: str) -> threading.Thread:
    """Stand in for QEMU: greet, and send one answer per command."""
    directory.mkdir(parents=True)
    server = socket.socket(socket.AF_UNIX)
    here = os.open(directory, os.O_RDONLY)
    server.bind(f"/proc/self/fd/{here}/{qmp.SOCKET}")
    os.close(here)
    server.listen()

    def serve() -> None:
        with server, server.accept()[0] as connection, connection.makefile("rwb") as stream:
            stream.write(b'{"QMP": {}}\n')
            stream.flush()
            for line in lines:
                stream.readline()
                stream.write(line.encode() + b"\n")
                stream.flush()

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_the_monitor_is_reached_with_a_long_path(tmp_path: Path) -> None:
    """A UNIX socket's address has 107 bytes; events between command and answer are skipped."""
    directory = tmp_path / ("long" * 30)
    event, answer = json.dumps({"event": "STOP"}), json.dumps({"return": {"status": "paused"}})
    qemu = answering(directory, '{"return": {}}', f"{event}\n{answer}")
    with Monitor(directory) as monitor:
        assert monitor.ask("query-status") == {"status": "paused"}
    qemu.join()


@pytest.mark.parametrize(
    ("answer", "message"),
    [('{"error": {"desc": "no such thing"}}', "no such thing"), ("nonsense", "did not answer 'stop'")],
)
def test_a_refused_monitor_command_reports_qemus_message(tmp_path: Path, answer: str, message: str) -> None:
    """There is no traceback."""
    qemu = answering(tmp_path / "m", '{"return": {}}', answer)
    with Monitor(tmp_path / "m") as monitor, pytest.raises(BrokenEnvironment, match=message):
        monitor.ask("stop")
    qemu.join()


def test_a_monitor_that_is_not_there_or_goes_away_is_an_error(tmp_path: Path) -> None:
    """Example: QEMU has just died."""
    with pytest.raises(BrokenEnvironment, match="does not answer"):
        Monitor(tmp_path)
    qemu = answering(tmp_path / "m")
    with pytest.raises(BrokenEnvironment, match="does not answer"):
        Monitor(tmp_path / "m")
    qemu.join()
