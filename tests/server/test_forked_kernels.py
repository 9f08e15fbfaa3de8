"""Runs in children of prepared processes: the same results as in a kernel of their own, and nothing shared or left."""

from __future__ import annotations

import ctypes
import gc
import json
import mmap
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from support import here
from waiting import has_ended, wait_until
from warm_runs import KERNEL, WarmResult, WarmRuns

from generator.runner.kernels.prepared import ForkRefusedError
from generator.runner.kernels.specs import find_kernels
from generator.runner.server.kernels.stock import proportional_size
from generator.runner.server.runs.model import Choice
from generator.shared.failures import CellTimeLimitError, KernelDiedError, ProcessFailedError

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # files of a run, at its end
]
_WAYS: tuple[Choice, ...] = ("kernel", "direct")
_RAISES = "raises-exception"


@pytest.fixture(scope="module")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WarmRuns]:
    runs = WarmRuns(tmp_path_factory.mktemp("warm"), patience=1.0)
    yield runs
    runs.end()


@pytest.fixture(params=_WAYS)
def way(request: pytest.FixtureRequest) -> Choice:
    chosen: Choice = request.param
    return chosen


# Outputs

_CELLS = [
    "import os\nprint(os.fsdecode(b'caf\\xe9.txt'))",
    "'\\ud800'",
    "from IPython.display import *\ndisplay({'text/plain': 'a'}, raw=True, metadata={'scrapbook': ['name']})",
    "from packmill import glue\nglue('x', {'a': [1, None]})\nglue('page', HTML('x'))",
    "1 / 0",
    "def f():\n    g()\ndef g():\n    raise ValueError('x')\nf()",
    "%nomagic",
    "!echo shell",
    "%%bash\necho in bash; exit 3",
    "%%capture c\nprint('captured')\n1",
    "c.stdout, _exit_code",
    "len(In), len(Out), In[1][:5], _",
    "import sys; print('e', file=sys.stderr); print('o')",
    "shown = display(HTML('<i>1</i>'), display_id=True)\nshown.update(HTML('<i>2</i>'))",
    "print('gone'); clear_output(); print('kept')",
    "display(JSON({'a': 1})); display(Markdown('**b**')); Image(data=b'\\x89PNG\\r\\n\\x1a\\n' + b'0' * 40)",
    "class R:\n    def _repr_html_(self): return '<b>r</b>'\nR()",
    "class B:\n    def __repr__(self): raise RuntimeError('no')\nB()",
    "class D:\n    def _repr_html_(self): raise RuntimeError('no')\nD()",
    "raise KeyboardInterrupt",
    "import warnings; warnings.warn('careful')",
    "%load_ext nothing",
    "a = 1; a; a + 1;",
    "get_ipython().__class__.__name__, __name__, __doc__, sys.stdin.read()",
    "import logging; logging.warning('log')",
    "import threading\nt = threading.Thread(target=lambda: print('thread')); t.start(); t.join()",
    "import multiprocessing as m\np = m.get_context('fork').Process(target=print, args=('x',)); p.start(); p.join()",
    "print('a' * 200000)",
    "print('\\rprogress', end='')",
    "{'z': 1, 'a': [1] * 50}",
    "len?",
    "help(len)",
    "import this_does_not_exist",
    "exec('1/0')",
    "import traceback\ntry:\n    1/0\nexcept Exception: traceback.print_exc()",
    "%alias",
    "print(sys.stdout.encoding, sys.stdout.isatty(), sys.stdout.errors, sys.argv[1:0], sys.path.index('') > 0)",
    "import beside; beside.answer",
    "%%html\n<b>x</b>",
    "%%writefile w.py\nprint('ran', __name__)",
    "%run w.py",
    "%xmode\n%precision 2\n3.14159",
    "import json; json.loads('{')",
    "for name in ('TERM', 'PAGER', 'MPLBACKEND', 'CLICOLOR'): print(name, os.environ.get(name))",
]


def test_outputs_are_those_of_a_kernel_in_a_process_of_its_own(warm: WarmRuns) -> None:
    tags = {index: [_RAISES] for index in range(len(_CELLS))}
    files = {"beside.py": "answer = 42"}

    runs = [warm.run(*_CELLS, way=way, tags=tags, files=files) for way in ("cold", *_WAYS)]

    assert [run.way for run in runs] == ["cold", *_WAYS]
    cold, *forked = (list(zip(_CELLS, map(_comparable, run.notebook["cells"]), strict=True)) for run in runs)
    for run in forked:
        assert run == cold
    assert len({json.dumps(run.notebook["metadata"]["language_info"]) for run in runs}) == 1


def _comparable(cell: dict[str, Any]) -> str:
    text = json.dumps([cell["execution_count"], cell["outputs"]], sort_keys=True)
    for pattern, same in (
        (r"ipykernel_\d+/\d+\.py|<ipython-input-[^>]*>", "CELL"),
        (r"0x[0-9a-f]{6,}", "ADDRESS"),
        (r"/runs/\d+/\.packmill-\w+", "FOLDER"),
    ):
        text = re.sub(pattern, same, text)
    return text


@pytest.mark.parametrize("way", ["cold", *_WAYS])
def test_what_a_notebook_does_at_its_end_is_done(way: Choice, warm: WarmRuns) -> None:
    exits = "import atexit\natexit.register(lambda: open('ended.txt', 'w').write('ended'))"
    released = "class Map:\n    def __del__(self): open('released.txt', 'w').write('released')\none = Map()\none"

    run = warm.run(exits, "%reset -f", released, "two = 2", way=way)

    assert run.way == way
    assert (run.folder / "ended.txt").read_text() == "ended"
    assert (run.folder / "released.txt").read_text() == "released"


def test_a_failed_run_has_the_same_message_in_every_way(warm: WarmRuns) -> None:
    runs = [warm.run("x = 1", "def f():\n    return x / 0\nf()", way=way) for way in ("cold", *_WAYS)]

    assert {type(run.failure) for run in runs} == {ProcessFailedError}
    assert len({str(run.failure) for run in runs}) == 1
    assert "cell 2 failed: ZeroDivisionError" in str(runs[0].failure)


def test_output_of_programs_and_libraries_is_in_the_order_of_its_printing(warm: WarmRuns) -> None:
    cell = """import os, subprocess, ctypes
print('first')
subprocess.run('echo second; echo error >&2', shell=True)
ctypes.CDLL(None).puts(b'third')
print('fourth')
os.write(1, b'fifth\\n')
display('shown')
print('sixth')"""

    run = warm.run(cell, way="direct")

    texts = ["".join(one.get("text", one.get("name", ""))) for one in run.outputs[0]]
    assert texts == ["first\nsecond\nthird\nfourth\nfifth\n", "error\n", "", "sixth\n"]


def test_output_before_the_death_of_the_process_is_kept(way: Choice, warm: WarmRuns) -> None:
    run = warm.run("n = 1", "print('one')\nprint('two')\nimport os, time\ntime.sleep(0.5)\nos._exit(3)", way=way)

    assert isinstance(run.failure, KernelDiedError)
    assert "exited with code 3" in str(run.failure)
    assert run.text == "one\ntwo\n"


def test_more_text_than_the_reader_takes_at_once_arrives_whole(warm: WarmRuns) -> None:
    run = warm.run("n = 1", "for i in range(40): print('x' * 10**6)", way="direct")

    assert len(run.text) == 40 * (10**6 + 1)


# Fresh state

_STATE = """\
import os, random, sys, tempfile, uuid
print(repr([random.random(), uuid.uuid4().hex, os.urandom(4).hex(), next(tempfile._get_candidate_names())]))
print('numpy' not in sys.modules or sys.modules['numpy'].random.rand())
"""


def test_random_numbers_differ_between_runs(way: Choice, warm: WarmRuns) -> None:
    texts = {warm.run("import random", _STATE, way=way).text for _ in range(4)}

    assert len(texts) == 4
    assert len({part for text in texts for part in text.splitlines()[0].split(",")}) == 16


def test_the_global_generator_of_numpy_is_seeded_in_each_child(way: Choice, warm: WarmRuns) -> None:
    """With a stand-in: numpy copies the state of its generator into each child in the same way."""
    random = "import random as _r\n_own = _r.Random(1)\nseed = _own.seed\nrandom = _own.random\n"
    write_package(warm, "numpy", "", random=random)
    cell = "import numpy, numpy.random\nprint(numpy.random.random())"

    texts = [run_when_prepared(warm, cell, way=way).text for _ in range(4)]

    assert len(set(texts[1:])) == 3


def test_what_a_run_changes_is_not_in_the_next_one(way: Choice, warm: WarmRuns) -> None:
    change = """import os, builtins, json
print(os.environ.get('LEFT'), hasattr(builtins, 'left'), hasattr(json, 'left'))
os.environ['LEFT'] = 'x'
builtins.left = json.left = 1
open('left', 'w').close()
print(sorted(os.listdir()))
%cd -q /"""

    assert {warm.run(change, way=way).text for _ in range(3)} == {"None False False\n['in.ipynb', 'left']\n"}


def test_a_run_has_its_own_directory_home_and_environment(
    way: Choice, warm: WarmRuns, monkeypatch: pytest.MonkeyPatch
) -> None:
    cell = "import os\nprint(os.environ.get('GIVEN'), os.environ.get('REMOVED'), os.environ['IPYTHONDIR'])"
    monkeypatch.setenv("REMOVED", "x")
    warm.run(cell, way=way)
    monkeypatch.delenv("REMOVED")
    monkeypatch.setenv("GIVEN", "value")

    first, second = (warm.run(cell, way=way).text.split() for _ in range(2))

    assert first[:2] == second[:2] == ["value", "None"]
    assert first[2] != second[2]


def test_no_socket_of_the_prepared_process_is_open_in_a_run(way: Choice, warm: WarmRuns) -> None:
    cell = "import os\nfor one in os.listdir('/proc/self/fd'):\n"
    cell += "    try: print(os.readlink(f'/proc/self/fd/{one}'))\n    except OSError: pass"
    own = set(warm.run(cell, way=way).text.split())

    shared = {link for pid in warm.process_ids() for link in links_of(pid) if link.startswith(("socket", "pipe"))}

    assert own
    assert own & shared == set()


def links_of(pid: int) -> list[str]:
    links = []
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with suppress(OSError):
            links.append(os.readlink(f"/proc/{pid}/fd/{descriptor}"))
    return links


def test_a_secret_is_not_in_the_memory_of_a_prepared_process(way: Choice, warm: WarmRuns) -> None:
    secret = "hunter2-" + os.urandom(8).hex()

    run = warm.run("token = ''  # type: secret", "print(len(token))", way=way, inputs={"token": secret})

    assert run.text == "24\n"
    assert not any(secret.encode() in memory_of(pid) for pid in warm.process_ids())


def memory_of(pid: int) -> bytes:
    parts = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            start, _, end = line.split()[0].partition("-")
            if line.split()[1].startswith("rw"):
                memory.seek(int(start, 16))
                parts.append(memory.read(int(end, 16) - int(start, 16)))
    return b"".join(parts)


# Processes

_POOLS = """\
import concurrent.futures as c, multiprocessing as m, subprocess, work
print(subprocess.run(['false']).returncode, subprocess.run(['sh', '-c', 'kill -9 $$']).returncode)
for method in ('fork', 'spawn', 'forkserver'):
    with m.get_context(method).Pool(2) as pool:
        print(method, pool.map(work.double, [1, 2]))
with c.ProcessPoolExecutor(1, mp_context=m.get_context('spawn')) as pool, c.ThreadPoolExecutor(1) as threads:
    print(pool.submit(work.double, 4).result(), threads.submit(work.double, 5).result())
queue = m.Queue()
child = m.Process(target=queue.put, args=('queued',))
child.start()
print(queue.get(timeout=60), child.join(), child.exitcode)
with m.Manager() as manager:
    print(manager.dict(a=1))
"""


def test_programs_and_pools_of_processes_work(way: Choice, warm: WarmRuns) -> None:
    files = {"work.py": "def double(n):\n    return 2 * n\n"}

    runs = [run_when_prepared(warm, _POOLS, way=way, files=files) for _ in range(3)]

    expected = "1 -9\nfork [2, 4]\nspawn [2, 4]\nforkserver [2, 4]\n8 10\nqueued None 0\n{'a': 1}\n"
    assert [(run.failure, run.text, run.note) for run in runs] == [(None, expected, None)] * 3


_USED_FORKSERVER = """\
import multiprocessing as m, multiprocessing.forkserver
from multiprocessing import shared_memory
multiprocessing.forkserver.ensure_running()
block = shared_memory.SharedMemory(create=True, size=8)
block.close()
block.unlink()
"""
_FORKSERVER = """\
import multiprocessing as m, uses_forkserver_{way}, work
from multiprocessing import shared_memory
with m.get_context('forkserver').Pool(2) as pool:
    print(pool.map(work.double, [1, 2]))
block = shared_memory.SharedMemory(create=True, size=8)
block.buf[0] = 7
print(block.buf[0])
block.close()
block.unlink()
"""


def test_a_fork_server_of_the_prepared_process_is_not_that_of_a_run(way: Choice, warm: WarmRuns) -> None:
    """A run cannot use or end the processes that an imported package started in its parent."""
    write_package(warm, f"uses_forkserver_{way}", _USED_FORKSERVER)
    files = {"work.py": "def double(n):\n    return 2 * n\n"}

    runs = [run_when_prepared(warm, _FORKSERVER.format(way=way), way=way, files=files) for _ in range(3)]

    assert [(run.failure, run.text, run.note) for run in runs] == [(None, "[2, 4]\n7\n", None)] * 3


def test_a_cell_that_takes_too_long_is_interrupted(way: Choice, warm: WarmRuns) -> None:
    cell = "import time\ntry:\n    time.sleep(60)\nfinally:\n    print('cleaned up')"

    run = warm.run("n = 1", cell, way=way, cell_time_limit=0.5)

    assert isinstance(run.failure, CellTimeLimitError)
    assert "cleaned up" in run.text
    assert run.outputs[1][-1]["ename"] == "KeyboardInterrupt"


_LEAVE = """\
import os, subprocess
left = [subprocess.Popen(['sleep', '1000'], start_new_session=new) for new in (False, True)]
print(os.getpid(), *(one.pid for one in left))
"""


@pytest.mark.parametrize("end", ["", "os.kill(os.getpid(), 9)", "exit"])
def test_no_process_is_left_after_a_run(end: str, way: Choice, warm: WarmRuns) -> None:
    run = warm.run("import os", _LEAVE, end or "1", way=way)

    pids = [int(word) for word in run.text.splitlines()[0].split()]
    assert len(pids) == 3
    wait_until(lambda: all(map(has_ended, pids)), message="all processes of the run ended")
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


@pytest.mark.parametrize("way", ["cold", *_WAYS])
def test_no_process_is_left_when_the_worker_is_killed(way: Choice, tmp_path: Path) -> None:
    program = here / "helpers" / "warm_worker.py"
    path = os.pathsep.join((str(program.parent), str(here.parent)))
    command = [sys.executable, str(program), str(tmp_path), str(way)]
    worker = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    wait_until((tmp_path / "pids").exists, message="the run has begun")
    prepared = [int(word) for word in (tmp_path / "prepared").read_text().split()]
    pids = {*prepared, *(pid for one in prepared for pid in children_of(one))}
    own, left = (int(word) for word in (tmp_path / "pids").read_text().split())
    pids |= {own} if way == "cold" else {own, left}

    worker.kill()
    worker.wait()

    wait_until(lambda: all(map(has_ended, pids)), message="all processes of the worker ended")
    if way == "cold":
        os.kill(left, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_many_runs_leave_no_files_processes_or_memory(warm: WarmRuns) -> None:
    cell = "import json\nprint(len(json.dumps(list(range(1000)))))"

    def use() -> tuple[list[str], int, int]:
        gc.collect()
        links = (link for pid in (os.getpid(), *warm.process_ids()) for link in links_of(pid))
        files = [link for link in links if "(deleted)" not in link]  # pytest keeps finished documents
        children = sum(len(children_of(pid)) for pid in warm.process_ids())
        return (
            sorted(link.partition(":[")[0] for link in files),
            children,
            sum(map(proportional_size, warm.process_ids())),
        )

    for one in _WAYS * 2:
        run_when_prepared(warm, cell, way=one)
    warm.kernels.pool.drop_spares()
    before = use()
    for number in range(100):
        warm.run(cell, way=_WAYS[number % 5 != 0])
    warm.kernels.pool.drop_spares()
    after = use()

    assert after[:2] == before[:2]
    assert after[2] < before[2] + 3 * 1024**2


# Modules


def write_package(warm: WarmRuns, name: str, source: str, **modules: str) -> None:
    folder = warm.packages / name
    folder.mkdir(exist_ok=True)
    for module, text in {"__init__": source, **modules}.items():
        (folder / f"{module}.py").write_text(textwrap.dedent(text))


def run_when_prepared(warm: WarmRuns, *cells: str, **options: Any) -> WarmResult:
    warm.prepare()
    result = warm.run(*cells, **options)
    warm.prepare()
    return result


def test_the_second_run_finds_its_modules_loaded(way: Choice, warm: WarmRuns) -> None:
    write_package(warm, f"costly_{way}", "import os\nloaded_in = os.getpid()")
    cell = f"import os, costly_{way} as c\nprint(c.loaded_in == os.getpid())"

    assert [run_when_prepared(warm, cell, way=way).text for _ in range(3)] == ["True\n", "False\n", "False\n"]


def test_a_run_waits_for_modules_that_are_being_imported(way: Choice, warm: WarmRuns) -> None:
    write_package(warm, f"slow_{way}", "import os, time\nloaded_in = os.getpid()\ntime.sleep(2)")
    cell = f"import os, slow_{way} as c\nprint(c.loaded_in == os.getpid())"
    warm.prepare()

    assert [warm.run(cell, way=way).text for _ in range(2)] == ["True\n", "False\n"]


def test_an_upgraded_package_is_the_new_one_in_the_next_run(way: Choice, warm: WarmRuns) -> None:
    cell = f"import os, upgraded_{way} as one\nprint(one.version, one.loaded_in == os.getpid())"

    def install(version: int) -> None:
        write_package(warm, f"upgraded_{way}", f"import os\nloaded_in, version = os.getpid(), {version}")
        for old in warm.packages.glob(f"upgraded_{way}-*"):
            old.rmdir()
        (warm.packages / f"upgraded_{way}-{version}.dist-info").mkdir()

    install(1)
    before = [run_when_prepared(warm, cell, way=way).text for _ in range(2)]
    install(200)

    assert before == ["1 True\n", "1 False\n"]
    assert [run_when_prepared(warm, cell, way=way).text for _ in range(2)] == ["200 True\n", "200 False\n"]


def test_modules_of_the_notebooks_folder_are_never_preloaded(way: Choice, warm: WarmRuns) -> None:
    write_package(warm, "shadowed", "value = 'installed'")
    write_package(warm, "imports_shadowed", "import shadowed")

    def run(value: str) -> WarmResult:
        cell = "import shadowed, imports_shadowed\nprint(shadowed.value)"
        return run_when_prepared(warm, cell, way=way, files={"shadowed.py": f"value = {value!r}"})

    assert [run(value).text for value in ("one", "two", "three")] == ["one\n", "two\n", "three\n"]


@pytest.mark.parametrize(
    ("name", "source", "reason"),
    [
        (
            "threaded",
            "import threading\nthreading.Thread(target=threading.Event().wait, name='T', daemon=True).start()",
            "",
        ),
        ("talks", "print('hello')", ""),
        ("asks", "from IPython import get_ipython\nshell = get_ipython()\nprint(shell is not None)", ""),
    ],
)
def test_a_package_that_must_be_imported_in_the_run_is(
    name: str, source: str, reason: str, way: Choice, warm: WarmRuns
) -> None:
    write_package(warm, name, source)
    write_package(warm, "quiet", "import os\nloaded_in = os.getpid()")
    cell = f"import os, quiet, {name}\nprint('end', quiet.loaded_in == os.getpid())"

    runs = [run_when_prepared(warm, cell, way=way) for _ in range(3)]

    assert [run.failure for run in runs] == [None] * 3
    assert [run.text.replace("True", "False") for run in runs] == [runs[0].text.replace("True", "False")] * 3
    assert runs[2].text.endswith("end False\n"), "other packages are preloaded"


_UNSUITED = """
import os, signal, threading
imported_in, lock = os.getpid(), threading.Lock()
lock.acquire()
def use():
    if os.getpid() != imported_in:
        {}
"""


@pytest.mark.parametrize(
    ("name", "failure", "reason"),
    [
        ("waiting", "lock.acquire()", "it waits for a lock without end"),
        ("dying", "os.kill(os.getpid(), signal.SIGTERM)", "the kernel was killed by signal 15"),
    ],
)
def test_a_notebook_that_a_fork_does_not_suit_is_repeated_and_remembered(
    name: str, failure: str, reason: str, way: Choice, warm: WarmRuns
) -> None:
    write_package(warm, f"{name}_{way}", _UNSUITED.format(failure))
    cell = f"import {name}_{way} as u\nopen('out.txt', 'w').write('x')\nu.use()\nprint('ran')"

    runs = [run_when_prepared(warm, cell, way=way) for _ in range(3)]

    assert [(run.failure, run.text, run.way) for run in runs] == [(None, "ran\n", way)] * 3
    assert [run.repetitions for run in runs] == [0, 1, 0]
    assert runs[0].note is None
    assert [run.note for run in runs[1:]] == [
        f"a prepared process does not suit this notebook, so each run imports its modules: {reason}"
    ] * 2


@pytest.mark.parametrize(
    "cell",
    [
        "import os\nos.environ['SETTING'] = 'own'",
        "%env SETTING=own",
        "import os\nos.environ.update(SETTING='own')",
        "import os\nos.putenv('x', 'y'); os.environ |= {'SETTING': 'own'}",
    ],
)
def test_modules_see_the_environment_that_the_notebook_sets_before(cell: str, warm: WarmRuns) -> None:
    write_package(warm, "reads_setting", "import os\nsetting = os.environ.get('SETTING')")

    texts = [run_when_prepared(warm, cell, "import reads_setting\nprint(reads_setting.setting)").text for _ in range(2)]

    assert [text.splitlines()[-1] for text in texts] == ["own", "own"]


def test_a_prepared_process_that_died_is_replaced(way: Choice, tmp_path: Path) -> None:
    warm = WarmRuns(tmp_path)
    try:
        run_when_prepared(warm, "print('ran')", way=way)
        pids = [pid for one in warm.process_ids() for pid in (*children_of(one), one)]
        for pid in warm.process_ids():
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: all(map(has_ended, pids)), message="the processes and their children ended")

        runs = [warm.run("print('ran')", way=way) for _ in range(2)]
    finally:
        warm.end()

    assert [(run.failure, run.way, run.text) for run in runs] == [(None, way, "ran\n")] * 2
    assert [run.note for run in runs] == ["a prepared process had died and was replaced", None]


_REFUSING = """import os
fork = os.fork
def refuse():
    if os.path.exists({full!r}):
        raise BlockingIOError(11, 'Resource temporarily unavailable')
    return fork()
os.fork = refuse
"""


def test_a_fork_that_the_system_refuses_ends_no_other_child(tmp_path: Path) -> None:
    warm, full = WarmRuns(tmp_path), tmp_path / "full"
    try:
        write_package(warm, "refusing", _REFUSING.format(full=str(full)))
        run_when_prepared(warm, "import refusing", way="direct")
        pool = warm.kernels.pool
        [stock] = [one for one in pool.stocks if one.recipe.modules]
        child = stock.take()
        full.touch()
        pool.drop_spares()

        with pytest.raises(ForkRefusedError, match="no process can be started at the moment"):
            stock.take()
        pool.tidy()
        during = warm.run("import refusing", way="direct")
        is_alive = child.process.exit_code() is None
        full.unlink()
        after = warm.run("import refusing", way="direct")
    finally:
        warm.end()

    assert is_alive
    assert (during.failure, during.way) == (None, "cold")
    assert (after.failure, after.way, after.note) == (None, "direct", None)


def test_a_process_that_is_replaced_ends_after_its_last_child(tmp_path: Path) -> None:
    """Such as when one of many kernels installs a package."""
    warm = WarmRuns(tmp_path)
    try:
        kernel = next(one for one in find_kernels(os.environ) if one.name == KERNEL)
        pool = warm.kernels.pool
        stock = pool.bare(kernel, "shell", 60)
        child = stock.take()

        write_package(warm, "installed", "")
        pool.begin(kernel, "shell")
        is_alive = child.process.exit_code() is None
        others = [one.process.process_id for one in pool.stocks if one.recipe == stock.recipe]
        child.discard()
        pool.end_retired()
        is_ended = has_ended(stock.process.process_id)
    finally:
        warm.end()

    assert is_alive
    assert others not in ([], [stock.process.process_id])
    assert is_ended


# The choice


@pytest.mark.parametrize(
    "cell",
    [
        "import asyncio",
        "await something()",
        "async def f(): pass",
        "name = input('?')",
        "get_ipython().kernel",
        "from ipywidgets import interact",
        "%matplotlib widget",
        "%debug",
        "%autosave 60",
        "x = = 1",
    ],
)
def test_a_notebook_that_needs_a_kernel_gets_one(cell: str, warm: WarmRuns) -> None:
    run = warm.run("n = 1", f"if 0:\n    {cell}" if "%" not in cell else cell, way="direct", tags={1: [_RAISES]})

    assert run.way == "kernel"
    assert str(run.note).startswith("the notebook ran in a kernel: it uses ")


@pytest.mark.parametrize(
    "cell",
    [
        "x = !ls",
        "%%bash\nread -r input < /dev/null || true",
        "%time 1",
        "# await input()",
        "'asyncio'",
        "model = {}; 'kernel' in model",
    ],
)
def test_plain_python_with_magics_needs_none(cell: str, warm: WarmRuns) -> None:
    assert warm.run("n = 1", cell, way="direct").way == "direct"


def test_the_way_is_chosen_by_the_first_run(warm: WarmRuns) -> None:
    plain = [run_when_prepared(warm, "n = 'plain'").way for _ in range(3)]
    comms = [run_when_prepared(warm, "from comm import create_comm as c\n_ = c(target_name='x')").way for _ in range(3)]

    assert plain == ["kernel", "direct", "direct"]
    assert comms == ["kernel"] * 3


def test_settings_of_ipython_need_a_kernel_of_its_own(warm: WarmRuns, tmp_path: Path) -> None:
    startup = tmp_path / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "own.py").write_text("started = 1")
    from generator.runner.kernels.specs import Kernel
    from generator.runner.server.kernels.stock import has_profile

    kernel = Kernel(KERNEL, "python", (sys.executable,), tmp_path)

    assert has_profile(kernel, {"IPYTHONDIR": str(tmp_path)})
    assert not has_profile(kernel, {"HOME": str(tmp_path)})


# Kernels in processes of their own

_WHERE = """\
import os, subprocess, beside
print(os.getpid(), beside.answer, os.path.exists('in.ipynb'), os.getcwd() == os.environ.get('PWD', os.getcwd()))
os.write(2, b'to the log\\n')
open('out.txt', 'w').write('x')
"""


def test_a_kernel_that_cannot_be_forked_is_started_ahead_and_used_once(warm: WarmRuns) -> None:
    files = {"beside.py": "answer = 42"}
    pids = []
    for _ in range(3):
        warm.kernels.cold.tidy()
        waiting = warm.kernels.cold.process_ids()
        run = warm.run(_WHERE, way="cold", files=files)
        assert run.failure is None
        assert run.text.split()[1:3] == ["42", "True"]
        assert (run.folder / "out.txt").read_text() == "x"
        pids.append((int(run.text.split()[0]), waiting))

    assert [pid in waiting for pid, waiting in pids[1:]] == [True, True]
    assert len({pid for pid, _ in pids}) == 3


def test_the_error_output_of_a_kernel_started_ahead_is_masked(
    warm: WarmRuns, capfd: pytest.CaptureFixture[str]
) -> None:
    cell = "import os, time\nos.write(2, f'the token is {token}\\n'.encode()) and None"
    for _ in range(2):
        warm.kernels.cold.tidy()
        run = warm.run("token = ''  # type: secret", cell, way="cold", inputs={"token": "hunter2-hunter2"})
        assert run.failure is None

    errors = capfd.readouterr().err
    assert errors.count("the token is ********") == 2
    assert "hunter2" not in errors


# Bounds


def test_prepared_processes_are_bounded_and_the_oldest_ends(tmp_path: Path) -> None:
    warm = WarmRuns(tmp_path, prepared=2, spares=1)
    try:
        for name in ("first", "second", "third"):
            write_package(warm, name, "")
            run_when_prepared(warm, f"import {name}")
        preloaded = [stock.recipe.modules for stock in warm.kernels.pool.stocks if stock.recipe.modules]
        spares = sum(len(stock.spares) for stock in warm.kernels.pool.stocks)
        pids = warm.process_ids()
    finally:
        warm.end()

    assert preloaded == [("second",), ("third",)]
    assert spares == 1
    wait_until(lambda: all(map(has_ended, pids)), message="all prepared processes ended")


def test_processes_for_the_first_run_can_be_prepared_before_it(tmp_path: Path) -> None:
    warm = WarmRuns(tmp_path)
    try:
        warm.kernels.expect()
        warm.prepare()
        assert {(stock.recipe.kind, len(stock.spares)) for stock in warm.kernels.pool.stocks} == {
            ("kernel", 1),
            ("shell", 1),
        }
    finally:
        warm.end()


def can_collapse_pages() -> bool:
    """Whether this Linux makes a large page of small ones on request (6.1, unless it is built without)."""
    with mmap.mmap(-1, 4 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory[:] = b"x" * len(memory)
        address = ctypes.addressof(ctypes.c_char.from_buffer(memory))
        aligned = ctypes.c_void_p(address + -address % (2 << 20))
        return ctypes.CDLL(None).madvise(aligned, ctypes.c_size_t(2 << 20), 25) == 0


@pytest.mark.skipif(not can_collapse_pages(), reason="this Linux has no MADV_COLLAPSE")
def test_what_was_imported_is_in_large_pages(tmp_path: Path) -> None:
    warm = WarmRuns(tmp_path)
    try:
        write_package(warm, "large", "names = [f'name {number}' for number in range(300_000)]")
        cell = "import large; large.names[7] += '!'; print(large.names[7], len(large.names))"
        texts = [run_when_prepared(warm, cell).text for _ in range(2)]
        preloaded = next(stock.process for stock in warm.kernels.pool.stocks if stock.recipe.modules)
        memory = Path(f"/proc/{preloaded.process_id}/smaps_rollup").read_text()
    finally:
        warm.end()

    assert texts == ["name 7! 300000\n"] * 2
    large = re.search(r"AnonHugePages: *(\d+) kB", memory)
    assert large
    assert int(large[1]) > 4 << 10  # kB; forks and what runs then write split some


def test_memory_is_bounded(tmp_path: Path) -> None:
    warm = WarmRuns(tmp_path, memory=1)
    try:
        write_package(warm, "first", "")
        assert run_when_prepared(warm, "import first").failure is None
        warm.kernels.pool.limit_memory()
        assert len(warm.kernels.pool.stocks) == 1
        assert run_when_prepared(warm, "import first").failure is None
    finally:
        warm.end()
