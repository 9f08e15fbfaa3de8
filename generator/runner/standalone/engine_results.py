"""Results of a notebook that papermill runs with packmill's engine: ``result.json``, ``scraps.json`` and ``scraps/``.

They are those of ``packmill-runner run --results``, for ``papermill.execute_notebook(…, engine_name="packmill",
results=FOLDER)``.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from nbclient.exceptions import CellTimeoutError, DeadKernelError

from generator.runner.document.injection import INJECTED_TAG
from generator.runner.document.streams import plain_output
from generator.runner.execution.cells import Stop
from generator.runner.results.folder import prepare_folder
from generator.runner.results.result import RunRecord, check_status
from generator.runner.results.scraps import Scraps
from generator.runner.standalone.addresses import is_remote, local_path, redact_address
from generator.shared import contract
from generator.shared.failures import CellTimeLimitError, KernelDiedError, ProcessFailedError, RunFailedError


@dataclass(slots=True)
class EngineResults:
    """Records the cells of one run; without a folder, nothing is written."""

    record: RunRecord
    failure: RunFailedError | None = None
    _injected: int = 0
    """The number of injected cells so far; the other cells have the numbers of the notebook that was given."""
    _began: float = field(default_factory=time.monotonic)

    def start_cell(self) -> None:
        """Note the start of a cell."""
        self._began = time.monotonic()

    def finish_cell(self, index: int, cell: Mapping[str, Any]) -> None:
        """Record a cell that ended, and its scraps."""
        if cell["cell_type"] == "code":
            is_injected = INJECTED_TAG in (cell["metadata"].get("tags") or ())
            self._injected += is_injected
            number = None if is_injected else index + 1 - self._injected
            self.record.cells.append({"cell": number, "seconds": round(time.monotonic() - self._began, 3)})
            self.take(index, cell["outputs"])

    def take(self, index: int, outputs: Iterable[Any], *, again: bool = False) -> None:
        """Record the scraps among outputs of a cell; ``again`` only updates those that it already has."""
        self.record.scraps.take(index, {"outputs": [plain_output(output) for output in outputs]}, again=again)

    def stop(self, stop: Stop | None) -> None:
        """Record the failure of a cell, which papermill raises after the run."""
        if stop is not None and stop.failed:
            number = stop.index + 1 - self._injected
            self.failure = ProcessFailedError(f"cell {number} failed: {stop.name}: {stop.value}")


@contextmanager
def engine_results(folder: Path | None, *, input_path: Any, output_path: str | None) -> Iterator[EngineResults]:
    """Run the block and write the results of its run to a folder, even after a failure.

    ``input_path`` is an address, or a notebook in memory.

    Raises:
        BadInputsError: results cannot be written to the folder.
        StatusCodeError: the notebook glued a status code of 400 or more.
        OSError: ``result.json`` of a successful run cannot be written.
    """
    process = redact_address(input_path) if isinstance(input_path, str) else ""
    record = RunRecord(process=process, scraps=Scraps(folder))
    results = EngineResults(record)
    if folder is None:
        yield results
        return
    prepare_folder(folder)
    if output_path is not None and not is_remote(output_path):
        record.notebooks.append(local_path(output_path).absolute())
    try:
        yield results
        if results.failure is None:
            check_status(record)
    except BaseException as error:
        with suppress(OSError):  # on a full disk
            _write(record, folder, _as_failure(error))
        raise
    _write(record, folder, results.failure)


def _write(record: RunRecord, folder: Path, error: BaseException | None) -> None:
    record.scraps.write()
    # papermill may still write an error's mark into the executed notebook, so its digest is not recorded
    record.list_outputs([folder / name for name in (contract.scraps_file, *record.scraps.files)], folder)
    record.write(folder, error)


def _as_failure(error: BaseException) -> BaseException:
    """Return packmill's failure for an error that papermill's users expect."""
    if isinstance(error, CellTimeoutError):
        return CellTimeLimitError(str(error))
    return KernelDiedError(str(error)) if isinstance(error, DeadKernelError) else error
