"""Fetch the commit of a request, and read its processes and its environment."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import replace
from pathlib import Path

from generator.build.job import BuildJob
from generator.documents.missing_examples import missing_examples
from generator.environment.checkout import read_environment, write_readably
from generator.environment.requested import place
from generator.image import names
from generator.metadata.missing import describe_missing
from generator.notebook.parameters import Remark
from generator.process.process import Process, read_process
from generator.process.scatter import check_scatter
from generator.process.undeclared import describe_undeclared
from generator.process.unread_environment import describe_unread
from generator.progress import Progress
from generator.repository.fetch import Checkout, fetch
from generator.request.build import BuildRequest
from generator.request.credentials import fetch_token
from generator.request.resources import describe_resources
from generator.request.settings import Settings


def fetch_commit(request: BuildRequest, settings: Settings, folder: Path, progress: Progress) -> Checkout:
    """Fetch the requested commit into ``folder``, and report its warnings.

    Raises:
        RepositoryError: the repository or the checkout cannot be fetched.
    """
    with progress.step(f"Fetching {request.repository.address}"):
        checkout = fetch(
            request.repository,
            request.checkout,
            folder,
            token=fetch_token(request.repository, settings),
            commit=request.commit,
            policy=settings.repositories,
            submodules=settings.submodules,
            limits=settings.fetch_limits,
            with_submodules=request.submodules,
        )
        progress.say(f"{checkout.name} is commit {checkout.commit[:12]}: {checkout.source.title}")
        for warning in checkout.warnings:
            progress.warn(warning)
    return checkout


def read_commit(request: BuildRequest, settings: Settings, checkout: Checkout, progress: Progress) -> BuildJob:
    """Read the requested processes and their environment, and report their warnings.

    Raises:
        ProcessError, NotebookError, ParametersError: a process is missing or cannot be read.
        EnvironmentSpecError: the environment's files are invalid.
    """
    folder, requested = checkout.folder, request.environment
    with progress.step("Reading the interface"):
        key = place(requested, folder, settings.repositories) if requested else names.own_environment
        if not request.submodules:
            key = f"{key} without submodules"
        read = (read_process(folder, path, request.choices, left_out=checkout.left_out) for path in request.processes)
        processes = tuple(replace(one, resources=request.resources.over(one.resources)) for one in read)
        check_scatter(processes, request.scatter)
        environment = read_environment(folder, standard=request.standard)
        write_readably(folder, environment)
        # a requested environment gets its binder folder from packmill, which needs no remark
        for sentence in environment.remarks if requested is None else ():
            progress.warn(sentence)
        for process in processes:
            _report(process, progress)
            unread = describe_unread(process, environment, folder) if requested is None else ""
            if sentence := unread or describe_undeclared(process, environment, folder):
                progress.warn(sentence)
    for process in processes:  # outside of the section, which a pipeline folds
        for remark in missing_examples(folder, process):
            progress.warn(f"{_place(process, remark)}: {remark.message}")
    return BuildJob(
        request=request,
        settings=settings,
        source=checkout.source,
        folder=folder,
        environment=environment,
        environment_key=key,
        processes=processes,
    )


def _report(process: Process, progress: Progress) -> None:
    interface = process.interface
    progress.say(f"{process.path}: {_counted(interface.inputs, 'input')}, {_counted(interface.outputs, 'output')}")
    if resources := describe_resources(process.resources):
        progress.say(f"{process.path}: asks for {resources}")
    if missing := describe_missing(process.metadata):
        progress.say(f"{process.path}: {missing}")
    for remark in interface.warnings:
        progress.warn(f"{_place(process, remark)}: {remark.message}")


def _counted(things: Sized, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _place(process: Process, remark: Remark) -> str:
    return f"{process.path} line {remark.line}" if remark.line else process.path
