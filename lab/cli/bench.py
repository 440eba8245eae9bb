"""The verb that measures the lab."""

from __future__ import annotations

from collections.abc import Sequence

import click

from lab.bench.run import bench as run_bench
from lab.cli.detail import Detail
from lab.cli.verb import carry_out, common


@click.command()
@click.argument("parts", nargs=-1, metavar="[PART]...")
@common
def bench(parts: Sequence[str], *, as_json: bool, detail: Detail) -> None:
    """Measure what the lab costs, as ratios within one run; write bench/latest.json, and add to bench/history.jsonl.

    PART is commands, stored, image, booting, warm, provisioning, trials, lanes, verdicts, kernels, watching or demo; by
    default all, which takes half an hour on an idle machine. For verdicts and kernels apt downloads a package; nothing
    else needs a network.

    \b
    Examples:
      lab bench
      lab bench lanes warm --json    the other figures are kept
    """
    carry_out(lambda session: run_bench(session, parts), as_json=as_json, detail=detail)
