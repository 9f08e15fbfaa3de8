"""Write the crate of a run: the package's documents, copies of inputs and outputs, and the action between them."""

from __future__ import annotations

import shutil
import uuid
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import mkdtemp

from generator import __version__
from generator.crates.graph import METADATA_FILE, ROOT, RUN_CONTEXT, Graph, Reference, reference
from generator.crates.workflow import Workflow, add_root
from generator.package.engines import cwltool
from generator.package.run_crate.data import Data
from generator.package.run_crate.documents import (
    Documents,
    DocumentsTooLargeError,
    check_documents,
    read_workflow,
)
from generator.package.run_crate.image import add_container_image
from generator.package.run_crate.run import Run
from generator.shared import durable_files
from generator.shared.errors import DiskFullError, RunError, UsageError
from generator.shared.json_text import json_text
from generator.shared.passing_errors import is_full_disk
from generator.shared.removal import remove_tree
from generator.shared.safe_text import printable, redacted

_PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}


def check_provenance(folder: Path, *, engine: str, outdir: Path, document: Path) -> None:
    """Check that a crate of a document's run can be written to a folder, before the run.

    Raises:
        UsageError: the engine does not report where its results are, the documents of the package are too large for a
            crate, or the folder is not empty, is not a folder, or contains the folder of the outputs.
        DocumentError: the document is not YAML.
    """
    if engine != cwltool.name:
        raise UsageError(f"--provenance: {engine} does not report where its results are; use --engine cwltool")
    read_workflow(document)
    try:
        check_documents(document)
    except DocumentsTooLargeError as error:
        raise UsageError(f"--provenance {folder}: {error}; run it without --provenance") from None
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise UsageError(f"--provenance {folder}: exists and is not an empty folder; choose another one")
    if outdir.resolve().is_relative_to(folder.resolve()):
        raise UsageError(f"--provenance {folder}: contains the folder of the outputs, {outdir}; choose another one")


def write_run_crate(folder: Path, run: Run, documents: Documents) -> None:
    """Write the crate of a run to a folder that does not exist or is empty; nothing is left of a crate that fails.

    Raises:
        RunError: a file cannot be read or written.
        DiskFullError: the crate does not fit on its disk.
    """
    try:
        durable_files.make_folder(folder.absolute().parent)
        temporary = Path(mkdtemp(prefix=f".{folder.name[:40]}.", dir=folder.absolute().parent))
        try:
            _fill(temporary, run, documents)
            temporary.chmod(0o755)
            durable_files.sync_tree(temporary)
            temporary.rename(folder)
            durable_files.sync(folder.absolute().parent)
        finally:
            remove_tree(temporary)
    except (OSError, ValueError, RecursionError) as error:  # the last for thousands of folders in each other
        problem = getattr(error, "strerror", None) or printable(str(error).splitlines()[0])
        ended = "failed" if run.error else "succeeded"
        if isinstance(error, OSError) and is_full_disk(error):
            advice = f"run the command again; without the crate, the run {ended}"
            raise DiskFullError(error, advice, folder=folder) from None
        raise RunError(f"--provenance {folder}: cannot be written: {problem}; the run {ended}") from None


def _fill(crate: Path, run: Run, documents: Documents) -> None:
    graph, workflow = Graph(), documents.workflow
    names = sorted(path.name for path in documents.folder.iterdir())
    for name in names:
        shutil.copyfile(documents.folder / name, crate / name)
    data = Data(graph, crate, run, workflow)
    action = _add_action(graph, run, workflow, given=data.inputs(), results=data.outputs())
    profiles = [graph.add(one, "CreativeWork", name=name, version=of) for one, (name, of) in _PROFILES.items()]
    add_root(
        graph,
        workflow,
        published=_time(run.ended),
        files=names,
        parts=data.parts,
        conformsTo=profiles,
        mentions=[action],
    )
    graph.add(ROOT, "Dataset", name=f"Run of {workflow.title}")
    text = json_text(graph.to_dict(contexts=[RUN_CONTEXT]))
    (crate / METADATA_FILE).write_bytes(text)


def _add_action(
    graph: Graph, run: Run, workflow: Workflow, *, given: list[Reference], results: list[Reference]
) -> Reference:
    status = "Failed" if run.error else "Completed"
    return graph.add(
        f"#{uuid.uuid4()}",
        "CreateAction",
        name=f"Run of {workflow.title}",
        description=f"{workflow.document}, run by packmill {__version__} with cwltool {version('cwltool')}",
        instrument=reference(workflow.document),
        startTime=_time(run.started),
        endTime=_time(run.ended),
        actionStatus=f"http://schema.org/{status}ActionStatus",
        error=printable(redacted(run.error)),
        containerImage=add_container_image(graph, workflow.image),
        object=given,
        result=results,
    )


def _time(moment: datetime) -> str:
    """Return a time as the profile requires it, with milliseconds and an offset."""
    return moment.isoformat(timespec="milliseconds")
