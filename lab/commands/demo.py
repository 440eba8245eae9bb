"""`lab demo`: two machines, three scenarios, one table."""

from __future__ import annotations

from lab.catalogue import find
from lab.commands.run import How, RunDone, run_on
from lab.home import MACHINES, SCENARIOS
from lab.preference import Preference, ProviderName
from lab.provider.base import State
from lab.result import NOT_AS_EXPECTED, Result
from lab.session import Session

MACHINE_NAMES = ("old", "new")
SCENARIO_NAMES = ("baseline", "nfqueue", "nfqueue-single-request-reopen")

REPLICAS = Preference(ProviderName.QEMU, replica=True, asked_by="the demonstration")
"""They are there in seconds, on any machine."""


def demo(session: Session, trials: int, *, keep: bool) -> Result[RunDone]:
    """Bring old and new up, run the scenarios on both, and destroy those that were not there before.

    Args:
        session: The lab in use.
        trials: How many of each scenario on each machine.
        keep: Leave the machines running.

    Raises:
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    definitions = find.machines(MACHINES, MACHINE_NAMES)
    scenarios = find.scenarios(SCENARIOS, SCENARIO_NAMES)
    with session.using(*definitions):
        machines = session.chosen(definitions, REPLICAS)
        existed = {machine.name for machine in machines if session.provider(machine).state(machine) is not State.ABSENT}
        try:
            # What is destroyed at the end need not be saved.
            session.bring_up(machines, save=keep or bool(existed))
            result = run_on(session, machines, scenarios, How(trials))
        finally:
            for machine in machines:
                session.forget(machine)
                if not keep and machine.name not in existed:
                    session.provider(machine).destroy(machine)
    # A demonstration that armed nothing has shown nothing, even where nothing contradicts the scenarios.
    shown = all(cell.armed == cell.trials for cell in result.data.comparison.cells if cell.arms)
    return result if shown else Result(result.data, NOT_AS_EXPECTED)
