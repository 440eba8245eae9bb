"""Machines that go on from a saved state: the same guest as before, in the present; or else they boot, and say why."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from lab.catalogue import find
from lab.home import MACHINES, Home
from lab.provider.qmp import Monitor
from lab.provider.saved import CLOCK, MEMORY, SavedState
from lab.provision.wake import wake
from lab.session import Session
from lab.work import Work
from tests.guest.conftest import Done, TestLab, interrupt, wait_for

RESUMED = "✓ resuming from its saved state"
BOOTED = "✓ booting kernel"


@pytest.fixture
def halted(fresh: TestLab) -> TestLab:
    """Give a lab whose machine old was up once, and is off."""
    done = fresh.well("up", "old")
    assert "✓ saving its state" in done.err
    fresh.well("halt", "old")
    return fresh


def boot_id(lab: TestLab) -> str:
    """Give what tells one boot of old from another."""
    return lab.ask("old", "cat /proc/sys/kernel/random/boot_id").strip()


def directory(lab: TestLab) -> Path:
    """Give old's directory."""
    return lab.home / "machines" / "old"


def saved_files(lab: TestLab) -> set[str]:
    """Give what there is of saved states, half made ones too."""
    return {path.name for path in directory(lab).iterdir() if path.name.startswith(("saved", "disk."))}


def test_a_second_up_goes_on_where_the_first_one_ended(fresh: TestLab) -> None:
    """The same boot, on the disk of that moment, with nobody connected from before; nothing is saved again."""
    fresh.well("up", "old")
    first = boot_id(fresh)
    saved = SavedState(directory(fresh)).memory.stat().st_mtime_ns
    fresh.ask("old", "echo later >/var/tmp/later && sync")
    halted = fresh.well("halt", "old", "--json").json["machines"]["old"]
    assert (halted["state"], halted["saved"]) == ("halted", True)

    done = fresh.well("up", "old", "--json")
    assert RESUMED in done.err
    assert BOOTED not in done.err
    assert done.json["machines"]["old"]["provisioned"]
    assert boot_id(fresh) == first
    assert fresh.run("ssh", "old", "--", "cat /var/tmp/later").status == 1
    assert fresh.ask("old", "pgrep -c -f '^sshd: root@'").strip() == "1"
    assert SavedState(directory(fresh)).memory.stat().st_mtime_ns == saved
    assert len(fresh.guests()) == 1
    assert saved_files(fresh) == {"saved", "disk.qcow2"}


def test_a_resumed_guest_has_the_clock_of_today(halted: TestLab) -> None:
    """Each time, however long it slept."""
    for _ in range(2):
        assert RESUMED in halted.well("up", "old").err
        before = time.time()
        guest = float(halted.ask("old", "date +%s.%N"))
        assert before - 1 < guest < time.time() + 1
        halted.well("halt", "old")


def test_a_woken_guest_has_chances_of_its_own_and_the_time_it_was_told(running: TestLab) -> None:
    """Two that go on from one state would draw the same ports and ids; their kernels take up what each is given.

    What they draw does not tell: it differs by chance already, by when the first interrupts come.
    """
    # Before the shell's own, and in place of it, so that what is asked of the kernel can be read.
    watched = 'exec strace -xx -s 64 -o /tmp/wake.$$ -e trace=write,ioctl /usr/bin/perl "$@"'
    running.ask("today", f"printf '#!/bin/sh\\n%s\\n' '{watched}' >/usr/local/bin/perl && chmod +x /usr/local/bin/perl")
    try:
        with Session(Home(running.home, running.home, running.home / "config.toml"), Work()) as session:
            (today,) = session.as_they_are(find.machines(MACHINES, ["today"]))
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
    # A guest's clock may be off by some seconds by itself, on a host that leaves it no time.
    assert before + 90 < there < after + 110
    assert float(running.ask("today", "date +%s.%N")) < time.time() + 10


def test_a_trial_on_a_resumed_machine_is_as_on_a_booted_one(halted: TestLab) -> None:
    """Its era, its network and its modules work on: the race is armed, and the lookup stalls."""
    assert RESUMED in halted.well("up", "old").err
    done = halted.run("run", "old", "-s", "nfqueue", "-s", "baseline", "-n", "1", "--json")

    assert done.status == 0, done.err
    assert {cell["scenario"]: (cell["armed"], cell["stalled"]) for cell in done.json["cells"]} == {
        "baseline": (0, 0),
        "nfqueue": (1, 1),
    }


def test_cold_boots_what_is_saved_and_keeps_its_disk(fresh: TestLab) -> None:
    """For who does not trust a saved state; the new one takes its place."""
    fresh.well("up", "old")
    first = boot_id(fresh)
    fresh.ask("old", "echo kept >/var/tmp/kept && sync")
    fresh.well("halt", "old")

    done = fresh.well("up", "old", "--cold")
    second = boot_id(fresh)
    assert RESUMED not in done.err
    assert second != first
    assert fresh.ask("old", "cat /var/tmp/kept") == "kept\n"

    fresh.well("halt", "old")
    assert RESUMED in fresh.well("up", "old").err
    assert boot_id(fresh) == second
    assert fresh.ask("old", "cat /var/tmp/kept") == "kept\n"


def test_another_definition_boots_and_is_said(fresh: TestLab, tmp_path: Path) -> None:
    """The machine that was asked for, not the one that was saved."""
    file = tmp_path / "mine.toml"
    definition = 'era = "relookup"\nmemory_mb = {}\n[debian]\ntitle = "t"\nkernel = "6.1"\nrewound = false\n'
    file.write_text(definition.format(512))
    fresh.well("up", str(file))
    fresh.well("halt", str(file))
    file.write_text(definition.format(640))
    done = fresh.well("up", str(file))
    memory_kb = int(fresh.ask(str(file), "awk '/^MemTotal/ { print $2 }' /proc/meminfo"))
    fresh.well("destroy", str(file))

    assert "its saved state was made with other definition of the machine" in " ".join(done.err.split())
    assert RESUMED not in done.err
    assert memory_kb > 520_000


def damage_a_byte(lab: TestLab) -> None:
    """Change the memory behind the lab's back."""
    with (directory(lab) / "saved" / MEMORY).open("r+b") as file:
        file.seek(1_000_000)
        file.write(b"damage")


def save_what_qemu_refuses(lab: TestLab) -> None:
    """Leave a state that is whole, and no state of a guest."""
    saved = SavedState(directory(lab))
    made_of = json.loads((directory(lab) / "saved" / "manifest.json").read_text())["made_of"]
    with saved.written(made_of) as scratch:
        (scratch / MEMORY).write_bytes(b"no state at all" * 1000)
        (scratch / CLOCK).write_text(str(time.time()))


def save_what_does_not_answer(lab: TestLab) -> None:
    """Leave a state of a guest whose sshd stands still."""
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
def test_a_state_that_cannot_be_resumed_is_removed_and_the_machine_boots(
    halted: TestLab, spoil: Callable[[TestLab], None]
) -> None:
    """Never an error: whoever types `lab up` gets the machine, and the next time a state that works."""
    spoil(halted)
    done = halted.well("up", "old")

    assert "its saved state could not be resumed" in " ".join(done.err.split())
    assert BOOTED in done.err
    assert "✓ saving its state" in done.err
    assert "Traceback" not in done.err
    assert len(halted.guests()) == 1
    halted.well("halt", "old")
    assert RESUMED in halted.well("up", "old").err


def interrupted(process: subprocess.Popen[str], lab: TestLab) -> Done:
    """Press Ctrl-C in a command, and make sure that it left nothing running and nothing half made."""
    done = interrupt(process)
    assert done.status == 130
    assert "Traceback" not in done.err
    assert lab.guests() == []
    assert not {"saved.unfinished", "disk.unfinished"} & saved_files(lab)
    return done


def test_ctrl_c_in_saving_leaves_no_half_state_and_no_guest(fresh: TestLab) -> None:
    """The next start boots, and is saved."""
    process = fresh.start("up", "old")
    wait_for((directory(fresh) / "saved.unfinished").exists)
    interrupted(process, fresh)

    assert "saved" not in saved_files(fresh)
    assert "✓ saving its state" in fresh.well("up", "old").err


def test_ctrl_c_in_resuming_leaves_no_guest_and_the_state(halted: TestLab) -> None:
    """The next start resumes it."""
    started = (directory(halted) / "started.json").stat().st_mtime_ns
    process = halted.start("up", "old")
    wait_for(lambda: (directory(halted) / "started.json").stat().st_mtime_ns != started)
    interrupted(process, halted)

    assert RESUMED in halted.well("up", "old").err


def test_a_guest_that_a_killed_save_left_standing_still_is_started_anew(halted: TestLab) -> None:
    """It would never answer, and nobody could tell why."""
    halted.well("up", "old")
    with Monitor(directory(halted)) as monitor:
        monitor.ask("stop")
    done = halted.well("up", "old", "--json")

    assert BOOTED in done.err
    assert done.json["machines"]["old"]["provisioned"]
    assert len(halted.guests()) == 1


def test_a_machine_without_room_for_its_state_is_up_all_the_same(fresh: TestLab) -> None:
    """It says that it will boot the next time; here a file is where the state shall go."""
    machine = directory(fresh)
    machine.mkdir(parents=True)
    (machine / "saved.unfinished").write_text("in the way")
    done = fresh.well("up", "old", "--json")

    assert "its state could not be saved" in " ".join(done.err.split())
    assert done.json["machines"]["old"]["provisioned"]
    assert not done.json["machines"]["old"]["saved"]
