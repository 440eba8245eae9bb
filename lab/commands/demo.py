"""`lab demo`: two machines, three scenarios, one table."""

from __future__ import annotations

from lab.catalogue import find
from lab.catalogue.machine import Machine
from lab.commands import run as run_command
from lab.commands.run import RunDone
from lab.errors import BrokenEnvironment
from lab.home import MACHINES
from lab.provider.base import State
from lab.result import NOT_AS_EXPECTED, Result
from lab.session import Session

MACHINE_NAMES = ("old", "new")
SCENARIO_NAMES = ("baseline", "nfqueue", "nfqueue-single-request-reopen")


def demo(session: Session, trials: int, *, keep: bool) -> Result[RunDone]:
    """Bring old and new up, run the scenarios on both, and destroy what was brought up.

    Args:
        session: The lab in use.
        trials: How many of each scenario on each machine.
        keep: Leave the machines running.

    Raises:
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    machines = find.machines(MACHINES, MACHINE_NAMES)
    brought_up = [machine for machine in machines if session.provider(machine).state(machine) is not State.RUNNING]
    try:
        with session.using(*machines):
            session.bring_up(machines)
        result = run_command.run(session, MACHINE_NAMES, SCENARIO_NAMES, trials)
    finally:
        if not keep:
            for machine in brought_up:
                _destroy(session, machine)
    # A demonstration that armed nothing has shown nothing, even where nothing contradicts the scenarios.
    shown = all(cell.armed == cell.trials for cell in result.data.comparison.cells if cell.arms)
    return result if shown else Result(result.data, NOT_AS_EXPECTED)


def _destroy(session: Session, machine: Machine) -> None:
    session.forget(machine)
    try:
        session.provider(machine).destroy(machine)
    except BrokenEnvironment as error:
        session.work.note(f"could not be destroyed: {error.message}", machine.name)
