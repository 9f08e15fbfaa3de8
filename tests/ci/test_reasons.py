"""Why a stage failed: the last line of its log, and its JUnit report."""

from __future__ import annotations

import errno
from pathlib import Path
from xml.etree import ElementTree

import pytest

from generator.ci.report import report_file, reported
from generator.cli import main
from generator.shared import failures
from generator.shared.errors import ImageBuildError, ParametersError, UsageError, exit_codes


def _failure() -> ElementTree.Element:
    found = ElementTree.parse(report_file).find("testsuite/testcase/failure")
    assert found is not None
    return found


def test_a_stage_that_fails_has_a_report_with_the_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ImageBuildError), reported("build", {"repository": "https://me:secret@example.org/a/b"}):
        raise ImageBuildError("pip: no version of 'nmupy' fits\nlast lines of the build:\n  ...")

    assert _failure().get("message") == "pip: no version of 'nmupy' fits"
    assert _failure().get("type") == "exit code 15: image build"
    assert "last lines of the build" in str(_failure().text)
    assert "secret" not in report_file.read_text()


def test_a_stage_that_succeeds_keeps_the_report_of_an_earlier_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with reported("check", {}):
        report_file.write_text("that of the checks")
    with reported("publish", {}):
        pass

    assert report_file.read_text() == "that of the checks"

    with pytest.raises(UsageError), reported("publish", {}):
        raise UsageError("nothing to publish")
    assert _failure().get("message") == "nothing to publish"


def test_a_stage_that_is_ended_by_a_time_limit_has_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(KeyboardInterrupt), reported("build", {}):
        raise KeyboardInterrupt

    assert "time limit" in str(_failure().get("message"))


@pytest.mark.parametrize(
    ("error", "message", "kind"),
    [
        (
            AssertionError("https://me:secret@example.org"),
            "unexpected error, see the log: AssertionError",
            "exit code 1",
        ),
        (OSError(errno.ENOSPC, "No space left on device", "x"), "x: No space left", "exit code 23: disk is full"),
    ],
)
def test_a_stage_that_ends_with_another_error_is_no_success(
    error: Exception, message: str, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(type(error)), reported("build", {}):
        raise error

    assert str(_failure().get("message")).startswith(message)
    assert _failure().get("type") == kind
    assert "secret" not in report_file.read_text()


def test_the_last_line_of_a_job_is_the_reason_with_the_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    error = ParametersError(where="process.ipynb: cell 1", mistakes=())
    monkeypatch.setattr("generator.ci.stages.main", lambda *_: _raise(error))

    assert main(["ci", "build"]) == 13
    assert capsys.readouterr().err.splitlines()[-1] == "packmill: process.ipynb: cell 1 (exit code 13: parameters cell)"


def _raise(error: Exception) -> None:
    raise error


def test_every_way_to_fail_has_words() -> None:
    for table, kinds in ((exit_codes, UsageError.__base__), (failures.exit_codes, failures.RunFailedError)):
        assert kinds is not None
        for kind in kinds.__subclasses__():
            if kind.__module__.startswith("generator.") and kind is not failures.InterruptedRunError:
                assert table[kind.exit_code] == kind.words
    assert len({*exit_codes.values()}) == len(exit_codes)
