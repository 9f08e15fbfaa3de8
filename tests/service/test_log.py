"""A log as HTML: sections, colours, and nothing of what it says as markup."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from generator.service.api.growing_file import growing_file_response
from generator.service.pages.log import lines


def _html(text: str) -> list[str]:
    return [line["html"] for line in lines(f"{text}\n".encode())[0]]


def test_what_a_log_says_is_escaped() -> None:
    assert _html("<script>alert('x')</script> & more") == [
        "&lt;script&gt;alert(&#x27;x&#x27;)&lt;/script&gt; &amp; more"
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[32;1mgood\x1b[0;m plain", '<span class="ansi-green bold">good</span> plain'),
        ("\x1b[31mred\x1b[39m plain", '<span class="ansi-red">red</span> plain'),
        ("\x1b[91m<b>\x1b[0m", '<span class="ansi-red">&lt;b&gt;</span>'),
        ("10%\r50%\r100%", "100%"),
        ("\x1b]0;title\x07shown\x1b[2J\x1b[10;5H!", "shown!"),
        ('\x1b[38;5;"><script>m', "[38;5;&quot;&gt;&lt;script&gt;m"),
        ("a\x00\x08b\x7f", "ab"),
    ],
)  # fmt: skip
def test_colours_become_classes_and_other_sequences_nothing(text: str, expected: str) -> None:
    assert _html(text) == [expected]


def test_sections_are_told_apart_with_their_times() -> None:
    log = (
        "\x1b[0Ksection_start:100:build[collapsed=true]\r\x1b[0KBuilding <x>\ninside\n"
        "\x1b[0Ksection_end:107:build\r\x1b[0Kafter\n"
    )

    assert lines(log.encode())[0] == [
        {"start": "build", "at": 100, "folded": True, "html": "Building &lt;x&gt;"},
        {"html": "inside"},
        {"end": "build", "at": 107},
        {"html": "after"},
    ]


def test_only_whole_lines_are_taken() -> None:
    assert lines("one\ntwo\nthr\u00fc".encode()) == ([{"html": "one"}, {"html": "two"}], 8)
    assert lines(b"no end") == ([], 0)


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert lines(b"\xff\xfe\x80ok\n")[0][0]["html"].endswith("ok")


def test_a_log_that_is_removed_while_it_is_opened_is_shown(tmp_path: Path) -> None:
    class Removed(type(tmp_path)):  # type: ignore[misc]
        def open(self, *options: Any) -> Any:
            opened = super().open(*options)
            self.unlink()
            return opened

    (tmp_path / "trace").write_bytes(b"log")
    response = growing_file_response(Removed(tmp_path / "trace"), Request({"type": "http", "headers": []}))

    async def body() -> bytes:
        assert isinstance(response, StreamingResponse)
        return b"".join([bytes(chunk) async for chunk in response.body_iterator])  # type: ignore[arg-type]

    assert (response.headers["content-length"], asyncio.run(body())) == ("3", b"log")
