"""The API definition (18-062r2, requirements class "OpenAPI 3.0"): paths, parameters and responses."""

from __future__ import annotations

from typing import Any

from generator.runner.server.ogc.schemas import component_schemas

definition_media_type = "application/vnd.oai.openapi+json;version=3.0"
_process = {"name": "processID", "in": "path", "required": True, "schema": {"type": "string"}}
_job = {"name": "jobID", "in": "path", "required": True, "schema": {"type": "string"}}
_output = {"name": "outputID", "in": "path", "required": True, "schema": {"type": "string"}}
_form = {
    "name": "f",
    "in": "query",
    "description": "json, or html for a page",
    "schema": {"type": "string", "enum": ["json", "html"]},
}
_page = {"description": "the page of this document", "headers": {"Location": {"schema": {"type": "string"}}}}
_limit = {
    "name": "limit",
    "in": "query",
    "schema": {"type": "integer", "minimum": 1, "default": 10},
}


def api_definition(address: str) -> dict[str, Any]:
    """Return the OpenAPI document of the API at an address."""
    return {
        "openapi": "3.0.3",
        "info": {
            "title": "packmill: OGC API - Processes",
            "description": "Notebooks as processes, and their runs as jobs.",
            "version": "1.0.0",
        },
        "servers": [{"url": address}],
        "paths": {
            "/": {"get": _get("landingPage", "landing page", "landingPage")},
            "/conformance": {"get": _get("conformance", "conformance classes", "confClasses")},
            "/api": {
                "get": _operation(
                    "api",
                    "this document",
                    {"200": _content(definition_media_type, {"type": "object"}), "303": _page},
                    _form,
                )
            },
            "/processes": {
                "get": _get("processes", "list of processes", "processList", _limit, _query("offset", "integer"))
            },
            "/processes/{processID}": {
                "parameters": [_process],
                "get": _get("process", "description of a process", "process"),
            },
            "/processes/{processID}/execution": {"parameters": [_process], "post": _execution()},
            "/jobs": {"get": _get("jobs", "list of jobs, newest first", "jobList", *_job_filters())},
            "/jobs/{jobID}": {
                "parameters": [_job],
                "get": _get("job", "status of a job", "statusInfo"),
                "delete": _operation(
                    "dismiss", "dismiss a job, or remove one that has ended", {"200": _json("statusInfo")}
                ),
            },
            "/jobs/{jobID}/results": {
                "parameters": [_job],
                "get": _operation("results", "results of a job", _results()),
            },
            "/jobs/{jobID}/results/{outputID}": {
                "parameters": [_job, _output],
                "get": _operation("result", "one result as its own bytes", {"200": _content("*/*", {})}),
            },
        },
        "components": {"schemas": component_schemas()},
    }


def _get(name: str, summary: str, schema: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return _operation(name, summary, {"200": _json(schema, with_page=True)}, *parameters, _form)


def _operation(name: str, summary: str, responses: dict[str, Any], *parameters: dict[str, Any]) -> dict[str, Any]:
    error = {
        "description": "an exception",
        "content": {"application/problem+json": {"schema": _reference("exception")}},
    }
    operation = {"operationId": name, "summary": summary, "responses": {**responses, "default": error}}
    return {**operation, "parameters": list(parameters)} if parameters else operation


def _execution() -> dict[str, Any]:
    prefer = {
        "name": "Prefer",
        "in": "header",
        "description": "respond-async for a job at once; wait=N for a job after N seconds (RFC 7240)",
        "schema": {"type": "string"},
    }
    body = {"required": True, "content": {"application/json": {"schema": _reference("execute")}}}
    created = {**_json("statusInfo"), "headers": {"Location": {"schema": {"type": "string"}}}}
    responses = {**_results(), "201": created}
    return {**_operation("execute", "execute a process", responses, prefer), "requestBody": body}


def _results() -> dict[str, Any]:
    """Return the responses with results: a document, raw bytes, or links alone."""
    content = {
        "application/json": {"schema": _reference("results")},
        "multipart/related": {"schema": {"type": "string", "format": "binary"}},
        "*/*": {"schema": {"type": "string", "format": "binary"}},
    }
    links = {"description": "the results in Link headers", "headers": {"Link": {"schema": {"type": "string"}}}}
    return {"200": {"description": "the results", "content": content}, "204": links}


def _job_filters() -> tuple[dict[str, Any], ...]:
    words = {"type": "array", "items": {"type": "string"}}
    repeated = [{"name": name, "in": "query", "schema": words} for name in ("type", "processID", "status")]
    durations = [_query(name, "number") for name in ("minDuration", "maxDuration")]
    return (*repeated, _query("datetime", "string"), *durations, _limit, _query("before", "string"))


def _query(name: str, kind: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "schema": {"type": kind}}


def _json(schema: str, *, with_page: bool = False) -> dict[str, Any]:
    page = {"text/html": {"schema": {"type": "string"}}} if with_page else {}
    return {"description": schema, "content": {"application/json": {"schema": _reference(schema)}, **page}}


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": "the document", "content": {media_type: {"schema": schema}}}


def _reference(schema: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{schema}"}
