"""What a person sees while packmill works."""

from __future__ import annotations

import io
import re

from generator.progress import Progress


def test_a_terminal_gets_a_line_a_step() -> None:
    out = io.StringIO()
    progress = Progress(out=out)
    with progress.step("Fetching x"):
        progress.say("a detail")
        progress.warn("look here")

    assert out.getvalue() == "==> Fetching x\n    a detail\nwarning: look here\n"


def test_a_gitlab_job_gets_sections_that_fold() -> None:
    out = io.StringIO()
    progress = Progress(out=out, sections=True)
    with progress.step("Fetching https://x/y"):
        progress.say("a detail")

    assert re.fullmatch(
        r"\x1b\[0Ksection_start:\d+:fetching_https_x_y\[collapsed=true\]\r\x1b\[0KFetching https://x/y\n"
        r"    a detail\n"
        r"\x1b\[0Ksection_end:\d+:fetching_https_x_y\r\x1b\[0K\n",
        out.getvalue(),
    )
