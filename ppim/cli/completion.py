"""`ppim completion`: what makes a shell complete commands, options and names."""

import click

SHELLS = ("bash", "fish", "zsh")
VARIABLE = "_PPIM_COMPLETE"


@click.command(short_help="Print what makes your shell complete commands and names.")
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print a script for SHELL, which then completes commands, options, and names of systems and devices.

    \b
    Examples:
        ppim completion bash >> ~/.bashrc
        ppim completion zsh >> ~/.zshrc
        ppim completion fish > ~/.config/fish/completions/ppim.fish
    """
    from click.shell_completion import get_completion_class

    from ppim.cli import cli

    completer = get_completion_class(shell)
    assert completer is not None
    click.echo(completer(cli, {}, "ppim", VARIABLE).source())
