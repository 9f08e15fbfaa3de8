"""A license is identified by its text or its SPDX expression, and is unknown otherwise."""

from __future__ import annotations

import time

import pytest
from identify.vendor.licenses import LICENSES

from generator.metadata.licenses import canonical_license, license_of_text, spdx_expression

_TEXTS = dict(LICENSES)
_MIT, _BSD = _TEXTS["MIT"], _TEXTS["BSD-3-Clause"]


@pytest.mark.parametrize("spdx", sorted(_TEXTS))
def test_every_well_known_license_is_identified_with_its_holder(spdx: str) -> None:
    text = _TEXTS[spdx].replace("[year]", "2026").replace("[fullname]", "Ada Lovelace and the Trees Team")

    assert license_of_text(text) == spdx


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        (_MIT.replace("MIT License", "The MIT License (MIT)"), "MIT"),
        (_MIT.partition("\n\n")[2], "MIT"),
        (_MIT.replace("\n", " ").replace("Copyright (c) [year] [fullname]", "\nCopyright (c) 2026\n"), "MIT"),
        (_MIT.upper(), "MIT"),
        ("".join(f"Copyright (c) {year} Ada\n" for year in range(1900, 2026)) + _MIT.partition("\n\n")[2], "MIT"),
        (_BSD.replace("the copyright holder nor", "NumFOCUS, Inc. nor"), "BSD-3-Clause"),
        (_BSD.replace("1. ", "* ").replace("2. ", "* ").replace("3. ", "* "), "BSD-3-Clause"),
        (_BSD.replace("COPYRIGHT HOLDERS AND", "REGENTS AND"), "BSD-3-Clause"),
        (_TEXTS["Apache-2.0"].partition("APPENDIX")[0], "Apache-2.0"),
        (_TEXTS["Apache-2.0"].replace("http://", "https://"), "Apache-2.0"),
        (_TEXTS["Apache-2.0"].replace("[yyyy] [name of copyright owner]", "2026 Ada Lovelace"), "Apache-2.0"),
        (_TEXTS["GPL-3.0"].partition("END OF TERMS")[0], "GPL-3.0"),
        ("Trees\n\nThis project is released under the MIT License.\n\n" + _MIT.partition("\n\n")[2], "MIT"),
        ("SPDX-License-Identifier: MIT OR apache-2.0\n\nChoose one.", "MIT OR Apache-2.0"),
    ],
)
def test_usual_forms_of_a_license_are_identified(text: str, spdx: str) -> None:
    assert license_of_text(text) == spdx


@pytest.mark.parametrize(
    "text",
    [
        "",
        "All rights reserved.",
        "Licensed under the Apache License, Version 2.0",
        _MIT.replace("The above copyright", "The Software shall be used for Good, not Evil. The above copyright"),
        _MIT.replace("free of charge,", "free of charge, for non-commercial use,"),
        _MIT + "\nThe Software may not be sold.\n",
        _MIT + "\n" + _BSD,
        _BSD.replace("met:", "met, in research alone:"),
        _BSD.partition("3. Neither")[0],
        "Non-commercial use only.\n\n" + _MIT,
        _TEXTS["Apache-2.0"]
        + "\n---- LLVM Exceptions to the Apache 2.0 License ----\n\nAs an exception, if, as a result of",
        _TEXTS["Apache-2.0"].partition("APPENDIX")[0] + "Without limiting other conditions, you may not sell it.",
    ],
    ids=range(12),
)
def test_a_license_with_other_conditions_is_unknown(text: str) -> None:
    assert license_of_text(text) == ""


def test_a_text_of_many_equal_words_takes_no_time() -> None:
    began = time.process_time()
    license_of_text("the copyright holder " * 80_000)

    assert time.process_time() - began < 5


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("mit or gpl-3.0-only", "MIT OR GPL-3.0-only"),
        ("https://spdx.org/licenses/BSD-3-Clause.html", "BSD-3-Clause"),
        ("http://spdx.org/licenses/MIT", "MIT"),
        ("Apache License 2.0", ""),
        ("(" * 1000, ""),
    ],
)
def test_spdx_expressions_get_their_canonical_spelling(text: str, expression: str) -> None:
    assert spdx_expression(text) == expression
    assert canonical_license(text) == (expression or text)
