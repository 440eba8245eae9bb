"""The command line: its verbs in the order in which one needs them, and how a mistake in typing ends."""

from __future__ import annotations

import sys

import click

from lab import __version__
from lab.cli.verb import fail, usage_error
from lab.cli.verbs import Verbs

VERBS = {
    "doctor": "machines",
    "up": "machines",
    "status": "machines",
    "halt": "machines",
    "destroy": "machines",
    "ssh": "machines",
    "run": "trials",
    "sweep": "trials",
    "kernel": "kernels",
    "classify": "kernels",
    "matrix": "matrix",
    "compare": "stored",
    "show": "stored",
    "report": "stored",
    "check": "check",
    "diagnose": "diagnose",
    "lesson": "lesson",
    "mystery": "lesson",
    "demo": "trials",
    "bench": "trials",
    "box": "machines",
}
"""Which module of `lab.cli` defines each."""


@click.group(cls=Verbs, verbs=VERBS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__)
def cli() -> None:
    """Show why a DNS lookup behind NFQUEUE takes five seconds.

    \b
    Examples:
      lab demo                                   the whole story, in a minute
      lab up old new                             two machines: the bug, and its fix
      lab run old new -s baseline -s nfqueue -n 5
      lab run old -s nfqueue -n 100              a hundred stalls, side by side
      lab sweep old new --hold 0..20ms           how often the race is armed
      lab compare old new
      lab report                                 all of it, as one page to hand out
      lab lesson                                 all of it, step by step, with questions
      lab check root@web1.example.com            is this machine's kernel affected?
      lab destroy old new

    Exit status: 0 as expected, 1 a scenario did not behave as expected, 2 bad input, 3 a broken environment.
    """


def main() -> None:
    """Run the command line."""
    try:
        cli(prog_name="lab", standalone_mode=False)
    except click.UsageError as error:
        fail(usage_error(error), sys.argv[1:])
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
