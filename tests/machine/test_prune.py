"""``packmill prune``: what it removes, and what stays because something uses it or it is someone else's."""

from __future__ import annotations

import io
import json
import os
import secrets
import sqlite3
import subprocess
import tarfile
import time
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import pytest
import sqlalchemy as sa
from another_user import as_another_user
from support import Finished

from generator.containers import local_images
from generator.containers.local_images import LocalImage
from generator.machine.pruning import service_data
from generator.machine.pruning.images import images_over, old_images, total_size
from generator.machine.pruning.packages import used_by_artifacts, used_by_packages
from generator.service.store.database import Database, jobs, pipelines, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import UsageError

_KEY = "0123456789abcdef01234567"
_COMMIT = "0a" * 20
_FINAL = f"ada.trees:main-{_COMMIT[:12]}-{'b' * 16}"
_STAGING = {"org.packmill.key": "k", "org.opencontainers.image.title": "packmill staging"}
_LABELS = {"org.packmill.key": "k", "org.packmill.repository": "beside", "org.opencontainers.image.revision": _COMMIT}


def image(*names: str, labels: dict[str, str] | None = None, layers: str = "", **values: Any) -> LocalImage:
    """An image that is a day old; ``layers`` has a letter for each."""
    known = _LABELS if labels is None else labels
    values = {"time": 100.0, "size": 10, **values}
    return LocalImage(id=f"sha256:{names}", names=names, labels=known, layers=tuple(layers), **values)


def removed(*images: LocalImage, used: frozenset[str] = frozenset(), before: float = 200) -> dict[str, str]:
    return {one.name: str(one.kind) for one in old_images(images, before=before, used=used)}


@pytest.mark.parametrize(
    ("name", "labels", "kind"),
    [
        (_FINAL, _LABELS, "image"),
        (f"registry.example.org/group/{_FINAL}", _LABELS, "image"),
        (f"localhost/packmill/environment:{_KEY}", {"org.packmill.repository": "beside"}, "environment"),
        (f"localhost/packmill/environment:{_KEY}-0123abcd", {"org.packmill.repository": "beside"}, "environment"),
        (f"cache.example.org/group/environment:{_KEY}", {"org.packmill.repository": "inside"}, "environment"),
        (f"localhost/packmill/runner:{_KEY}", {"org.packmill.holds": "runner"}, "layer"),
        (f"localhost/packmill/formats:{_KEY}", {"org.packmill.holds": "formats"}, "layer"),
        ("localhost/packmill/staging:0.1.0-0123456789ab", _STAGING, "layer"),
        (f"registry.example.org/group/packmill-staging:0.1.0-{_KEY[:12]}", _STAGING, "layer"),
        ("localhost/packmill/base:bookworm", {"org.packmill.base": "r"}, "layer"),
    ],
)
def test_packmill_s_old_images_are_removed(name: str, labels: dict[str, str], kind: str) -> None:
    assert removed(image(name, labels=labels)) == {name: kind}


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        ((_FINAL,), {}),
        ((_FINAL,), {**_LABELS, "org.opencontainers.image.revision": "f" * 40}),
        (("mine:latest",), _LABELS),
        ((_FINAL, "mine:latest"), _LABELS),
        ((), _LABELS),
        (("postgres:16",), {}),
        (("me/environment:latest",), {"org.packmill.repository": "beside"}),
        (("localhost/packmill/environment:mine",), {"org.packmill.repository": "beside"}),
        (("me/staging:latest",), _STAGING),
        ((f"registry.example.org/me/staging:release-{_COMMIT[:12]}",), _LABELS),
        (("someone/base:bookworm",), {"org.packmill.base": "r"}),
        ((f"localhost/packmill/runner:{_KEY}",), {}),
        ((f"localhost/packmill/runner:{_KEY}",), _LABELS),
    ],
    ids=str,
)
def test_images_of_others_stay(names: tuple[str, ...], labels: dict[str, str]) -> None:
    assert removed(image(*names, labels=labels)) == {}


def test_what_is_young_or_used_stays() -> None:
    assert removed(image(_FINAL, time=300)) == {}
    assert removed(image(_FINAL, has_container=True)) == {}
    assert removed(image(_FINAL), used=frozenset({_FINAL})) == {}
    assert removed(image(_FINAL, layers="ab"), used=frozenset("ab")) == {}


def test_an_environment_stays_while_an_image_with_it_stays() -> None:
    environment = image(f"localhost/packmill/environment:{_KEY}", layers="ab")

    assert removed(environment, image(_FINAL, layers="abc", time=300)) == {}
    assert removed(environment, image("mine:latest", layers="abc")) == {}
    assert removed(environment, image("mine:latest", layers="axb")) != {}
    assert len(removed(environment, image(_FINAL, layers="abc"))) == 2


def test_layers_that_images_share_are_counted_once() -> None:
    base = image("debian:12", labels={}, layers="a", size=100)
    environment = image(f"localhost/packmill/environment:{_KEY}", layers="ab", size=150)
    final = image(_FINAL, layers="abc", size=160)
    same = image(f"registry.example.org/{_FINAL}", layers="abc", size=160)

    found = old_images((base, environment, final, same), before=200, used=())

    assert [one.size for one in found] == [50, 10, 0]


def test_a_quota_takes_the_oldest_images_that_nothing_uses_and_only_as_many_as_needed() -> None:
    base = image("localhost/packmill/base:bookworm", labels={"org.packmill.base": "r"}, layers="a", size=100, time=1)
    other = image("postgres:16", labels={}, layers="z", size=10_000)
    made = [image(f"ada.trees{n}:main-{_FINAL[-29:]}", layers=f"a{n}", size=110 + n, time=100 + n) for n in range(5)]

    def over(quota: int, *used: str) -> list[str]:
        return [one.name for one in images_over((base, other, *made), quota=quota, used=used)]

    assert total_size((base, other, *made)) == 160
    assert over(160) == []
    assert over(159) == [made[0].names[0]]
    assert over(139) == [one.names[0] for one in made[:2]]
    assert over(139, *made[0].names) == [one.names[0] for one in made[1:3]]
    assert over(0, *made[4].names) == [one.names[0] for one in made[:4]]


def record(reference: str) -> str:
    staging = {"reference": "localhost/packmill/staging:0.1.0-ab", "digest": "sha256:d"}
    return json.dumps({"image": {"reference": reference}, "staging": staging, "build": {"layers": ["sha256:l", 1]}})


def test_packages_and_artifacts_name_what_they_use(tmp_path: Path) -> None:
    package = tmp_path / "packages/group/ada/trees/main"
    package.mkdir(parents=True)
    (package / "package.json").write_text(record("registry.example.org/a:b@sha256:c"))
    archives = [tmp_path / "data/jobs" / number / "artifacts.zip" for number in ("1", "2")]
    for path in archives:
        path.parent.mkdir(parents=True)
    with zipfile.ZipFile(archives[0], "w") as archive:
        archive.writestr("results/package.json", "{")  # of a run; it hides no package behind it
        archive.writestr("packages/ada/trees/main/package.json", record("c:d"))
    archives[1].write_text("no archive")

    names = {"registry.example.org/a:b@sha256:c", "registry.example.org/a:b"}
    common = {"localhost/packmill/staging:0.1.0-ab", "sha256:d", "sha256:l"}
    assert used_by_packages(tmp_path / "packages") == names | common
    assert used_by_packages(tmp_path / "missing") == set()
    assert used_by_artifacts(tmp_path / "data") == {"c:d"} | common


@pytest.mark.parametrize("method", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_record_of_any_method_hides_no_package(method: int, tmp_path: Path) -> None:
    path = tmp_path / "data/jobs/1/artifacts.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("results/package.json", bytes(range(256)))
        archive.writestr("packages/ada/trees/main/package.json", record("c:d"))
    content = bytearray(path.read_bytes())
    content[60:80] = b"\xff" * 20  # of the first record
    path.write_bytes(content)

    assert "c:d" in used_by_artifacts(tmp_path / "data")


def test_a_package_that_cannot_be_read_stops_everything(tmp_path: Path) -> None:
    for name, text in {"package.json": "{", "process.cwl": ""}.items():
        (tmp_path / name).write_text(text)

    with pytest.raises(UsageError, match="repair or remove this package"):
        used_by_packages(tmp_path)


def test_a_file_that_a_package_carries_from_its_repository_stops_nothing(tmp_path: Path) -> None:
    carried = tmp_path / "ada/trees/main/example/0_data"
    carried.mkdir(parents=True)
    (carried.parents[1] / "package.json").write_text(json.dumps({"documents": ["example/0_data/package.json"]}))
    for name, text in {"package.json": "{", "process.cwl": ""}.items():
        (carried / name).write_text(text)

    assert used_by_packages(tmp_path) == set()


@pytest.mark.parametrize("place", ["results/data", "main/.cache", "main/node_modules/tool"])
def test_a_file_of_another_program_with_the_name_of_a_record_stops_nothing(place: str, tmp_path: Path) -> None:
    """Results and links lead to any program's files; a template of one is not JSON."""
    package, other = tmp_path / "packages/org/app/main", tmp_path / "elsewhere"
    package.mkdir(parents=True)
    (package / "package.json").write_text(record("c:d"))
    other.mkdir()
    (other / "package.json").write_text("{{ template }}")
    link = tmp_path / "packages/org/app" / place
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(other)

    assert "c:d" in used_by_packages(tmp_path / "packages")


def test_a_folder_that_cannot_be_listed_stops_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images of the packages in it would be removed."""
    (tmp_path / "packages" / "ada").mkdir(mode=0, parents=True)
    for folder in (tmp_path, tmp_path / "packages"):
        folder.chmod(0o755)
    monkeypatch.chdir(tmp_path)

    with as_another_user(), pytest.raises(UsageError, match="packages/ada: cannot be read: Permission denied"):
        used_by_packages(Path("packages"))


@pytest.mark.parametrize("closed", ["data", "data/jobs", "data/jobs/1", "data/jobs/1/artifacts.zip"])
def test_artifacts_that_cannot_be_read_stop_everything(
    closed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Images of the packages in them would be removed."""
    archive = tmp_path / "data/jobs/1/artifacts.zip"
    archive.parent.mkdir(parents=True)
    archive.touch()
    for folder in (tmp_path, *archive.parents[:3]):
        folder.chmod(0o755)
    (tmp_path / closed).chmod(0)
    monkeypatch.chdir(tmp_path)

    with as_another_user(), pytest.raises(UsageError, match=r"^data.*: cannot be read: Permission denied; the images"):
        used_by_artifacts(Path("data"))


def test_folders_that_are_closed_to_the_caller_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, packmill: Callable[..., Finished]
) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    tmp_path.chmod(0o755)
    monkeypatch.chdir(tmp_path)

    with as_another_user():
        finished = [
            packmill("prune", "--only", "images", "--yes", "--output", "closed/packages"),
            packmill("prune", "--only", "images", "--yes", "--data", "closed/data"),
            packmill("prune", "--only", "pipelines", "--yes", "--data", "closed/data"),
        ]

    assert [one.code for one in finished] == [2, 2, 2]
    assert all("cannot be read: Permission denied" in one.err for one in finished)


def test_a_package_of_nested_groups_and_a_branch_with_slashes_is_found(tmp_path: Path) -> None:
    package = tmp_path / "a/b/c/d/e/trees/feature/x/y/maps"
    package.mkdir(parents=True)
    (package / "package.json").write_text(record("c:d"))

    assert "c:d" in used_by_packages(tmp_path)


@pytest.mark.parametrize("place", ["org/.github/main", ".projects/trees/main"])
def test_a_package_of_a_hidden_name_is_found(place: str, tmp_path: Path) -> None:
    package = tmp_path / place
    package.mkdir(parents=True)
    (package / "package.json").write_text(record("c:d"))

    assert "c:d" in used_by_packages(tmp_path)


def test_a_package_behind_a_link_is_found_and_links_in_a_circle_end(tmp_path: Path) -> None:
    package = tmp_path / "disk/trees/main"
    package.mkdir(parents=True)
    (package / "package.json").write_text(record("c:d"))
    (tmp_path / "packages/ada").mkdir(parents=True)
    (tmp_path / "packages/ada/trees").symlink_to(package.parent)
    (package / "up").symlink_to(tmp_path / "packages")

    assert "c:d" in used_by_packages(tmp_path / "packages")


def test_what_a_killed_replacement_left_is_no_package(tmp_path: Path) -> None:
    """It may be half of one."""
    left = tmp_path / "ada/trees/.main.0123456789ab.new"
    left.mkdir(parents=True)
    (left / "package.json").write_text("{")

    assert used_by_packages(tmp_path) == set()


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """The data of a stopped service: an old pipeline, a young one, a running one, one whose artifacts are kept."""
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    data = DataFolder(tmp_path / "packmill-data")
    data.path.mkdir()
    database, now = Database(sqlite_url(data.database)), time.time()
    for number, (status, ended, expires) in enumerate(
        [("success", 40, 1.0), ("success", 1, 1.0), ("running", None, 1.0), ("failed", 40, None)], start=1
    ):
        finished = None if ended is None else now - ended * 86400
        row = {"id": number, "sha": "a", "ref": "main", "tag": False, "source": "api", "status": status, "user": "ada"}
        row |= {"variables": [], "created_at": 0.0, "updated_at": 0.0, "finished_at": finished}
        job = {"id": number, "pipeline_id": number, "name": "build", "stage": "build", "stage_index": 0}
        job |= {"when": "on_success", "allow_failure": False, "status": status, "lane": "", "created_at": 0.0}
        with database.transaction() as connection:
            connection.execute(sa.insert(pipelines).values(row))
            connection.execute(sa.insert(jobs).values({**job, "artifacts_size": 5, "artifacts_expire_at": expires}))
        data.job(number).prepare()
        data.job(number).trace.write_text("x" * 1000)
    database.close()
    return data


def test_old_pipelines_go_with_their_folders_and_others_stay(
    service: DataFolder, packmill: Callable[..., Finished]
) -> None:
    shown = packmill("prune")
    assert "1 with 1 jobs, success" in shown.out
    assert "remove them with --yes" in shown.out
    assert sorted(service.numbers()) == [1, 2, 3, 4]

    done = packmill("prune", "--yes", "--json").json()
    assert done == {
        "removed": True,
        "size": 1000,
        "things": [{"kind": "pipeline", "name": "1 with 1 jobs, success", "size": 1000}],
        "failed": [],
        "images": None,
    }
    assert sorted(service.numbers()) == [2, 3, 4]
    assert packmill("prune").out == "nothing to remove\n"


def test_a_service_that_runs_is_not_changed(service: DataFolder, packmill: Callable[..., Finished]) -> None:
    running = Database(sqlite_url(service.database))
    running.claim()
    try:
        assert packmill("prune").code == 0
        refused = packmill("prune", "--yes")
    finally:
        running.close()
        assert isinstance(running._claim, int)
        io.FileIO(running._claim, closefd=True).close()

    assert refused.code == 2
    assert "another 'packmill serve' uses this database" in refused.err
    assert sorted(service.numbers()) == [1, 2, 3, 4]


def test_a_database_that_fails_is_an_error(service: DataFolder, packmill: Callable[..., Finished]) -> None:
    with closing(sqlite3.connect(service.database)) as plain:
        (page,) = plain.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pipelines'").fetchone()
        (size,) = plain.execute("PRAGMA page_size").fetchone()
    with service.database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(size))

    done = packmill("prune", "--yes")

    assert done.code == 2
    assert "packmill-data: the database failed: database disk image is malformed" in done.err
    assert sorted(service.numbers()) == [1, 2, 3, 4]


def test_on_a_full_disk_the_message_names_what_can_be_removed_without_space(
    service: DataFolder, packmill: Callable[..., Finished], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite makes files next to a database that it opens."""

    def fail(_url: str) -> NoReturn:
        raise sa.exc.OperationalError("PRAGMA", None, sqlite3.OperationalError("database or disk is full"))

    monkeypatch.setattr(service_data, "Database", fail)
    done = packmill("prune", "--yes")

    assert done.code == 23
    assert f"{service.database.name}: the disk is full; free some space" in done.err
    assert "with --only images it needs none" in done.err


def test_old_records_of_images_go_and_the_secret_of_caches_stays(
    service: DataFolder, packmill: Callable[..., Finished], tmp_path: Path
) -> None:
    notes = tmp_path / "cache/packmill/images"
    notes.mkdir(parents=True)
    (notes.parent / "cache-secret").write_text("s")
    for name, days in (("old.json", 40), ("new.json", 1)):
        (notes / name).write_text("{}")
        os.utime(notes / name, (time.time() - days * 86400,) * 2)

    packmill("prune", "--yes")

    assert [path.name for path in notes.iterdir()] == ["new.json"]
    assert (notes.parent / "cache-secret").exists()


def test_a_record_that_cannot_be_removed_keeps_no_pipeline(
    service: DataFolder, packmill: Callable[..., Finished], tmp_path: Path
) -> None:
    record = tmp_path / "cache/packmill/images/old.json"
    record.mkdir(parents=True)  # as little a file to remove as one of another user
    os.utime(record, (time.time() - 40 * 86400,) * 2)

    before = len(service.numbers())

    done = packmill("prune", "--yes")

    assert (done.code, record.exists()) == (0, True)
    assert len(service.numbers()) < before


@pytest.mark.parametrize("days", ["-1", "nan", "1e9"])
def test_an_age_has_to_be_a_number_of_days(packmill: Callable[..., Finished], days: str) -> None:
    assert packmill("prune", f"--older-than={days}").code == 2


@pytest.mark.engine
@pytest.mark.usefixtures("engine")
def test_the_engine_removes_packmill_s_image_and_keeps_one_in_use() -> None:
    word = secrets.token_hex(6)
    own, in_use = (f"localhost/packmill/runner:{word}{ending}" for ending in ("a" * 12, "b" * 12))

    def docker(*words: str, text: bytes = b"") -> str:
        return subprocess.run(["docker", *words], input=text, capture_output=True, check=True).stdout.decode().strip()

    for name in (own, in_use):
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            archive.addfile(tarfile.TarInfo(name))
        docker("import", "--change", 'LABEL org.packmill.holds="runner"', "-", name, text=layer.getvalue())
    container = docker("create", in_use, "true")
    try:
        mine = [one for one in local_images.list_images() if set(one.names) & {own, in_use}]
        found = old_images(mine, before=time.time() + 60, used=())
        assert [(one.name, one.remove()) for one in found] == [(own, True)]
        assert not found[0].remove()
        assert docker("images", "-q", own) == ""
        assert docker("images", "-q", in_use) != ""
    finally:
        docker("rm", container)
        docker("rmi", in_use)
