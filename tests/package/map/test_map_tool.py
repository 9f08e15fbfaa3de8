"""What the containers of a map get from the document of the process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from document_context import context_of

from generator.documents.cwl.process import process_cwl
from generator.package.map.tool import read_tool


@pytest.mark.parametrize("template", ["{{ args.year }}/{{ x }}.ipynb", None])
def test_rows_have_the_output_template_of_the_build(template: str | None, tmp_path: Path) -> None:
    document = tmp_path / "process.cwl"
    document.write_text(process_cwl(replace(context_of("x: int = 1"), output_template=template)))

    words = read_tool(document).arguments

    assert ("--output-template" in words) == (template is not None)
    assert template is None or words[words.index("--output-template") + 1] == template
