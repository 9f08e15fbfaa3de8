"""The groups and controls of the form that starts a pipeline."""

from __future__ import annotations

from support import here

from generator.service.pages.package_form import groups
from generator.service.project.pipeline_file import Variable, read


def test_a_variable_that_takes_yes_is_a_checkbox() -> None:
    variables = [
        Variable(name="no_cache", value="", description="'yes' ignores caches", options=()),
        Variable(name="replace", value="yes", description="'yes' replaces", options=()),
    ]
    image, publishing = groups(variables, {"no_cache": "yes"})

    assert [(one.kind, one.text, one.description) for one in image.controls] == [("checkbox", "yes", "ignores caches")]
    assert [one.kind for one in publishing.controls] == ["text"]  # a box without a tick could not turn it off
    assert (image.is_open, publishing.is_open) == (True, False)


def test_a_variable_of_a_project_s_own_is_shown_with_the_source() -> None:
    variables = [Variable(name=name, value="", description="x", options=()) for name in ("ram", "repository", "mine")]
    source, resources = groups(variables, {})

    assert [one.name for one in source.controls] == ["repository", "mine"]
    assert (source.title, resources.title) == ("", "Resources of a run")


def test_a_variable_of_several_lines_keeps_them() -> None:
    variables = [
        Variable(name=name, value=name, description="x", options=()) for name in ("one", "two\nlines", "end\n")
    ]

    assert [one.kind for one in groups(variables, {})[0].controls] == ["text", "lines", "text"]


def test_every_variable_of_packmill_s_own_pipeline_file_but_the_source_has_a_group() -> None:
    file = read((here.parent / ".gitlab-ci.yml").read_text(), timeout=60)
    source = groups([one for one in file.variables if one.description], {})[0]

    names = [one.name for one in source.controls]
    of_runs = "package package_process inputs table product values row_retries max_failures resume".split()
    assert names == ["repository", "checkout", "process", "env", *of_runs]
