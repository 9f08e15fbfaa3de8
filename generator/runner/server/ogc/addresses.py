"""Addresses and links of the API's resources, absolute, as the client reached the server."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from fastapi import Request

from generator.runner.server.context import absolute_address

_RELATIONS = "http://www.opengis.net/def/rel/ogc/1.0/"
conformance_relation = f"{_RELATIONS}conformance"
processes_relation = f"{_RELATIONS}processes"
jobs_relation = f"{_RELATIONS}job-list"
execute_relation = f"{_RELATIONS}execute"
results_relation = f"{_RELATIONS}results"
exceptions_relation = f"{_RELATIONS}exceptions"
prefix = "/ogc"


class Addresses:
    """The addresses below one base, such as ``https://example.org``."""

    def __init__(self, request: Request) -> None:
        """Take the base from a request."""
        self._base = absolute_address(request)

    @property
    def landing(self) -> str:
        """The landing page."""
        return f"{self._base}{prefix}/"

    @property
    def conformance(self) -> str:
        """The conformance classes."""
        return f"{self._base}{prefix}/conformance"

    @property
    def definition(self) -> str:
        """The API definition."""
        return f"{self._base}{prefix}/api"

    @property
    def documentation(self) -> str:
        """The page of the API definition."""
        return f"{self._base}/docs?notebook=ogc"

    @property
    def processes(self) -> str:
        """The list of processes."""
        return f"{self._base}{prefix}/processes"

    @property
    def jobs(self) -> str:
        """The list of jobs."""
        return f"{self._base}{prefix}/jobs"

    def process(self, identifier: str) -> str:
        """Return the address of a process."""
        return f"{self.processes}/{quote(identifier, safe='/:')}"

    def execution(self, identifier: str) -> str:
        """Return the address that executes a process."""
        return f"{self.process(identifier)}/execution"

    def job(self, identifier: str) -> str:
        """Return the address of a job."""
        return f"{self.jobs}/{quote(identifier, safe='')}"

    def results(self, identifier: str) -> str:
        """Return the address of a job's results."""
        return f"{self.job(identifier)}/results"

    def result(self, identifier: str, output: str) -> str:
        """Return the address of one of a job's results."""
        return f"{self.results(identifier)}/{quote(output, safe='')}"

    def form(self, path: str) -> str:
        """Return the address of a notebook's page."""
        return f"{self._base}/notebooks/{quote(path)}"

    def output_file(self, run_id: str, path: str) -> str:
        """Return the address of a file that a run wrote."""
        return f"{self._base}/runs/{run_id}/outputs/{quote(path)}"


def link(href: str, relation: str, title: str = "", media_type: str = "application/json") -> dict[str, Any]:
    """Return a link object of the standard."""
    return {"href": href, "rel": relation, "type": media_type, **({"title": title} if title else {})}


def self_links(address: str, query: str = "") -> list[dict[str, Any]]:
    """Return the links of a document to itself, as JSON and as a page."""
    whole = f"{address}?{query}" if query else address
    page = f"{address}?{query}&f=html" if query else f"{address}?f=html"
    return [link(whole, "self", "this document"), link(page, "alternate", "this document as a page", "text/html")]
