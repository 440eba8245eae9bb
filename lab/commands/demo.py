"""`lab demo`: two machines, three scenarios, one table."""

from __future__ import annotations

from lab.catalogue import find
from lab.catalogue.machine import System
from lab.commands.trials import RunDone, TrialOptions, run_on
from lab.foundation.home import MACHINES, SCENARIOS
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.provider.base import State
from lab.provider.preference import Preference
from lab.session.session import Session

MACHINE_NAMES = ("old", "new")
SCENARIO_NAMES = ("baseline", "nfqueue", "nfqueue-single-request-reopen")

STILL_STALLS = "nfqueue-dnat"
"""Stalls even on the kernel that fixed the plain clash; only real kernels show it, so replicas leave it out."""


PRODUCT = "opensnitch"
"""An unmodified product with the same stall; no part of the demonstration, since its package has to be downloaded."""


def demo(session: Session, trials: int, *, keep: bool, system: System | None = None) -> Result[RunDone]:
    """Bring old and new up, run the scenarios on both, and put the machines back into the states in which they were.

    Args:
        session: The lab in use.
        trials: How many of each scenario on each machine.
        keep: Leave the machines running.
        system: The system the machines must have; None for the one they have, or replicas.

    Raises:
        BadInput: a machine exists on another system.
        BrokenEnvironment: a machine could not be brought up, or went away.
    """
    definitions = find.machines(MACHINES, MACHINE_NAMES)
    is_real = system in {System.KERNEL, System.CENTOS}
    scenarios = find.scenarios(SCENARIOS, [*SCENARIO_NAMES, *([STILL_STALLS] if is_real else [])])
    with session.using(*definitions):
        machines = session.choose(definitions, _on(system))
        before = session.states(machines)
        is_new = all(state is State.ABSENT for _, state in before)
        try:
            # Machines that are destroyed at the end need not be saved.
            session.bring_up(machines, save=keep or not is_new)
            result = run_on(session, machines, scenarios, TrialOptions(trials))
        finally:
            if not keep:
                session.put_back(before)
    # Without an armed trial nothing was shown, even if no cell contradicts its scenario.
    shown = all(cell.armed == cell.trials for cell in result.data.comparison.cells if cell.arms)
    if shown and result.exit_status == AS_ASKED and not is_real:
        up = "" if keep else f"lab up {' '.join(MACHINE_NAMES)} && "
        session.work.note(
            f"an unmodified product stalls in the same way: {up}lab run {' '.join(MACHINE_NAMES)} -s {PRODUCT}"
        )
    return result if shown else Result(result.data, NOT_AS_EXPECTED)


def _on(system: System | None) -> Preference:
    """Return the preference of the demonstration; replicas start in seconds, on any machine, without a network."""
    who = "the demonstration"
    return Preference(
        system=system or System.REPLICA, asked_by=who, system_asked_by=who, insists_on_system=system is not None
    )
