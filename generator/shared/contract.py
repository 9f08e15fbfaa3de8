"""Names that generator, runner and staging share: files, folders, inputs and options.

The generator writes them into CWL documents; the runner and the staging steps read them, in images that may be older or
newer than the documents. Changing a name breaks existing packages: add a new one and keep the old one.
"""

from __future__ import annotations

inputs_file = "inputs.json"
"""The CWL input object of a process, as the document writes it into the container."""
output_object_file = "cwl.output.json"
"""The CWL output object that a step writes (CWL v1.2, "Output binding")."""

output_folder = "output"
"""The folder of a process's results, relative to the container's work folder."""
result_file = "result.json"
"""The record of a run."""
scraps_file = "scraps.json"
"""Everything that a notebook glued, by name."""
scraps_folder = "scraps"
"""Figures and tables among the scraps, as files."""

staged_folder = "staged"
"""The folder of the files that stage-in fetched."""
stage_out_file = "stage_out.json"
"""The list of files that stage-out delivered, with their destinations."""
catalog_file = "catalog.json"
"""The STAC catalog of a stage-in or stage-out (STAC 1.0, Catalog)."""

template_input = "output_template"
"""The runner's own input of a process: the path of the executed notebook."""
output_dir = "output_dir"
"""The output of a process with all results, and the input of stage-out."""

cache_input = "cache_dir"
created_cache_input = "cache_from_step"
"""Whether an earlier stage-in step of the same run created the cache; ``cache_is_new`` in packages of older versions.

No input has the name of an output: ``cwltool --pack`` takes one for the other.
"""
config_input = "config_dir"
credentials_input = "credentials"
"""The secret input of both staging steps."""
credentials_file = ".packmill-credentials"
"""The file in which a generated step repeats its ``credentials`` input as plain text."""
destination_input = "output_path"
include_input = "include"
catalog_input = "stac_catalog"

process_option = "--process"
kernel_option = "--kernel"
language_option = "--language"
parameters_cell_option = "--parameters-cell"
inputs_option = "--inputs"
template_option = "--output-template"
output_option = "--output"
expect_option = "--expect"
path_option = "--as-path"
"""An input of a script that is the text of a path, with its default: ``NAME=PATH``."""
declare_option = "--declare"
staged_option = "--staged"
"""An input whose value is a folder with a STAC catalog, and the type that the process gets: ``NAME=TYPE``."""
plain_option = "--plain"
"""An input whose value is JSON text, or a list that is empty if it is not given."""
catalog_option = "--catalog"
"""Write a STAC catalog with this ID to the output directory; the directory is then the only output."""
all_outputs_option = "--all-outputs"
"""With a catalog, the declared outputs are outputs, too: ``scatter.cwl`` gathers them."""
exact_kernel_option = "--exact-kernel"
"""Option of ``check``: accept no other kernel than the named one."""
import_option = "--import"
"""Option of ``check``: import the notebook's modules."""
declared_in_option = "--declared-in"
"""Option of ``check``: the environment's file that declares packages."""
