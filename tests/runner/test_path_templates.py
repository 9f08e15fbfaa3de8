"""Paths of executed notebooks as templates: allowed variables, and refused templates."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from generator.runner.output_template import OutputTemplate
from generator.runner.template_store import NamedTemplate, TemplateStore
from generator.shared.errors import UsageError
from generator.shared.failures import BadInputsError
from generator.shared.path_templates import check_template, render_path, render_path_inside

FACTS: dict[str, Any] = {
    "notebook": "work/process.ipynb",
    "time": datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc),
    "parameters": {"city": "São Paulo", "n": 3, "up": "../../etc", "names": ["a", "b"]},
    "args": {"who": "ada"},
}


@pytest.mark.parametrize(
    ("template", "path"),
    [
        ("{{ args.timestamp }}", "20260203040506.ipynb"),
        ("{{args.year}}/{{args.month}}/{{args.day}}/", "2026/02/03/process_out_20260203040506.ipynb"),
        ("./new_folder/{{args.timestamp}}", "new_folder/20260203040506.ipynb"),
        ("{{ args.notebook_name }}-{{ n }}.ipynb", "process-3.ipynb"),
        ("{{ args.who }}/{{ parameters.city | lower }}", "ada/são paulo.ipynb"),
        ("{{ names | join('-') }}{{ '-many' if n > 2 else '' }}", "a-b-many.ipynb"),
        ("{% if n > 2 %}many{% else %}few{% endif %}", "many.ipynb"),
        ("{{ city.upper() }}", "SÃO PAULO.ipynb"),
        ("plain", "plain.ipynb"),
        ("a//b/./c", "a/b/c.ipynb"),
    ],
)
def test_a_template_is_filled_in(template: str, path: str) -> None:
    assert render_path_inside(template, **FACTS) == path


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ nobody }}", "'nobody' is undefined"),
        ("{{ args.nobody }}", "args has no 'nobody'"),
        ("{{ city", "unexpected end of template"),
        ("{{ n / 0 }}", "division by zero"),
        ("{{ city.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
        ("{{ ''['__cl' ~ 'ass__'] }}", "unsafe"),
        ("{{ city.replace('', city) }}", "is not safely callable"),
        ("{{ 'x'.ljust(1000000000) }}", "is not safely callable"),
        ("{{ 'x' * 1000000000 }}", "mul is not allowed in paths"),
        ("{{ 2 ** 2 ** 2 ** 30 }}", "pow is not allowed in paths"),
        ("{{ '%1000000000d' % 1 }}", "mod is not allowed in paths"),
        ("{% for a in range(10) %}{% endfor %}", "for is not allowed in paths"),
        ("{% set a = 'x' ~ 'x' %}", "assign is not allowed in paths"),
        ("{% include '/etc/passwd' %}", "include is not allowed in paths"),
        ("{{ range(10) }}", "Undefined is not safely callable"),
        ("{{ lipsum() }}", "Undefined is not safely callable"),
        ("{{ cycler.__init__.__globals__ }}", "access to attribute '__init__'"),
        ("{{ 'x' | center(1000000000) }}", "No filter named 'center'"),
        ("{{ 'x' | attr('__class__') }}", "No filter named 'attr'"),
        ("{{ args.timestamp" + " | join(args.timestamp)" * 8 + " }}", "join is for lists"),
        ("{{ 1 | round(30000000, 'ceil') }}", "No filter named 'round'"),
        ("{{ 1e999 | int }}", "cannot be rendered"),
        ("{{ " + "(" * 400 + "1" + ")" * 400 + " }}", "the output template"),
        ("{{ " + "-" * 900 + "1 }}", "the output template"),
        ("{{ city | truncate(1) }}", "expected length >= 3"),
        ("x" * 2000, "1 to 1024 characters"),
    ],
)
def test_a_template_chooses_and_joins_values_and_does_nothing_else(template: str, said: str) -> None:
    def build_and_run() -> None:
        check_template(template)
        render_path_inside(template, **FACTS)

    with pytest.raises(UsageError) as refusal:
        build_and_run()

    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{{ long }}", "'long' is longer than 4096 characters"),
        ("{{ parameters.long }}", "'long' is longer"),
        ("{{ parameters['long'][:5] }}", "'long' is longer"),
        ("{{ parameters }}", "a value is longer"),
        ("{{ parameters ~ city }}", "a value is longer"),
        ("{{ args.long }}", "'long' is longer"),
        ("{{ nested }}", "'nested' is longer"),
        ("{{ digits }}", "'digits' is longer"),
        ("{{ many | join(between) }}", "the joined list is longer"),
        ("{{ (half ~ half) | trim(city) }}", "a value is longer"),
        ("{{ city | trim(half ~ half) }}", "a value is longer"),
        ("{{ city.strip(half ~ half) }}", "a value is longer"),
        ("{{ (half ~ half).upper() }}", "a value is longer"),
        ("{{ half }}", "gives an invalid path"),
        ("x" * 2000, "at most 1024 characters"),
    ],
)
def test_a_template_uses_no_long_value(template: str, said: str) -> None:
    """Else a short request could give a path of gigabytes, or one that takes minutes."""
    values = {
        "long": "x" * 5000,
        "half": "x" * 3000,
        "nested": {"a": [["x" * 2000] * 2, ["x" * 2000]]},
        "digits": [10**3000] * 2,
        "many": [0] * 100,
        "between": "-" * 100,
    }
    facts = {**FACTS, "parameters": {**FACTS["parameters"], **values}, "args": {"long": "x" * 5000}}

    with pytest.raises(UsageError) as refusal:
        render_path(template, **facts)

    assert said in str(refusal.value)
    chosen = "{{ city if 'n' in parameters else parameters.long }}-{{ half[:2] }}-{{ many | join | length }}"
    assert render_path(chosen, **facts) == "São Paulo-xx-100.ipynb"


@pytest.mark.parametrize(
    "template", ["/etc/passwd", "../x", "{{ up }}", "a/../../x", "s3://bucket/x", "{{ 'a' }}\\..\\x", "a\nb", "x" * 300]
)
def test_a_path_stays_below_its_folder(template: str) -> None:
    with pytest.raises(UsageError, match="the output template"):
        render_path_inside(template, **FACTS)


def test_outside_of_a_package_a_path_may_be_anywhere() -> None:
    assert render_path("s3://bucket/{{ args.who }}/", **FACTS).startswith("s3://bucket/ada/process_out_")


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    return TemplateStore(tmp_path / "deep" / "templates.sqlite")


def test_a_store_that_is_not_there_is_empty_and_is_not_made(store: TemplateStore) -> None:
    assert store.all() == ()
    assert store.default is None
    assert not store.path.exists()


def test_one_template_is_the_default(store: TemplateStore) -> None:
    store.put("a", "1", default=True)
    store.put("b", "2", default=True)
    store.put("b", "3", default=False)

    assert store.all() == (NamedTemplate("a", "1", default=False), NamedTemplate("b", "3", default=True))
    store.delete("b")
    assert store.default is None


def test_a_template_that_is_not_there_is_named_with_those_that_are(store: TemplateStore) -> None:
    store.put("a", "1", default=False)

    with pytest.raises(BadInputsError, match=r"template 'x': not found in .*; available templates: a"):
        store.get("x")


def test_a_file_that_is_no_store_is_refused(store: TemplateStore) -> None:
    store.path.parent.mkdir()
    store.path.write_text("this is no database" * 100)

    with pytest.raises(BadInputsError, match="cannot be read or written"):
        store.all()


def test_a_template_of_the_run_goes_before_a_stored_one_and_that_before_the_default(store: TemplateStore) -> None:
    store.put("named", "n", default=False)
    store.put("default", "d", default=True)

    assert OutputTemplate(text="t", store=store).choose() == "t"
    assert OutputTemplate(name="named", store=store).choose() == "n"
    assert OutputTemplate(store=store).choose() == "d"
    assert OutputTemplate().choose() is None
    with pytest.raises(BadInputsError, match="give only one of them"):
        OutputTemplate(text="t", name="named", store=store).choose()
    with pytest.raises(BadInputsError, match="--template: no file of templates"):
        OutputTemplate(name="named").choose()
