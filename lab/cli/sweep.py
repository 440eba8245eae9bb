"""The verb that measures the race at each hold; what draws is loaded for it alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from lab.cli.detail import Detail
from lab.cli.hold import Hold
from lab.cli.trials import TRIALS, lanes_option
from lab.cli.verb import carry_out, common, machines_argument, run_option
from lab.commands import sweep as sweep_command
from lab.commands.sweep import Swept
from lab.commands.trials import TrialOptions
from lab.foundation.files import write_whole
from lab.foundation.result import Result
from lab.present.page import sweep_curve
from lab.session.session import Session


@click.command()
@machines_argument
@click.option("--hold", type=Hold(), default="0..20ms", show_default=True, help="FIRST..LASTms, or a list of ms.")
@click.option(
    "--trials", "-n", type=TRIALS, default=50, show_default=True, help="Trials at each hold, on each machine."
)
@lanes_option
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="Where the plot goes, as SVG.")
@run_option("Show this stored sweep again; needs no machine.")
@common
def sweep(  # noqa: PLR0913  its options
    machines: Sequence[str],
    hold: Sequence[float],
    trials: int,
    *,
    lanes: int | None,
    output: Path | None,
    run: str | None,
    as_json: bool,
    detail: Detail,
) -> None:
    """Measure how many trials are armed, and how many stall, against how long the verdict is held.

    Each query is held for a fixed time, whether or not another one arrives. With many lanes the machine is busier, and
    more trials are armed at a short hold than with one lane: the shares apply to this machine at this load.

    \b
    Examples:
      lab sweep old new                            0 to 20 ms, at eleven holds
      lab sweep old --hold 0,1,2,5ms -n 200 -o dial.svg
      lab sweep old --lanes 1 -n 10                one trial at a time
      lab sweep --run 20261123T160000Z --json
    """

    def swept(session: Session) -> Result[Swept]:
        if run:
            result = sweep_command.again(session, run, output)
        else:
            result = sweep_command.sweep(session, machines, hold, TrialOptions(trials, lanes=lanes), output)
        write_whole(result.data.plot, sweep_curve.svg(result.data.points, result.data.machines))
        return result

    carry_out(swept, as_json=as_json, detail=detail)
