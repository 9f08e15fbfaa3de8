"""The files of a step: fetched in parallel into a folder, by way of the cache where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generator.shared.failures import StagingError
from generator.staging.file_names import safe_name
from generator.staging.network.settings import NetworkSettings
from generator.staging.stores import NotModifiedError, Source, unknown
from generator.staging.stores.local import LocalSource
from generator.staging.transfer.batch import Meter, run_in_parallel
from generator.staging.transfer.cache import Cache, Entry, algorithm
from generator.staging.transfer.transfer import Transfer, Watch


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchedFile:
    """A file that is here, under a name that no one chose yet; ``path`` is None when it stays in the cache."""

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
    """Every source in a file of its own in ``folder``, in the order of the sources.

    Raises:
        StagingError: one or more cannot be had; what came is kept for another try.
        DiskFullError: there is no room.
    """
    meter = Meter(what, len(sources), say)

    def fetch(item: tuple[int, Source], watch: Watch) -> FetchedFile:
        index, source = item
        target = None if only_cache else folder / f".{index}.part"
        if cache and not isinstance(source, LocalSource):
            arrived = _fetch_through_cache(source, target, cache, network=network, watch=watch, say=say)
        else:
            arrived = _fetch_directly(source, folder / f".{index}.part", network, watch)
        meter.done(cached=arrived.cached)
        return arrived

    done = run_in_parallel(list(enumerate(sources)), fetch, parallel=network.parallel, meter=meter)
    meter.finish()
    return done


def move_to_final_name(arrived: FetchedFile, target: Path) -> None:
    """Gives a file its name; there is none, or the whole file, at any moment."""
    if arrived.path:
        target.parent.mkdir(parents=True, exist_ok=True)
        arrived.path.replace(target)
        arrived.path.with_name(arrived.path.name + ".json").unlink(missing_ok=True)


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
        say(f"{source.url}: another run fetches it, waiting")

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
            say(f"{source.url}: its copy in the cache is not as it should be and is fetched again")
            cache.forget(entry, source)
    raise StagingError(f"{source.url}: its content is not what it should be")


def _ensure_cached(
    source: Source, cache: Cache, part: Path, *, network: NetworkSettings, watch: Watch
) -> tuple[Entry, bool]:
    """The content in the cache, and whether it was there."""
    by_content = cache.find_content(source)
    if by_content:
        return by_content, True
    entry = cache.find(source)
    transfer = Transfer(source, part, network=network, watch=watch, algorithms=(algorithm,))
    try:
        fetched = transfer.fetch(known=entry.validator if entry else unknown)
    except NotModifiedError:
        if entry is None:
            raise StagingError(f"{source.url}: 'not modified' answers a question that was not asked") from None
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
