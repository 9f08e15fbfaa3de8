"""The requests of SoS's front end; `test_languages.py` sends them to SoS."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from generator.runner.kernels.sos import FrontEnd, front_end

_ROWS = {"sos": {"default_kernel": "R", "kernels": [["SoS", "sos", "", ""], ["R", "ir", "R", ""], ["Mine", "lua"]]}}


class _Sos:
    """A SoS that knows some kernels."""

    def __init__(self, *known: str) -> None:
        self.known = known
        self.asked: list[tuple[str, str]] = []

    def ask(self, code: str, fields: Mapping[str, Any]) -> bool:
        self.asked.append((code, fields["sos"]["cell_kernel"]))
        return not code.startswith("%use") or code.split()[1] in self.known


def _cell(source: str, **metadata: str) -> dict[str, Any]:
    return {"cell_type": "code", "source": source, "metadata": metadata}


def _kernel(fields: Mapping[str, Any]) -> str:
    return str(fields["sos"]["cell_kernel"])


def test_a_kernel_runs_a_comment_before_its_first_cell() -> None:
    sos = _Sos("R", "Mine")
    notebook = FrontEnd(_ROWS)

    kernels = [_kernel(notebook.prepare(_cell("1", kernel=name), sos.ask)) for name in ("R", "SoS", "Mine", "R")]

    assert kernels == ["R", "SoS", "Mine", "R"]
    assert sos.asked == [("%use R -k ir", "SoS"), ("#", "R"), ("%use Mine -k lua", "SoS"), ("--", "Mine")]


def test_a_cell_without_a_kernel_has_the_notebook_s_default() -> None:
    assert _kernel(FrontEnd(_ROWS).prepare(_cell("1"), _Sos("R").ask)) == "R"
    assert _kernel(FrontEnd({}).prepare(_cell("1"), _Sos().ask)) == "SoS"


def test_a_kernel_without_a_language_module_is_found_by_its_kernelspec() -> None:
    assert _kernel(FrontEnd(_ROWS).prepare(_cell("1", kernel="R"), _Sos("ir").ask)) == "ir"


def test_a_kernel_that_is_missing_keeps_its_name_for_the_cell_s_own_failure() -> None:
    assert _kernel(FrontEnd({}).prepare(_cell("1", kernel="gone"), _Sos().ask)) == "gone"


def test_a_kernel_that_a_magic_switches_to_is_started_too() -> None:
    sos = _Sos("Bash")

    assert _kernel(FrontEnd({}).prepare(_cell("%use Bash\necho 1", kernel="SoS"), sos.ask)) == "Bash"
    assert sos.asked == [("%use Bash", "SoS"), ("#", "Bash")]


def test_a_name_is_never_a_magic_s_option() -> None:
    sos = _Sos()

    FrontEnd({}).prepare(_cell("1", kernel="x --language os:system; %run"), sos.ask)

    assert sos.asked[0][0] == "%use 'x --language os:system; %run'"


def test_only_sos_has_this_front_end() -> None:
    assert front_end({"language_info": {"name": "sos"}}, {}) is not None
    assert front_end({"language_info": {"name": "python"}}, {}) is None
    assert front_end({}, {}) is None


def test_cells_that_name_no_kernel_run_in_the_last_one_that_was_used() -> None:
    notebook, sos = FrontEnd({}), _Sos("Octave")
    cells = [_cell("1"), _cell("%use Octave\nx"), _cell("x"), _cell("x", kernel="SoS"), _cell("%use SoS"), _cell("1")]

    found = [(_kernel(notebook.prepare(cell, sos.ask)), notebook.judge(cell)[0]) for cell in cells]

    expected = [("SoS", "sos"), ("Octave", "octave"), ("Octave", "octave"), *[("SoS", "sos")] * 3]
    assert found == expected
