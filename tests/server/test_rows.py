"""``packmill-runner rows``: one process for many rows of values, each in a fresh kernel."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import forked_programs
import pytest
from forked_programs import RUNNER
from support import commit_all, write_notebook

Rows = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def rows(tmp_path: Path) -> Rows:
    """Run rows of a notebook or a script, and return the answers."""
    repository = tmp_path / "repository"

    def run(
        *inputs: dict[str, Any],
        process: str = "process.ipynb",
        options: tuple[str, ...] = (),
        hostile: bool = False,
        code: int = 0,
    ) -> Any:
        command = ("rows", "--process", process, "--repository", repository, "--output", tmp_path / "rows", *options)
        asked = [json.dumps({"row": str(number), "inputs": one}) for number, one in enumerate(inputs, 1)]
        done = forked_programs.run(RUNNER, *command, input="\n".join(asked) + "\n")
        ready, *answers, last = (
            json.loads(line) for line in done.stdout.splitlines() if line and not (hostile and "no line" in line)
        )
        assert "ready" in ready
        assert last["ended"] == done.returncode == code
        return answers

    (tmp_path / "rows").mkdir()
    return run


def scraps(tmp_path: Path, row: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((tmp_path / "rows" / str(row) / "output" / "scraps.json").read_text())
    return found


def test_each_row_has_fresh_state_and_its_own_files(rows: Rows, tmp_path: Path) -> None:
    code = (
        "import os, builtins\nfrom packmill import glue\n"
        "glue('before', [hasattr(builtins, 'seen'), os.path.exists('left.txt'), os.environ.get('LEFT')])\n"
        "builtins.seen = os.environ['LEFT'] = 'x'\nopen('left.txt', 'w').write(str(n))\nprint('printed')\nglue('n', n)"
    )
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 0  # type: int", code)

    answers = rows({"n": 1}, {"n": 2}, {})

    assert [(one["row"], one["state"]) for one in answers] == [(str(number), "succeeded") for number in (1, 2, 3)]
    assert [scraps(tmp_path, number) for number in (1, 2, 3)] == [
        {"before": [False, False, None], "n": n} for n in (1, 2, 0)
    ]
    assert answers[-1]["way"] == "direct"
    assert (tmp_path / "rows/2/output/left.txt").read_text() == "2"
    assert not (tmp_path / "rows/2/inputs.json").exists()  # it may hold secrets


@pytest.mark.parametrize(
    ("way", "code", "taken", "suits_direct"),
    [
        ("auto", "", "kernel", True),  # nothing is known of the notebook
        ("auto", "import asyncio\nawait asyncio.sleep(0)", "kernel", False),
        ("direct", "", "direct", True),
    ],
)
def test_one_row_shows_the_way_for_others(
    way: str, code: str, taken: str, suits_direct: bool, rows: Rows, tmp_path: Path
) -> None:
    write_notebook(
        tmp_path / "repository" / "process.ipynb",
        "n = 0  # type: int",
        f"import json\nfrom packmill import glue\nglue('n', n)\n{code}",
    )

    (answer,) = rows({"n": 1}, {"n": 2}, options=("--one", "--way", way))  # the second one is not run

    assert (answer["state"], answer["way"], answer["direct"]) == ("succeeded", taken, suits_direct)
    assert scraps(tmp_path, 1) == {"n": 1}
    assert not (tmp_path / "rows/2").exists()


def test_a_failed_row_says_why_and_does_not_end_the_others(rows: Rows, tmp_path: Path) -> None:
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 1  # type: int", "1 / n")

    failed, wrong, good = rows({"n": 0}, {"n": "x"}, {"n": 1})

    assert (failed["state"], failed["reason"], failed["exit_code"]) == ("failed", "cell-error", 1)
    assert failed["message"].startswith("cell 2 failed: ZeroDivisionError")
    assert (wrong["state"], wrong["exit_code"]) == ("failed", 2)
    assert good["state"] == "succeeded"


def test_a_script_runs_for_each_row(rows: Rows, tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "process.sh").write_text('grep -o "[0-9]" "$1" > digits.txt\n')
    commit_all(tmp_path / "repository")

    answers = rows({"n": 1}, {"n": 2}, process="process.sh")

    assert [one["state"] for one in answers] == ["succeeded", "succeeded"]
    assert (tmp_path / "rows/2/output/digits.txt").read_text() == "2\n"


def test_a_time_limit_holds_for_each_row(rows: Rows, tmp_path: Path) -> None:
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 1.0", "import time\ntime.sleep(n)")

    slow, quick = rows({"n": 60}, {"n": 0}, options=("--timeout", "1"))

    assert (slow["state"], slow["exit_code"]) == ("failed", 9)
    assert quick["state"] == "succeeded"


def test_what_a_notebook_writes_to_the_runners_stdout_does_not_hide_the_answer(rows: Rows, tmp_path: Path) -> None:
    code = (
        "import os\nfrom pathlib import Path\nparent = os.getppid()\n"
        "runner = Path(f'/proc/{parent}/stat').read_text().rpartition(')')[2].split()[1]\n"
        "os.write(os.open(f'/proc/{runner}/fd/3', os.O_WRONLY), b'no line')"
    )
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 0  # type: int", code)

    assert [one["state"] for one in rows({}, {}, hostile=True)] == ["succeeded", "succeeded"]


def test_programs_that_a_row_leaves_running_are_ended_before_the_next_row(rows: Rows, tmp_path: Path) -> None:
    name = f"left-{tmp_path.name}"
    code = (
        "import subprocess\nfrom pathlib import Path\nfrom packmill import glue\n"
        "def words(one):\n    try:\n        return (one / 'cmdline').read_text()\n"
        "    except OSError:\n        return ''\n"
        f"glue('left', sum({name!r} in words(one) for one in Path('/proc').iterdir() if one.name.isdecimal()))\n"
        f"command = 'sh -c \"sleep 300; echo {name}\" & sleep 300; echo {name}'\n"
        "subprocess.Popen(['sh', '-c', command], start_new_session=True)"
    )
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 0  # type: int", code)

    assert [one["state"] for one in rows({}, {}, {})] == ["succeeded"] * 3
    assert [scraps(tmp_path, number) for number in (1, 2, 3)] == [{"left": 0}] * 3


def test_the_end_of_a_runner_that_its_notebook_killed_is_reported(rows: Rows, tmp_path: Path) -> None:
    code = (
        "import os, signal\nfrom pathlib import Path\n"
        "runner = Path(f'/proc/{os.getppid()}/stat').read_text().rpartition(')')[2].split()[1]\n"
        "os.kill(int(runner), signal.SIGKILL)"
    )
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 0  # type: int", code)

    assert rows({}, {}, code=137) == []


def test_a_row_is_measured(rows: Rows, tmp_path: Path) -> None:
    code = (
        "import time\nheld = b'x' * 300_000_000\nend = time.process_time() + 0.5\nwhile time.process_time() < end: pass"
    )
    write_notebook(tmp_path / "repository" / "process.ipynb", "n = 0  # type: int", code)

    [answer] = rows({})

    assert answer["cpu_seconds"] >= 0.5
    assert answer["container_memory"] >= 300_000_000  # outside of a container, of the whole machine
