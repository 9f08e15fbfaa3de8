"""Environment variables of the server that notebooks get, and those that they do not."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from gateway_server import GatewayServer
from notebook_server import NotebookServer
from postgresql import needs_postgresql
from support import write_notebook

from generator.runner.server.variables import hidden_names, restore_variables, set_for_a_while

_READ = """\
import os
from pathlib import Path
from packmill import glue
glue('names', sorted(os.environ))
texts = []
for process in Path('/proc').glob('[0-9]*'):
    try:
        texts.append((process / 'environ').read_text(errors='replace'))
    except OSError:
        pass
glue('found', sorted({word for word in ('shown-9481', 'hidden-9481') if any(word in text for text in texts)}))
"""


@pytest.mark.parametrize(
    ("options", "hidden"),
    [
        ({}, "KG_AUTH_TOKEN PACKMILL_SERVE_TOKENS PACKMILL_STAGE_GUARD"),
        ({"storage": True}, "AWS_SECRET_ACCESS_KEY KG_AUTH_TOKEN PACKMILL_SERVE_TOKENS PACKMILL_STAGE_GUARD"),
        ({"database": True}, "KG_AUTH_TOKEN PACKMILL_SERVE_TOKENS PACKMILL_STAGE_GUARD PGPASSWORD"),
        ({"give": ["*"], "storage": True, "database": True}, "KG_AUTH_TOKEN PACKMILL_SERVE_TOKENS"),
        ({"hide": ["API_KEY"]}, "API_KEY KG_AUTH_TOKEN PACKMILL_SERVE_TOKENS PACKMILL_STAGE_GUARD"),
        (
            {"hide": ["*"], "give": ["AWS_REGION", "API_*"]},
            "AWS_SECRET_ACCESS_KEY KG_AUTH_TOKEN PACKMILL_SERVE_TOKENS PACKMILL_STAGE_GUARD PGPASSWORD",
        ),
        ({"hide": ["LANG"]}, "KG_AUTH_TOKEN LANG PACKMILL_SERVE_TOKENS PACKMILL_STAGE_GUARD"),
    ],
)
def test_which_variables_notebooks_do_not_get(options: dict[str, Any], hidden: str) -> None:
    secret = "PACKMILL_SERVE_TOKENS PACKMILL_STAGE_GUARD KG_AUTH_TOKEN AWS_SECRET_ACCESS_KEY PGPASSWORD"
    names = [*secret.split(), "AWS_REGION", "API_KEY", "PATH", "LANG", "HOME", "PYTHONPATH", "TMPDIR"]

    assert sorted(hidden_names(names, **{"storage": False, "database": False, **options})) == hidden.split()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NotebookServer]:
    folder = tmp_path_factory.mktemp("variables")
    write_notebook(folder / "root" / "read.ipynb", "", _READ)
    values = {"AWS_SECRET_ACCESS_KEY": "hidden-9481", "AWS_REGION": "shown-9481", "OTHER_KEY": "hidden-9481"}
    values |= {"PACKMILL_STAGE_ALLOW": "hidden-9481", "KG_AUTH_TOKEN": "hidden-9481", "API_KEY": "shown-9481"}
    options = ("--workers", "1", "--output-bucket", "bucket", "--hide-environment", "*_KEY", "--environment", "API_KEY")
    running = NotebookServer(folder / "root", folder / "data", *options, **values).start()
    yield running
    running.stop()


@pytest.mark.parametrize("way", ["kernel", "direct", "cold"])
def test_no_notebook_finds_the_secrets_of_the_server(way: str, server: NotebookServer) -> None:
    answer = server.ask("POST", "/runs?wait=60", json={"notebook": "read.ipynb", "kernels": way}).json()

    assert answer["run"]["kernel_way"] == way
    assert answer["scraps"]["found"] == ["shown-9481"]
    names = set(answer["scraps"]["names"])
    assert names >= {"API_KEY", "AWS_REGION", "PATH", "HOME"}
    assert names & {"OTHER_KEY", "AWS_SECRET_ACCESS_KEY", "PACKMILL_STAGE_ALLOW", "KG_AUTH_TOKEN"} == set()


def test_no_handler_of_a_gateway_finds_its_token(tmp_path: Path) -> None:
    scan = _READ.partition("glue('found'")[0].replace(
        "from packmill import glue\nglue('names', sorted(os.environ))\n", ""
    )
    write_notebook(
        tmp_path / "scan.ipynb", f"# GET /scan\n{scan}print('hidden-7302' in ''.join(texts), len(texts) > 1)"
    )
    gateway = GatewayServer(tmp_path, "scan.ipynb", KG_AUTH_TOKEN="hidden-7302").start()
    try:
        answer = gateway.ask("GET", "/scan", [("Authorization", "token hidden-7302")])
    finally:
        gateway.stop()

    assert (answer.status, answer.text) == (200, "False True\n")


@needs_postgresql
def test_a_worker_connects_to_a_database_whose_password_is_in_a_variable(database: str, tmp_path: Path) -> None:
    """Also after the variable was removed, as for a new connection after an outage."""
    from generator.runner.server.runs.postgresql.connections import Connections

    url, _, host = database.partition("?host=")
    with set_for_a_while({"PGHOST": host, "PGPASSWORD": "secret"}):
        connections = Connections(url, most=1)
        connections.open()
    try:
        assert not {"PGHOST", "PGPASSWORD"} & os.environ.keys()
        with connections.connection() as connection:
            connection.execute("SELECT 1")
        with connections.connect() as again:
            assert again.info.password == "secret"
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(url)
    finally:
        connections.close()


def test_variables_are_restored_after_a_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", dict(os.environ) | {"CHANGED": "before", "REMOVED": "before"})
    before = dict(os.environ)
    os.environ.update(CHANGED="after", ADDED="after")
    del os.environ["REMOVED"]

    restore_variables(before)

    assert os.environ == before
