"""The GPUs that the scheduler gave a job, by the numbers of the node.

Slurm with ``ConstrainDevices`` shows a job its own GPUs alone, and ``CUDA_VISIBLE_DEVICES`` counts among these: it is 0
in every job of one GPU. Containers of Docker and Podman run outside of the job's control group, where 0 is the node's
first GPU. ``SLURM_JOB_GPUS`` and ``SLURM_STEP_GPUS`` have the node's numbers (sbatch(1), srun(1)).
"""

from __future__ import annotations

from collections.abc import Mapping

_EACH = "\0device\0"
"""Marks an option that is given for each GPU."""
_SLURM = ("SLURM_STEP_GPUS", "SLURM_JOB_GPUS")


def options(templates: list[str], gpus: int, variables: Mapping[str, str]) -> list[str]:
    """Return the options of an engine for GPUs of this job, or for so many if the scheduler named none."""
    devices = job_devices(variables)
    every = f'"device={",".join(devices)}"' if devices else str(gpus)
    each = devices if devices and all(map(str.isdecimal, devices)) else ["all"]  # only numbers are in every CDI file
    filled = [[word.replace(_EACH, one) for one in each] if _EACH in word else [word] for word in templates]
    return [word.replace("\0devices\0", every) for words in filled for word in words]


def job_devices(variables: Mapping[str, str]) -> list[str]:
    """Return the node's numbers of a job's GPUs, or their UUIDs; empty if the scheduler named none."""
    visible, step, job = (_listed(variables, name) for name in ("CUDA_VISIBLE_DEVICES", *_SLURM))
    # A job that was submitted in a step inherits that step's numbers: they are not its own, or fewer.
    for given in (step, job) if not job or set(step) <= set(job) else (job,):
        if given and all(one.isdecimal() and int(one) < len(given) for one in visible):
            return [given[int(one)] for one in visible] or given
    return visible


def for_singularity(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the variable that gives Singularity's container the job's choice of GPUs, in spite of ``--cleanenv``.

    The container is in the job's control group, and counts as the job does.
    """
    visible = variables.get("CUDA_VISIBLE_DEVICES")
    return {"SINGULARITYENV_CUDA_VISIBLE_DEVICES": visible} if visible else {}


def _listed(variables: Mapping[str, str], name: str) -> list[str]:
    return [one.strip() for one in variables.get(name, "").split(",") if one.strip()]
