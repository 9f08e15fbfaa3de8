"""The schemas of the API definition: what this server answers and accepts, within those of the standard."""

from __future__ import annotations

from typing import Any

from generator.runner.server.ogc.status import status_codes

_text: dict[str, Any] = {"type": "string"}
_time: dict[str, Any] = {"type": "string", "format": "date-time"}
_any: dict[str, Any] = {}


def component_schemas() -> dict[str, Any]:
    """Return the schemas by name."""
    described = {"title": _text, "description": _text, "schema": {"type": "object"}}
    return {
        "link": _object({"href": _text, "rel": _text, "type": _text, "title": _text}, "href"),
        "exception": _object(
            {"type": _text, "title": _text, "status": {"type": "integer"}, "detail": _text, "issues": _list(_text)},
            "type",
        ),
        "landingPage": _object({"title": _text, "description": _text, "links": _links()}, "links"),
        "confClasses": _object({"conformsTo": _list(_text)}, "conformsTo"),
        "processSummary": _object(_summary(), "id", "version"),
        "processList": _object(
            {"processes": _list(_reference("processSummary")), "links": _links()}, "processes", "links"
        ),
        "inputDescription": _object({**described, "minOccurs": {"type": "integer"}, "maxOccurs": _any}, "schema"),
        "outputDescription": _object(described, "schema"),
        "process": _object(
            {**_summary(), "inputs": _map("inputDescription"), "outputs": _map("outputDescription")}, "id", "version"
        ),
        "execute": _execute(),
        "statusInfo": _status(),
        "jobList": _object({"jobs": _list(_reference("statusInfo")), "links": _links()}, "jobs", "links"),
        "results": {"type": "object", "additionalProperties": _any},
    }


def _summary() -> dict[str, Any]:
    options = {"type": "string", "enum": ["sync-execute", "async-execute", "dismiss"]}
    modes = {"type": "string", "enum": ["value", "reference"]}
    return {
        "id": _text,
        "version": _text,
        "title": _text,
        "description": _text,
        "jobControlOptions": _list(options),
        "outputTransmission": _list(modes),
        "links": _links(),
    }


def _execute() -> dict[str, Any]:
    mode = {"type": "string", "enum": ["value", "reference"], "default": "value"}
    output = _object({"format": _object({"mediaType": _text}), "transmissionMode": mode})
    response = {"type": "string", "enum": ["raw", "document"], "default": "raw"}
    return _object(
        {
            "inputs": {"type": "object", "additionalProperties": _any},
            "outputs": {"type": "object", "additionalProperties": output},
            "response": response,
        }
    )


def _status() -> dict[str, Any]:
    return _object(
        {
            "processID": _text,
            "type": {"type": "string", "enum": ["process"]},
            "jobID": _text,
            "status": {"type": "string", "enum": list(status_codes.values())},
            "message": _text,
            "created": _time,
            "started": _time,
            "finished": _time,
            "updated": _time,
            "progress": {"type": "integer", "minimum": 0, "maximum": 100},
            "links": _links(),
        },
        "jobID",
        "status",
        "type",
    )


def _object(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    return {**schema, "required": list(required)} if required else schema


def _list(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


def _map(schema: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _reference(schema)}


def _links() -> dict[str, Any]:
    return _list(_reference("link"))


def _reference(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
