"""Check the single values of a request: commit, process, registry, image reference."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Mapping

from generator.notebook.text_formats import ENDINGS_IN_WORDS, is_notebook_name
from generator.repository.process_folders import process_folder
from generator.request.resources import Resources, resources_of_options
from generator.shared.errors import ProcessError, UsageError


def check_commit(text: str) -> str:
    """Check a full commit ID.

    Raises:
        UsageError: text is not a full commit ID.
    """
    if not re.fullmatch(r"[0-9a-f]{40,64}", text):
        raise UsageError(f"{text!r} is not a full commit ID; give all 40 characters")
    return text


def process_name(process: str) -> str:
    """Normalize the path of a process, relative to the repository's top.

    Raises:
        ProcessError: the path leaves the repository, or is neither a notebook nor a shell script.
    """
    plain = posixpath.normpath(process.strip())
    if plain.startswith(("/", "..")) or plain == "." or not plain.isprintable():
        raise ProcessError(f"{process!r}: not a path in the repository; give it relative to the repository's top")
    if not plain.endswith(".sh") and not is_notebook_name(plain):
        raise ProcessError(
            f"{process!r}: unknown kind of process; give a notebook ({ENDINGS_IN_WORDS}) or a shell script (.sh)"
        )
    if plain.startswith(".") and process_folder(plain).lower() in ("", ".git"):
        raise ProcessError(f"{process!r}: a package's folder cannot be named after this file; rename it")
    return plain


def check_folders(processes: Iterable[str]) -> None:
    """Check that the packages of processes have different folders.

    Raises:
        UsageError: two packages would have one folder.
    """
    known = dict[str, str]()
    for process in processes:
        other = known.setdefault(process_folder(process), process)
        if other != process:
            raise UsageError(
                f"{other!r} and {process!r}: the packages of both would have the folder {process_folder(process)!r}; "
                "rename one of them, or build them with different --output and destinations"
            )


def check_cell_number(text: str) -> int:
    """Check the number of a cell.

    Raises:
        UsageError: text is not a positive whole number.
    """
    if not re.fullmatch(r"[1-9]\d{0,5}", text, re.ASCII):
        raise UsageError(f"parameters cell {text!r}: not the number of a cell; give a whole number from 1")
    return int(text)


def check_kernel(text: str) -> str:
    """Check the name of a kernel (jupyter_client, "Kernel specs").

    Raises:
        UsageError: text is not a name that a kernel can have.
    """
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,200}", text):
        raise UsageError(
            f"kernel {text!r}: a kernel's name has letters, digits, '.', '_' and '-' only; list kernels with "
            "'jupyter kernelspec list'"
        )
    return text


def check_language(text: str) -> str:
    """Check the name of a language, and return it in lower case, as in `generator.notebook.notebook`.

    Raises:
        UsageError: text is not a name that a language can have.
    """
    if not re.fullmatch(r"[A-Za-z][\w.+# -]{0,60}", text, re.ASCII):
        raise UsageError(
            f"language {text!r}: not the name of a language; write it as Jupyter does, such as python or r"
        )
    return text.lower()


def check_resources(texts: Mapping[str, str | None]) -> Resources:
    """Check requested resources, by the names of their options.

    Raises:
        UsageError: a text is not an amount.
    """
    try:
        return resources_of_options(texts)
    except ValueError as error:
        raise UsageError(str(error)) from None


def check_registry(text: str) -> str:
    """Check a registry with its path for images (distribution/reference, "domain").

    Raises:
        UsageError: text is not a valid registry, or contains a user or a password.
    """
    plain = text.removeprefix("https://").rstrip("/")
    host, _, path = plain.partition("/")
    is_host = re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?", host)
    is_registry = host == "localhost" or "." in host or ":" in host
    if not is_host or not is_registry or (path and not re.fullmatch(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*", path)):
        shown = re.sub(r".*@", "", plain)
        raise UsageError(
            f"{shown!r}: invalid registry; write it as registry.example.org/group, without user and password"
        )
    return plain


def check_image_is_pushed(registry: str | None, image: str | None) -> None:
    """Check that a platform can pull the image of a package that is deployed to it.

    ``image`` is the name of an image that this build does not make.

    Raises:
        UsageError: the image is pushed to no registry, and its name has none.
    """
    host, slash, _ = (image or "").partition("/")
    if not registry and not (slash and (host == "localhost" or "." in host or ":" in host)):
        raise UsageError(
            "--deploy: the platform pulls the image from a registry; add --push REGISTRY (CI variable: registry), or "
            "name an image that is in one with --no-image --image"
        )


def check_reference(text: str) -> str:
    """Check the requested name of an image (distribution/reference).

    Raises:
        UsageError: text is not a valid image name, or is reserved.
    """
    word = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    host, tag, digest = r"(?:[A-Za-z0-9.-]+(?::\d+)?/)?", r"(?::\w[\w.-]{0,127})?", r"(?:@sha256:[0-9a-f]{64})?"
    if not re.fullmatch(rf"{host}{word}(?:/{word})*{tag}{digest}", text):
        raise UsageError(f"{text!r}: invalid image name; write it as registry.example.org/name:tag")
    if re.match(r"localhost/packmill(?![a-z0-9._-])", text):
        raise UsageError(
            f"{text!r}: 'localhost/packmill/' is reserved for packmill's intermediate images; choose another name"
        )
    return text
