"""cwltool as an engine: the default, in packmill's own program, with few variables."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from generator.containers.limits import container_limits
from generator.package.engines import cwltool, engine_of, engines
from generator.package.engines.leftovers import Leftovers
from generator.shared.errors import UsageError


def test_cwltool_is_the_default_engine() -> None:
    assert engines[0] is engine_of("cwltool")


def test_an_unknown_engine_is_refused_with_the_known_names() -> None:
    with pytest.raises(UsageError, match="'arvados': unknown CWL engine; use one of: cwltool, toil"):
        engine_of("arvados")


def test_cwltool_s_limits_are_part_of_its_command(tmp_path: Path) -> None:
    limits = replace(container_limits(), labels=("org.packmill.run=1",))
    left = Leftovers(folder=tmp_path, label="org.packmill.run=1")

    assert limits.to_json() in cwltool.command(limits, trust=False, left=left)


def test_cwltool_s_temporary_files_go_to_the_folder_of_the_run(tmp_path: Path) -> None:
    given = {"PATH": "/bin", "PYTHONPATH": "/elsewhere", "TOIL_WORKDIR": "/w", "TMPDIR": "/tmp"}
    environment = cwltool.environment(given, tmp_path)

    assert environment.keys() == {"PATH", "PYTHONPATH", "TMPDIR"}
    assert environment["TMPDIR"] == str(tmp_path)
    assert environment["PYTHONPATH"] != "/elsewhere"
