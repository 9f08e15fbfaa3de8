"""Run a package, after checking its values against the interface."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

from generator.containers.limits import ContainerLimits
from generator.package.assignments import typed_values
from generator.package.engines import toil
from generator.package.engines.cluster import Cluster, remove_store, run_digest
from generator.package.given_values import given_values
from generator.package.hints import find_document, find_process, read_hints
from generator.package.image_presence import require_own_image
from generator.package.image_signatures import Verification, refuse_unverified_runtimes
from generator.package.inputs import check_job, refuse_remote_files
from generator.package.job_file import read_job, refuse_address_keys
from generator.package.output_folder import make_writable, refuse_links
from generator.package.record import read_record
from generator.progress import Progress
from generator.shared import contract
from generator.shared.errors import DocumentError, UsageError
from generator.shared.passing_errors import is_full_disk

_THIS_MACHINE = Cluster()
_TOIL_FOLDER = ".packmill-toil"
"""What Toil needs to continue a run that ended early, in the folder of outputs."""
_CELL = re.compile(r"cell (\d+) of (\d+): ")
"""The runner's line about a cell that starts."""


def run_package(
    package: Path,
    *,
    job: Path | None,
    values: Sequence[str],
    given: Mapping[str, Any] = MappingProxyType({}),
    outdir: Path,
    engine: str,
    options: tuple[str, ...],
    guarded: tuple[str, ...] = (),
    limits: ContainerLimits | None = None,
    network: str | None = None,
    trust: bool = False,
    cluster: Cluster = _THIS_MACHINE,
    resume: bool = False,
    provenance: Path | None = None,
    verification: Verification | None = None,
) -> dict[str, Any]:
    """Run a package and return the CWL output object; progress goes to stderr.

    ``values`` are texts such as ``name=value``, ``given`` are Python values; both replace those of the job.
    ``guarded`` are the environment variables of the address guard, which steps in containers get.

    ``limits`` apply to its containers (default: those of this machine).
    ``network`` is the engine's network for steps that reach out (default: the engine's own).
    ``trust`` runs documents that break `generator.package.document_rules`, and files outside of the package that
    ``inputs.yml`` names.
    ``cluster`` is where Toil runs jobs; with ``resume`` it continues a run that ended early.
    ``verification`` checks the signatures of its images; then ``trust`` does not extend to its documents.
    ``provenance`` is a folder for the crate of the run (`generator.package.run_crate`), also of one that fails.

    Raises:
        UsageError: the values do not fit the interface, ``outdir`` cannot be created, or has a link where results go,
            ``resume`` is for a run with other values, the job store is that of a run that goes on, or ``verification``
            is to continue a run, or to start another image than it checks; nothing was started.
        DocumentError: the package has parts that packmill does not write, and is not trusted; nothing was started.
        SignatureError: an image has no valid signature; nothing was started.
        DiskFullError: the results do not fit on their disk.
        RunError: the run failed.
    """
    from generator.package.document_rules import broken_rules
    from generator.package.document_rules.values import foreign_files
    from generator.package.engines.execution import execute
    from generator.package.run_crate.crate import check_provenance
    from generator.package.run_crate.recording import recorded
    from generator.package.run_crate.run import Given

    if verification:
        _check_what_starts(engine, options, resume=resume)
    folder = find_process(package).parent
    job_file = job or folder / "inputs.yml"
    hints = read_hints(folder)
    replaced = {**given_values(given, hints, Path.cwd()), **typed_values(values, hints, Path.cwd())}
    progress = Progress()
    own = read_job(job_file)
    check_trust(foreign_files(job_file) if job is None else [], progress, trust=trust)
    job_values = check_job({**own, **replaced}, hints, job_file)
    document = find_document(package, job_values, hints)
    # a document that breaks the rules can name images in places that nobody looks for them
    check_trust(broken_rules(document), progress, trust=trust, verified=verification is not None)
    if verification:
        verification.check([document], progress)
    if provenance:
        check_provenance(provenance, engine=engine, outdir=outdir, document=document)
    if guarded:
        refuse_remote_files(job_values)
    options = engine_options(options, guarded=guarded, network=network)
    refuse_links(outdir, contract.output_folder)  # before a run of hours
    store = outdir.absolute() / _TOIL_FOLDER
    kept: tuple[int, ...] = ()
    given_options, digest = options, ""
    with ExitStack() as held:
        if engine == toil.name:
            refuse_address_keys(job_values)
            digest = run_digest(document, job_values)
            with _failures_named(outdir):
                kept = held.enter_context(cluster.locked(store, resume=resume))
                options = cluster.options(store, options, resume=resume, digest=digest)
        if document.name != "process.cwl":
            require_staging_image(folder, options)
        with _failures_named(outdir):
            make_writable(outdir)

        def run() -> dict[str, Any]:
            with progress.timed():
                outputs = execute(
                    document,
                    job_values,
                    outdir=outdir,
                    engine=engine,
                    options=options,
                    on_line=_shown(progress),
                    limits=limits,
                    trust=trust,
                    kept=kept,
                )
            held.close()
            if kept:  # otherwise the folder is another run's
                remove_store(store, given_options, digest=digest)
            return outputs

        if provenance is None:
            return run()
        secrets = frozenset(name for name, hint in hints.items() if hint.secret)
        return recorded(run, Given(document=document, job=job_values, secrets=secrets, outdir=outdir), provenance)


def _shown(progress: Progress) -> Callable[[str], None]:
    """Return what shows the lines of an engine."""
    from generator.package.engines.log import PlainLog

    log = PlainLog()

    def show(line: str) -> None:
        plain = log.pick(line)
        if plain and (cell := _CELL.match(plain)):
            progress.count(int(cell[1]), int(cell[2]), "cell")
        if plain:
            progress.say(plain)

    return show


@contextmanager
def _failures_named(outdir: Path) -> Iterator[None]:
    """Raise the errors of the file system as a UsageError that names the folder; a full disk as it is."""
    try:
        yield
    except OSError as error:
        if is_full_disk(error):
            raise
        raise UsageError(f"{outdir}: cannot be written: {error.strerror or error}; choose another --outdir") from None


def _check_what_starts(engine: str, options: tuple[str, ...], *, resume: bool) -> None:
    """Refuse a run that would start something else than what ``--verify`` checks.

    Raises:
        UsageError: Toil continues a run, or cwltool does not start the image in its registry.
    """
    if resume or "--restart" in options:
        raise UsageError(
            "--verify: a continued run starts the images of the workflow that Toil stored, which are not verified; "
            "omit --resume and choose another --outdir, or omit --verify"
        )
    if engine != toil.name:
        refuse_unverified_runtimes(options)


def engine_options(options: tuple[str, ...], *, guarded: Sequence[str], network: str | None) -> tuple[str, ...]:
    """Return the engine's options, with those of the address guard and of the network for steps that reach out."""
    kept = (word for name in guarded for word in ("--preserve-environment", name))
    return (*(("--custom-net", network) if network else ()), *kept, *options)


def require_staging_image(package: Path, options: tuple[str, ...]) -> None:
    """Check that the engine has a staging image that was never pushed (`generator.image.staging`).

    Raises:
        RunError: the image is missing.
    """
    staging = read_record(package).get("staging")
    reference = staging.get("reference") if isinstance(staging, dict) else None
    if isinstance(reference, str):
        require_own_image(reference, options=options, package=package)


def check_trust(problems: Sequence[str], progress: Progress, *, trust: bool, verified: bool = False) -> None:
    """Refuse a package with parts that packmill does not write; if it is trusted and not verified, warn about them."""
    if problems and (verified or not trust):
        advice = "read it, then run it with --trust"
        if verified:
            advice = (
                "--verify does not find all of its images; build it again, or read it and omit --verify for --trust"
            )
        raise DocumentError("\n".join([*problems, f"the package has parts that packmill does not write; {advice}"]))
    for problem in problems:
        progress.warn(f"trusted: {problem}")
