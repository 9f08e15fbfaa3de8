"""``packmill-runner stage-in``: fetch files into a folder, numbered, and describe them as CWL File objects."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from generator.shared import contract
from generator.shared.failures import BadInputsError
from generator.shared.json_text import json_text
from generator.shared.safe_names import safe_name
from generator.shared.safe_text import json_for_terminal
from generator.staging import urls
from generator.staging.documents import LargeDocumentError, NotJsonError, read_json
from generator.staging.file_names import add_numbers, make_distinct, partial_files
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location, read_locations
from generator.staging.sources import LOCAL, SourceFile, SourceFinder
from generator.staging.stac.assets import AssetFile, StacReader, looks_like_stac
from generator.staging.stac.catalog import refuse_other_catalog
from generator.staging.staged_folder import arrange_folder, copy_secondary_file, refuse_link, source_field
from generator.staging.transfer.cache import Cache
from generator.staging.transfer.fetching import FetchedFile, fetch_all, move_to_final_name
from generator.staging.transfer.locks import folder_lock

new_cache = "packmill-cache"
"""The name of a cache that a step created."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CacheFolder:
    """A cache folder; a new one is a step's output, an existing one is only passed on."""

    path: Path
    is_new: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class StageInRequest:
    """The inputs of a stage-in step."""

    input_path: Any = field(repr=False)
    folder: Path
    name: str = "staged"
    as_type: str = "File[]"
    """The CWL type of the output: ``File[]``, ``File``, ``Directory`` or ``Directory[]``."""
    cache: CacheFolder | None = None
    only_cache: bool = False
    network: NetworkSettings
    credentials: Credentials
    say: Callable[[str], None] = print


def stage_in(request: StageInRequest) -> dict[str, Any]:
    """Fetch all requested files; return the CWL output object.

    Depending on ``as_type``, ``output_files`` is a list of Files, ``output_file`` the only File,
    ``output_directory`` a Directory, or ``output_directories`` a Directory for each item of a list. The others are
    null; all are null if an optional parameter has no value.
    ``cache_out`` is the cache for the next step, ``cache_new`` the same if a step of this run created or copied it, and
    ``cache_is_new`` passes that on.

    Raises:
        BadInputsError: the inputs are invalid.
        StagingError, DiskFullError: a file cannot be fetched, or another stage-in writes to the folder. Partial files
            are kept for another attempt.
    """
    if request.as_type == "Directory[]":
        return _stage_in_folders(request)
    locations = read_locations(request.input_path)
    if request.only_cache and not request.cache:
        raise BadInputsError("cache_only needs a cache_dir to fill")
    finder = SourceFinder(request.network, request.credentials)
    cache = _open_cache(request)
    outputs = {**dict.fromkeys(_outputs), **_cache_outputs(request.cache)}
    if not locations:
        request.say(f"stage-in {request.name}: no files requested")
        return outputs
    request.folder.mkdir(parents=True, exist_ok=True)
    with nullcontext() if request.only_cache else folder_lock(request.folder):  # many steps may fill one cache
        return {**outputs, **_fetch(request, locations, finder, cache)}


def _fetch(
    request: StageInRequest, locations: Sequence[Location], finder: SourceFinder, cache: Cache | None
) -> dict[str, Any]:
    """Fetch the files into the folder; return the outputs that are not null."""
    files, assets = _list_files(locations, finder, request)
    if request.as_type == "File" and len(files) != 1:
        raise BadInputsError(f"{request.name}: exactly one file is needed, not {len(files)}")
    has_own = any((one.relative or one.source.name) == contract.catalog_file for one in files)
    if request.as_type == "Directory" and not request.only_cache and not has_own:
        refuse_other_catalog(request.folder)
    fetched = fetch_all(
        [one.source for one in files],
        request.folder,
        network=request.network,
        cache=cache,
        only_cache=request.only_cache,
        what=f"stage-in {request.name}",
        say=request.say,
    )
    if request.only_cache:
        return {}
    if request.as_type == "Directory":
        directory = arrange_folder(request.folder, files, fetched, assets, name=request.name, say=request.say)
        _remove_partial_files(request.folder)
        return {"output_directory": directory}
    named = _name_files(request.folder, files, fetched)
    _remove_partial_files(request.folder)
    return {"output_files": named, "output_file": named[0] if len(named) == 1 else None}


def _stage_in_folders(request: StageInRequest) -> dict[str, Any]:
    """Stage in every item of a list as a folder of its own."""
    value = request.input_path
    locations = read_locations(value)  # all mistakes come before the first transfer
    if locations:
        request.folder.mkdir(parents=True, exist_ok=True)
    folders = []
    with folder_lock(request.folder) if locations and not request.only_cache else nullcontext():
        for number, item in enumerate(value if isinstance(value, list) else [value]):
            folder, name = request.folder / str(number), f"{request.name}_{number}"
            refuse_link(folder)
            part = replace(request, input_path=item, folder=folder, name=name, as_type="Directory")
            folders.append(stage_in(part)["output_directory"])
    found = [one for one in folders if one] or None
    return {**dict.fromkeys(_outputs), **_cache_outputs(request.cache), "output_directories": found}


_outputs = ("output_files", "output_file", "output_directory", "output_directories")


def _cache_outputs(cache: CacheFolder | None) -> dict[str, Any]:
    if cache is None:
        return {"cache_out": None, "cache_new": None, "cache_is_new": False}
    there: dict[str, Any] = {"class": "Directory", "path": str(cache.path)}
    if cache.is_new:
        there["basename"] = new_cache
    return {"cache_out": there, "cache_new": there if cache.is_new else None, "cache_is_new": cache.is_new}


def _open_cache(request: StageInRequest) -> Cache | None:
    if request.cache is None:
        return None
    try:
        return Cache(request.cache.path)
    except OSError as error:
        raise BadInputsError(f"{request.cache.path}: not usable as a cache: {error.strerror}") from None


def _list_files(
    locations: Sequence[Location], finder: SourceFinder, request: StageInRequest
) -> tuple[list[SourceFile], list[AssetFile]]:
    """List the files at every location, and those of them that are assets of STAC."""
    files: list[SourceFile] = []
    assets: list[AssetFile] = []
    for one in locations:
        if one.kind == "STAC" or (request.as_type == "Directory" and _is_stac(one, finder, request.say)):
            found = StacReader(one, finder).assets()
            assets += found
            files += [SourceFile(asset.source, asset.relative) for asset in found]
        else:
            files += finder.list_files(one)
    return files, assets


def _is_stac(location: Location, finder: SourceFinder, say: Callable[[str], None]) -> bool:
    """Return whether a location is a JSON document that is STAC.

    Raises:
        StagingError: the document cannot be read. It may be STAC: without its assets, the folder would be incomplete.
    """
    address = location.addresses[0]
    path = urls.canonical(address).partition("?")[0] if isinstance(address, str) and urls.scheme(address) else address
    if not isinstance(path, str) or not path.endswith((".json", ".geojson")):
        return False
    if urls.scheme(address) in LOCAL and finder.local_path(address).is_dir():
        return False
    source = finder.source(address, location)
    try:
        return looks_like_stac(read_json(source, finder.network))
    except LargeDocumentError:
        say(f"{source.url}: too large for a STAC document, so it is staged in as a file")
    except NotJsonError:
        pass
    return False


def _remove_partial_files(folder: Path) -> None:
    """Remove the partial files of earlier attempts."""
    for path in folder.glob(partial_files):
        path.unlink(missing_ok=True)


def _name_files(folder: Path, files: Sequence[SourceFile], fetched: Sequence[FetchedFile]) -> list[dict[str, Any]]:
    objects = []
    names = add_numbers([one.name for one in fetched])
    for source_file, one, name in zip(files, fetched, names, strict=True):
        move_to_final_name(one, folder / name)
        file: dict[str, Any] = {"class": "File", "path": str(folder / name), "basename": name, "size": one.size}
        if source_file.secondary:
            number = name.partition("_")[0]
            _, *others = make_distinct([one.name, *(safe_name(two.name) for two in source_file.secondary)])
            file["secondaryFiles"] = [
                copy_secondary_file(folder, f"{number}_{other}", two)
                for other, two in zip(others, source_file.secondary, strict=True)
            ]
        objects.append({**file, **source_field(one)})
    return objects


def write_output_object(outputs: dict[str, Any], folder: Path) -> None:
    """Write ``cwl.output.json``, which gives engines names and an order that globs cannot."""
    (folder / contract.output_object_file).write_bytes(json_text(outputs) + b"\n")


def format_outputs(outputs: dict[str, Any]) -> str:
    """Return the File objects, or the Directories, as JSON for stdout."""
    found = outputs["output_directory"] or outputs["output_directories"] or outputs["output_files"] or []
    return json_for_terminal(found)
