"""Resources: amounts in usual notations, from the request, the cell or the algorithm_config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Finished, write_notebook

from generator.metadata.resource_words import read_resources
from generator.metadata.words import Word
from generator.request.resources import Resources, describe_resources, resources_of_options
from generator.request.variables import from_variables
from generator.shared.errors import UsageError


@pytest.mark.parametrize(
    ("name", "text", "amount"),
    [
        ("cores", "4", 4),
        ("cores", "0.5", 0.5),
        ("ram", "2000", 2000),
        ("ram", "8GB", 8192),
        ("ram", "8 GiB", 8192),
        ("ram", "1.5g", 1536),
        ("ram", "1 KB", 1),
        ("disk", "1TB", 1024**2),
        ("time", "90", 90),
        ("time", "1h30m", 5400),
        ("time", "1 h 30 min", 5400),
        ("time", "2 days", 172800),
        ("time", "01:30:00", 5400),
        ("time", "1:30", 5400),
        ("time", "PT1H30M", 5400),
        ("time", "P1DT2H", 93600),
        ("time", "0.5", 1),
        ("gpu", "2", 2),
        ("gpu", "yes", 1),
        ("gpu", "0", 0),
    ],
)
def test_amounts(name: str, text: str, amount: float) -> None:
    assert getattr(resources_of_options({name: text}), name) == amount


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cores", "-1"),
        ("cores", "0"),
        ("cores", "many"),
        ("cores", "1e9"),
        ("ram", "8XB"),
        ("ram", "0"),
        ("ram", "9" * 5000),
        ("disk", "big"),
        ("time", "noon"),
        ("time", "1h30x"),
        ("time", "2026-01-01"),
        ("gpu", "A100"),
    ],
)
def test_other_texts_are_refused(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is "):
        resources_of_options({name: text})


def test_options_that_are_not_given_request_nothing() -> None:
    assert resources_of_options({"cores": None, "ram": ""}) == Resources()


@pytest.mark.parametrize("word", ["ram", "ram_min", "ramMin", "memory"])
def test_resources_are_known_by_the_words_of_maap_and_cwl(word: str) -> None:
    resources, others, mistakes = read_resources([Word(name=word, value=8)], "here")

    assert (resources.ram, others, mistakes) == (8, (), ())


@pytest.mark.parametrize(("value", "gpu"), [(True, 1), (False, 0), (2, 2)])
def test_a_number_of_gpus_may_be_a_boolean(value: object, gpu: int) -> None:
    assert read_resources([Word(name="gpu", value=value)], "here")[0].gpu == gpu


@pytest.mark.parametrize("value", [True, None, [4], "4 cores"])
def test_other_values_of_a_cell_are_mistakes_unless_none(value: object) -> None:
    mistakes = read_resources([Word(name="cores", value=value, line=3, text="x")], "here")[2]

    assert [one.line for one in mistakes] == ([] if value is None else [3])


def test_a_request_precedes_the_cell_and_the_cell_the_config(
    repository: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "cores = 4\nram = '4GB'", tags=("metadata",))
    (repository / "algorithm_config.yml").write_text("cores_min: 2\nram_min: 2000\noutdir_max: 20000\n")

    finished = packmill("inspect", repository, "--cores", "8", "--time", "1h", "--json")

    assert finished.json()["resources"] == {
        "cores": 8,
        "ram": 4096,
        "disk": 20000,
        "time": 3600,
        "sources": {
            "cores": "the request",
            "time": "the request",
            "ram": "process.ipynb cell 1 (metadata)",
            "disk": "algorithm_config.yml",
        },
    }


def test_a_pipeline_s_variables_request_resources() -> None:
    request = from_variables({"repository": "https://example.org/a/b", "cores": "2", "ram": " 8GB ", "time": ""})

    assert request is not None
    assert (request.resources.cores, request.resources.ram, request.resources.time) == (2, 8192, None)


def test_a_pipeline_s_variable_that_is_no_amount_is_refused() -> None:
    with pytest.raises(UsageError, match="gpu is 'A100'"):
        from_variables({"repository": "https://example.org/a/b", "gpu": "A100"})


def test_the_interface_of_a_notebook_s_config_is_reported_as_unused(
    repository: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    (repository / "algorithm_config.yml").write_text(
        "ram_min: 8GB\nrun_command: run.sh\ninputs: [{name: x}]\noutputs: []\n"
    )

    described: dict[str, Any] = packmill("inspect", repository, "--json").json()

    assert described["resources"]["ram"] == 8192
    assert [one["message"] for one in described["warnings"]] == ["algorithm_config.yml: not used: inputs, run_command"]


def test_a_config_that_cannot_be_read_does_not_stop_a_notebook(
    repository: Path, packmill: Callable[..., Finished]
) -> None:
    write_notebook(repository / "process.ipynb", "n = 1")
    (repository / "algorithm_config.yml").write_text("{{ template }}: [")

    finished = packmill("inspect", repository, "--json")

    assert finished.code == 0
    assert "algorithm_config.yml: its metadata cannot be read: line 1" in finished.json()["warnings"][0]["message"]


def test_resources_in_words() -> None:
    resources = Resources(cores=1, ram=2097152, time=3600, gpu=2)

    assert describe_resources(resources) == "1 core, 2097152 MiB of memory, 3600 seconds, 2 GPUs"
