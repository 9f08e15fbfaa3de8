"""The containers of a map: what rows in them can see of each other. A script stands in for Docker."""

from __future__ import annotations

import gc
import os
import stat
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from generator.containers.limits import container_limits
from generator.package.map import copying, files, row_container, scheduling
from generator.package.map.containers import ContainerPlan
from generator.package.map.files import mount_option
from generator.package.map.folders import remove_folder
from generator.package.map.journal import Ended, hidden_folder
from generator.package.map.map import _work_folder
from generator.package.map.rows import PlannedRow
from generator.package.map.scheduling import Schedule, Scheduler, TooManyFailuresError, way_after
from generator.package.map.tool import Tool
from generator.shared.errors import EngineMissingError, RunError

_DOCKER = """\
import csv, json, os, signal, sys, time
if sys.argv[1] == "kill":
    with open(os.path.join(os.environ["KILLED"], "kills"), "a") as file: print(sys.argv[2], file=file)
    if "BUSY" in os.environ and os.path.exists(os.environ["BUSY"]):
        os.unlink(os.environ["BUSY"])
        sys.exit("docker is busy")
    os.kill(int(os.path.basename(os.readlink(os.path.join(os.environ["KILLED"], sys.argv[2])))), signal.SIGKILL)
    sys.exit()
if "KILLED" in os.environ:
    name = next(word.removeprefix("--name=") for word in sys.argv if word.startswith("--name="))
    os.symlink(str(os.getpid()), os.path.join(os.environ["KILLED"], name))
mounts = [dict(part.partition("=")[::2] for part in next(csv.reader([word.removeprefix("--mount=")])))
          for word in sys.argv if word.startswith("--mount=")]
rows = next(one["source"] for one in mounts if one["target"] == "/packmill/rows")
if "MORE" in os.environ:
    open(os.path.join(rows, "more"), "wb").truncate(2 << 20)
    time.sleep(600)
print(json.dumps({"ready": 1}), flush=True)
def end(code, oom_kills):
    print(json.dumps({"ended": code, "oom_kills": oom_kills}), flush=True)
    os._exit(code)
def answer(state="succeeded", **facts):
    print(json.dumps({"row": asked["row"], "state": state, **facts}), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    seen = sorted(os.listdir(rows)), sorted(os.listdir(os.path.join(rows, "..", "..")))
    folder, state, note = os.path.join(rows, asked["row"]), "succeeded", None
    exec(asked["inputs"].get("code", ""))
    os.makedirs(os.path.join(folder, "output"), exist_ok=True)
    with open(os.path.join(folder, "output", "scraps.json"), "w") as file:
        json.dump({"seen": seen[0], "name": asked["row"], "words": sys.argv[sys.argv.index("--way") :]}, file)
    facts = {"oom_kills": asked["inputs"].get("kills", 0), "direct": asked["inputs"].get("direct"), "note": note}
    answer(state, **facts)
"""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A ``docker`` that runs rows in its own process."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(f"#!{sys.executable}\n{_DOCKER}")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.fixture
def kills(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with a line for each time that a container was to be killed."""
    monkeypatch.setenv("KILLED", str(tmp_path / "killed"))
    (tmp_path / "killed").mkdir()
    return tmp_path / "killed" / "kills"


def run_rows(
    folder: Path, *codes: str, parallel: int = 1, time: float | None = None, **options: Any
) -> dict[int, Ended]:
    """Run rows that execute code; return how they ended. ``options`` are those of a schedule."""
    (folder / "work").mkdir()
    limits = replace(container_limits(), **options.pop("limits", {}))
    tool = Tool(image="image", arguments=(), cores=1, ram=0, time=time, needs_network=False)
    ended: dict[int, Ended] = {}
    inputs = options.pop("inputs", [{}] * len(codes))
    values = [{"code": code, **own} for code, own in zip(codes, inputs, strict=True)]
    rows = [PlannedRow(number=number, values=one, given={}) for number, one in enumerate(values, 1)]
    Scheduler(
        plan=ContainerPlan(tool=tool, work=folder / "work", limits=limits),
        schedule=Schedule(parallel=parallel, **options),
        place=lambda row: folder / "rows" / str(row.number),
        on_end=lambda row, one: ended.update({row.number: one}),
        on_wait=lambda _: None,
    ).run(rows)
    return ended


@pytest.mark.usefixtures("docker")
def test_a_map_leaves_no_file_open(tmp_path: Path) -> None:
    """A program may run any number of maps, with `packmill.run`."""
    before = os.listdir("/proc/self/fd")
    gc.disable()
    try:
        run_rows(tmp_path, "", "", parallel=2)
        assert os.listdir("/proc/self/fd") == before
    finally:
        gc.enable()


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("isolated", [False, True])
def test_a_row_sees_no_folder_of_another_row(isolated: bool, tmp_path: Path) -> None:
    ended = run_rows(tmp_path, *[""] * 6, parallel=2, isolated=isolated)

    assert [ended[number].scraps["seen"] for number in range(1, 7)] == [[]] * 6
    assert len({one.scraps["name"] for one in ended.values()}) == 6
    assert not list((tmp_path / "work").iterdir())


_SOURCES = 'note = " ".join(one["source"] for one in mounts if "/inputs/" in one["target"])'


def _scenes(folder: Path, *names: str) -> list[Path]:
    (folder / "home" / ".ssh").mkdir(parents=True)
    scenes = [folder / "home" / name for name in names]
    for scene in scenes:
        scene.write_text(scene.name)
    return scenes


def _file(path: Path) -> dict[str, str]:
    return {"class": "File", "location": path.as_uri()}


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("isolated", [False, True])
def test_a_container_sees_files_of_its_rows_without_their_folders(isolated: bool, tmp_path: Path) -> None:
    """A folder may be a home with keys, or have the results of other rows."""
    first, second, target = _scenes(tmp_path, "a.tif", "b.tif", "target.tif")
    link = tmp_path / "link.tif"
    link.symlink_to(target)
    inputs = [{"f": _file(first)}, {"f": _file(second), "more": [{"nested": _file(link)}]}]

    ended = run_rows(tmp_path, _SOURCES, _SOURCES, inputs=inputs, isolated=isolated)

    own = [{first}, {second, target}]
    seen = own if isolated else [own[0] | own[1]] * 2
    assert [set(map(Path, ended[number].note.split())) for number in (1, 2)] == seen


@pytest.mark.usefixtures("docker")
def test_a_row_finds_its_files_next_to_each_other_and_folders_as_they_are(tmp_path: Path) -> None:
    """CWL's secondaryFiles are next to their file, such as the parts of a shapefile."""
    shape, part = _scenes(tmp_path, 'sh, "a"pe.shp', 'sh, "a"pe.dbf')
    inputs = {
        "f": {**_file(shape), "secondaryFiles": [_file(part)]},
        "d": {"class": "Directory", "location": shape.parent.as_uri()},
    }
    finds = """
os.makedirs(f"{folder}/output")
place = {one["target"]: one["source"] for one in mounts}
paths = [asked["inputs"]["f"]["path"], asked["inputs"]["f"]["secondaryFiles"][0]["path"], asked["inputs"]["d"]["path"]]
note = " | ".join([*(place[path] for path in paths), str(len({os.path.dirname(path) for path in paths[:2]}))])
"""

    ended = run_rows(tmp_path, finds, inputs=[inputs])

    assert ended[1].note.split(" | ") == [str(shape), str(part), str(shape.parent), "1"]


def test_a_row_finds_its_files_and_folders_under_the_names_that_a_run_gives_them(tmp_path: Path) -> None:
    """A notebook takes a scene's date from its name, and links are how git-annex and DVC keep large files."""
    scenes = [tmp_path / f"S2A_2024010{day}.SAFE" for day in (1, 2)]
    for scene in scenes:
        scene.mkdir()
    blob = tmp_path / "9f31c0"
    blob.touch()
    links = [tmp_path / "links" / name for name in ("a.shp", "a.dbf", "b.shp")]
    links[0].parent.mkdir()
    for link in links:
        link.symlink_to(blob)
    values = [
        *({"class": "Directory", "location": scene.as_uri()} for scene in scenes),
        {**_file(links[0]), "secondaryFiles": [_file(links[1])]},
        _file(links[2]),
        {**_file(links[0]), "basename": "given.shp"},
        {**_file(links[2]), "basename": "given.shp"},
        {"class": "Directory", "location": "file:///"},
    ]

    mounts = files.Mounts([{"x": values}])
    seen = mounts.inside({"x": values})["x"]

    paths = [Path(one["path"]) for one in seen]
    names = ["S2A_20240101.SAFE", "S2A_20240102.SAFE", "a.shp", "b.shp", "given.shp", "given.shp", "root"]
    part = Path(seen[2]["secondaryFiles"][0]["path"])
    assert [path.name for path in paths] == names
    assert part == paths[2].with_name("a.dbf")
    assert len(set(paths)) == len(paths)
    assert {path.parent.parent for path in paths} == {Path("/packmill/inputs")}
    sources = [*scenes, *[blob] * 4, Path("/")]
    assert mounts.of_row({"x": values}) == {**dict(zip(map(str, paths), sources, strict=True)), str(part): blob}


@pytest.mark.usefixtures("docker")
def test_rows_with_more_files_than_a_container_can_have_share_several_containers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Linux takes no command with a file for each of some ten thousand rows."""
    monkeypatch.setattr(files, "MOST_FILES", 2)
    scenes = _scenes(tmp_path, *(f"{number}.tif" for number in range(5)))
    counts = _SOURCES.replace("note = ", "note = f'{os.getpid()} ' + ")

    ended = run_rows(tmp_path, *[counts] * 5, inputs=[{"f": _file(scene)} for scene in scenes])

    notes = [ended[number].note.split() for number in range(1, 6)]
    assert len({container for container, *_ in notes}) == 3
    assert all(str(scene) in seen and len(seen) <= 2 for scene, (_, *seen) in zip(scenes, notes, strict=True))


@pytest.mark.usefixtures("docker")
def test_a_file_that_is_removed_before_its_row_starts_keeps_no_container_from_starting(tmp_path: Path) -> None:
    first, second = _scenes(tmp_path, "a.tif", "b.tif")
    second.unlink()

    ended = run_rows(tmp_path, _SOURCES, _SOURCES, inputs=[{"f": _file(first)}, {"f": _file(second)}])

    assert [ended[number].note for number in (1, 2)] == [str(first)] * 2


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("again", ["pass", "os.symlink('/etc/hostname', link)"])
def test_a_link_that_changes_before_its_row_starts_leads_where_it_led_when_the_map_began(
    again: str, tmp_path: Path
) -> None:
    first, target = _scenes(tmp_path, "a.tif", "target.tif")
    link = tmp_path / "link.tif"
    link.symlink_to(target)
    changes = f"link = {str(link)!r}; os.unlink(link); {again}"
    inputs = [{"f": _file(first)}, {"f": _file(link)}]

    ended = run_rows(tmp_path, f"{changes}\n{_SOURCES}", _SOURCES, inputs=inputs, isolated=True)

    assert ended[2].note == str(target)


@pytest.mark.usefixtures("docker")
def test_a_container_cannot_change_the_results_of_earlier_rows(tmp_path: Path) -> None:
    """It goes on with the next row, and has the folder and a file of the row before open."""
    keeps = """\
os.makedirs(os.path.join(folder, "output"))
kept = os.open(os.path.join(folder, "output"), os.O_RDONLY)
written = os.open("map.txt", os.O_RDWR | os.O_CREAT, 0o644, dir_fd=kept)
os.write(written, b"map")
"""
    changes = f"""\
while not os.path.exists({str(tmp_path / "rows" / "1")!r}): time.sleep(0.01)
os.write(written, b"more")
os.fchmod(written, 0o4755)
try: os.symlink("/etc/hostname", "planted", dir_fd=kept)
except FileNotFoundError: pass  # the folder is removed
"""

    ended = run_rows(tmp_path, keeps, changes)

    results = tmp_path / "rows" / "1"
    assert [ended[number].state for number in (1, 2)] == ["succeeded", "succeeded"]
    assert sorted(path.name for path in results.iterdir()) == ["map.txt", "scraps.json"]
    assert (results / "map.txt").read_text() == "map"
    assert stat.S_IMODE((results / "map.txt").stat().st_mode) == 0o644


@pytest.mark.usefixtures("docker")
def test_large_results_are_moved_once_their_container_has_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "COPIED_AT_MOST", 100_000)
    writes = """\
os.makedirs(os.path.join(folder, "output"))
with open(os.path.join(folder, "output", "map"), "wb") as file: file.write(bytes({}))
with open({!r}, "a") as file: print(os.getpid(), os.stat(os.path.join(folder, "output", "map")).st_ino, file=file)
"""

    written = tmp_path / "written"
    ended = run_rows(tmp_path, *(writes.format(size, str(written)) for size in (10, 200_000, 10)))

    assert [ended[number].state for number in (1, 2, 3)] == ["succeeded"] * 3
    containers, files = zip(*(map(int, line.split()) for line in written.read_text().splitlines()), strict=True)
    moved = [(tmp_path / "rows" / str(n) / "map").stat().st_ino == file for n, file in enumerate(files, 1)]
    assert moved == [False, True, False]
    assert [one == containers[0] for one in containers] == [True, True, False]


def test_large_results_that_a_container_lets_grow_are_beyond_the_limit(
    kills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(copying, "COPIED_AT_MOST", 100_000)
    grows = """\
os.makedirs(folder + "/output")
written = open(folder + "/output/map", "wb")
written.truncate(200_000)
answer()
while os.path.exists(folder): time.sleep(0.01)  # until the results are taken
written.truncate(2 << 20)
time.sleep(600)
"""

    ended = run_rows(tmp_path, grows, limits={"output": 1})

    assert (ended[1].state, ended[1].reason) == ("failed", "output-limit")
    assert kills.exists()


@pytest.mark.parametrize(("code", "ended"), [(0, True), (137, True), (125, False), (-15, False)])
def test_a_container_ends_with_its_command_unless_that_was_killed_or_failed(code: int, ended: bool) -> None:
    assert scheduling._has_ended(code) is ended


@pytest.mark.usefixtures("docker")
def test_results_that_grow_while_they_are_copied_are_within_the_limit(tmp_path: Path) -> None:
    grows = """\
os.makedirs(os.path.join(folder, "output"))
open(os.path.join(folder, "output", "holes"), "wb").truncate(2 << 20)
"""

    ended = run_rows(tmp_path, grows, limits={"output": 1, "most_output": 1})

    assert (ended[1].state, ended[1].reason) == ("failed", "output-limit")
    assert not (tmp_path / "rows").exists()


def test_a_container_that_docker_removes_delays_no_row(docker: Path, tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    begin = f"import os\nopen(os.path.join({str(tmp_path / 'begun')!r}, str(os.getpid())), 'w').close()\n"
    end = f"""sys.stdout.close()
while len(os.listdir({str(tmp_path / "begun")!r})) < 3: time.sleep(0.01)
with open({str(tmp_path / "removed")!r}, "a") as file: print(os.getpid(), file=file)
"""
    docker.write_text(f"#!{sys.executable}\n{begin}{_DOCKER}{end}")

    ended = run_rows(tmp_path, "", "", "", isolated=True)

    assert [one.state for one in ended.values()] == ["succeeded"] * 3
    assert len((tmp_path / "removed").read_text().split()) == 3


@pytest.mark.usefixtures("docker")
def test_a_container_for_one_row_takes_the_way_that_an_earlier_row_has_shown(tmp_path: Path) -> None:
    shows = "asked['inputs']['direct'] = True"

    ended = run_rows(tmp_path, "", shows, shows, "", "", isolated=True)

    ways = ["auto", "auto", "direct", "direct", "auto"]
    words = [[word for word in ended[n].scraps["words"] if word in ("auto", "direct", "--one")] for n in range(1, 6)]
    assert words == [[way, "--one"] for way in ways]


@pytest.mark.parametrize(
    ("answer", "way"),
    [
        ({"state": "failed", "way": "kernel", "direct": True}, "direct"),
        ({"state": "succeeded", "way": "kernel", "direct": False}, "auto"),
        ({"state": "succeeded", "way": "cold"}, "cold"),
        ({"state": "succeeded", "way": None}, "cold"),  # a script
        ({"state": "succeeded", "way": "cold", "note": "the kernel was started in a process of its own"}, "auto"),
        ({"state": "failed", "way": None}, "auto"),
    ],
)
def test_the_way_of_later_rows_follows_from_an_answer(answer: dict[str, Any], way: str) -> None:
    assert way_after(answer) == way


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize(
    ("code", "state"),
    [
        ("print('x' * 3000000)", "succeeded"),
        ("print('[' * 100000)", "succeeded"),
        ("print(json.dumps({'row': '0000001', 'state': 'failed'}), flush=True)", "succeeded"),
        ("os.symlink(os.environ['ELSEWHERE'], folder)", "failed"),
        ("os._exit(9)", "failed"),
    ],
)
def test_a_hostile_row_harms_nothing_but_itself(
    code: str, state: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "elsewhere" / "output" / "kept.txt"
    kept.parent.mkdir(mode=0o755, parents=True)
    kept.touch()
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "elsewhere"))

    ended = run_rows(tmp_path, code, "")

    assert (ended[1].state, ended[2].state) == (state, "succeeded")
    assert kept.is_file()
    assert kept.parent.stat().st_mode & 0o777 == 0o755
    assert ended[2].scraps["seen"] == []


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize(
    ("earlier", "code", "reason"),
    [
        ("", "end(137, 1)", "out-of-memory"),
        ("", "end(137, 0)", "container-died"),  # the notebook killed the runner
        ("", "os._exit(137)", "container-died"),  # it killed the other process, too
        ("asked['inputs']['kills'] = 2", "end(137, 2)", "container-died"),  # memory ran out in an earlier row alone
        ("asked['inputs']['kills'] = 2", "end(137, 3)", "out-of-memory"),
        ("", "end(1, 0)", "container-died"),
    ],
)
def test_a_container_ran_out_of_memory_only_if_linux_killed_a_process_of_the_row(
    earlier: str, code: str, reason: str, tmp_path: Path
) -> None:
    ended = run_rows(tmp_path, earlier, code)

    assert ended[1].state == "succeeded"
    assert (ended[2].state, ended[2].reason) == ("failed", reason)
    assert ("because memory ran out" in (ended[2].message or "")) is (reason == "out-of-memory")


@pytest.mark.usefixtures("kills")
@pytest.mark.parametrize("wait", ["", "; time.sleep(600)"], ids=["ends", "runs"])
@pytest.mark.parametrize(
    ("write", "limit"),
    [
        ("open(folder + '/a', 'wb').truncate(2 << 20)", "more than 1 MiB"),
        ("[open(f'{folder}/{n}', 'w').close() for n in range(30)]", "more than 20 files and folders"),
    ],
    ids=["size", "files"],
)
def test_a_row_that_writes_too_much_fails_with_the_limit(write: str, limit: str, wait: str, tmp_path: Path) -> None:
    ended = run_rows(tmp_path, f"os.mkdir(folder); {write}{wait}", "", limits={"output": 1, "files": 20})

    assert (ended[1].state, ended[1].reason, ended[2].state) == ("failed", "output-limit", "succeeded")
    assert limit in (ended[1].message or "")
    assert "PACKMILL_RUN_OUTPUT" in (ended[1].message or "")
    assert not (tmp_path / "rows" / "1").exists()


@pytest.mark.usefixtures("kills")
def test_a_container_that_writes_too_much_before_its_first_row_is_not_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MORE", "1")

    ended = run_rows(tmp_path, "", limits={"output": 1, "files": 20})

    assert (ended[1].state, ended[1].reason) == ("failed", "output-limit")


@pytest.mark.usefixtures("kills")
def test_a_row_that_prints_too_much_fails_with_the_limit_and_leaves_no_log(tmp_path: Path) -> None:
    ended = run_rows(tmp_path, "sys.stderr.write('x' * (2 << 20)); time.sleep(600)", "", limits={"output": 1})

    assert (ended[1].state, ended[1].reason, ended[2].state) == ("failed", "output-limit", "succeeded")
    assert not list((tmp_path / "work").iterdir())


@pytest.mark.usefixtures("kills")
def test_what_earlier_rows_of_a_container_printed_does_not_count(tmp_path: Path) -> None:
    prints = "sys.stderr.write('x' * (700 << 10)); sys.stderr.flush()"

    ended = run_rows(tmp_path, prints, prints, f"{prints}; time.sleep(3)", limits={"output": 1})

    assert [one.state for one in ended.values()] == ["succeeded"] * 3


@pytest.mark.usefixtures("docker")
def test_the_last_line_of_a_large_log_is_shown(tmp_path: Path) -> None:
    ended = run_rows(tmp_path, "os.truncate(2, 1 << 30); sys.exit('\\nthe end')")

    assert (ended[1].message or "").endswith("its last line: the end")


@pytest.mark.usefixtures("kills")
def test_a_row_that_stops_its_runner_fails_with_the_time_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_container, "GRACE", 2)

    ended = run_rows(tmp_path, "os.kill(os.getpid(), signal.SIGSTOP)", "", time=1)

    assert (ended[1].state, ended[1].reason, ended[2].state) == ("failed", "run-time-limit", "succeeded")
    assert "its time limit of 1 s" in (ended[1].message or "")


@pytest.mark.usefixtures("kills")
def test_a_container_that_reads_no_row_fails_with_the_time_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values of the second row are more than a pipe takes."""
    monkeypatch.setattr(row_container, "GRACE", 2)
    ended: dict[int, Ended] = {}
    stops = "os.makedirs(folder + '/output'); answer(); time.sleep(600)"

    def run() -> None:
        ended.update(run_rows(tmp_path, stops, "#" * (1 << 20), "", time=1))

    running = threading.Thread(target=run, daemon=True)
    running.start()
    running.join(timeout=120)

    assert [(number, one.state, one.reason) for number, one in sorted(ended.items())] == [
        (1, "succeeded", None), (2, "failed", "run-time-limit"), (3, "succeeded", None),
    ]  # fmt: skip


@pytest.mark.parametrize("isolated", [False, True])
def test_a_container_that_does_not_end_after_its_last_row_is_killed(
    isolated: bool, kills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(row_container, "GRACE", 1)

    ended = run_rows(tmp_path, "os.makedirs(folder + '/output'); answer(); time.sleep(600)", isolated=isolated, time=60)

    assert ended[1].state == "succeeded"
    assert kills.exists()


def test_a_container_that_writes_too_much_after_its_last_row_is_killed(kills: Path, tmp_path: Path) -> None:
    writes = """\
os.makedirs(folder + "/output")
answer()
while os.path.exists(folder): time.sleep(0.01)  # until the results are taken
open(rows + "/more", "wb").truncate(2 << 20)
time.sleep(600)
"""

    ended = run_rows(tmp_path, writes, limits={"output": 1})

    assert ended[1].state == "succeeded"
    assert kills.exists()


@pytest.mark.usefixtures("kills")
def test_a_container_that_never_starts_ends_the_map(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_container, "START", 2)
    monkeypatch.setenv("MORE", "1")

    with pytest.raises(RunError, match="the runner did not start"):
        run_rows(tmp_path, "", time=60)


def test_a_kill_that_fails_is_repeated(kills: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BUSY", str(tmp_path / "busy"))
    (tmp_path / "busy").touch()

    ended = run_rows(tmp_path, "sys.stderr.write('x' * (2 << 20)); time.sleep(600)", limits={"output": 1})

    assert ended[1].reason == "output-limit"
    assert len(kills.read_text().split()) > 1


@pytest.mark.usefixtures("docker")
@pytest.mark.parametrize("isolated", [False, True])
def test_too_many_failures_are_reported_when_the_last_container_has_ended(isolated: bool, tmp_path: Path) -> None:
    with pytest.raises(TooManyFailuresError, match="1 rows failed"):
        run_rows(tmp_path, "state = 'failed'", "", "", isolated=isolated, max_failures=0)


def test_few_containers_start_at_a_time(docker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduling, "_STARTS", 3)
    starting = tmp_path / "starting"
    starting.mkdir()
    start = f"""import os, time
own = {str(starting)!r} + f"/{{os.getpid()}}"
open(own, "w").close()
with open({str(tmp_path / "counts")!r}, "a") as counts:
    counts.write(f"{{len(os.listdir({str(starting)!r}))}}\\n")
time.sleep(0.1)
os.unlink(own)
"""
    docker.write_text(f"#!{sys.executable}\n{start}{_DOCKER}")
    wait = f"import time\nwhile not os.path.exists({str(tmp_path / 'all')!r}): time.sleep(0.02)"
    last = f"open({str(tmp_path / 'all')!r}, 'w').close()"

    ended = run_rows(tmp_path, *[wait] * 9, last, parallel=10)

    assert all(one.has_succeeded for one in ended.values())
    counts = [int(line) for line in (tmp_path / "counts").read_text().split()]
    assert len(counts) == 10
    assert max(counts) <= 3


def test_docker_that_starts_no_container_is_not_blamed_on_the_image(docker: Path, tmp_path: Path) -> None:
    docker.write_text("#!/bin/sh\n[ $1 != ps ] || exit 0\necho 'docker: no space left' >&2\nexit 125\n")

    with pytest.raises(RunError, match=r"Docker did not start a container; its last line: docker: no space left"):
        run_rows(tmp_path, "")


def test_an_engine_that_does_not_answer_ends_the_map_as_a_missing_one(docker: Path, tmp_path: Path) -> None:
    docker.write_text("#!/bin/sh\necho 'Cannot connect to the Docker daemon' >&2\n[ $1 != run ] || exit 125\nexit 1\n")

    with pytest.raises(
        EngineMissingError, match=r"no container engine answers: (?s:.*)\n  Cannot connect to the Docker"
    ):
        run_rows(tmp_path, "")


def test_a_missing_engine_is_not_reported_as_results_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(EngineMissingError, match=r"docker: not installed.*packmill setup"):
        run_rows(tmp_path, "")


@pytest.mark.usefixtures("docker")
def test_a_row_with_files_in_more_folders_than_a_command_can_have_ends_the_map(tmp_path: Path) -> None:
    (tmp_path / "scenes").mkdir()
    scenes = [tmp_path / "scenes" / f"{number}-{'x' * 200}" for number in range(9000)]
    for scene in scenes:
        scene.mkdir()
    folders = [{"class": "Directory", "location": scene.as_uri()} for scene in scenes]

    with pytest.raises(RunError, match="docker: cannot be started: Argument list too long"):
        run_rows(tmp_path, "", inputs=[{"scenes": folders}])


def test_a_missing_image_is_named_with_what_to_do(docker: Path, tmp_path: Path) -> None:
    said = "Unable to find image 'a:b' locally\ndocker: Error: pull access denied.\n\nRun 'docker run --help' for more"
    docker.write_text(f'#!/bin/sh\n[ $1 != ps ] || exit 0\necho "{said} information" >&2\nexit 125\n')

    with pytest.raises(RunError, match=r"its last line: docker: Error: pull access denied\.; build the package again"):
        run_rows(tmp_path, "")


def test_a_folder_of_any_name_can_be_mounted() -> None:
    option = mount_option(Path('/a, "b"'), '/in/a, "b"', readonly=True)

    assert option == '--mount=type=bind,"source=/a, ""b""","target=/in/a, ""b""",readonly'


def test_folders_without_permissions_are_removed(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c").mkdir(parents=True)
    (tmp_path / "kept").mkdir(mode=0o755)
    (tmp_path / "a" / "link").symlink_to(tmp_path / "kept")
    (tmp_path / "a" / "b").chmod(0)

    remove_folder(tmp_path / "a")

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_map_that_is_interrupted_again_while_it_ends_leaves_no_container_and_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its containers would go on with their rows until another map into that folder removes them."""
    program, folder = tmp_path / "docker", tmp_path / "out" / hidden_folder
    folder.mkdir(parents=True)
    program.write_text(f"""\
#!/bin/sh
ls {folder}/work-* > /dev/null && kill -INT {os.getpid()}
sleep 0.2
echo "$@" $$ "$(cut -d " " -f 6 /proc/$$/stat)" >> {tmp_path}/log
echo 1a
""")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")

    with pytest.raises(KeyboardInterrupt), _work_folder(tmp_path / "out", print):
        pass

    *_, listed, removed = (line.split() for line in (tmp_path / "log").read_text().splitlines())
    assert (listed[0], removed[:-2]) == ("ps", ["rm", "--force", "--volumes", "1a"])
    assert all(own == process for *_, process, own in (listed, removed))  # a terminal interrupts all of its session
    assert not list(folder.iterdir())
