"""Deploying to wraptile, the server of the Eozilla project: its routes, status codes and models, over a small store."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from ports import free_port
from ruamel.yaml import YAML
from support import Finished, commit_all, write_notebook
from waiting import wait_until

pytest.importorskip("wraptile", reason="wraptile needs Python 3.11")

from gavicore.dru_service import DruService
from gavicore.models import ProcessDescription, ProcessSummary
from wraptile.dru_routes import dru_router
from wraptile.exceptions import ServiceException
from wraptile.main import app
from wraptile.provider import ServiceProvider
from wraptile.services.base.service_base import DEFAULT_CONFORMS_TO
from wraptile.services.local import LocalService

_PART_2 = "http://www.opengis.net/spec/ogcapi-processes-2/1.0/conf"


class Store(LocalService, DruService):
    """Processes of CWL documents, in memory."""

    def __init__(self) -> None:
        super().__init__(title="Platform")
        self.conforms_to = [*DEFAULT_CONFORMS_TO, f"{_PART_2}/deploy-replace-undeploy", f"{_PART_2}/cwl"]
        self.documents: dict[str, Any] = {}

    async def deploy_process(self, w: str | None = None, **given: Any) -> ProcessSummary:
        identifier, document = await self._read(w, given["request"])
        if identifier in self.documents:
            raise ServiceException(409, detail=f"Process {identifier!r} exists", type_id="duplicated-process")
        self.documents[identifier] = document
        return self._summary(identifier)

    async def replace_process(self, process_id: str, w: str | None = None, **given: Any) -> ProcessSummary:
        if process_id not in self.documents:
            raise ServiceException(404, detail=f"Process {process_id!r} does not exist", type_id="no-such-process")
        _, self.documents[process_id] = await self._read(w, given["request"])
        return self._summary(process_id)

    async def get_process(self, process_id: str, **_: Any) -> ProcessDescription:
        if process_id not in self.documents:
            raise ServiceException(404, detail=f"Process {process_id!r} does not exist", type_id="no-such-process")
        return ProcessDescription(**self._summary(process_id).model_dump())

    async def undeploy_process(self, process_id: str, **_: Any) -> None:
        raise NotImplementedError

    async def get_formal_description(self, process_id: str, **_: Any) -> Any:
        raise NotImplementedError

    async def _read(self, w: str | None, request: Any) -> tuple[str, Any]:
        if not request.headers["Content-Type"].startswith("application/cwl"):
            raise ServiceException(415, detail="Only CWL is supported", type_id="unsupported-media-type")
        document = YAML(typ="safe", pure=True).load((await request.body()).decode())
        workflows = [one["id"] for one in document["$graph"] if one["class"] == "Workflow"]
        return workflows[workflows.index(w or workflows[0])], document

    def _summary(self, identifier: str) -> ProcessSummary:
        return ProcessSummary(id=identifier, version=str(self.documents[identifier]["s:version"]))


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Store]]:
    """Serve wraptile's application; yield its address and the store."""
    served = Store()
    monkeypatch.setattr(ServiceProvider, "_service", served)
    app.include_router(dru_router)
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started, seconds=30)
    yield f"http://127.0.0.1:{port}", served
    server.should_exit = True
    thread.join()


def test_a_package_is_deployed_and_replaced(
    store: tuple[str, Store], repository: Path, tmp_path: Path, packmill: Callable[..., Finished]
) -> None:
    address, served = store
    options = ["--no-image", "--image", "registry.example.org/trees:1", "--output", tmp_path / "packages", "--json"]
    for year in (2020, 2021):
        write_notebook(repository / "process.ipynb", f"year = {year}  # type: int")
        commit_all(repository)
        finished = packmill("build", repository, "--deploy", address, *options)

        assert finished.code == 0, finished.err
        (place,) = json.loads(finished.out)["deployed"]
        identifier = place.rpartition("/")[2]
        assert place == f"{address}/processes/{identifier}"
        workflow = next(one for one in served.documents[identifier]["$graph"] if one["class"] == "Workflow")
        assert workflow["inputs"]["year"]["default"] == year
    assert f"{place}: replaced" in finished.err
    assert len(served.documents) == 1
