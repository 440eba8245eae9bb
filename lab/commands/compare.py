"""`lab compare`: stored runs, judged afresh and put side by side."""

from __future__ import annotations

from collections.abc import Sequence

from lab import review
from lab.comparison import Comparison
from lab.result import AS_ASKED, NOT_AS_EXPECTED, Result
from lab.session import Session


def compare(
    session: Session, machine_names: Sequence[str], scenario_names: Sequence[str], run_id: str | None
) -> Result[Comparison]:
    """Compare machines from the newest trials of each cell, or from one run.

    Args:
        session: The lab in use.
        machine_names: All machines that have trials for none.
        scenario_names: All scenarios that have trials for none.
        run_id: The one run to look at; None for the newest of each cell.

    Raises:
        BadInput: no such run, machine or scenario is stored.
    """
    if run_id is None:
        compared = review.newest(session.store, machine_names, scenario_names)
    else:
        compared = review.of_run(session.store, session.store.get(run_id), machine_names, scenario_names)
    return Result(compared, AS_ASKED if compared.as_expected else NOT_AS_EXPECTED)
