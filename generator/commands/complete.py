"""``packmill complete``: print the shell code that completes commands and options."""

from __future__ import annotations

import argparse

from generator.commands.parser import Commands, command


def add(commands: Commands) -> None:
    """Add the command."""
    text = """\
Prints code for the shell, which then completes commands, options, their choices and paths after the Tab key:
  bash  echo 'eval "$(packmill complete bash)"' >> ~/.bashrc
  zsh   echo 'eval "$(packmill complete zsh)"' >> ~/.zshrc      after the line with compinit
  fish  packmill complete fish > ~/.config/fish/completions/packmill.fish
Open a new shell afterwards."""
    parser = command(commands, "complete", "print the shell code that completes commands", text)
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="your shell")
    parser.set_defaults(command=run)


def run(options: argparse.Namespace) -> int:
    """Run the command; return its exit code."""
    from argcomplete.shell_integration import shellcode

    print(shellcode(["packmill"], shell=options.shell))
    return 0
