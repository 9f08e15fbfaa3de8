"""How an image with a runner starts: with packmill's programs, and through its own ENTRYPOINT."""

from __future__ import annotations

import pytest

from generator.image.config import command, entrypoint, launched


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, ()),
        ({"Entrypoint": ["/usr/local/bin/repo2docker-entrypoint"]}, ("/opt/packmill/bin/packmill-entrypoint",)),
        ({"Env": ["R2D_ENTRYPOINT=/home/jovyan/start"]}, ("/opt/packmill/bin/packmill-entrypoint",)),
        ({"Entrypoint": ["tini", "--"]}, ("/opt/packmill/bin/packmill-launch", "-C", "/", "tini", "--")),
        (
            {"Entrypoint": ["./run.sh"], "WorkingDir": "/work"},
            ("/opt/packmill/bin/packmill-launch", "-C", "/work", "./run.sh"),
        ),
    ],
)
def test_every_entrypoint_leads_to_the_runner_in_its_folder(config: dict[str, object], words: tuple[str, ...]) -> None:
    assert entrypoint(config) == words


def test_the_entrypoint_that_an_image_starts_is_its_own() -> None:
    own = {"Entrypoint": ["./run.sh", "--fast"], "WorkingDir": "/work"}

    assert launched({"Entrypoint": list(entrypoint(own))}) == ("./run.sh", "--fast")
    assert launched({"Entrypoint": ["/opt/packmill/bin/packmill-entrypoint"]}) == ()
    assert launched({}) == ()


def test_an_image_keeps_its_own_command() -> None:
    assert command({"Entrypoint": ["tini", "--"], "Cmd": ["serve", "a b"]}) == ("serve", "a b")
    assert command({"Cmd": ["python3"]}) == ()
