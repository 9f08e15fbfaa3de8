"""``--engine NAME``: a run by an engine registered with papermill, with the runner's failures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from generator.runner.kernels.process import modules_folder
from generator.runner.results.result import RunRecord
from generator.shared.failures import (
    BadInputsError,
    CellTimeLimitError,
    KernelDiedError,
    KernelMissingError,
    ProcessFailedError,
)


def run_with_papermill(
    paths: Mapping[str, str],
    parameters: Mapping[str, Any],
    request: Mapping[str, Any],
    execution: Mapping[str, Any],
    record: RunRecord,
) -> None:
    """Run a notebook by papermill; ``request`` holds papermill's options, ``execution`` those of `Task`.

    Raises:
        RunFailedError: the run failed.
    """
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import CellTimeoutError, DeadKernelError
    from papermill.exceptions import PapermillException, PapermillExecutionError
    from papermill.execute import execute_notebook

    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (inherited, str(modules_folder))))
    try:
        nb = execute_notebook(
            **paths,
            parameters=dict(parameters),
            **request,
            autosave_cell_every=int(execution.get("autosave", 30)),
            prepare_only=execution.get("prepare_only", False),
            report_mode=execution.get("report_mode", False),
            log_output=execution.get("log_output", False),
            start_timeout=int(execution.get("start_timeout", 60)),
            execution_timeout=execution.get("cell_time_limit"),
            progress_bar=False,
        )
    except PapermillExecutionError as error:
        raise ProcessFailedError(f"cell {error.cell_index + 1} failed: {error.ename}: {error.evalue}") from None
    except NoSuchKernel as error:
        raise KernelMissingError(f"kernel {error.name!r}: not found") from None
    except DeadKernelError as error:
        raise KernelDiedError(str(error)) from None
    except CellTimeoutError as error:
        raise CellTimeLimitError(str(error).splitlines()[0]) from None
    except (PapermillException, ValueError) as error:
        raise BadInputsError(str(error).strip()) from None
    record.parameters = dict(parameters)
    record.kernel = nb.metadata.get("kernelspec", {}).get("name")
    for index, cell in enumerate(nb.cells):
        record.scraps.take(index, cell)
