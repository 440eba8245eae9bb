"""What all verbs of the command line share: their common options, their session and how errors end them."""

from __future__ import annotations

import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn, TypeVar

import click

from lab import log
from lab.errors import BadInput, BrokenEnvironment, Cancelled, LabError
from lab.files import write_whole
from lab.home import Home
from lab.result import Result
from lab.session import Session
from lab.terminal import Terminal
from lab.work import Work

F = TypeVar("F", bound=Callable[..., object])


def common(function: F) -> F:
    """Give a verb the options all verbs have."""
    function = click.option("--quiet", "-q", is_flag=True, help="Show no progress.")(function)
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")(function)


def trace_option(function: F) -> F:
    """Give a verb the choice of a tracer."""
    return click.option(
        "--trace", type=click.Choice(["stap"]), help="Trace the confirm of each DNS packet: systemtap, on CentOS."
    )(function)


def machines_argument(function: F) -> F:
    """Give a verb the machines it works on."""
    return click.argument("machines", nargs=-1, metavar="[MACHINE]...")(function)


@dataclass
class Within:
    """The verb that carries another one out inside its own session, as a lesson does; it is click's `obj` meanwhile.

    Attributes:
        session: The session that the inner verb works in.
        done: What the inner verb's command gave; None until then.
    """

    session: Session
    done: Result[object] | None = None


def carry_out(
    do: Callable[[Session], Result[object] | int],
    *,
    as_json: bool,
    quiet: bool,
    form: str | None = None,
    captured: Callable[[Session], Result[object]] | None = None,
) -> None:
    """Do a verb's work in a session, print its result, and end with its exit status; within another verb, only do it.

    Args:
        do: The command; it gives a result, or an exit status where another program did the talking.
        as_json: Print the result as JSON.
        quiet: Show no progress.
        form: Print a comparison in this form; None for the terminal's own.
        captured: What is done within another verb instead, where `do` would let another program do the talking.
    """
    within = click.get_current_context().find_object(Within)
    if within is not None:
        done = (captured or do)(within.session)
        within.done = None if isinstance(done, int) else done
        return
    terminal = Terminal(as_json_document=as_json, quiet=quiet, form=form)

    def shown(session: Session) -> Result[object] | int:
        with terminal.progress.shown():
            return do(session)

    _to_its_end(shown, terminal)


def hold(do: Callable[[Session, Terminal], Result[object] | int], *, as_json: bool, quiet: bool) -> None:
    """Do the work of a verb that talks with its user meanwhile; the rest as `carry_out`."""
    terminal = Terminal(as_json_document=as_json, quiet=quiet)
    _to_its_end(lambda session: do(session, terminal), terminal)


def within(root: click.Command, session: Session, words: Sequence[str]) -> Result[object]:
    """Carry out the verb that a command line names, inside a session, and give its result.

    Args:
        root: The command line's root.
        session: The session that it works in.
        words: The command line, without the program's own name.

    Raises:
        BadInput: it is no command line of the lab's, or its verb has nothing to give.
        LabError: what the verb's command raises.
    """
    inner = Within(session)
    try:
        root.main(args=list(words), prog_name="lab", obj=inner, standalone_mode=False)
    except click.UsageError as error:
        raise usage_error(error) from error
    if inner.done is None:
        raise BadInput(f"'lab {' '.join(words)}' gives nothing that could be shown")
    return inner.done


def _to_its_end(do: Callable[[Session], Result[object] | int], terminal: Terminal) -> NoReturn:
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    home = Home.from_environment()
    work = Work(terminal.listener, log.to(home.log), answers=terminal.answer)
    try:
        try:
            with Session(home, work) as session:
                done = do(session)
        except KeyboardInterrupt:
            raise Cancelled("stopped as you asked") from None
        except OSError as error:
            raise BrokenEnvironment(f"the system refused: {error}") from error
        except LabError:
            raise
        except Exception as error:
            raise _fault(error, home) from error
    except LabError as error:
        terminal.error(error)
        sys.exit(error.exit_status)
    if isinstance(done, int):
        sys.exit(done)
    terminal.result(done)
    sys.exit(done.exit_status)


def _fault(error: Exception, home: Home) -> BrokenEnvironment:
    """Keep the traceback of a fault of the lab's own out of the user's sight, and where it can be found."""
    evidence = home.path / "fault.log"
    write_whole(evidence, "".join(traceback.format_exception(error)))
    return BrokenEnvironment(f"a fault in the lab itself: {error!r}", hint="please report it", evidence=evidence)


def usage_error(error: click.UsageError) -> BadInput:
    """Turn click's complaint into one line that names what would have been right."""
    message = error.format_message().rstrip(".")
    command = error.ctx.command if error.ctx else None
    if isinstance(error, click.NoSuchOption) and command is not None:
        options = [option for parameter in command.params for option in parameter.opts if option.startswith("--")]
        return BadInput(f"no option is called '{error.option_name}'; there are: {', '.join([*options, '--help'])}")
    if error.ctx and isinstance(command, click.Group) and "command" in message.lower():
        return BadInput(f"{message}; there are: {', '.join(command.list_commands(error.ctx))}")
    return BadInput(message, hint=f"see: {error.ctx.command_path} --help" if error.ctx else None)


def fail(error: LabError, arguments: Sequence[str]) -> NoReturn:
    """Print an error met before there was a session, and end with its exit status."""
    Terminal(as_json_document="--json" in arguments, quiet=False).error(error)
    sys.exit(error.exit_status)


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt
