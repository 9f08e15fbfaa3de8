"""Packages that stage: built, run by plain cwltool, data from HTTP and S3 in, results to S3 and to folders out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import forked_programs
import pytest
from forked_programs import CWLTOOL
from staging_servers import S3, HttpServer, http_server, s3_server
from support import Finished, commit_all, write_notebook

from generator.cli import main

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
]
_PASSWORD = 'pa55 "word" \\ $(secret)'


@dataclass(frozen=True)
class Ran:
    """A run by cwltool: its outputs, and everything it left."""

    code: int
    outputs: dict[str, object]
    log: str
    outdir: Path
    work: Path

    def tells(self, secret: str) -> list[str]:
        """Where a secret stands."""
        places = [str(path) for top in (self.outdir, self.work) for path in top.rglob("*") if _holds(path, secret)]
        return places + (["log"] if secret in self.log else []) + (["outputs"] if secret in str(self.outputs) else [])


def _holds(path: Path, secret: str) -> bool:
    return secret in path.name or (path.is_file() and secret.encode() in path.read_bytes())


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    folder = Path(mkdtemp(prefix="packmill-staging-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def package(base_image: str, place: Path, request: pytest.FixtureRequest) -> Path:
    """Two stage-ins and one optional one, three stage-outs: a file, a wildcard, a folder."""
    repository = place / "tests" / "staging"
    write_notebook(
        repository / "process.ipynb",
        "tiles = [{'path': 'x'}]  # type: stage-in\nmask = 'mask.tif'  # type: stage-in[File]\n"
        "scene = None  # type: stage-in[Directory]?\nn = 2  # type: int\n"
        "summary = 'summary.json'  # type: stage-out\nlogs = 'part_*.log'  # type: stage-out\n"
        "maps = 'maps/'  # type: stage-out",
        "import json, os\nos.makedirs('maps')\n"
        "read = lambda file: open(file['path']).read()\n"
        "found = {'tiles': [read(tile) for tile in tiles], 'mask': open(mask).read(), 'fields': tiles[0],\n"
        "         'scene': sorted(os.listdir(scene['path'])) if scene else None}\n"
        "open(summary, 'w').write(json.dumps(found))\n"
        "for number in range(n): open(f'part_{number}.log', 'w').write('done')\n"
        "open('maps/a.geojson', 'w').write('{\"type\": \"Point\", \"coordinates\": [11.5, 0.25]}')\n"
        "open('maps/b.bin', 'w').write('b')\nopen('undeclared.txt', 'w').write('x')",
    )
    commit_all(repository)
    capture = request.config.pluginmanager.getplugin("capturemanager")
    capture.suspend_global_capture(in_=True)
    code = main(["build", str(repository), "--output", str(place / "packages"), "--image", "tests.staging:x"])
    capture.resume_global_capture()
    assert code == 0
    return place / "packages/tests/staging/main"


@contextmanager
def servers(folder: Path) -> Iterator[tuple[HttpServer, S3]]:
    """Two files by HTTP; S3 with one, and a bucket for results."""
    for bucket in ("data", "results"):
        (folder / "s3" / bucket).mkdir(parents=True)
    (folder / "s3" / "data" / "mask.tif").write_bytes(b"mask")
    with http_server() as web, s3_server(folder / "s3") as s3:
        web.put("/hello.txt", b"hello")
        web.put("/zwei.txt", b"zwei")
        yield web, s3


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[HttpServer, S3]]:
    with servers(tmp_path) as running:
        yield running


@pytest.fixture
def web(both: tuple[HttpServer, S3]) -> HttpServer:
    return both[0]


@pytest.fixture
def s3(both: tuple[HttpServer, S3]) -> S3:
    return both[1]


def cwltool(document: Path, job: dict[str, object], folder: Path, *options: str) -> Ran:
    """Plain cwltool, with everything that it works with left where it was."""
    work, outdir = folder / "work", folder / "out"
    for one in (work, outdir):
        one.mkdir(parents=True, exist_ok=True)
    file = folder / "job.json"
    file.write_text(json.dumps(job))
    words = ("--custom-net", "host", "--leave-tmpdir", "--tmpdir-prefix", f"{work}/", *options, "--outdir", outdir)
    done = forked_programs.run(CWLTOOL, *words, document, file, env={**os.environ, "NO_COLOR": "1"})
    outputs = json.loads(done.stdout) if done.stdout.strip() else {}
    return Ran(code=done.returncode, outputs=outputs, log=done.stderr, outdir=outdir, work=work)


def job(web: HttpServer, s3: S3, **more: object) -> dict[str, object]:
    return {
        "tiles": [f"{web.url}/hello.txt", f"{web.url}/zwei.txt"],
        "mask": {"s3_url": "s3://data/mask.tif", **s3.record},
        "stage_out": {"s3_url": "s3://results/run", **s3.record},
        **more,
    }


@dataclass(frozen=True, kw_only=True)
class Delivered:
    """A run with its servers, which have ended, and the summary that it delivered."""

    ran: Ran
    web: HttpServer
    s3: S3
    summary: dict[str, Any]


@pytest.fixture(scope="module")
def delivered(package: Path, tmp_path_factory: pytest.TempPathFactory) -> Delivered:
    """A run from HTTP and S3 to S3, at which several tests look."""
    folder = tmp_path_factory.mktemp("delivered")
    with servers(folder) as (web, s3):
        ran = cwltool(package / "workflow.cwl", job(web, s3), folder / "run")
    assert ran.code == 0, ran.log
    summary = json.loads((s3.folder / "results" / "run" / "summary.json").read_text())
    return Delivered(ran=ran, web=web, s3=s3, summary=summary)


def test_http_and_s3_in_s3_out(delivered: Delivered) -> None:
    s3, summary = delivered.s3, delivered.summary

    assert s3.objects("results") == [
        f"run/{name}"
        for name in (
            "maps/a.geojson",
            "maps/b.bin",
            "part_0.log",
            "part_1.log",
            "process.ipynb",
            "scraps.json",
            "summary.json",
        )
    ]
    assert (summary["tiles"], summary["mask"], summary["scene"]) == (["hello", "zwei"], "mask", None)
    told = json.loads((delivered.ran.outdir / "stage_out.json").read_text())
    assert {file["url"] for file in told["files"]} == {f"s3://results/{name}" for name in s3.objects("results")}


def test_a_packed_workflow_runs(package: Path, web: HttpServer, s3: S3, tmp_path: Path) -> None:
    packed = forked_programs.run(CWLTOOL, "--pack", package / "workflow.cwl")
    (tmp_path / "packed.cwl").write_text(packed.stdout)

    ran = cwltool(tmp_path / "packed.cwl", job(web, s3), tmp_path / "run")

    assert ran.code == 0, ran.log
    assert "run/summary.json" in s3.objects("results")


def test_the_notebook_gets_the_files_as_the_original_system_gives_them(delivered: Delivered) -> None:
    fields = delivered.summary["fields"]

    assert set(fields) == {
        *("basename", "checksum", "class", "dirname", "http://commonwl.org/cwltool#generation", "location"),
        *("nameext", "nameroot", "path", "size", "url"),
    }
    assert (fields["basename"], fields["class"], fields["size"]) == ("0_hello.txt", "File", 5)
    assert fields["path"] == f"{fields['dirname']}/0_hello.txt"
    assert fields["url"] == f"{delivered.web.url}/hello.txt"


def test_no_secret_is_left_anywhere(
    package: Path, delivered: Delivered, web: HttpServer, s3: S3, tmp_path: Path
) -> None:
    """In records, and in the secret input, which cwltool keeps out of its own debug log, too."""
    keys = {name: s3.record[name] for name in ("aws_access_key_id", "aws_secret_access_key")}
    secret = json.dumps({**keys, "username": "ada", "password": _PASSWORD})
    open_record = {"endpoint_url": s3.url}
    given = job(
        web,
        s3,
        mask={"s3_url": "s3://data/mask.tif", **open_record},
        stage_out={"s3_url": "s3://results/again", **open_record},
        credentials=secret,
    )
    hidden = cwltool(package / "workflow.cwl", given, tmp_path / "hidden", "--debug")

    assert hidden.code == 0, hidden.log
    assert delivered.ran.tells(delivered.s3.secret) == []
    assert hidden.tells(s3.secret) == []
    assert hidden.tells(_PASSWORD) == []
    assert "again/summary.json" in s3.objects("results")


def test_a_second_run_with_the_cache_transfers_nothing(package: Path, web: HttpServer, s3: S3, tmp_path: Path) -> None:
    cache = tmp_path / "kept"
    cache.mkdir()
    given = job(web, s3, stage_out=None, cache_dir={"class": "Directory", "path": str(cache)})

    first = cwltool(package / "workflow.cwl", {**given, "stage_out": {"folder": "delivered"}}, tmp_path / "one")
    sent = web.sent()
    second = cwltool(package / "workflow.cwl", given, tmp_path / "two")

    assert (first.code, second.code) == (0, 0), second.log
    assert (first.outdir / "delivered" / "summary.json").is_file(), "a folder among the outputs"
    assert json.loads((second.outdir / "stage_out.json").read_text())["files"] == []
    assert web.sent() == sent
    assert "2 of them from the cache, 0 B" in second.log
    assert "1 of them from the cache, 0 B" in second.log
    assert json.loads((tmp_path / "two/out/output/summary.json").read_text())["tiles"] == ["hello", "zwei"]
    assert not (tmp_path / "two/out/cache").exists()


def test_a_cache_is_filled_before_the_runs_that_use_it(package: Path, web: HttpServer, s3: S3, tmp_path: Path) -> None:
    given = {name: value for name, value in job(web, s3).items() if name != "stage_out"}

    filled = cwltool(package / "cache_workflow.cwl", given, tmp_path / "fill")
    made = filled.outdir / "packmill-cache"
    assert filled.code == 0, filled.log
    assert (made / "content").is_dir()
    sent = web.sent()
    again = cwltool(
        package / "cache_workflow.cwl",
        {**given, "cache_dir": {"class": "Directory", "path": str(made)}},
        tmp_path / "more",
    )
    assert (again.code, again.outputs) == (0, {"cache_out": None}), again.log
    assert web.sent() == sent


def test_a_folder_and_a_catalog(package: Path, web: HttpServer, s3: S3, tmp_path: Path) -> None:
    import pystac

    scene = [f"{web.url}/hello.txt"]
    given = job(web, s3, scene=scene, stage_out={"directory": "delivered"})

    ran = cwltool(package / "workflow.cwl", given, tmp_path / "run")

    assert ran.code == 0, ran.log
    assert json.loads((ran.outdir / "output" / "summary.json").read_text())["scene"] == [
        "catalog.json",
        "hello.stac",
        "hello.txt",
    ]
    items = {
        one.id: one for one in pystac.Catalog.from_file(str(ran.outdir / "delivered" / "catalog.json")).get_items()
    }
    assert items["maps-a"].geometry == {"type": "Point", "coordinates": [11.5, 0.25]}
    assert Path(str(items["summary"].assets["json"].get_absolute_href())).exists()


def test_a_record_of_a_folder_with_another_name_is_explained(
    package: Path, web: HttpServer, s3: S3, tmp_path: Path
) -> None:
    ran = cwltool(package / "workflow.cwl", job(web, s3, stage_out={"path": "delivered"}), tmp_path / "run")

    assert (ran.code, "such as {folder: delivered}" in ran.log) == (1, True), ran.log
    assert not (ran.outdir / "delivered").exists()


def test_a_failure_names_what_failed(package: Path, web: HttpServer, s3: S3, tmp_path: Path) -> None:
    ran = cwltool(package / "workflow.cwl", job(web, s3, tiles=f"{web.url}/missing?sig=s1g"), tmp_path / "run")

    assert ran.code != 0
    assert f"{web.url}/missing: 127.0.0.1 answers 404" in ran.log
    assert s3.objects("results") == []


class TestPackmillRun:
    """``packmill run`` takes the workflow where something is fetched or delivered."""

    def test_urls_and_a_destination_by_hand(
        self, package: Path, web: HttpServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "mask.tif").write_bytes(b"mask")
        values = [f"tiles={web.url}/hello.txt", f"mask={tmp_path}/mask.tif", "stage_out=delivered"]
        values.append(f"cache_dir={tmp_path}/cache")

        words = [word for value in values for word in ("-p", value)]
        code = main(["run", str(package), "--outdir", str(tmp_path / "out"), *words, "--", "--custom-net", "host"])

        captured = capfd.readouterr()
        assert code == 0, captured.err
        assert (tmp_path / "out" / "delivered" / "summary.json").exists()
        assert (tmp_path / "cache" / "content").is_dir()
        assert "stage-in tiles: 1 file" in captured.err
        assert "WARNING" not in captured.err

    def test_files_at_hand_need_no_staging(
        self, package: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
    ) -> None:
        (tmp_path / "a.txt").write_text("a")
        values = [f"tiles={tmp_path}/a.txt", f"mask={tmp_path}/a.txt"]

        code = main(["run", str(package), "--outdir", str(tmp_path / "out"), *(w for v in values for w in ("-p", v))])

        assert code == 0
        assert "stage-in tiles" not in capfd.readouterr().err
        assert not (tmp_path / "out" / "stage_out.json").exists()

    def test_the_guard_of_a_platform_reaches_the_steps(
        self,
        package: Path,
        web: HttpServer,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        (tmp_path / "a.txt").write_text("a")
        monkeypatch.setenv("PACKMILL_STAGE_GUARD", "1")
        monkeypatch.setenv("PACKMILL_NETWORK", "open")  # this is about the guard
        values = [f"tiles={web.url}/hello.txt", f"mask={tmp_path}/a.txt"]

        words = [word for value in values for word in ("-p", value)]
        code = main(["run", str(package), "--outdir", str(tmp_path / "out"), *words, "--", "--custom-net", "host"])

        assert code == 20
        assert "127.0.0.1 is a private address" in capfd.readouterr().err
        assert not web.asked

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("credentials=x", "credentials is secret"),
            ("tiles=nowhere.txt", "this file does not exist"),
            ("stac_catalog=perhaps", "stac_catalog is"),
            ("stageout=x", "did you mean 'stage_out'?"),
        ],
    )
    def test_what_a_tired_person_types(self, package: Path, packmill: object, value: str, said: str) -> None:
        finished: Finished = packmill("run", package, "-p", value)  # type: ignore[operator]

        assert (finished.code, said in finished.err) == (2, True), finished.err
