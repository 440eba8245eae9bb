"""The command line: its verbs by purpose, and how usage errors end."""

from __future__ import annotations

import os
import sys

import click

from lab import __version__
from lab.cli import streams
from lab.cli.verb import fail, usage_error
from lab.cli.verbs import Verb, Verbs
from lab.foundation import memory
from lab.foundation.errors import LabError

SECTIONS = {
    "Try it": {
        "setup": Verb("machines", "Install the packages that the lab needs."),
        "doctor": Verb("machines", "Check what this machine can do, and what is missing."),
        "list": Verb("listing", "List machines, scenarios and added kernels.", "list_all"),
        "demo": Verb("trials", "Run the whole experiment once, on two machines."),
    },
    "Run it": {
        "up": Verb("machines", "Bring machines up."),
        "status": Verb("machines", "Show the state of machines."),
        "logs": Verb("logs", "Show what the lab did with a machine, or its console."),
        "ssh": Verb("machines", "Log in to a machine, or run a command there."),
        "run": Verb("trials", "Make trials of scenarios on running machines."),
        "sweep": Verb("sweep", "Measure how often the race is armed at each hold."),
        "workarounds": Verb("workarounds", "Try every workaround on a scenario: which helps, at what cost?"),
        "compare": Verb("stored", "Put machines side by side, from stored runs."),
        "show": Verb("stored", "Show the path of each packet of a stored trial."),
        "report": Verb("report", "Write stored runs as one HTML page."),
        "runs": Verb("runs", "List, repair, remove, export and import stored runs."),
        "halt": Verb("machines", "Shut machines down."),
        "destroy": Verb("machines", "Delete machines; stored runs are kept."),
    },
    "Kernels": {
        "kernel": Verb("kernels", "Add kernels, list them, and remove them."),
        "classify": Verb("kernels", "Determine the era of a kernel by experiment."),
        "matrix": Verb("matrix", "Make trials on many kernels, here or on a cluster."),
    },
    "Your machines": {
        "check": Verb("check", "Check whether a machine's own kernel is affected."),
        "watch": Verb("watch", "Watch which DNS lookups stall on a running machine, and why."),
        "diagnose": Verb("diagnose", "Tell this bug from another cause, by captures and logs."),
    },
    "Teach": {
        "lesson": Verb("lesson", "Hold a lesson, step by step, with questions."),
        "mystery": Verb("lesson", "Solve an incident from stored evidence."),
        "kit": Verb("kit", "Write a trainer's kit: everything to hand out, in one file."),
        "image": Verb("image", "Build the guest image; hand it round as one file."),
    },
    "Work on the lab": {
        "bench": Verb("bench", "Measure what the lab costs."),
        "schema": Verb("schema", "Print the JSON Schema of what a command prints with --json."),
        "completion": Verb("completion", "Print the script that completes commands in a shell."),
        "man": Verb("man", "Write the man pages of all verbs."),
        "box": Verb("machines", "Build the lab's guest image as a Vagrant box."),
    },
}
"""The verbs by purpose."""


@click.group(cls=Verbs, sections=SECTIONS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "--version", "-V")
def cli() -> None:
    """Show why a DNS lookup behind NFQUEUE takes five seconds.

    \b
    Two terms:
      era    what a kernel does when two conntrack entries of one flow clash:
             drop (the lookup stalls), resolve or relookup (it does not)
      armed  a trial in which both queries had different conntrack entries;
             only armed trials show the era

    \b
    Examples:
      lab demo                             the whole experiment, in a minute
      lab up old new                       two machines: the bug, and its fix
      lab up old new --system kernel       on the kernels of CentOS 7.0 and 7.8
      lab run old new -s baseline -s nfqueue -n 5
      lab run old -s nfqueue -n 100        a hundred stalls, side by side
      lab sweep old new --hold 0..20ms     how often the race is armed
      lab compare old new
      lab report                           all results as one page to hand out
      lab lesson                           the experiment as a lesson
      lab check root@web1.example.com      is this machine's kernel affected?
      lab destroy old new

    Exit status: 0 as expected, 1 a scenario did not behave as expected, 2 bad input, 3 a broken environment.
    """


def main() -> None:
    """Run the command line."""
    streams.prepare()
    try:
        _run()
    except BaseException:  # the exit status is decided; what cannot be written any more must not change it
        streams.flush_or_discard()
        raise


def _run() -> None:
    try:
        cli(prog_name="lab", standalone_mode=False)
    except click.UsageError as error:
        fail(usage_error(error), sys.argv[1:])
    except LabError as error:
        fail(error, sys.argv[1:])
    except (click.Abort, KeyboardInterrupt):
        sys.exit(130)
    except (MemoryError, ImportError, OSError, RuntimeError, SystemError) as error:
        if not memory.is_exhausted(error):
            raise
        # What is left may not suffice for a terminal.
        os.write(sys.stderr.fileno(), f"lab: {memory.EXHAUSTED.message}\n  {memory.EXHAUSTED.hint}\n".encode())
        sys.exit(memory.EXHAUSTED.exit_status)
