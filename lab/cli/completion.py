"""The verb that prints the script of a shell's completion."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from lab.foundation.result import AS_ASKED

SHELLS = ("bash", "zsh", "fish")

VARIABLE = "_LAB_COMPLETE"
"""The variable by which the script calls click (click derives it from the program's name, `lab`)."""


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes verbs, options, machines and scenarios in a shell.

    \b
    Examples:
      eval "$(lab completion bash)"                   in ~/.bashrc
      eval "$(lab completion zsh)"                    in ~/.zshrc
      lab completion fish >~/.config/fish/completions/lab.fish
    """
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  click has these three
    root = click.get_current_context().find_root().command
    script = kind(root, {}, "lab", VARIABLE)
    click.echo(script.source_template % script.source_vars())
    click.get_current_context().exit(AS_ASKED)
