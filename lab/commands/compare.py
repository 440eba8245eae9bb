"""`lab compare`: the machines of stored runs side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lab.comparison import review
from lab.comparison.cells import Comparison
from lab.foundation.result import AS_ASKED, NOT_AS_EXPECTED, Result

if TYPE_CHECKING:
    from lab.session.session import Session


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
        compared = review.judge_newest(session.store, machine_names, scenario_names)
    else:
        compared = review.judge_run(session.store, session.store.get(run_id), machine_names, scenario_names)
    return Result(compared, AS_ASKED if compared.as_expected else NOT_AS_EXPECTED)
