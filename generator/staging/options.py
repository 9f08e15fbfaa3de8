"""Options of ``packmill-runner stage-in`` and ``stage-out``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from generator.shared import contract
from generator.shared.failures import BadInputsError, disk_full_as_error
from generator.shared.safe_text import json_for_terminal
from generator.staging.inputs import mask_secrets, read_config_folder, read_credentials_text, take_inputs

if TYPE_CHECKING:
    from generator.staging.stage_in import CacheFolder

_stage_in = """\
Fetch files into a folder, in parallel. Interrupted transfers are resumed, contents verified, names numbered in order.
URL is http, https, s3, gs, abfs, ftp, sftp, a local path, or a STAC Item, Collection or Catalog (--stac)."""
_stage_out = """\
Deliver the results of a run to s3, gs, abfs, ftp, sftp, or a local folder."""
_secrets = """\
Credentials are never given on the command line. They are read from --credentials FILE (JSON or YAML: aws_access_key_id,
aws_secret_access_key, aws_session_token, username, password, token, maap_pgt), from --config DIRECTORY (AWS's config
and credentials, .netrc, known_hosts, ca.pem), or where each store's own tools look: AWS_ACCESS_KEY_ID, ~/.aws,
~/.netrc, EARTHDATA_USERNAME and EARTHDATA_PASSWORD or EARTHDATA_TOKEN, MAAP_PGT, GOOGLE_APPLICATION_CREDENTIALS,
AZURE_STORAGE_ACCOUNT_NAME and _KEY."""


def add_stage_in(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``stage-in`` to its parser."""
    _describe(parser, _stage_in)
    parser.add_argument("urls", nargs="*", metavar="URL", help="what to fetch")
    parser.add_argument(
        contract.inputs_option, metavar="FILE", help="read a CWL input object instead, and empty the file"
    )
    parser.add_argument(
        contract.output_option,
        default=contract.staged_folder,
        metavar="DIRECTORY",
        help="folder to fetch into (default: %(default)s)",
    )
    parser.add_argument("--directory", action="store_true", help="keep names, and write a catalog.json (STAC)")
    parser.add_argument("--stac", action="store_true", help="URL is STAC: fetch its assets")
    parser.add_argument("--asset", action="append", default=[], metavar="KEY", help="only assets with this key")
    parser.add_argument("--role", action="append", default=[], metavar="ROLE", help="only assets with this role")
    parser.add_argument("--cache-dir", metavar="DIRECTORY", help="reuse files in this cache, and add fetched ones")
    parser.add_argument("--cache-only", action="store_true", help="only fill the cache")
    _add_network(parser)
    parser.set_defaults(command=_run_stage_in)


def add_stage_out(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``stage-out`` to its parser."""
    _describe(parser, _stage_out)
    parser.add_argument("folder", nargs="?", metavar="FOLDER", help="the results")
    parser.add_argument("destination", nargs="?", metavar="DESTINATION", help="URL or folder to deliver to")
    parser.add_argument(
        contract.inputs_option, metavar="FILE", help="read a CWL input object instead, and empty the file"
    )
    parser.add_argument("--include", action="append", default=[], metavar="GLOB", help="only what matches")
    parser.add_argument("--stac", action="store_true", help="also write a STAC catalog of the results")
    _add_network(parser)
    parser.set_defaults(command=_run_stage_out)


def _describe(parser: argparse.ArgumentParser, text: str) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description, parser.epilog = text, _secrets
    parser.allow_abbrev = False


def _add_network(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--credentials", metavar="FILE", help="file with secrets, see below")
    parser.add_argument("--config", metavar="DIRECTORY", help="configuration folder, see below")
    parser.add_argument(
        "--parallel", type=_parse_count, default=16, metavar="N", help="parallel transfers (default: %(default)s)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="longest silence (default: %(default)s)",
    )
    parser.add_argument(
        "--attempts",
        type=_parse_count,
        default=6,
        metavar="N",
        help="attempts without progress (default: %(default)s)",
    )
    parser.add_argument("--ca-bundle", metavar="FILE", help="certificates to trust, such as your company's")
    parser.add_argument("--guard", action="store_true", help="reach public addresses only (or PACKMILL_STAGE_GUARD=1)")
    parser.add_argument(
        "--allow",
        action="append",
        default=[],
        metavar="NETWORK",
        help="a network or host that --guard lets through (or PACKMILL_STAGE_ALLOW)",
    )


def _parse_count(text: str) -> int:
    number = int(text) if text.isascii() and text.isdigit() else 0
    if not 1 <= number <= 64:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to 64")
    return number


def _run_stage_in(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    given = take_inputs(options.inputs) if options.inputs else _stage_in_inputs(options)
    with mask_secrets(given, options, say) as masked, disk_full_as_error():
        return _execute_stage_in(options, given, masked)


def _execute_stage_in(options: argparse.Namespace, given: dict[str, Any], say: Callable[[str], None]) -> int:
    from generator.staging.stage_in import StageInRequest, format_outputs, stage_in, write_output_object

    folder = Path(options.output)
    outputs = stage_in(
        StageInRequest(
            input_path=given.get("input_path"),
            folder=folder,
            name=str(given.get("name") or folder.name or "staged"),
            as_type=str(given.get("as_type") or "File[]"),
            cache=_choose_cache(given, in_step=bool(options.inputs)),
            only_cache=bool(given.get("cache_only")),
            say=say,
            **_read_settings(options, given, step=str(given.get("name") or "stage_in")),
        )
    )
    if options.inputs:
        write_output_object(outputs, Path.cwd())
    else:
        print(format_outputs(outputs))
    return 0


def _stage_in_inputs(options: argparse.Namespace) -> dict[str, Any]:
    if not options.urls:
        raise BadInputsError("stage-in needs a URL, or --inputs FILE")
    path: Any = list(options.urls)
    if options.stac or options.asset or options.role:
        path = {"stac_url": path, "assets": options.asset or None, "roles": options.role or None}
    return {
        "input_path": path,
        "as_type": "Directory" if options.directory else "File[]",
        contract.cache_input: options.cache_dir,
        "cache_only": options.cache_only,
    }


def _choose_cache(given: dict[str, Any], *, in_step: bool) -> CacheFolder | None:
    """Return the cache folder; in a step the engine has put it into the working directory, writable.

    A step that only fills the cache and has none creates one for the steps after it. So does one that an engine gives a
    copy, such as Toil, whose folders have addresses of its own store.
    """
    from generator.staging.stage_in import CacheFolder

    value = given.get(contract.cache_input)
    if isinstance(value, dict):
        created = given.get(contract.created_cache_input) or given.get("cache_is_new")
        return CacheFolder(path=Path("cache"), is_new=bool(created) or _is_copied(value))
    if value:
        return CacheFolder(path=Path(value))
    return CacheFolder(path=Path("cache"), is_new=True) if in_step and given.get("cache_only") else None


def _is_copied(folder: dict[str, Any]) -> bool:
    """Whether an engine has copied a folder from a store of its own, so that the user's one stays as it is."""
    scheme, separator, _ = str(folder.get("location") or "").partition(":")
    return bool(separator) and scheme not in ("file", "_")


def _run_stage_out(options: argparse.Namespace, say: Callable[[str], None]) -> int:
    given = take_inputs(options.inputs) if options.inputs else _stage_out_inputs(options)
    with mask_secrets(given, options, say) as masked, disk_full_as_error():
        return _execute_stage_out(options, given, masked)


def _execute_stage_out(options: argparse.Namespace, given: dict[str, Any], say: Callable[[str], None]) -> int:
    from generator.staging.stage_in import write_output_object
    from generator.staging.stage_out import StageOutRequest, local_result, stage_out, write_list

    inside = Path.cwd() if options.inputs else None
    results = given.get(contract.output_dir)
    if isinstance(results, dict):
        results = results.get("path")
    if not results or not Path(str(results)).is_dir():
        raise BadInputsError(f"{results or 'FOLDER'}: results folder not found")
    outputs = stage_out(
        StageOutRequest(
            output_path=given.get(contract.destination_input),
            folder=Path(str(results)),
            include=tuple(given.get(contract.include_input) or ()),
            catalog=bool(given.get(contract.catalog_input)),
            inside=inside,
            name=str(given.get("name") or "results"),
            say=say,
            **_read_settings(options, given, step="stage_out"),
        )
    )
    if inside:
        written = write_list(outputs, inside)
        staged = {"class": "File", "path": written.name}
        write_output_object({"staged": staged, "staged_dir": local_result(outputs, inside)}, inside)
    else:
        print(json_for_terminal(outputs))
    return 0


def _stage_out_inputs(options: argparse.Namespace) -> dict[str, Any]:
    if not options.folder or not options.destination:
        raise BadInputsError("stage-out needs a FOLDER and a DESTINATION, or --inputs FILE")
    return {
        contract.destination_input: options.destination,
        contract.output_dir: options.folder,
        contract.include_input: options.include,
        contract.catalog_input: options.stac,
    }


def _read_settings(options: argparse.Namespace, given: dict[str, Any], *, step: str) -> dict[str, Any]:
    from generator.staging.network.credentials import read_credentials
    from generator.staging.network.guard import choose_guard
    from generator.staging.network.settings import NetworkSettings, check_ca_bundle

    folder = read_config_folder(given.get(contract.config_input) or options.config)
    credentials = read_credentials(read_credentials_text(options, given), name=step, folder=folder)
    guard = choose_guard(enabled=options.guard, allowed=options.allow)
    guard.install()
    bundle = check_ca_bundle(Path(options.ca_bundle) if options.ca_bundle else credentials.file("ca.pem", "ca.crt"))
    network = NetworkSettings(
        parallel=options.parallel,
        timeout=options.timeout,
        attempts=options.attempts,
        ca_bundle=bundle,
        guard=guard,
    )
    return {"network": network, "credentials": credentials}
