"""Machines restored from a saved state continue the same guest in the present; otherwise they boot and say why."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.foundation.home import MACHINES, Home
from lab.foundation.work import Work
from lab.provider.qmp import Monitor
from lab.provider.saved import CLOCK, MEMORY, SavedState
from lab.provision.wake import wake
from lab.session.session import Session
from tests.guest.conftest import Done, TestLab, interrupt, wait_for

RESUMED = "✓ resuming from its saved state"
BOOTED = "✓ booting kernel"


@pytest.fixture
def halted(fresh: TestLab) -> TestLab:
    """Return a lab whose machine old was up once and is off."""
    result = fresh.well("up", "old")
    assert "✓ saving its state" in result.err
    fresh.well("halt", "old")
    return fresh


def boot_id(lab: TestLab) -> str:
    """Return the identifier of old's current boot."""
    return lab.ask("old", "cat /proc/sys/kernel/random/boot_id").strip()


def directory(lab: TestLab) -> Path:
    """Return old's directory."""
    return lab.home / "machines" / "old"


def saved_files(lab: TestLab) -> set[str]:
    """Return all files of saved states, including incomplete ones."""
    return {path.name for path in directory(lab).iterdir() if path.name.startswith(("saved", "disk."))}


def test_a_second_up_restores_the_saved_state(fresh: TestLab) -> None:
    """The same boot with its disk of that moment and no old connection; nothing is saved again."""
    fresh.well("up", "old")
    first = boot_id(fresh)
    saved = SavedState(directory(fresh)).memory.stat().st_mtime_ns
    fresh.ask("old", "echo later >/var/tmp/later && sync")
    halted = fresh.well("halt", "old", "--json").json["machines"]["old"]
    assert (halted["state"], halted["saved"]) == ("halted", True)

    result = fresh.well("up", "old", "--json")
    assert RESUMED in result.err
    assert BOOTED not in result.err
    assert result.json["machines"]["old"]["provisioned"]
    assert boot_id(fresh) == first
    assert fresh.run("ssh", "old", "--", "cat /var/tmp/later").status == 1
    # That of `lab up` may just be ending.
    wait_for(lambda: fresh.ask("old", "pgrep -c -f '^sshd: root@'").strip() == "1")
    assert SavedState(directory(fresh)).memory.stat().st_mtime_ns == saved
    assert len(fresh.guests()) == 1
    assert saved_files(fresh) == {"saved", "disk.qcow2"}


def test_a_restored_guest_has_the_current_time(halted: TestLab) -> None:
    """Each restore sets the clock, however old the state."""
    for _ in range(2):
        assert RESUMED in halted.well("up", "old").err
        before = time.time()
        guest = float(halted.ask("old", "date +%s.%N"))
        assert before - 1 < guest < time.time() + 1
        halted.well("halt", "old")


def test_a_restored_guest_has_fresh_randomness_and_the_given_time(running: TestLab) -> None:
    """Two guests restored from one state would use the same ports and ids; the kernel takes new seeds.

    Comparing random numbers is no test: they already differ by the timing of the first interrupts.
    """
    # A wrapper in place of the program records what it asks of the kernel.
    watched = 'exec strace -xx -s 64 -o /tmp/wake.$$ -e trace=write,ioctl /usr/bin/perl "$@"'
    running.ask("today", f"printf '#!/bin/sh\\n%s\\n' '{watched}' >/usr/local/bin/perl && chmod +x /usr/local/bin/perl")
    try:
        with Session(Home(running.home, running.home, running.home / "config.toml"), Work()) as session:
            (today,) = session.current(find.machines(MACHINES, ["today"]))
            wake(session.shell(today), 100.5)
            before = time.time()
            there = float(session.shell(today).ask(["date", "+%s.%N"]))
            after = time.time()
            wake(session.shell(today), -100.5)
        calls = running.ask("today", "cat /tmp/wake.*")
    finally:
        running.ask("today", "rm -f /usr/local/bin/perl /tmp/wake.*")

    seeds = re.findall(r'write\(\d+, "((?:\\x[0-9a-f]{2}){32})", 32\) += 32\nioctl\(\d+, RNDRESEEDCRNG', calls)
    assert len(set(seeds)) == 2
    assert len(re.findall(r"RNDRESEEDCRNG.*\) += 0$", calls, re.MULTILINE)) == 2
    # On a busy host a guest's clock may be off by some seconds.
    assert before + 90 < there < after + 110
    assert float(running.ask("today", "date +%s.%N")) < time.time() + 10


def test_a_trial_on_a_restored_machine_equals_one_on_a_booted_machine(halted: TestLab) -> None:
    """Era, network and modules still work: the race is armed and the lookup stalls."""
    assert RESUMED in halted.well("up", "old").err
    result = halted.run("run", "old", "-s", "nfqueue", "-s", "baseline", "-n", "1", "--json")

    assert result.status == 0, result.err
    assert {cell["scenario"]: (cell["armed"], cell["stalled"]) for cell in result.json["cells"]} == {
        "baseline": (0, 0),
        "nfqueue": (1, 1),
    }


def test_cold_boots_a_saved_machine_and_keeps_its_disk(fresh: TestLab) -> None:
    """For users who distrust a saved state; a new state replaces it."""
    fresh.well("up", "old")
    first = boot_id(fresh)
    fresh.ask("old", "echo kept >/var/tmp/kept && sync")
    fresh.well("halt", "old")

    result = fresh.well("up", "old", "--cold")
    second = boot_id(fresh)
    assert RESUMED not in result.err
    assert second != first
    assert fresh.ask("old", "cat /var/tmp/kept") == "kept\n"

    fresh.well("halt", "old")
    assert RESUMED in fresh.well("up", "old").err
    assert boot_id(fresh) == second
    assert fresh.ask("old", "cat /var/tmp/kept") == "kept\n"


def test_a_changed_definition_boots_with_a_note(fresh: TestLab, tmp_path: Path) -> None:
    """The requested machine counts, not the saved one."""
    file = tmp_path / "mine.toml"
    definition = 'era = "relookup"\nmemory_mb = {}\n[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n'
    file.write_text(definition.format(512))
    fresh.well("up", str(file))
    fresh.well("halt", str(file))
    file.write_text(definition.format(640))
    result = fresh.well("up", str(file))
    memory_kb = int(fresh.ask(str(file), "awk '/^MemTotal/ { print $2 }' /proc/meminfo"))
    fresh.well("destroy", str(file))

    assert "its saved state was made with a different definition of the machine" in " ".join(result.err.split())
    assert RESUMED not in result.err
    assert memory_kb > 520_000


def damage_a_byte(lab: TestLab) -> None:
    """Change one byte of the memory file."""
    with (directory(lab) / "saved" / MEMORY).open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")


def save_what_qemu_refuses(lab: TestLab) -> None:
    """Leave complete files that are no state of a guest."""
    saved = SavedState(directory(lab))
    made_of = json.loads((directory(lab) / "saved" / "manifest.json").read_text())["made_of"]
    with saved.written(made_of) as scratch:
        (scratch / MEMORY).write_bytes(b"no state at all" * 1000)
        (scratch / CLOCK).write_text(str(time.time()))


def save_what_does_not_answer(lab: TestLab) -> None:
    """Leave a state of a guest whose sshd is stopped."""
    saved = SavedState(directory(lab))
    made_of = json.loads((directory(lab) / "saved" / "manifest.json").read_text())["made_of"]
    lab.well("up", "old")
    lab.ask("old", "kill -STOP 1 $(cat /run/sshd.pid)")
    with Monitor(directory(lab)) as monitor, saved.written(made_of) as scratch:
        monitor.ask("stop")
        monitor.ask("migrate", uri=f"exec:exec cat >{scratch.name}/{MEMORY}")
        wait_for(lambda: monitor.ask("query-migrate")["status"] == "completed")
        (scratch / "disk.qcow2").write_bytes((directory(lab) / "disk.qcow2").read_bytes())
        (scratch / CLOCK).write_text(str(time.time()))
    (guest,) = lab.guests()
    guest.kill()
    guest.wait(10)


@pytest.mark.parametrize("spoil", [damage_a_byte, save_what_qemu_refuses, save_what_does_not_answer])
def test_an_unusable_state_is_removed_and_the_machine_boots(halted: TestLab, spoil: Callable[[TestLab], None]) -> None:
    """It is never an error: `lab up` yields the machine, and the next state works."""
    spoil(halted)
    result = halted.well("up", "old")

    assert "its saved state could not be resumed" in " ".join(result.err.split())
    assert BOOTED in result.err
    assert "✓ saving its state" in result.err
    assert "Traceback" not in result.err
    assert len(halted.guests()) == 1
    halted.well("halt", "old")
    assert RESUMED in halted.well("up", "old").err


def interrupted(process: subprocess.Popen[str], lab: TestLab) -> Done:
    """Send Ctrl-C to a command and check that it left no process and no half-written file."""
    result = interrupt(process)
    assert result.status == 130
    assert "Traceback" not in result.err
    assert lab.guests() == []
    assert not {"saved.unfinished", "disk.unfinished"} & saved_files(lab)
    return result


def test_ctrl_c_while_saving_leaves_no_half_state_and_no_guest(fresh: TestLab) -> None:
    """The next start boots and saves."""
    process = fresh.start("up", "old")
    wait_for((directory(fresh) / "saved.unfinished").exists)
    interrupted(process, fresh)

    assert "saved" not in saved_files(fresh)
    assert "✓ saving its state" in fresh.well("up", "old").err


def test_ctrl_c_while_restoring_leaves_no_guest_and_keeps_the_state(halted: TestLab) -> None:
    """The next start restores it."""
    started = (directory(halted) / "started.json").stat().st_mtime_ns
    process = halted.start("up", "old")
    wait_for(lambda: (directory(halted) / "started.json").stat().st_mtime_ns != started)
    interrupted(process, halted)

    assert RESUMED in halted.well("up", "old").err


def test_a_guest_left_paused_by_a_killed_save_is_restarted(halted: TestLab) -> None:
    """It would never answer, without any visible reason."""
    halted.well("up", "old")
    with Monitor(directory(halted)) as monitor:
        monitor.ask("stop")
    result = halted.well("up", "old", "--json")

    assert BOOTED in result.err
    assert result.json["machines"]["old"]["provisioned"]
    assert len(halted.guests()) == 1


def test_a_machine_without_disk_space_for_its_state_is_still_up(fresh: TestLab) -> None:
    """A note says that it will boot the next time; here a file blocks the state's place."""
    machine = directory(fresh)
    machine.mkdir(parents=True)
    (machine / "saved.unfinished").write_text("in the way")
    result = fresh.well("up", "old", "--json")

    assert "its state could not be saved" in " ".join(result.err.split())
    assert result.json["machines"]["old"]["provisioned"]
    assert not result.json["machines"]["old"]["saved"]
