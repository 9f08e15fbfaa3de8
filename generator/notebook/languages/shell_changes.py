"""Find the names that a statement of bash or zsh assigns or changes, such as ``read x``, ``((x++))`` or ``x+=(1)``."""

from __future__ import annotations

import re
from collections.abc import Iterator

from generator.notebook.languages.shell_words import QUOTED

_COMMAND = re.compile(
    r"(?:^|[;&|({!]\s*|(?<!\w)(?:then|do|else|if|while|until)\s+)(?:\w{1,100}=\S{0,200}\s+){0,3}(?:(?:command|builtin)\s+)?"
    r"(?P<command>read|readarray|mapfile|unset|let|getopts|vared|printf(?=\s+-v))(?=\s)"
    r"(?P<arguments>(?:[<>]&|[^;&|()\n])*)"
)
"""A command that sets the variables among its arguments."""
_WORD = re.compile(
    rf"""\d*[<>]+\s*(?:{QUOTED.pattern}|[^\s'"\\<>])*|(?P<word>(?:{QUOTED.pattern}|[^\s'"\\<>])+)""", re.DOTALL
)
"""A redirection, or an argument."""
_VARIABLE = re.compile(r"""['"]?([A-Za-z_]\w*)(?=['"\[?]|$)""")
"""An argument that names a variable: ``x``, ``'x[0]'``, or ``"x?prompt"`` (zsh)."""
_LOOP = re.compile(r"(?:^|[;&|({]\s*|(?<!\w)(?:then|do|else)\s+)(?:for|foreach|select)\s+([A-Za-z_]\w*)")
_ARITHMETIC = re.compile(
    r"(?<![\w$])([A-Za-z_]\w*)(?:\[[^\[\]]*\])?\s*(?:\+\+|--|(?:<<|>>|[-+*/%&|^])?=(?!=))|(?:\+\+|--)([A-Za-z_]\w*)"
)


def changed_names(text: str) -> list[str]:
    """Return the names that a statement assigns or changes."""
    plain = QUOTED.sub(lambda quoted: '"' * len(quoted[0]), text)
    names = re.findall(r"(?:^|(?<=[\s&|(]))([A-Za-z_]\w*)(?:\[[^\[\]]*\])?\+?=", plain)
    names += _LOOP.findall(plain)
    if "((" in plain:
        names += _changed_in_arithmetic(plain)
    for match in _COMMAND.finditer(plain):
        names += _set_by(match["command"], text[match.start("arguments") : match.end("arguments")])
    return names


def _changed_in_arithmetic(text: str) -> Iterator[str]:
    yield from (first or second for first, second in _ARITHMETIC.findall(text))


def _set_by(command: str, arguments: str) -> Iterator[str]:
    """Yield the variables among the arguments of a command, which are not those in a prompt or a format."""
    if command == "let":
        yield from _changed_in_arithmetic(re.sub(r"['\"\\]", "", arguments))
        return
    words = [match["word"] for match in _WORD.finditer(arguments) if match["word"]]
    if command in ("getopts", "printf"):
        words = words[1:2]  # after the options, or -v
    for before, word in zip(["", *words], words, strict=False):
        is_text = word[0] in "'\"" and re.fullmatch(r"-\w*[pdi]", before)
        if not is_text and (match := _VARIABLE.match(word)):
            yield match[1]
