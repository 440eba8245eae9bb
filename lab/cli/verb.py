"""Shared by all verbs of the command line: common options, the session, and how errors end a verb."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from lab.cli import completing
from lab.cli.detail import Detail, detail_options
from lab.cli.terminal import Terminal
from lab.foundation import log, memory, near
from lab.foundation.errors import BadInput, BrokenEnvironment, Cancelled, LabError
from lab.foundation.files import write_whole
from lab.foundation.home import Home
from lab.foundation.result import Result
from lab.foundation.work import Work

if TYPE_CHECKING:
    from lab.session.session import Session

F = TypeVar("F", bound=Callable[..., object])


def common(function: F) -> F:
    """Add the options of all verbs."""
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(detail_options(function))


FORMS = ("md", "csv", "html", "json", "junit", "tap")
"""What a comparison can be printed as, beside the terminal's own form."""


def form_option(function: F) -> F:
    """Return a verb that ends in a comparison the choice of its form."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(FORMS),
        help="For a ticket (md, html), a spreadsheet (csv), a program (json) or a CI (junit, tap).",
    )(function)


def one_form(form: str | None, *, as_json: bool) -> bool:
    """Return whether JSON is asked for, by --json or by --format.

    Raises:
        click.UsageError: both are given, and differ.
    """
    if as_json and form not in {None, "json"}:
        raise click.UsageError(f"--json and --format {form} are two forms: give one of them")
    return as_json or form == "json"


def run_option(help_text: str, *, multiple: bool = False) -> Callable[[F], F]:
    """Return the option that names a stored run, the same for every verb.

    Args:
        help_text: What is done with the run.
        multiple: Whether several can be named.
    """
    return click.option("--run", metavar="RUN", help=help_text, multiple=multiple)


def runs_argument(function: F) -> F:
    """Add the argument that names stored runs, and --run, which names one more."""
    named = run_option("A run, the same as RUN; repeatable.", multiple=True)(function)
    return click.argument("runs", nargs=-1, metavar="[RUN]...")(named)


def output_option(default: str, help_text: str) -> Callable[[F], F]:
    """Return the option that names the file that a verb writes.

    Args:
        default: Its name by default, in the working directory.
        help_text: What is written there.
    """
    kind = click.Path(dir_okay=False, path_type=Path)
    return click.option("--output", "-o", type=kind, default=Path(default), show_default=True, help=help_text)


def trace_option(function: F) -> F:
    """Add the option that chooses a tracer."""
    return click.option(
        "--trace", type=click.Choice(["stap"]), help="Trace the confirm of each DNS packet: systemtap, on CentOS."
    )(function)


def machines_argument(function: F) -> F:
    """Add the argument that names machines."""
    return click.argument("machines", nargs=-1, metavar="[MACHINE]...", shell_complete=completing.machines)(function)


def scenarios_option(help_text: str) -> Callable[[F], F]:
    """Return the option that names scenarios."""
    return click.option(
        "--scenario", "-s", "scenarios", multiple=True, shell_complete=completing.scenarios, help=help_text
    )


@dataclass
class Within:
    """A verb that runs another one inside its session, as a lesson does; it is click's `obj` meanwhile.

    Attributes:
        session: The session that the inner verb works in.
        done: The result of the inner verb's command; None until then.
    """

    session: Session
    done: Result[object] | None = None


def carry_out(
    do: Callable[[Session], Result[object] | int],
    *,
    as_json: bool,
    detail: Detail,
    form: str | None = None,
    captured: Callable[[Session], Result[object]] | None = None,
) -> None:
    """Run a command in a session, print its result, and exit with its status; within another verb, only run it.

    Args:
        do: The command; returns a result, or the exit status of a program that used the terminal itself.
        as_json: Print the result as JSON.
        detail: How much of the progress is shown.
        form: The form of a comparison; None for the terminal's own.
        captured: Runs within another verb instead of a `do` that gives the terminal to another program.
    """
    if not _done_within(captured or do):
        terminal = Terminal(as_json_document=as_json, detail=detail, form=form)
        _to_its_end(_shown(do, terminal), terminal)


def read_only(do: Callable[[Session], Result[object]], *, as_json: bool, detail: Detail) -> None:
    """Run a command that only reads, as `carry_out` does; creates no home and writes no log."""
    if not _done_within(do):
        terminal = Terminal(as_json_document=as_json, detail=detail)
        _to_its_end(_shown(do, terminal), terminal, logged=False)


def _done_within(do: Callable[[Session], Result[object] | int]) -> bool:
    """Run a command within another verb, if there is one, and return whether it was run."""
    within = click.get_current_context().find_object(Within)
    if within is None:
        return False
    done = do(within.session)
    within.done = None if isinstance(done, int) else done
    return True


def _shown(
    do: Callable[[Session], Result[object] | int], terminal: Terminal
) -> Callable[[Session], Result[object] | int]:
    def shown(session: Session) -> Result[object] | int:
        with terminal.progress.shown():
            return do(session)

    return shown


def hold(do: Callable[[Session, Terminal], Result[object] | int], *, as_json: bool, detail: Detail) -> None:
    """Run a command that talks with its user; the rest as `carry_out`."""
    terminal = Terminal(as_json_document=as_json, detail=detail)
    _to_its_end(lambda session: do(session, terminal), terminal)


def within(root: click.Command, session: Session, words: Sequence[str]) -> Result[object]:
    """Run the verb that a command line names inside a session, and return its result.

    Args:
        root: The command line's root.
        session: The session that it works in.
        words: The command line, without the program's name.

    Raises:
        BadInput: it is no command line of the lab, or its verb returns no result.
        LabError: what the verb's command raises.
    """
    inner = Within(session)
    try:
        root.main(args=list(words), prog_name="lab", obj=inner, standalone_mode=False)
    except click.UsageError as error:
        raise usage_error(error) from error
    if inner.done is None:
        raise BadInput(f"'lab {' '.join(words)}' has no result to show")
    return inner.done


def _to_its_end(do: Callable[[Session], Result[object] | int], terminal: Terminal, *, logged: bool = True) -> NoReturn:
    # It brings all that a machine is made of, which help and mistakes in typing need nothing of.
    from lab.session.session import Session  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        home = Home.from_environment()
        listeners = [terminal.listener, log.to(home.log)] if logged else [terminal.listener]
        work = Work(*listeners, answers=terminal.answer)
        try:
            with Session(home, work) as session:
                done = do(session)
        except KeyboardInterrupt:
            raise Cancelled("stopped as you asked") from None
        except OSError as error:
            if memory.is_exhausted(error):
                raise memory.EXHAUSTED from error
            raise BrokenEnvironment(f"the system refused: {error}") from error
        except LabError:
            raise
        except Exception as error:
            if memory.is_exhausted(error):
                raise memory.EXHAUSTED from error
            raise (_fault(error, home) if logged else _unlogged_fault(error)) from error
    except LabError as error:
        terminal.error(error)
        sys.exit(error.exit_status)
    if isinstance(done, int):
        sys.exit(done)
    terminal.result(done)
    sys.exit(done.exit_status)


def _fault(error: Exception, home: Home) -> BrokenEnvironment:
    """Store the traceback of a fault of the lab itself, and return the error that names its file."""
    evidence = home.path / "fault.log"
    write_whole(evidence, "".join(traceback.format_exception(error)))
    return BrokenEnvironment(f"a fault in the lab itself: {error!r}", hint="please report it", evidence=evidence)


def _unlogged_fault(error: Exception) -> BrokenEnvironment:
    """Return the error for a fault of the lab itself with its line, where no file may be written."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return BrokenEnvironment(f"a fault in the lab itself: {error!r}{where}", hint="please report it")


def usage_error(error: click.UsageError) -> BadInput:
    """Return click's error as one line that names the valid choices."""
    message = error.format_message().rstrip(".")
    command = error.ctx.command if error.ctx else None
    if isinstance(error, click.NoSuchOption) and command is not None:
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        options.append("--help")
        if meant := near.hint(error.option_name, options):
            return BadInput(f"no option is called '{error.option_name}'", hint=meant)
        return BadInput(f"no option is called '{error.option_name}'; there are: {', '.join(options)}")
    if error.ctx and isinstance(command, click.Group) and "command" in message.lower():
        return _no_verb(error.message.rstrip("."), command.list_commands(error.ctx))
    return BadInput(message, hint=f"see: {error.ctx.command_path} --help" if error.ctx else None)


def _no_verb(message: str, verbs: Sequence[str]) -> BadInput:
    """Return the error for a verb that does not exist; click's message has what was typed, in quotes."""
    typed = message.partition("'")[2].rpartition("'")[0]
    if meant := near.hint(typed, verbs):
        return BadInput(message, hint=meant)
    return BadInput(f"{message}; there are: {', '.join(verbs)}")


def fail(error: LabError, arguments: Sequence[str]) -> NoReturn:
    """Print an error that occurs before a session exists, and exit with its status."""
    Terminal(as_json_document="--json" in arguments, detail=Detail.NORMAL).error(error)
    sys.exit(error.exit_status)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
