"""Notebooks in the dialects of other tools have the interface that the tool itself gives them.

``peer.json`` of a case has the types of inputs and the files of outputs, written by the tool of the case.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from dialect_cases import dialect_notebook
from support import folders, notebook

from generator.notebook.dialects.sidecar import sidecar_of
from generator.notebook.interface import Interface
from generator.notebook.interface_json import to_dict
from generator.notebook.interface_reading import read_interface
from generator.notebook.notebook import read_notebook
from generator.notebook.stage_ins import folders_below
from generator.process.annotation.plan import plan_changes
from generator.shared.errors import ParametersError

_cases = folders("dialects")


def read(document: dict[str, Any], folder: Path = Path()) -> Interface:
    data = json.dumps(document).encode()
    sidecar = sidecar_of(folder, "in.ipynb")
    return read_interface(read_notebook(data, "in.ipynb"), is_folder=folders_below(folder, ""), sidecar=sidecar)


def type_of(row: dict[str, Any]) -> str:
    return row["type"].replace("enum", "string") + ("[]" if row["array"] else "") + ("?" if row["optional"] else "")


@pytest.mark.parametrize("case", _cases, ids=lambda path: path.name)
def test_a_dialect_means(case: Path, golden: Callable[[Path, str], None]) -> None:
    rows = to_dict(read(dialect_notebook(case), case))
    lines = (
        line
        for kind, entries in rows.items()
        for line in (f"{kind}:", *(f"  {json.dumps(one, ensure_ascii=False)}" for one in entries))
    )
    golden(case / "interface.txt", "\n".join(lines) + "\n")


@pytest.mark.parametrize("case", [case for case in _cases if (case / "peer.json").exists()], ids=lambda path: path.name)
def test_the_tool_itself_gives_the_same_interface(case: Path) -> None:
    peer = json.loads((case / "peer.json").read_text(encoding="utf-8"))
    rows = to_dict(read(dialect_notebook(case), case))

    assert {row["name"]: type_of(row) for row in rows["inputs"]} == peer["inputs"]
    if "outputs" in peer:  # nb2workflow does not list files
        assert {row["name"]: row["glob"] for row in rows["outputs"]} == peer["outputs"]


@pytest.mark.parametrize(
    "case", [case for case in _cases if case.name not in ("nb2workflow", "xcengine")], ids=lambda path: path.name
)
def test_a_parameters_cell_comes_first(case: Path) -> None:
    document = dialect_notebook(case)
    document["cells"].insert(0, notebook("own = 1")["cells"][0])

    interface = read(document)

    assert [one.name for one in interface.inputs] == ["own"]
    assert interface.placement is None


def test_fields_of_colab_in_a_parameters_cell_give_types() -> None:
    lines = [
        "n = 3 #@param {type:'integer'}",
        'band = "red" #@param ["red", "nir"]',
        "x = 2.5 #@param {type:'integer'}",
    ]
    lines += ["own = 1  # type: long of mine", "plain = 1"]

    interface = read(notebook("\n".join(lines)))

    assert [(one.name, str(one.hint.type), one.doc) for one in interface.inputs] == [
        ("n", "int", ""),
        ("band", "enum", ""),
        ("x", "float", ""),
        ("own", "long", "of mine"),
        ("plain", "float", ""),
    ]
    assert interface.placement is None


def test_annotations_of_ipython2cwl_in_a_parameters_cell_give_types() -> None:
    lines = ["table: 'CWLFilePathInput' = 'in.csv'", "many: List['CWLIntInput'] = [1]"]
    lines += ["out: CWLFilePathOutput = 'o.txt'", "n: 'CWLIntInput' = 1  # type: long", "x: 'CWLDumpableFile' = 'x'"]

    interface = read(notebook("\n".join(lines)))

    rows = to_dict(interface)
    assert [(row["name"], type_of(row)) for row in rows["inputs"]] == [
        ("table", "File"),
        ("many", "int[]"),
        ("n", "long"),
        ("x", "string"),
    ]
    assert [row["glob"] for row in rows["outputs"]] == ["o.txt"]
    assert [one.line for one in interface.warnings if "no counterpart" in one.message] == [5]
    assert interface.placement is None


@pytest.mark.parametrize("source", ["n = 1  # CWL", "n = 1  # see @param"])
def test_a_parameters_cell_that_only_mentions_a_dialect_is_an_ordinary_one(source: str) -> None:
    interface = read(notebook(source))

    assert not interface.warnings
    assert interface.input("n").doc == source.partition("# ")[2]


def test_variables_of_the_machine_are_no_inputs() -> None:
    source = (
        "import os\nn = os.environ.get('n', '1')\nhome = os.environ.get('HOME', '/')\njob = os.environ['SLURM_JOB_ID']"
    )

    assert [one.name for one in read(notebook(source, tags=())).inputs] == ["n"]


def test_variables_without_any_default_are_no_inputs() -> None:
    assert not read(notebook("import os\nn = os.environ.get('n')", tags=())).inputs


def test_a_chain_of_a_thousand_attributes_hides_no_variables() -> None:
    source = f"import os\nos.environ.get('n', '1')\nx{'.y' * 1500}()"

    assert [one.name for one in read(notebook(source, tags=())).inputs] == ["n"]


def test_a_notebook_with_a_deep_annotation_is_not_in_the_dialect() -> None:
    """Python parses it, and cannot write it."""
    source = f"a: CWLStringInput = 'x'\nb: x{'.y' * 400} = 1"
    document = notebook(source, "n = 1", tags=())

    assert read(document).placement is None
    assert plan_changes(json.dumps(document).encode(), "in.ipynb", number=None, find_file=lambda _: "").convention == ""
    with pytest.raises(ParametersError, match="not valid Python: maximum recursion depth"):
        read(notebook(source))


def test_a_text_that_is_true_is_named() -> None:
    interface = read(notebook("import os\nplot = bool(os.environ.get('plot', 'False'))", tags=()))

    assert interface.input("plot").default is True
    assert any("plot is True by default, as bool('False') is" in one.message for one in interface.warnings)


def test_the_configuration_of_xcengine_is_no_input() -> None:
    source = (
        "xcengine_config = {'environment_file': 'eo.yml', 'workflow_id': 'w'}\nbands = 'B04'\ncube: 'EOInput' = 'cubes'"
    )

    interface = read(notebook(source))

    assert [(one.name, str(one.hint.type)) for one in interface.inputs] == [("bands", "string"), ("cube", "Directory")]
    assert interface.warnings[1].message == (
        "xcengine_config is not an input, and its settings are ignored: environment_file, workflow_id; to build with "
        "'eo.yml', use --env"
    )


@pytest.mark.parametrize(
    ("line", "kind", "doc"),
    [
        ("x = None  # oda:POSIXPath", "File?", ""),
        ("x = 'a'  # oda:AstrophysicalObject", "string", ""),
        ("x: float = 1  # oda:Integer", "float", ""),
        ("x = 1  # oda:Energy; oda:lower_limit 1; oda:unit unit:keV", "int", ""),
        ('x = "a"  # oda:String; oda:allowed_value "a","b"', "string", ""),
        ("x = 1  # oda:Integer; oda:label 'how many'", "int", "how many"),
    ],
)
def test_a_comment_of_the_ontology_means(line: str, kind: str, doc: str) -> None:
    row = to_dict(read(notebook(line)))["inputs"][0]

    assert (type_of(row), row["doc"]) == (kind, doc)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("x = 1  # oda:Energy; oda:lower_limit 1; oda:unit unit:keV", {"minimum": 1, "unit": "keV"}),
        ("x = 0  # oda:Integer; oda:lower_limit 1", {}),
        ("x = '2020-01-31T00:00:00'  # oda:StartTimeISOT", {"format": "date-time"}),
        ("x = 'T0'  # oda:StartTimeISOT", {}),
        ("x = 3 #@param {type:'slider', min:0, max:10, step:1}", {"minimum": 0, "maximum": 10, "step": 1}),
        ("x = 30 #@param {type:'slider', min:0, max:10}", {}),
        ("x = '2020-01-31' #@param {type:'date'}", {"format": "date"}),
        ("x = '' #@param {type:'date'}", {}),
    ],
)
def test_limits_of_a_dialect_fill_the_bounds_unless_the_default_is_outside(line: str, expected: dict[str, Any]) -> None:
    document = notebook(line, tags=() if "@param" in line else ("parameters",))
    row = to_dict(read(document))["inputs"][0]

    assert {key: row[key] for key in ("minimum", "maximum", "step", "unit", "format") if key in row} == expected


def test_allowed_values_of_the_ontology_may_have_both_quotes() -> None:
    interface = read(notebook("""x = "a'b"  # oda:String; oda:allowed_value 'c', "a'b" """))

    assert interface.input("x").hint.symbols == ("c", "a'b")


def test_a_dynamic_default_of_times_square_is_the_default_of_a_run(tmp_path: Path) -> None:
    schemas = ["night: {type: string, format: date, dynamic_default: yesterday}"]
    schemas += ["week: {type: string, format: date, dynamic_default: -7d}"]
    schemas += ["other: {type: string, format: date, dynamic_default: week_start, default: 2026-01-05}"]
    (tmp_path / "in.yaml").write_text("parameters:\n" + "".join(f"  {one}\n" for one in schemas), encoding="utf-8")
    rows = to_dict(read(notebook("night = week = other = '2026-01-31'", tags=()), tmp_path))["inputs"]

    assert [row["default"] for row in rows] == ["yesterday", "today-7d", "2026-01-05"]


def test_unused_parts_of_a_times_square_file_are_named(tmp_path: Path) -> None:
    schemas = ["a-b: {type: integer}", "w: {type: string, format: date, dynamic_default: week_start}"]
    text = "title: T\ntimeout: 5m\nparameters:\n" + "".join(f"  {one}\n" for one in schemas)
    (tmp_path / "in.yaml").write_text(text, encoding="utf-8")

    interface = read(notebook("w = '2026-01-31'", tags=()), tmp_path)

    assert [one.message.partition(";")[0] for one in interface.warnings[1:]] == [
        "of Times Square's file, title, timeout are not used",
        "'a-b' in Times Square's file is not the name of a variable",
        "w: the dynamic default 'week_start' is not used",
    ]


def test_what_kale_refuses_is_named() -> None:
    interface = read(notebook("n = 1\nlist = [1]\nprint(n)", tags=("pipeline-parameters",)))

    assert [one.name for one in interface.inputs] == ["n"]
    assert sum("Kale takes numbers, booleans and texts" in one.message for one in interface.warnings) == 2


@pytest.mark.parametrize(
    "source", ["n = 3", "import os", "# CWL", "'@param'", "x = 'pipeline-parameters'", "x.getenv(y)"]
)
def test_other_notebooks_are_in_no_dialect(source: str) -> None:
    assert read(notebook(source, tags=())).placement is None


def test_a_cell_that_is_not_python_is_named() -> None:
    interface = read(notebook("n: 'CWLIntInput' = 3", "m: 'CWLIntInput' = (", tags=()))

    assert [one.name for one in interface.inputs] == ["n"]
    assert any("cell 2 mentions 'CWL', but is not valid Python" in one.message for one in interface.warnings)


@pytest.mark.parametrize(
    "text",
    [
        "parameters: [",
        "parameters: [a]",
        "parameters: {n: int}",
        "parameters: {}",
        "a: &a {default: 1}\nparameters: {n: *a}",
        "title: no parameters: here",
        "parameters: {yes: {type: string}, true: {type: string}}",
        "parameters: {1: {type: string}, 01: {type: string}}",
        "parameters: {n: !!set {type}}",
        "parameters: {n: {default: 1}, <<: {m: {default: 2}}}",
        "parameters: {<<: {m: {default: 2}, o: {default: 3}}}",
    ],
)
def test_another_yaml_file_next_to_the_notebook_is_ignored(text: str, tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text(text)

    assert not read(notebook("n = 1", tags=()), tmp_path).inputs


@pytest.mark.parametrize(
    ("default", "row"),
    [
        ("2026-01-31", "2026-01-31"),
        ("[2026-01-31 10:00:00]", ["2026-01-31T10:00:00"]),
        ("!!binary aGk=", None),
        ("!!set {a}", None),
        ("{2026-01-31: 1}", None),
    ],
)
def test_a_default_that_json_does_not_have_is_text_or_computed(default: str, row: object, tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text(f"parameters: {{n: {{default: {default}}}}}")

    (found,) = to_dict(read(notebook("n = 1", tags=()), tmp_path))["inputs"]

    assert found.get("default") == row
    json.dumps(found)


def test_a_link_out_of_the_repository_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "outside.yaml").write_text("parameters: {n: {type: integer, default: 1}}")
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "in.yaml").symlink_to(tmp_path / "outside.yaml")

    assert not read(notebook("n = 1", tags=()), tmp_path / "r").inputs


def test_templates_in_the_text_are_named(tmp_path: Path) -> None:
    (tmp_path / "in.yml").write_text(
        "parameters: {n: {type: [integer, 'null']}, many: {type: array, items: {type: number}}}"
    )
    document = notebook("n = 1", "Plot of {{ params.n }}", tags=())
    document["cells"][1]["cell_type"] = "markdown"

    interface = read(document, tmp_path)

    rows = to_dict(interface)["inputs"]
    assert [(row["name"], type_of(row)) for row in rows] == [("n", "int?"), ("many", "float[]?")]
    assert any("does not fill in the templates" in one.message for one in interface.warnings)
