"""The words that generator, runner and staging agree on: files, folders, inputs and options, each named once.

The generator writes them into CWL documents; the runner and the staging steps, in images that may be older or newer
than the documents, act on them. Changing one breaks existing packages, so add a new name and keep the old one.
"""

from __future__ import annotations

inputs_file = "inputs.json"
"""The CWL input object of a process, as the document writes it into the container."""
output_object_file = "cwl.output.json"
"""The CWL output object that a step leaves (CWL v1.2, "Output binding")."""

output_folder = "output"
"""Where a process leaves its results, relative to the container's work folder."""
result_file = "result.json"
"""How a run went."""
scraps_file = "scraps.json"
"""Everything that a notebook glued, by name."""
scraps_folder = "scraps"
"""Figures and tables among the scraps, as files."""

staged_folder = "staged"
"""Where stage-in leaves what it fetched."""
stage_out_file = "stage_out.json"
"""The list of what stage-out delivered where."""
catalog_file = "catalog.json"
"""The STAC catalog of a stage-in or stage-out (STAC 1.0, Catalog)."""

template_input = "output_template"
"""The input of a process that belongs to the runner: where the executed notebook goes."""
output_dir = "output_dir"
"""The output of a process that holds everything, and the input of stage-out that takes it."""

cache_input = "cache_dir"
config_input = "config_dir"
credentials_input = "credentials"
"""The secret input of both staging steps."""
destination_input = "output_path"
include_input = "include"
catalog_input = "stac_catalog"

process_option = "--process"
kernel_option = "--kernel"
inputs_option = "--inputs"
output_option = "--output"
expect_option = "--expect"
