"""Secrets in the log of a job: however many there are, overlapping, long, or cut anywhere by the script's output."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generator.service.jobs.trace_writer import Trace
from generator.service.store.masking import maskable_forms, query_texts, secret_texts

_MARK = "[MASKED]"


def log_of(*chunks: str, secrets: list[str]) -> str:
    """The log of a job that wrote some chunks."""
    with TemporaryDirectory() as folder:
        trace = Trace(Path(folder, "trace"), secrets=secrets, limit=1 << 30)
        for chunk in chunks:
            trace.write(chunk.encode())
        trace.close()
        return Path(folder, "trace").read_text()


def test_a_log_goes_on_after_a_moment_in_which_the_disk_was_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trace = Trace(tmp_path / "trace", secrets=[], limit=1 << 20)
    trace.write(b"before\n")
    with monkeypatch.context() as during, open("/dev/full", "wb", buffering=0) as full:
        during.setattr(trace, "_file", full)
        trace.write(b"lost\n")
        trace.say("lost, too")
    trace.write(b"after\n")
    trace.close()

    *lines, end = (tmp_path / "trace").read_text().splitlines()
    assert (lines[0], end) == ("before", "after")
    assert [line for line in lines[1:] if "missing here: it could not be written" in line] == lines[2:]


def test_a_log_whose_end_could_not_be_written_reports_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = Trace(tmp_path / "trace", secrets=[], limit=1 << 20)
    with monkeypatch.context() as during, open("/dev/full", "wb", buffering=0) as full:
        during.setattr(trace, "_file", full)
        trace.write(b"lost\n")
    trace.close()

    assert "missing here: it could not be written" in (tmp_path / "trace").read_text()


def test_the_queries_of_thousands_of_urls_in_one_line_are_masked() -> None:
    line = " ".join(f"https://h.example.org/{n}.tif?sig=k{n:05d}" for n in range(5000))

    log = log_of(line[:70_000], line[70_000:], secrets=query_texts([line]))

    assert log == " ".join(f"https://h.example.org/{n}.tif?{_MARK}" for n in range(5000))


def test_thousands_of_secret_values_are_masked() -> None:
    lines = [f"word-{n:05d}" for n in range(5000)]

    assert set(log_of("\n".join(lines), secrets=maskable_forms(lines)).split()) == {_MARK}


def test_a_long_secret_is_masked_whole_and_in_parts() -> None:
    secret = "".join(f"{n:05d}" for n in range(3000))

    assert log_of(f"a {secret} b", secrets=[secret]).replace(_MARK, "") == "a  b"
    assert secret[9000:9100] not in log_of(secret[4096:12_288], secrets=[secret])


def test_what_only_begins_like_a_secret_is_shown() -> None:
    assert log_of("sesa", "sesame-op", "era\n", "sesam", secrets=["sesame-open-41"]) == "sesasesame-opera\nsesam"


@settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))  # no time counts on a busy machine
@given(
    st.lists(st.text("ab", min_size=1, max_size=6), max_size=5),
    st.lists(st.text("abc", max_size=8), max_size=6),
)
def test_no_byte_of_a_secret_is_shown_wherever_the_output_is_cut(secrets: list[str], chunks: list[str]) -> None:
    text = "".join(chunks)
    hidden = {
        at + n
        for secret in secrets
        for at in range(len(text))
        if text.startswith(secret, at)
        for n in range(len(secret))
    }

    shown = log_of(*chunks, secrets=secrets)

    assert shown.replace(_MARK, "") == "".join(one for at, one in enumerate(text) if at not in hidden)


def test_inputs_of_very_many_levels_are_not_composed() -> None:
    """All of their lines are secret."""
    text = "a: " + "[" * 150 + "word" + "]" * 150

    assert secret_texts(text, ["b"]) == [text]
