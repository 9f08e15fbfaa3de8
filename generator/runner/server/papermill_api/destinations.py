"""Where the executed notebook is stored: the request's template or path, the default template, or its own folder."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context
from generator.runner.server.papermill_api.errors import no_template
from generator.runner.server.papermill_api.requests import RunRequest
from generator.runner.server.problems import ProblemError
from generator.shared.errors import UsageError
from generator.shared.failures import BadInputsError
from generator.shared.path_templates import keep_inside, render_path


def choose_destination(
    context: Context, request: RunRequest, notebook: ServedNotebook, values: Mapping[str, Any], now: datetime
) -> str | None:
    """Return an ``s3://`` address, a path relative to the folder of executed notebooks, or None to store nothing.

    Raises:
        ProblemError: 400, the path cannot be rendered or leads out of the folder; 403, the bucket is not the
            operator's; 404, the template does not exist.
        BadInputsError: the file of templates cannot be read.
    """
    template = _template(context, request)
    if template is None:
        return _own_folder(context, notebook, now)
    secret = {one.id for one in notebook.interface.inputs if one.hint.secret}
    facts: dict[str, Any] = {
        "notebook": notebook.path,
        "time": now,
        "parameters": {name: value for name, value in values.items() if name not in secret},
        "args": request.template_args,
    }
    try:
        path = render_path(template, **facts)
        if path.startswith("s3://"):
            return context.storage.target(path)
        relative = keep_inside(template, path)
    except UsageError as error:
        raise ProblemError(400, str(error)) from None
    context.storage.file(relative)
    return relative


def _template(context: Context, request: RunRequest) -> str | None:
    if request.template is not None:
        try:
            return context.templates.get(request.template).content
        except BadInputsError:
            raise no_template(request.template) from None
    if request.output_path is not None:
        return request.output_path
    default = context.templates.default
    return default.content if default else None


def _own_folder(context: Context, notebook: ServedNotebook, now: datetime) -> str | None:
    stem = posixpath.splitext(posixpath.basename(notebook.path))[0]
    path = posixpath.join(posixpath.dirname(notebook.path), f"{stem}_out_{now:%Y%m%d%H%M%S}.ipynb")
    if path.startswith("s3://"):
        return path if context.storage.is_target(path) else None
    return path if context.storage.keep_all else None
