"""scripts/check-english finds the words that CONTRIBUTING.md rules out, and commit subjects of another form."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

program = Path(__file__).resolve().parent.parent / "scripts" / "check-english"


def check(*arguments: str | Path) -> tuple[int, str]:
    finished = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    return finished.returncode, finished.stdout


def check_text(folder: Path, name: str, text: str) -> list[str]:
    """Return the findings in a text, each as `line: word`."""
    path = folder / name
    path.write_text(text, encoding="utf-8")
    code, out = check(path)
    found = [line.removeprefix(f"{path}:").split(" ->")[0] for line in out.splitlines()]
    assert code == (1 if found else 0)
    return found


def test_docstrings_comments_messages_and_names_are_checked(tmp_path: Path) -> None:
    source = (
        '"""Whoever reads this."""\n'
        "def _told(text):\n"
        '    """Fine.\n\n    Raises: it is\n    none.\n    """\n'
        "    # here it is\n    # none\n"
        '    raise ValueError(f"{wanted} lies {text}")\n'
    )

    found = check_text(tmp_path, "module.py", source)

    assert found == ["1: Whoever", "2: _told", "5: is none", "8: is # none", "10: lies"]


def test_code_is_not_checked(tmp_path: Path) -> None:
    source = 'wanted = {"wanted": 1}\nif wanted is None:\n    said = "`wanted` is None"\n'

    assert check_text(tmp_path, "module.py", source) == []
    assert check_text(tmp_path, "text.md", "`wanted`\n\n```\nsaid\n```\n[x](docs/beside.md)\n") == []
    assert check_text(tmp_path, "page.html", "{% if wanted %}<p class='beside'>{{ said }}</p>{% endif %}") == []
    assert check_text(tmp_path, "program.sh", "echo said\n") == []


def test_markdown_keeps_its_line_numbers_after_code(tmp_path: Path) -> None:
    text = "```\nsaid\n```\n<!-- english: off -->\nanew\n<!-- english: on -->\nIt is no\nimage, there is no image.\n"

    assert check_text(tmp_path, "text.md", text) == ["7: is no"]


def test_a_line_can_be_left_out(tmp_path: Path) -> None:
    assert check_text(tmp_path, "module.py", 'word = "anew and beside"  # english: ignore\n') == []
    assert check_text(tmp_path, "text.md", "Never write anew. <!-- english: ignore -->\n") == []


@pytest.mark.parametrize("subject", ["Add a page for images", "Process cells in order", "Revert 'Adds a page.'"])
def test_imperative_subjects_pass(tmp_path: Path, subject: str) -> None:
    message = tmp_path / "message"
    message.write_text(f"{subject}\n\nThe page was missing.\n# a comment of git's\n", encoding="utf-8")

    assert check("--commit-msg", message) == (0, "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("Added a page", "starts with 'Added'"),
        ("Adds a page", "starts with 'Adds'"),
        ("The page of images", "starts with 'The'"),
        ("add a page", "starts with 'add'"),
        ("Add a page.", "ends with a period"),
        ("Add a page " + "x" * 62, "73 characters"),
        ("Add a page\nfor images", "starts on the second line"),
        ("Build images anew", "anew"),
    ],
)
def test_other_messages_fail(tmp_path: Path, text: str, problem: str) -> None:
    message = tmp_path / "message"
    message.write_text(text, encoding="utf-8")

    code, out = check("--commit-msg", message)

    assert code == 1
    assert problem in out
