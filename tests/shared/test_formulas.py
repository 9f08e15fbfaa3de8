"""Formulas of TeX become MathML, whatever their authors wrote."""

from __future__ import annotations

import re

import pytest

from generator.shared.formulas import Typesetter


@pytest.mark.parametrize(
    ("formula", "part"),
    [
        (r"x < \frac{1}{2}", "<mo>&lt;</mo><mfrac>"),
        (r"\label{eq:1} x", "<mrow><mi>x</mi></mrow></math>"),
        (r"\begin{align} a &= b \\ c &= d \end{align}", "<mo>=</mo><mi>b</mi></mtd></mtr>"),
        (r"\begin{bmatrix} 1 & 2 \\ 3 & 4 \end{bmatrix}", "<mtd><mn>4</mn></mtd>"),
        (r"\text{<img src=x>&lt;b&gt;}", "<mtext>&lt;img\N{NO-BREAK SPACE}src=x&gt;&lt;b&gt;</mtext>"),
        (r"\href{javascript:alert(1)}{x}", "<mrow><mrow><mi>x</mi></mrow></mrow>"),
    ],
)
def test_a_formula_becomes_mathml_without_markup_of_its_author(formula: str, part: str) -> None:
    made = Typesetter().formula(formula, is_block=False)

    assert made is not None
    assert part in made
    assert "javascript" not in made
    assert "eq:1" not in made


@pytest.mark.parametrize("formula", [r"\frac", r"\begin{matrix}" * 2000, r"\def\x{\x\x}\x", "x_1_2", "1" * 9000])
def test_a_wrong_or_hostile_formula_is_not_typeset(formula: str) -> None:
    assert Typesetter().formula(formula, is_block=True) is None


def test_formulas_of_a_text_are_typeset_and_its_other_characters_stay() -> None:
    made = Typesetter().text(r"<b> costs \$5, $x$, $$y$$, \[z\] and \begin{cases} 1 \\ 2 \end{cases}, $\frac$")

    assert made.startswith(r"&lt;b&gt; costs \$5, <math")
    assert made.count('display="block"') == 3
    assert made.endswith(r"$\frac$")
    assert not re.search(r"\\(begin|end|\[)", made)


def test_a_page_typesets_a_bounded_number_of_characters() -> None:
    typesetter = Typesetter(left=3)

    assert typesetter.formula("x+1", is_block=False)
    assert typesetter.formula("x", is_block=False) is None
    assert Typesetter().text("$x$" * 20_000).startswith("$x$")
