"""Careless users, odd notebooks and hostile notebooks do not break the runner or leak secrets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import nbformat
import pytest
from support import Folder, notebook

from generator.runner.document.document import read_document
from generator.runner.execution.cells import Stop
from generator.runner.execution.progress import Progress, explain
from generator.runner.kernels.channels import Channels
from generator.runner.kernels.process import Connection

pytestmark = pytest.mark.slow


@pytest.fixture
def here(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


_FORMS = "import json, html, base64, urllib.parse as u\nprint(repr(token), json.dumps(token), html.escape(token), u.quote(token), base64.b64encode(token.encode()).decode())\nprint({token: 1})"  # noqa: E501


@pytest.mark.parametrize("secret", ["pa\"s\\w&örd'", "-----BEGIN\nABCDEFGHIJ\n-----END", "12345678"])
@pytest.mark.parametrize(
    "cell",
    [
        _FORMS,
        "{}[token]",
        "import time\nprint(token[:3], end='', flush=True)\ntime.sleep(0.4)\nprint(token[3:])",
        "from packmill import glue\nglue('a', token)\nglue('b', int(token) if token.isdigit() else [token])",
        "from IPython.display import JSON, HTML, display\ndisplay(JSON({'k': [token]}), HTML(token))",
    ],
)
def test_a_secret_is_masked_in_every_form_that_programs_print(cell: str, secret: str, here: Folder) -> None:
    here.write("token = ''  # type: secret", cell)
    copies = ("--stdout-file", "o.txt", "--log-output", "--results", "r", "--html")

    done = here.run("in.ipynb", "out.ipynb", "-r", "token", secret, *copies)

    written = done.stderr + "".join(path.read_text() for path in here.folder.rglob("*") if path.is_file())
    tokens = [
        secret,
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        *(line for line in secret.splitlines() if len(line) > 8),
    ]
    assert [form for form in tokens if form in written] == []
    assert "********" in written


def test_a_number_of_more_digits_than_python_reads_is_no_line_of_a_cell() -> None:
    traceback = ("-> " + "9" * 5000 + " x", "----> 1 fail()")
    stop = Stop(0, at_once=True, failed=True, name="ValueError", value="x", traceback=traceback)
    document = read_document(json.dumps(notebook("fail()")).encode(), "in.ipynb")
    progress = SimpleNamespace(number=lambda index: index + 1, task=SimpleNamespace(document=document))

    assert explain(stop, cast("Progress", progress)) == "cell 1 failed: ValueError: x\n  line 1: fail()"


@pytest.mark.parametrize("secret", ["text", "code", "name", "data", "stream", "2026", "source"])
def test_a_secret_that_is_an_ordinary_word_leaves_the_notebook_a_notebook(secret: str, here: Folder) -> None:
    here.write("token = ''  # type: secret\nother = 'x'", "print(other)\n{'text': 1, 'name': 2}")

    done = here.run("in.ipynb", "out.ipynb", "-r", "token", secret, "-r", "other", "secret: token")

    assert done.returncode == 0, done.stderr
    nbformat.validate(nbformat.read(here.folder / "out.ipynb", as_version=4))
    assert here.texts().startswith("secret: token\n")


def test_a_secret_that_does_not_fit_is_not_repeated(here: Folder) -> None:
    here.write("token = ''  # type: secret")

    done = here.run("in.ipynb", "out.ipynb", "-y", "token: [hunter2hunter2]", "--results", "r")

    assert done.returncode == 2
    assert "token: the secret value is not of type string" in done.stderr
    assert "hunter2" not in done.stderr + (here.folder / "r/result.json").read_text()


def test_a_secret_is_in_no_history_of_cells(here: Folder) -> None:
    here.write("token = ''  # type: secret", "print(len(In), len(token))")
    home = {**os.environ, "HOME": str(here.folder), "IPYTHONDIR": str(here.folder / "ipython")}

    assert here.run("in.ipynb", "out.ipynb", "-p", "token", "hunter2hunter2", env=home).returncode == 0
    assert here.texts() == "4 14\n"
    kept = b"".join(path.read_bytes() for path in here.folder.rglob("*") if path.is_file())
    assert b"hunter2" not in kept


def test_a_null_secret_is_none(here: Folder) -> None:
    here.write("token = ''  # type: secret?", "print(token is None)")

    assert here.run("in.ipynb", "out.ipynb", "-y", "token: null").returncode == 0
    assert here.texts() == "True\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("o-{token}.ipynb",), "Missing parameter 'token'"),
        (("out.ipynb", "--engine", "nbclient"), "the secret 'token': not supported by --engine nbclient"),
    ],
)
def test_where_a_secret_would_be_written_the_run_is_refused(words: tuple[str, ...], said: str, here: Folder) -> None:
    here.write("token = ''  # type: secret")

    done = here.run("in.ipynb", *words, "-p", "token", "hunter2hunter2")

    assert done.returncode == 2
    assert said in done.stderr
    assert [path.name for path in here.folder.iterdir()] == ["in.ipynb"]


def test_a_cell_that_speaks_of_a_secret_has_to_be_understood(here: Folder) -> None:
    here.write("token = ''  # type: secret\nn = 'x'  # type: int")

    assert here.run("in.ipynb", "out.ipynb", "-p", "token", "x", "--allow-unknown").returncode == 2


_COMM = """
from comm import create_comm
c = create_comm(target_name='x', data={'state': 'ready'})
c.send(data='state here')
"""
_DEEP = """
import sys
from IPython.display import display
sys.setrecursionlimit(20_000)
def deep(levels):
    value = 1
    for _ in range(levels):
        value = [value]
    return value
def glue(name, value):
    scrap = {'name': name, 'data': value, 'encoder': 'json', 'version': 1}
    display({'application/scrapbook.scrap.json+json': scrap}, raw=True, metadata={'scrapbook': {'name': name}})
for levels in (100, 600, 3000):
    display({'application/json': deep(levels)}, raw=True)
glue('value', deep(600))
glue('text', '[' * 600 + ']' * 600)
"""
_MANY_DIGITS = """
import sys
from IPython.display import display
sys.set_int_max_str_digits(0)
for _ in range(7):
    display({'application/json': 10 ** 5000}, raw=True)
"""
_RAW_MESSAGES = """
kernel = get_ipython().kernel
messages = [('stream', {'name': 'stdout', 'text': None})]
for data, metadata in (({'text/plain': 'x'}, None), ('x', {}), (None, {}), ({}, ['x'])):
    messages.append(('display_data', {'data': data, 'metadata': metadata}))
    messages.append(('execute_result', {'data': data, 'metadata': metadata, 'execution_count': 'x'}))
    messages.append(('display_data', {'data': {}, 'transient': {'display_id': 'd'}}))
    messages.append(('update_display_data', {'data': data, 'metadata': metadata, 'transient': {'display_id': 'd'}}))
for kind, content in messages:
    get_ipython().display_pub.session.send(kernel.iopub_socket, kind, content, parent=kernel.get_parent(), ident=b'x')
"""


@pytest.mark.parametrize(
    "cell",
    [
        "import os\nprint(os.fsdecode(b'caf\\xe9.txt'))",
        "'\\ud800'",
        "from IPython.display import display\ndisplay({'text/plain': 'a'}, raw=True, metadata={'scrapbook': ['name']})",
        "from IPython.display import display\ndisplay({'text/plain': 'a'}, raw=True, metadata={'papermill': True})",
        "from packmill import glue\nfrom IPython.display import HTML\nglue('漢' * 100, HTML('x'))",
        pytest.param(_COMM, id="comm"),
        pytest.param(_RAW_MESSAGES, id="raw-messages"),
        "import sys\nsys.stdout.close()",
        pytest.param(_DEEP, id="deep"),
        pytest.param(_MANY_DIGITS, id="many digits"),
        "breakpoint()",
        "from dateutil.parser import *\nparse('2020-01-01')\nimport dateutil.parser as d\nd.isoparse(b'2020-01-01')",
        "import jupyter_client as j\nj.KernelManager, j.write_connection_file, j.__version__",
    ],
)
def test_no_output_of_a_notebook_ends_the_run(cell: str, here: Folder) -> None:
    here.write("n = 1", cell, "open('reached', 'w').close()")

    done = here.run("in.ipynb", "out.ipynb", "--results", "r")

    assert done.returncode == 0, done.stderr
    assert (here.folder / "reached").exists()
    nbformat.read(here.folder / "out.ipynb", as_version=4)


def test_outputs_with_numbers_of_more_digits_than_python_reads_are_left_out(here: Folder) -> None:
    here.write("n = 1", _MANY_DIGITS, "print('next')")

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 0, done.stderr
    assert here.texts().count("an output was left out: it is not JSON, has a whole number of too many digits") == 7
    assert "next" in here.texts()


def test_a_message_whose_id_ends_in_thousands_of_digits_is_an_output(tmp_path: Path) -> None:
    ports = {name: number for number, name in enumerate(("shell", "control", "iopub"), 1)}
    channels = Channels(Connection(transport="ipc", ip=str(tmp_path), ports=ports, key=""))
    header = json.dumps({"msg_id": f"a_{'1' * 5000}", "msg_type": "stream"}).encode()
    frames = [b"<IDS|MSG>", b"", header, b"{}", b"{}", b'{"text": "next"}']
    channel: Any = SimpleNamespace(recv_multipart=lambda *_: frames)

    message = channels.receive(channel)
    channels.close()

    assert message is not None
    assert message.content == {"text": "next"}
    assert channels.received.lost() == 0


def test_outputs_of_more_levels_than_programs_read_are_left_out(here: Folder) -> None:
    here.write("n = 1", _DEEP)

    done = here.run("in.ipynb", "out.ipynb", "--results", "r", "--html")

    assert done.returncode == 0, done.stderr
    assert here.texts().count("an output was left out: its JSON has more than 200 lists and objects") == 3
    assert list(json.loads((here.folder / "r" / "scraps.json").read_text())) == ["text"]


@pytest.mark.parametrize(
    "broken",
    [
        {"cells": [{"source": "1"}]},
        {"metadata": "x"},
        {"metadata": {"kernelspec": None, "papermill": None}},
        {"cells": [{"cell_type": "code", "source": "1", "metadata": [1], "outputs": 5}]},
        {"cells": [{"cell_type": "code", "source": "1", "metadata": {"tags": 5, "papermill": 1}, "outputs": [1, "x"]}]},
        {"cells": [{"cell_type": "markdown", "source": "1", "attachments": "x"}]},
        {"cells": [{"cell_type": "markdown", "source": "1", "attachments": {"x": 5}, "outputs": [1]}]},
        {"cells": [{"cell_type": "raw", "source": "1", "outputs": [{"output_type": "stream"}]}]},
        {"cells": [{"cell_type": "code", "source": "", "outputs": [{"output_type": "stream"}, {"data": 5}]}]},
    ],
)
def test_an_odd_notebook_runs_or_is_refused_in_one_line(broken: dict[str, Any], here: Folder) -> None:
    (here.folder / "in.ipynb").write_text(json.dumps({**notebook("n = 1"), **broken}))

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("in.ipynb", "folder"), 2),
        (("in.ipynb", "out.ipynb", "--results", "in.ipynb"), 2),
        (("in.ipynb", "--output-template", "in.ipynb/x"), 2),
        (("in.ipynb", "o{n[0]}.ipynb", "-p", "n", "1"), 2),
        (("in.ipynb", "out.ipynb", "-y", "n: &a [*a]"), 2),
        (("in.ipynb", "out.ipynb", "--timeout", "nan"), 2),
        (("in.ipynb", "out.ipynb", "--parameters_ra", "n", "3"), 2),
        (("in.ipynb", "out.ipynb", "-k", "no-such"), 4),
        (("in.ipynb", "out.ipynb", "--engine", "nbclient", "-k", "no-such"), 4),
        (("in.ipynb", "out.ipynb", "--execution-timeout", "0"), 0),
        (("in.ipynb", "out.ipynb", "-b", "bjog\nMg=="), 0),
    ],
)
def test_odd_words_get_one_line_and_their_exit_code(words: tuple[str, ...], code: int, here: Folder) -> None:
    here.write("n = 1")
    (here.folder / "folder").mkdir()

    done = here.run(*words)

    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr


def test_a_language_without_a_kernel_can_be_prepared(here: Folder) -> None:
    here.write("n <- 1", language="R", kernel="ir")

    assert here.run("in.ipynb", "out.ipynb", "--prepare-only", "-p", "n", "2").returncode == 0
    assert "n = 2" in "".join(here.executed()["cells"][1]["source"])


@pytest.mark.parametrize("closing", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closing: str, here: Folder) -> None:
    here.write("n = 1", "print(n)")
    command = f"{sys.executable} -m generator.runner run in.ipynb out.ipynb {closing}"

    assert subprocess.run(["bash", "-c", command], cwd=here.folder, check=False).returncode == 0
    assert here.texts() == "1\n"


def test_nobody_has_to_read_the_log(here: Folder) -> None:
    here.write("n = 1", *["import time\ntime.sleep(0.1)"] * 5, "print('done')")
    run = f"{sys.executable} -m generator.runner run in.ipynb out.ipynb"

    done = subprocess.run(["bash", "-c", f"set -o pipefail; {run} 2>&1 >/dev/null | head -1"], cwd=here.folder, check=False)  # fmt: skip # noqa: E501

    assert done.returncode == 0
    assert here.texts() == "done\n"


def test_a_link_beside_the_output_is_not_followed(here: Folder) -> None:
    here.write("n = 1")
    (here.folder / "precious").write_text("mine")
    (here.folder / ".out.ipynb.saving").symlink_to("precious")

    assert here.run("in.ipynb", "out.ipynb").returncode == 0
    assert (here.folder / "precious").read_text() == "mine"


def test_what_is_printed_at_the_end_and_left_open_is_there_though_a_thread_runs_on(here: Folder) -> None:
    here.write(
        "import threading, time\nthreading.Thread(target=lambda: time.sleep(30)).start()",
        "f = open('left.txt', 'w')\nf.write('data')",
    )

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 0
    assert (here.folder / "left.txt").read_text() == "data"
    assert "warning: the kernel did not shut down within 5 s and was killed" in done.stderr


def test_objects_that_no_longer_exist_do_not_keep_files_from_being_written(here: Folder) -> None:
    """Progress bars and database libraries leave proxies of objects that are gone."""
    here.write(
        "import weakref\nclass Bar: pass\nbar = Bar()\nshown = weakref.proxy(bar)\ndel bar",
        "class Lazy:\n    @property\n    def __class__(self): print('library code'); raise RuntimeError\nlazy = Lazy()",
        "import threading, time\nthreading.Thread(target=lambda: time.sleep(30)).start()",
        "left = open('left.txt', 'w')\nleft.write('data')\nNone",
        "import io, os\nfull = open(os.pipe()[1], 'w', buffering=10**7)\nfull.write('x' * 10**6)\nNone",
        "class Own(io.BufferedWriter): pass\nown = Own(io.FileIO('own.txt', 'w'))\nown.write(b'data')\nNone",
    )

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 0, done.stderr
    assert [(here.folder / name).read_text() for name in ("left.txt", "own.txt")] == ["data", "data"]
    assert "library code" not in here.texts()
    assert "Traceback" not in done.stderr + here.texts()


def test_a_folder_as_the_executed_notebook_is_refused_before_the_first_cell(here: Folder) -> None:
    here.write("open('ran', 'w').close()")
    (here.folder / "results").mkdir()

    done = here.run("in.ipynb", "results")

    assert done.returncode == 2
    assert "results: is a folder; give the path of the executed notebook, such as results/out.ipynb" in done.stderr
    assert not (here.folder / "ran").exists()


@pytest.mark.parametrize(
    ("ids", "minor", "kept"),
    [
        (("same", "same"), 5, "same"),
        ((None, "second"), 5, ""),
        (("", "with space"), 5, ""),
        (("x" * 65, "line\n"), 5, ""),
        ((5, ["list"]), 5, ""),
        (("same", "same"), 4, ""),
    ],
)
def test_cells_get_ids_of_their_own_that_are_valid(
    ids: tuple[object, object], minor: int, kept: str, here: Folder
) -> None:
    here.write("1", "2")
    document = json.loads((here.folder / "in.ipynb").read_text())
    for cell, identity in zip(document["cells"], ids, strict=True):
        cell.pop("id", None)
        cell.update({"id": identity} if identity is not None else {})
    (here.folder / "in.ipynb").write_text(json.dumps({**document, "nbformat_minor": minor}))

    assert here.run("in.ipynb", "out.ipynb", "--prepare-only").returncode == 0

    nbformat.validate(here.executed())
    first, second = (cell["id"] for cell in here.executed()["cells"])
    assert first != second
    assert not kept or first == kept


def test_kernels_end_by_themselves(here: Folder) -> None:
    """All of them: before packmill waited for ipykernel's control thread, one in twelve had to be killed."""
    here.write("n = 1")

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda number: here.run("in.ipynb", f"out-{number}.ipynb"), range(24)))

    assert [run.stderr for run in runs if run.returncode or "did not shut down" in run.stderr] == []


_LATE = """\
import asyncio
from packmill import glue
async def work():
    await asyncio.sleep(0.3)
    glue({name!r}, {value})
task = asyncio.create_task(work())
"""


def test_a_value_that_is_glued_after_its_cell_is_a_scrap(here: Folder) -> None:
    here.write(_LATE.format(name="answer", value=42), "await task\nglue('other', 1)")

    done = here.run("in.ipynb", "out.ipynb", "--results", "results")

    assert done.returncode == 0, done.stderr
    assert json.loads((here.folder / "results/scraps.json").read_text()) == {"answer": 42, "other": 1}


def test_a_status_code_that_is_glued_after_its_cell_counts(here: Folder) -> None:
    here.write(_LATE.format(name="statusCode", value=404), "await task")

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 11, done.stderr
    assert "404" in done.stderr


def test_a_display_that_is_updated_later_is_the_scrap(here: Folder) -> None:
    here.write(
        "from IPython.display import display, HTML",
        "meta = {'scrapbook': {'name': 'm', 'data': False, 'display': True}}\n"
        "h = display(HTML('old'), display_id='d', metadata=meta)",
        "h.update(HTML('new'), metadata=meta)",
    )

    assert here.run("in.ipynb", "out.ipynb", "--results", "r").returncode == 0
    assert (here.folder / "r/scraps/m.html").read_text() == "new"


def test_a_request_that_a_kernel_drops_while_it_shuts_down_prints_nothing(here: Folder) -> None:
    here.write(
        "n = 1", "get_ipython().kernel.shell_channel_thread_main([])\nNone", "async def own(): pass\nown()\nNone"
    )

    done = here.run("in.ipynb", "out.ipynb")

    assert done.returncode == 0, done.stderr
    assert "Kernel.shell_channel_thread_main" not in here.texts()
    assert "coroutine 'own' was never awaited" in here.texts()
