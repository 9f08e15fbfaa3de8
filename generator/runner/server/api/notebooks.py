"""The served notebooks: what they are called, what they take, and what they give."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import APIRouter, Request
from fastapi.responses import Response
from starlette.concurrency import run_in_threadpool

from generator.notebook.interface import Input, Output, type_name
from generator.notebook.ogc_description import output_media_type
from generator.notebook.schemas import is_needed
from generator.runner.server.api.models import NotebookEntity, NotebookList
from generator.runner.server.api.notebook_document import json_schema_of, notebook_doc, notebook_document
from generator.runner.server.catalogue import ServedNotebook
from generator.runner.server.context import Context, absolute_address, context_of
from generator.runner.server.json_responses import JsonResponse
from generator.runner.server.problems import ProblemError
from generator.runner.server.values.file_rules import FileRules

router = APIRouter(tags=["notebooks"])


@router.get("/notebooks", responses={200: {"model": NotebookList}})
async def list_notebooks(request: Request) -> Response:
    """List the served notebooks."""
    context = context_of(request)
    context.access.require(request, "read")
    served = await run_in_threadpool(context.catalogue.all)
    return JsonResponse({"notebooks": [_summary(context, one) for one in served]})


@router.get("/notebooks/{path:path}/openapi.json", responses={200: {"model": dict[str, Any]}})
async def describe_api(request: Request, path: str) -> Response:
    """Describe the requests that run a notebook, as an OpenAPI 3.1 document."""
    context = context_of(request)
    context.access.require(request, "read")
    served = context.catalogue.get(path)
    if served.error is not None:
        raise ProblemError(409, f"{served.path}: cannot run: {served.error}")
    return JsonResponse(notebook_document(served, request.app, absolute_address(request), context.file_rules))


@router.get("/notebooks/{path:path}", responses={200: {"model": NotebookEntity}})
async def show_notebook(request: Request, path: str) -> Response:
    """Describe a notebook: its title, text, parameters and outputs."""
    context = context_of(request)
    context.access.require(request, "read")
    return JsonResponse(_entity(context, context.catalogue.get(path)))


def notebook_address(context: Context, path: str) -> str:
    """Return the address of a notebook."""
    return context.address(f"/notebooks/{quote(path)}")


def _summary(context: Context, one: ServedNotebook) -> dict[str, Any]:
    return {
        "path": one.path,
        "title": one.title,
        "language": one.language,
        "inputs": [each.id for each in one.interface.inputs],
        "outputs": [each.id for each in one.interface.outputs],
        "error": one.error,
        "href": notebook_address(context, one.path),
    }


def _entity(context: Context, one: ServedNotebook) -> dict[str, Any]:
    address = notebook_address(context, one.path)
    return {
        "path": one.path,
        "title": one.title,
        "doc": notebook_doc(one),
        "language": one.language,
        "kernel": one.notebook.kernel if one.notebook else None,
        "error": one.error,
        "warnings": [remark.message for remark in one.interface.warnings],
        "inputs": [_input(each, context.file_rules) for each in one.interface.inputs],
        "outputs": [_output(each) for each in one.interface.outputs],
        "links": {"self": address, "runs": f"{address}/runs", "openapi": f"{address}/openapi.json"},
    }


def _input(one: Input, rules: FileRules) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "type": type_name(one.hint),
        "doc": one.doc,
        "required": is_needed(one, with_files=True),
        "optional": one.hint.optional,
        "secret": one.hint.secret,
        "schema": json_schema_of(one, rules),
    }


def _output(one: Output) -> dict[str, Any]:
    return {
        "id": one.id,
        "name": one.name,
        "type": f"{one.type}[]" if one.array else str(one.type),
        "doc": one.doc,
        "optional": one.optional,
        "glob": one.glob,
        "media_type": output_media_type(one),
    }
