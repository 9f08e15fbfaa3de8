"""The documentation of papermill-api's requests and responses, for the OpenAPI document."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from generator.runner.server.api.models import RunEntity

_boolean = {"type": ["boolean", "string"], "description": "true, yes, on, 1, or false, no, off, 0"}
_output_path = {"type": "string", "description": "where else to store the executed notebook: a template of a path"}


class PapermillResult(BaseModel):
    """The result of a run."""

    model_config = ConfigDict(extra="forbid")

    result: dict[str, Any] = Field(description="the scraps")
    notebook: dict[str, Any] | None = Field(None, description="the executed notebook, with returnNotebook")


class TemplateEntity(BaseModel):
    """A template."""

    name: str
    content: str


def _query(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {"name": name, "in": "query", "description": description, "schema": schema or {"type": "string"}}


def _body(properties: dict[str, Any], **named: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": properties, "additionalProperties": False, **named}
    return {"content": {"application/json": {"schema": schema}}}


_notebook = [
    _query("notebook", "the notebook's path, without one in the address"),
    _query("location", "where the notebook is", enum=["local", "s3"]),
    _query("returnNotebook", "whether the response has the executed notebook", type="string"),
]
run_by_get_extra = {
    "parameters": [
        *_notebook,
        _query("template", "the name of a template"),
        _query("outputNotebookPath", "where else to store the executed notebook"),
        {
            "name": "parameters",
            "in": "query",
            "description": "the notebook's parameters, each by its own name",
            "style": "form",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    ]
}
run_by_post_extra = {
    "parameters": _notebook,
    "requestBody": _body(
        {
            "parameters": {"type": "object", "description": "values by the parameters' names"},
            "template": {
                "description": "a template's name, or its name and arguments",
                "oneOf": [
                    {"type": "string"},
                    {
                        "type": "object",
                        "properties": {"name": {"type": "string"}, "args": {"type": "object"}},
                        "required": ["name"],
                        "additionalProperties": False,
                    },
                ],
            },
            "outputNotebookPath": _output_path,
            "returnNotebook": _boolean,
        }
    ),
}
_link = {"Link": {"description": "the run's address", "schema": {"type": "string"}}}
run_responses: dict[int | str, dict[str, Any]] = {
    200: {"model": PapermillResult, "description": "The run has ended", "headers": _link},
    202: {"model": RunEntity, "description": "The run is accepted; Location has its address"},
}
_content = {"type": "string", "examples": ["{{args.year}}/{{args.notebook_name}}"]}
template_extra = {
    "requestBody": _body({"name": {"type": "string"}, "content": _content, "default": _boolean}),
}
template_responses: dict[int | str, dict[str, Any]] = {200: {"model": list[TemplateEntity]}}
templates_responses: dict[int | str, dict[str, Any]] = {200: {"model": list[TemplateEntity] | TemplateEntity}}
default_extra = {"parameters": [_query("default", "whether to return the default template alone", type="string")]}
