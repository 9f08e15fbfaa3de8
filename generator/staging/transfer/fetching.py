"""Parallel fetching of a step's files into a folder, through the cache if the step has one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.shared.failures import StagingError
from generator.shared.safe_names import safe_name
from generator.staging.network.settings import NetworkSettings
from generator.staging.stores import NotModifiedError, Source, no_validator
from generator.staging.stores.local import LocalSource
from generator.staging.transfer.batch import Meter, run_in_parallel
from generator.staging.transfer.cache import Cache, Entry, algorithm
from generator.staging.transfer.transfer import Transfer, Watch


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedFile:
    """A fetched file under a temporary path; ``path`` is None if it is only in the cache."""

    source: Source
    name: str
    path: Path | None
    size: int
    cached: bool = False


def fetch_all(
    sources: Sequence[Source],
    folder: Path,
    *,
    network: NetworkSettings,
    cache: Cache | None,
    only_cache: bool,
    what: str,
    say: Callable[[str], None],
) -> list[FetchedFile]:
    """Fetch every source into a file in ``folder``; return the files in the order of the sources.

    Raises:
        StagingError: one or more files cannot be fetched; partial files are kept for another attempt.
        DiskFullError: the disk is full.
    """
    meter = Meter(what, len(sources), say)

    def fetch(item: tuple[int, Source], watch: Watch) -> FetchedFile:
        index, source = item
        part = folder / (f".{index}.checked.part" if only_cache else f".{index}.part")  # see `folder_lock`
        if cache and not isinstance(source, LocalSource):
            target = None if only_cache else part
            fetched_file = _fetch_through_cache(source, target, cache, network=network, watch=watch, say=say)
        else:
            fetched_file = _fetch_directly(source, part, network, watch)
        meter.add_file(cached=fetched_file.cached)
        return fetched_file

    done = run_in_parallel(list(enumerate(sources)), fetch, parallel=network.parallel, meter=meter)
    meter.report_totals()
    return done


def move_to_final_name(fetched_file: FetchedFile, target: Path) -> None:
    """Rename a fetched file to its final name, atomically."""
    if fetched_file.path:
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched_file.path.replace(target)
        fetched_file.path.with_name(fetched_file.path.name + ".json").unlink(missing_ok=True)


def _fetch_directly(source: Source, part: Path, network: NetworkSettings, watch: Watch) -> FetchedFile:
    fetched = Transfer(source, part, network=network, watch=watch).fetch()
    return FetchedFile(source=source, name=_choose_name(fetched.name, source), path=part, size=fetched.size)


def _fetch_through_cache(
    source: Source,
    target: Path | None,
    cache: Cache,
    *,
    network: NetworkSettings,
    watch: Watch,
    say: Callable[[str], None],
) -> FetchedFile:
    def report_wait() -> None:
        say(f"{source.url}: waiting for another run that fetches it")

    with cache.lock(source, on_wait=report_wait) as part:
        for _ in range(2):
            entry, cached = _ensure_cached(source, cache, part, network=network, watch=watch)
            required = source.checksum
            fits = source.size is None or source.size == entry.size
            if fits and (
                cache.copy(entry, target, required) if target else not cached or cache.is_whole(entry, required)
            ):
                return FetchedFile(
                    source=source, name=_choose_name(entry.name, source), path=target, size=entry.size, cached=cached
                )
            say(f"{source.url}: the cached copy is damaged; fetching it again")
            cache.forget(entry, source)
    raise StagingError(f"{source.url}: its content does not match its checksum or size")


def _ensure_cached(
    source: Source, cache: Cache, part: Path, *, network: NetworkSettings, watch: Watch
) -> tuple[Entry, bool]:
    """Return the cached content, fetched if needed, and whether it was cached."""
    by_content = cache.find_content(source)
    if by_content:
        return by_content, True
    entry = cache.find(source)
    transfer = Transfer(source, part, network=network, watch=watch, algorithms=(algorithm,))
    try:
        fetched = transfer.fetch(known=entry.validator if entry else no_validator)
    except NotModifiedError:
        if entry is None:
            raise StagingError(f"{source.url}: 'not modified' in answer to an unconditional request") from None
        return entry, True
    kept = Entry(
        url=source.url,
        sha256=fetched.digests[algorithm],
        size=fetched.size,
        name=fetched.name,
        validator=fetched.validator,
    )
    cache.keep(kept, source, part)
    return kept, False


def _choose_name(server_name: str, source: Source) -> str:
    return safe_name(server_name or source.name)
