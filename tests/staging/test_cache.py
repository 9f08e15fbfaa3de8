"""The cache: saved transfers, consistency, and concurrent runs."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from another_user import as_another_user
from staging_servers import HttpServer, Runner, start
from waiting import wait_until

from generator.shared.failures import StagingError
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.stores.http import HttpStore
from generator.staging.transfer.cache import Cache
from generator.staging.transfer.transfer import Transfer, Watch

big = bytes(range(256)) * 4096 * 4


def statuses(web: HttpServer) -> list[int]:
    return [one.status for one in web.asked]


def test_a_second_run_transfers_nothing(web: HttpServer, runner: Runner) -> None:
    url = web.put("/a.bin", big)

    first = runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    second = runner("stage-in", url, "--cache-dir", "cache", "--output", "staged")

    assert (first.code, second.code) == (0, 0)
    assert statuses(web) == [200, 304]
    assert second.content("0_a.bin") == big
    assert "1 of them from the cache, 0 B" in second.err


def test_changed_content_is_fetched(web: HttpServer, runner: Runner) -> None:
    url = web.put("/a.bin", b"old")
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    web.put("/a.bin", b"new")

    assert runner("stage-in", url, "--cache-dir", "cache").content("0_a.bin") == b"new"


def test_without_a_validator_nothing_is_taken_from_it(web: HttpServer, runner: Runner) -> None:
    url = web.put("/a.bin", b"old", etag=False)
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    web.put("/a.bin", b"new", etag=False)

    assert runner("stage-in", url, "--cache-dir", "cache").content("0_a.bin") == b"new"
    assert statuses(web) == [200, 200]


def test_what_another_user_s_interrupted_transfer_left_is_replaced(
    web: HttpServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Users who share a cache can remove each other's files in it, and may not write to them."""
    url = web.put("/a.bin", big)
    source = HttpStore(NetworkSettings(), Credentials()).source(url)
    part = tmp_path / "part"

    def interrupt(_count: int) -> None:
        raise StagingError("interrupted")

    with pytest.raises(StagingError):
        Transfer(source, part, network=NetworkSettings(), watch=Watch(on_bytes=interrupt)).fetch()
    access, left = os.access, part.stat().st_ino

    def access_of_another_user(path: Path, mode: int) -> bool:
        return not (path == part and mode & os.W_OK) and access(path, mode)

    monkeypatch.setattr(os, "access", access_of_another_user)
    (tmp_path / "inode").hardlink_to(part)  # keeps its number from being used again

    Transfer(source, part, network=NetworkSettings(), watch=Watch()).fetch()

    assert part.read_bytes() == big
    assert part.stat().st_ino != left
    assert "range" not in web.asked[-1].headers


def test_two_urls_of_one_name_are_two_files(web: HttpServer, runner: Runner) -> None:
    urls = [web.put(f"/{folder}/a.bin", folder.encode()) for folder in "xy"]
    runner("stage-in", *urls, "--cache-dir", "cache", "--output", "one")

    result = runner("stage-in", *urls, "--cache-dir", "cache")

    assert (result.content("0_a.bin"), result.content("1_a.bin")) == (b"x", b"y")


def test_a_new_signature_is_the_same_file(web: HttpServer, runner: Runner) -> None:
    url = web.put("/a.bin", b"a")
    first = "?X-Amz-Algorithm=AWS4&X-Amz-Credential=KEYID1&X-Amz-Signature=aaaa&part=1"
    second = "?X-Amz-Algorithm=AWS4&X-Amz-Credential=KEYID2&X-Amz-Signature=bbbb&part=1"
    runner("stage-in", url + first, "--cache-dir", "cache", "--output", "one")
    runner("stage-in", url + second, "--cache-dir", "cache", "--output", "two")
    runner("stage-in", url + second.replace("part=1", "part=2"), "--cache-dir", "cache", "--output", "three")

    assert statuses(web) == [200, 304, 200]


def test_nothing_in_it_tells_a_secret(web: HttpServer, runner: Runner, tmp_path: Path) -> None:
    url = web.put("/a.bin", b"a").replace("://", "://ada:pa55word@") + "?access_token=t0ken&Signature=s1gned&Expires=1"

    assert runner("stage-in", url, "--cache-dir", "cache").code == 0

    told = b"".join(path.name.encode() + path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for secret in (b"pa55word", b"t0ken", b"s1gned"):
        assert secret not in told


@pytest.mark.parametrize("damage", [b"", b"short", None])
def test_a_damaged_content_is_fetched_again(
    web: HttpServer, runner: Runner, tmp_path: Path, damage: bytes | None
) -> None:
    url = web.put("/a.bin", b"as it should be")
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    (content,) = (path for path in (tmp_path / "cache" / "content").rglob("*") if path.is_file())
    content.write_bytes(b"as it shouldn't" if damage is None else damage)

    result = runner("stage-in", url, "--cache-dir", "cache")

    assert result.content("0_a.bin") == b"as it should be"
    assert content.read_bytes() == b"as it should be"


@pytest.mark.parametrize("spoil", [Path.unlink, lambda path: path.chmod(0)], ids=["removed", "private"])
def test_a_content_that_cannot_be_read_any_more_counts_as_damaged(
    spoil: Callable[[Path], None], web: HttpServer, runner: Runner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another run may remove it meanwhile, and another user keep it to himself."""
    url = web.put("/a.bin", b"a")
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    monkeypatch.chdir(tmp_path)
    for path in (tmp_path, *(tmp_path / "cache").rglob("*")):
        path.chmod(0o777)
    cache = Cache(Path("cache"))
    entry = cache.find(HttpStore(NetworkSettings(), Credentials()).source(url))
    assert entry
    spoil(_only_file(Path("cache/content")))

    with as_another_user():
        assert not cache.copy(entry, Path("copy"), None)
        assert not cache.is_whole(entry, None)


def test_a_damaged_note_is_no_note(web: HttpServer, runner: Runner, tmp_path: Path) -> None:
    url = web.put("/a.bin", b"a")
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    (note,) = (path for path in (tmp_path / "cache" / "entries").rglob("*") if path.is_file())
    note.write_text('{"sha256": "../../../../etc/passwd", "size": 1}')

    assert runner("stage-in", url, "--cache-dir", "cache").content("0_a.bin") == b"a"


def _only_file(folder: Path) -> Path:
    (found,) = (path for path in folder.rglob("*") if path.is_file())
    return found


def test_a_note_that_names_another_file_does_not_have_it_removed(
    web: HttpServer, runner: Runner, tmp_path: Path
) -> None:
    """Everyone who shares the folder can write notes; a content that differs from its digest is removed."""
    url, mine = web.put("/a.bin", b"a"), tmp_path / "mine.txt"
    mine.write_text("mine")
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    note = _only_file(tmp_path / "cache/entries")
    note.write_text(json.dumps({**json.loads(note.read_text()), "sha256": str(mine), "size": 4}))

    assert runner("stage-in", url, "--cache-dir", "cache").content("0_a.bin") == b"a"
    assert mine.read_text() == "mine"


def test_links_in_a_shared_cache_are_not_followed(web: HttpServer, runner: Runner, tmp_path: Path) -> None:
    """Otherwise who shares it changes the files of the others, or makes them writable."""
    url, cache, mine = web.put("/a.bin", big), tmp_path / "cache", tmp_path / "mine.txt"
    mine.write_text("mine")
    mine.chmod(0o600)
    cache.mkdir()
    cache.chmod(0o777)
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    lock, note = _only_file(cache / "locks"), _only_file(cache / "entries")
    part = cache / "partial" / lock.name
    validator = json.loads(note.read_text())["validator"]
    for path in (lock, note, _only_file(cache / "content")):
        path.unlink()
    part.with_name(f"{part.name}.json").write_text(json.dumps({"key": lock.name, "name": "", "validator": validator}))
    for link in (lock, part):
        link.symlink_to(mine)

    for output in ("two", "staged"):
        result = runner("stage-in", url, "--cache-dir", "cache", "--output", output)

    assert result.content("0_a.bin") == big
    assert (mine.read_text(), mine.stat().st_mode & 0o777) == ("mine", 0o600)


def test_a_cached_file_is_not_copied_through_a_link(web: HttpServer, runner: Runner, tmp_path: Path) -> None:
    """A repository may ship the folder with links of the names of temporary files."""
    url, mine = web.put("/a.bin", b"a"), tmp_path / "mine.txt"
    mine.write_text("mine")
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    (tmp_path / "staged").mkdir()
    for number in range(2):
        for link in (f".{number}.part", f"..{number}.part.part"):
            (tmp_path / "staged" / link).symlink_to(mine)

    assert runner("stage-in", url, "--cache-dir", "cache").content("0_a.bin") == b"a"
    assert mine.read_text() == "mine"


def test_concurrent_runs_fetch_once(web: HttpServer, tmp_path: Path) -> None:
    url = web.put("/a.bin", big, stalls=[1])
    for number in range(4):
        (tmp_path / str(number)).mkdir()

    def run(number: int) -> tuple[int, str]:
        process = start(tmp_path / str(number), "stage-in", url, "--cache-dir", tmp_path / "cache")
        _, err = process.communicate(timeout=60)
        return process.returncode, err

    with ThreadPoolExecutor() as pool:
        ended = list(pool.map(run, range(4)))

    assert [code for code, _ in ended] == [0] * 4
    assert sorted(statuses(web)) == [200, 304, 304, 304]
    assert any("waiting for another run that fetches it" in err for _, err in ended)
    assert all((tmp_path / str(number) / "staged" / "0_a.bin").read_bytes() == big for number in range(4))


def test_a_killed_run_leaves_no_lock_and_its_bytes_are_used(web: HttpServer, tmp_path: Path, runner: Runner) -> None:
    url = web.put("/a.bin", big, cut=[3_000_000])
    web.pages["/a.bin"].handler = lambda handler: len(web.asked) == 2 and time.sleep(30) is None
    process = start(tmp_path, "stage-in", url, "--cache-dir", "cache", "--output", "one")
    wait_until(lambda: len(web.asked) == 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    web.pages["/a.bin"].handler = None
    web.asked.clear()

    result = runner("stage-in", url, "--cache-dir", "cache")

    assert result.content("0_a.bin") == big
    assert web.asked[0].headers["range"] == "bytes=3000000-"
    assert web.sent() == len(big) - 3_000_000


def test_filling_it_leaves_no_files(web: HttpServer, runner: Runner) -> None:
    url = web.put("/a.bin", b"a")

    result = runner("stage-in", url, "--cache-dir", "cache", "--cache-only")

    assert result.json() == []
    assert result.names == []
    assert runner("stage-in", url, "--cache-dir", "cache").content("0_a.bin") == b"a"
    assert statuses(web) == [200, 304]


def test_a_step_without_a_cache_begins_one_for_the_next(
    web: HttpServer, step: Runner, outputs: object, tmp_path: Path
) -> None:
    url = web.put("/a.bin", b"a")

    assert step("stage-in", {"input_path": url, "cache_only": True, "cache_dir": None}).code == 0
    first = outputs()  # type: ignore[operator]
    assert first["cache_new"] == {"class": "Directory", "path": "cache", "basename": "packmill-cache"}
    following = {"cache_dir": first["cache_out"], "cache_from_step": first["cache_is_new"]}
    assert step("stage-in", {"input_path": url, "cache_only": True, **following}).code == 0
    assert outputs()["cache_new"] == first["cache_new"]  # type: ignore[operator]
    earlier = {"cache_dir": first["cache_out"], "cache_is_new": True}  # as packages of older versions have it
    assert step("stage-in", {"input_path": url, "cache_only": True, **earlier}).code == 0
    assert outputs()["cache_new"] == first["cache_new"]  # type: ignore[operator]
    given = {"class": "Directory", "path": "/mounted/mine", "basename": "mine"}
    assert step("stage-in", {"input_path": url, "cache_only": True, "cache_dir": given}).code == 0
    assert outputs()["cache_new"] is None  # type: ignore[operator]
    assert statuses(web) == [200, 304, 304, 304]


def test_a_copy_of_the_cache_is_a_new_one(web: HttpServer, step: Runner, outputs: object) -> None:
    """Toil copies folders to a store of its own, so that the user's cache stays as it is."""
    copy = {"class": "Directory", "path": "/store/cache", "location": "toildir:e30="}

    assert step("stage-in", {"input_path": web.put("/a", b"a"), "cache_only": True, "cache_dir": copy}).code == 0
    assert outputs()["cache_new"] == {  # type: ignore[operator]
        "class": "Directory",
        "path": "cache",
        "basename": "packmill-cache",
    }


def test_at_most_one_folder_of_a_cache_is_empty(web: HttpServer, runner: Runner, tmp_path: Path) -> None:
    """Toil takes all empty folders of a cache for one, and fails."""
    (tmp_path / "local.txt").write_text("not fetched")

    runner("stage-in", web.put("/a", b"a"), web.put("/b", b"b"), "local.txt", "--cache-dir", "cache")

    empty = [path for path in (tmp_path / "cache").rglob("*") if path.is_dir() and not any(path.iterdir())]
    assert [path.name for path in empty] == ["partial"]


def test_a_cache_that_cannot_be_written_is_named(web: HttpServer, runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")

    result = runner("stage-in", web.put("/a", b"a"), "--cache-dir", "cache")

    assert (result.code, "cache: not usable as a cache: " in result.err) == (2, True)


def test_a_content_that_is_known_by_its_sha256_needs_no_server(web: HttpServer, step: Runner, runner: Runner) -> None:
    import hashlib

    url = web.put("/a.bin", b"a")
    runner("stage-in", url, "--cache-dir", "cache", "--output", "one")
    record = {"url": url.replace("/a.bin", "/moved.bin"), "checksum": "sha256:" + hashlib.sha256(b"a").hexdigest()}
    web.asked.clear()

    result = step("stage-in", {"input_path": record, "cache_dir": "cache"})

    assert result.content("0_moved.bin") == b"a"
    assert not web.asked
