"""``packmill-runner run IN OUT`` beyond papermill: refusals, addresses, templates, results, pages, secrets, signals."""

from __future__ import annotations

import http.server
import json
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from support import Folder, notebook
from waiting import wait_until

pytestmark = pytest.mark.slow

_CELL = "n = 1  # type: int\ncode = '1.10'  # type: Literal['012', '1.10']\nratio = 0.5  # type: float\nmode = 'a'  # type: Literal['a', 'b']\nname = 'x'  # type: string\nfree = 'x'\nout = 'o.png'  # type: stage-out"  # noqa: E501


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("-p", "n", "x"), 2, "n is 'x', but an int is needed"),
        (("-p", "mode", "c"), 2, "mode is 'c', but one of 'a', 'b' is needed"),
        (("-y", "name: 012"), 2, "name is the number 10, but a string is needed; write it in quotes"),
        (("-y", "name: 12:30:00"), 2, "name is the number 45000, but a string is needed; write it in quotes"),
        (("-y", "name: yes"), 2, "name is the boolean true, but a string is needed; write it in quotes"),
        (("-p", "n", "None"), 2, "n is null, but an int is needed"),
        (("-p", "nn", "1"), 2, "nn: the notebook has no such parameter; did you mean 'n'?; --allow-unknown injects"),
        (("-p", "n"), 2, "-p needs a name and a value"),
        (("-y", "[1]"), 2, "-y: a list, not a mapping; write a line"),
        (("-y", "{"), 2, "-y line 1: the bracket that begins here is not closed"),
        (("-b", "%%"), 2, "'%%' is not valid base64 of text"),
        (("-f", "gone.yaml"), 2, "gone.yaml: cannot be read"),
        (("--cwd", "gone"), 2, "gone: working directory not found"),
        (("--stdout-file", "gone/x"), 2, "gone/x: cannot be written to"),
        (("-k", "gone", "-l", "cobol"), 4, "kernel 'gone': not found; available kernels"),
        (("--engine", "gone"), 2, "No engine named 'gone' found"),
        (("--template", "x"), 2, "--template: no file of templates"),
        (("--template-arg", "x"), 2, "--template-arg 'x': write it as NAME=VALUE"),
        (("--inputs", "x"), 2, "--inputs: only allowed with --process"),
        (("--expect", "x"), 2, "--expect: only allowed with --process"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line_before_a_kernel_starts(
    words: tuple[str, ...], code: int, said: str, here: Folder
) -> None:
    here.write(_CELL, "open('ran', 'w')")

    done = here.run("in.ipynb", "out.ipynb", *words)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not (here.folder / "ran").exists()
    assert not (here.folder / "out.ipynb").exists()


@pytest.mark.parametrize(
    ("source", "output", "code", "said"),
    [
        ("gone.ipynb", "out.ipynb", 2, "gone.ipynb: cannot be read: No such file or directory"),
        ("in.ipynb", "gone/out.ipynb", 2, "gone: folder of the executed notebook not found"),
        ("in.ipynb", "out-{nobody}.ipynb", 2, "cannot be filled in: Missing parameter 'nobody'"),
        ("broken.ipynb", "out.ipynb", 3, "broken.ipynb:1:1: not a notebook"),
        ("http://127.0.0.1:9/x.ipynb", "out.ipynb", 2, "http://127.0.0.1:9/x.ipynb: cannot be read"),
        ("ftp4://host/x.ipynb", "out.ipynb", 2, "ftp4://host/x.ipynb: cannot be read: Protocol not known: ftp4"),
        ("s3://bucket/x.ipynb", "out.ipynb", 2, "s3://bucket/x.ipynb: cannot be read"),
    ],
)
def test_an_address_that_does_not_lead_to_a_notebook_is_named(
    source: str, output: str, code: int, said: str, here: Folder
) -> None:
    here.write("n = 1")
    (here.folder / "broken.ipynb").write_text("this is none")

    done = here.run(source, output)

    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("-r", "n", "3"), "3"),
        (("-p", "n", "3.0"), "3"),
        (("-p", "ratio", "3"), "3"),
        (("-p", "name", "007"), "'007'"),
        (("-p", "name", "True"), "'True'"),
        (("-p", "free", "007"), "7"),
        (("-p", "code", "012"), "'012'"),
        (("-y", "name: 2020-01-01"), "'2020-01-01'"),
        (("-p", "mode", "b"), "'b'"),
        (("-p", "out", "p.png"), "'p.png'"),
    ],
)
def test_a_typed_parameter_is_of_its_type_and_another_as_papermill_has_it(
    words: tuple[str, ...], value: str, here: Folder
) -> None:
    here.write(_CELL, f"print(repr({words[1].partition(':')[0]}))")

    done = here.run("in.ipynb", "out.ipynb", *words)

    assert done.returncode == 0, done.stderr
    assert here.texts() == f"{value}\n"


class _Store(http.server.BaseHTTPRequestHandler):
    files: ClassVar[dict[str, bytes]] = {}

    def do_GET(self) -> None:
        data = self.files.get(self.path)
        self.send_response(200 if data is not None else 404)
        self.end_headers()
        self.wfile.write(data or b"<html>not here</html>")

    def do_PUT(self) -> None:
        self.files[self.path] = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(201)
        self.end_headers()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Store) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()
        _Store.files.clear()


def test_a_notebook_from_a_web_address_to_another(server: str, here: Folder) -> None:
    _Store.files["/in.ipynb"] = json.dumps(notebook("n = 1", "print(n)")).encode()
    _Store.files["/p.yaml"] = b"n: 5"

    done = here.run(f"{server}/in.ipynb", f"{server}/out.ipynb", "-f", f"{server}/p.yaml")

    assert done.returncode == 0, done.stderr
    assert json.loads(_Store.files["/out.ipynb"])["cells"][2]["outputs"][0]["text"] == ["5\n"]


def test_an_error_page_is_no_notebook(server: str, here: Folder) -> None:
    done = here.run(f"{server}/gone.ipynb?token=hunter2", "out.ipynb")

    assert done.returncode == 2
    assert "404" in done.stderr
    assert "hunter2" not in done.stderr


def test_every_address_of_fsspec_s(here: Folder) -> None:
    with zipfile.ZipFile(here.folder / "all.zip", "w") as archive:
        archive.writestr("in.ipynb", json.dumps(notebook("n = 1", "print(n)")))

    done = here.run(f"zip://in.ipynb::{here.folder}/all.zip", f"file://{here.folder}/out.ipynb", "-p", "n", "7")

    assert done.returncode == 0, done.stderr
    assert here.texts() == "7\n"


def test_the_output_may_be_the_input(here: Folder) -> None:
    here.write("n = 1", "print(n)", name="same.ipynb")

    assert here.run("same.ipynb", "same.ipynb", "-p", "n", "2").returncode == 0
    assert here.run("same.ipynb", "same.ipynb", "-p", "n", "3").returncode == 0
    assert here.texts("same.ipynb") == "3\n"
    assert len(here.executed("same.ipynb")["cells"]) == 3


def test_a_templated_path(here: Folder) -> None:
    here.write("city = 'Lisbon'\ntoken = ''  # type: secret", "print(city)")
    template = "runs/{{ args.year }}/{{ city | lower }}-{{ args.who }}"

    done = here.run("in.ipynb", "--output-template", template, "-p", "city", "Rome", "--template-arg", "who=ada")

    assert done.returncode == 0, done.stderr
    (executed,) = here.folder.glob("runs/20??/rome-ada.ipynb")
    assert "Rome" in executed.read_text()
    assert f"the executed notebook is saved to {executed.relative_to(here.folder)}" in done.stderr


def test_a_secret_is_not_for_paths(here: Folder) -> None:
    here.write("token = ''  # type: secret")

    done = here.run("in.ipynb", "--output-template", "{{ token }}", "-p", "token", "hunter2hunter2")

    assert done.returncode == 2
    assert "hunter2" not in done.stderr


def test_stored_templates(here: Folder) -> None:
    here.write("n = 1")
    store = ("--templates", "templates.sqlite")
    for words in (("set", "a", "a-{{ n }}"), ("set", "b", "b-{{ n }}", "--default")):
        command = [sys.executable, "-m", "generator.runner", "template", *words, *store]
        assert subprocess.run(command, cwd=here.folder, check=False).returncode == 0
    listing = [sys.executable, "-m", "generator.runner", "template", "list", *store]
    listed = subprocess.run(listing, cwd=here.folder, capture_output=True, text=True, check=True).stdout

    assert listed == "a: a-{{ n }}\nb (default): b-{{ n }}\n"
    assert here.run("in.ipynb", "--template", "a", "-p", "n", "2", *store).returncode == 0
    assert here.run("in.ipynb", "-p", "n", "3", env={**os.environ, "PACKMILL_TEMPLATES": store[1]}).returncode == 0
    assert {path.name for path in here.folder.glob("?-?.ipynb")} == {"a-2.ipynb", "b-3.ipynb"}


def test_results_are_written_where_they_are_asked_for(here: Folder) -> None:
    here.write(
        "n = 1", "from packmill import glue\nfrom IPython.display import HTML\nglue('n', n)\nglue('page', HTML('<p>'))"
    )

    done = here.run("in.ipynb", "out.ipynb", "--results", "deep/results")

    assert done.returncode == 0, done.stderr
    results = here.folder / "deep/results"
    assert json.loads((results / "scraps.json").read_text())["n"] == 1
    assert (results / "scraps/page.html").read_text() == "<p>"
    result = json.loads((results / "result.json").read_text())
    assert [one["path"] for one in result["outputs"]] == ["../../out.ipynb", "scraps/page.html", "scraps.json"]
    assert result["state"] == "succeeded"


@pytest.mark.parametrize(("status", "code", "reason"), [(200, 0, None), (404, 11, "status-code")])
def test_the_status_that_a_notebook_gives_itself_counts(
    status: int, code: int, reason: str | None, here: Folder
) -> None:
    here.write("n = 1", f"from packmill import glue\nglue('statusCode', {status})")

    done = here.run("in.ipynb", "out.ipynb", "--results", "results")

    assert done.returncode == code, done.stderr
    result = json.loads((here.folder / "results/result.json").read_text())
    assert (result["status_code"], result["exit_code"], result["reason"]) == (status, code, reason)


@pytest.mark.parametrize(("more", "has_code"), [((), True), (("--report-mode",), False)])
def test_a_page_for_people(more: tuple[str, ...], has_code: bool, here: Folder) -> None:
    here.write("n = 1", "print('the result')", "unmistakable = 1")

    done = here.run("in.ipynb", "out.ipynb", "--html", *more)

    assert done.returncode == 0, done.stderr
    page = (here.folder / "out.html").read_text()
    assert "the result" in page
    assert ("unmistakable" in page) is has_code


def test_a_failed_run_has_its_page_too(here: Folder) -> None:
    here.write("1 / 0")

    assert here.run("in.ipynb", "out.ipynb", "--html").returncode == 1
    assert "ZeroDivisionError" in (here.folder / "out.html").read_text()


@pytest.mark.parametrize("data", ["{'text/markdown': 5}", "{'image/svg+xml': None}", "{'text/html': ['a', 5]}"])
def test_an_output_that_no_page_can_show_fails_no_run(data: str, here: Folder) -> None:
    here.write(f"from IPython.display import publish_display_data\npublish_display_data({data})")

    done = here.run("in.ipynb", "out.ipynb", "--html", "--results", "results")

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert ("warning: no HTML page" in done.stderr) is not (here.folder / "out.html").exists()
    assert json.loads((here.folder / "results/result.json").read_text())["state"] == "succeeded"


def test_a_template_has_the_defaults_of_parameters_that_a_run_leaves_out(here: Folder) -> None:
    here.write("city = 'Berlin'\nn = 1\nkey = ''  # type: secret")

    done = here.run("in.ipynb", "--output-template", "{{ city | lower }}-{{ n }}.ipynb", "-p", "n", "2")

    assert done.returncode == 0, done.stderr
    assert (here.folder / "berlin-2.ipynb").exists()


def test_help_notebook_shows_the_parameters(here: Folder) -> None:
    here.write(_CELL)

    done = here.run("in.ipynb", "--help-notebook")

    assert done.returncode == 0
    assert "  mode: a | b (default: 'a')" in done.stdout
    assert "  out: output o.png" in done.stdout


def test_a_secret_is_written_nowhere(here: Folder) -> None:
    secret = "p4ss\"word'\\x"
    here.write(
        "token = ''  # type: secret",
        "print('the token is ' + token)\nimport sys, os\nsys.stdout.write(token[:3]); sys.stdout.flush()\n"
        "sys.stdout.write(token[3:])\nos.write(2, token.encode())",
        "from packmill import glue\nglue('token', token)\nfrom IPython.display import HTML\nHTML(token)",
        "raise ValueError(token)",
    )
    done = here.run("in.ipynb", "out.ipynb", "--html", "--log-output", "--results", "r", "-r", "token", secret)

    assert done.returncode == 1
    written = "".join(path.read_text() for path in here.folder.rglob("*") if path.is_file())
    for form in (secret, json.dumps(secret)[1:-1], repr(secret)[1:-1]):
        assert form not in written + done.stderr + done.stdout
    assert "the token is ********" in written


def test_an_interrupt_leaves_a_saved_notebook_and_its_traceback(here: Folder) -> None:
    here.write(
        "n = 1",
        "print('seen')",
        "import time\ntry:\n    open('begun', 'w')\n    time.sleep(600)\nfinally:\n    open('cleaned', 'w')",
    )
    command = [sys.executable, "-m", "generator.runner", "run", "in.ipynb", "out.ipynb"]
    process = subprocess.Popen(command, cwd=here.folder, stderr=subprocess.PIPE, text=True, stdin=subprocess.DEVNULL)
    wait_until((here.folder / "begun").exists)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 143, err
    assert here.texts() == "seen\n"
    errors = [one["ename"] for one in here.executed()["cells"][-1]["outputs"]]
    assert errors == ["KeyboardInterrupt"]
    assert (here.folder / "cleaned").exists()
    assert here.executed()["cells"][-1]["metadata"]["papermill"]["status"] == "failed"


def test_memory_does_not_grow_with_what_was_printed(here: Folder) -> None:
    """Sixty megabytes of outputs in sixty cells."""
    here.write(*["print('y' * 1_000_000)"] * 60)
    program = (
        "import os, sys\nfrom generator.runner.cli import main\n"
        "from generator.runner.execution.watching import peak_memory\n"
        "assert main(sys.argv[1:]) == 0\nprint(peak_memory(os.getpid()) // 1024**2)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, "run", "in.ipynb", "out.ipynb"],
        cwd=here.folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 60
    assert len(here.texts()) == 60 * 1_000_001
