"""Stage-in over HTTP: names, order, messages, and network failures."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pystac
import pytest
from deep_folders import make_deep
from staging_servers import HttpServer, Runner, Staged, http_server, start
from waiting import wait_until

from generator.shared.failures import StagingError
from generator.shared.removal import remove_tree
from generator.staging.stac.catalog import remove_staged_catalog
from generator.staging.staged_folder import _move_all
from generator.staging.stores.local import LocalSource
from generator.staging.transfer.fetching import FetchedFile

big = bytes(range(256)) * 4096 * 4  # 4 MiB


def staged_files(result: Staged) -> list[dict[str, object]]:
    assert result.code == 0, result.err
    return list(result.json())


@pytest.mark.parametrize("step", ["stage-in", "stage-out"])
def test_a_local_folder_that_is_too_deep_is_refused(step: str, runner: Runner, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    make_deep(tmp_path / "folder", then="open('file', 'w').close()")

    result = runner(step, tmp_path / "folder", *(["delivered"] if step == "stage-out" else []))

    assert (result.code, "Traceback" in result.err) == (12, False), result.err
    assert "too many folders in each other, or too long names of folders" in result.err
    remove_tree(tmp_path / "folder")


class TestNames:
    def test_files_are_numbered_in_the_order_that_was_asked_for(self, web: HttpServer, runner: Runner) -> None:
        urls = [web.put(f"/{name}", name.encode(), stalls=[0.3 - 0.1 * i]) for i, name in enumerate("cab")]

        files = staged_files(runner("stage-in", *urls))

        assert [file["basename"] for file in files] == ["0_c", "1_a", "2_b"]
        assert [file["url"] for file in files] == urls
        assert [Path(str(file["path"])).name for file in files] == ["0_c", "1_a", "2_b"]

    def test_more_than_ten_sort_by_name_as_they_were_asked_for(self, web: HttpServer, runner: Runner) -> None:
        urls = [web.put(f"/f{index}", b"x") for index in range(12)]

        result = runner("stage-in", *urls)

        assert result.names[:2] == ["00_f0", "01_f1"]
        assert result.names == [file["basename"] for file in staged_files(result)]

    def test_the_server_may_name_the_file(self, web: HttpServer, runner: Runner) -> None:
        header = {"Content-Disposition": "attachment; filename=\"plain.tif\"; filename*=UTF-8''%C3%A9t%C3%A9.tif"}
        url = web.put("/download", b"x", headers=header)

        assert runner("stage-in", url).names == ["0_ete.tif"]

    @pytest.mark.parametrize(
        ("name", "staged"),
        [
            ("../../etc/passwd", "0_passwd"),
            ("..%2F..%2Fshadow", "0__2F.._2Fshadow"),
            ("a b;rm -rf $HOME.tif", "0_a_b_rm_-rf__HOME.tif"),
            ("..\\..\\windows.ini", "0_windows.ini"),
            (".bashrc", "0_bashrc"),
            ("..", "0_file"),
            ("x" * 400 + ".tif", "0_" + "x" * 176 + ".tif"),
        ],
    )
    def test_no_name_leaves_the_folder(self, web: HttpServer, runner: Runner, name: str, staged: str) -> None:
        url = web.put("/download", b"x", headers={"Content-Disposition": f'attachment; filename="{name}"'})

        result = runner("stage-in", url)

        assert result.names == [staged]
        assert len(list(result.folder.rglob("*"))) == 2

    def test_a_name_of_the_url_is_decoded(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/a/näme two.tif", b"x")

        assert runner("stage-in", url.replace("ä", "%C3%A4").replace(" ", "%20") + "?v=1").names == ["0_name_two.tif"]


class TestFaults:
    def test_a_broken_connection_is_resumed_where_it_broke(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/big", big, cut=[1_000_000, 2_000_000])

        result = runner("stage-in", url)

        assert result.code == 0, result.err
        assert result.content("0_big") == big
        assert [one.headers.get("range") for one in web.asked] == [None, "bytes=1000000-", "bytes=3000000-"]
        assert web.sent() == len(big)

    def test_a_server_without_ranges_is_asked_for_everything_again(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/big", big, cut=[1_000_000], ranges=False)

        assert runner("stage-in", url).content("0_big") == big

    def test_content_that_changes_meanwhile_is_not_mixed(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/big", big, cut=[1_000_000])

        def change(handler: object) -> bool:
            if len(web.asked) == 2:
                web.pages["/big"].content = big[::-1]
            return False

        web.pages["/big"].handler = change

        assert runner("stage-in", url).content("0_big") == big[::-1]

    def test_a_chunked_answer_that_is_cut_is_not_taken_for_whole(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/big", big, cut=[500_000], chunked=True, ranges=False)

        assert runner("stage-in", url).content("0_big") == big

    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 408])
    def test_what_may_pass_is_tried_again(self, web: HttpServer, runner: Runner, status: int) -> None:
        url = web.put("/a.txt", b"a", statuses=[status, status])

        result = runner("stage-in", url)

        assert result.content("0_a.txt") == b"a"
        assert f"{status}" in result.err

    def test_a_stall_ends_in_another_try(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/a.txt", b"a", stalls=[5])

        result = runner("stage-in", url, "--timeout", "0.5")

        assert result.content("0_a.txt") == b"a"
        assert len(web.asked) > 1, "it was not the first answer that was waited for"

    def test_a_wrong_length_is_no_file(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/a.txt", b"a" * 10, claims=20, ranges=False, etag=False)

        result = runner("stage-in", url, "--attempts", "2")

        assert result.code == 12
        assert f"{url}: " in result.err
        assert not [name for name in result.names if not name.startswith(".")]

    def test_a_wrong_checksum_of_the_server_is_no_file(self, web: HttpServer, runner: Runner) -> None:
        header = {"Repr-Digest": "sha-256=:" + "A" * 43 + "=:"}
        url = web.put("/a.txt", b"a", headers=header)

        result = runner("stage-in", url)

        assert result.code == 12
        assert "its sha256 is ca978112" in result.err
        assert not (result.folder / "staged" / "0_a.txt").exists()

    def test_damage_on_the_way_is_fetched_once_more(self, web: HttpServer, runner: Runner) -> None:
        digest = hashlib.sha256(b"right").digest()
        import base64

        header = {"Repr-Digest": f"sha-256=:{base64.b64encode(digest).decode()}:"}
        url = web.put("/a.txt", b"wrong", headers=header, etag=False)

        def mend(_handler: object) -> bool:
            web.pages["/a.txt"].content = b"wrong" if len(web.asked) == 1 else b"right"
            return False

        web.pages["/a.txt"].handler = mend

        assert runner("stage-in", url).content("0_a.txt") == b"right"

    @pytest.mark.parametrize(
        ("written", "code"),
        [
            ("sha256:" + hashlib.sha256(b"a").hexdigest(), 0),
            ("md5:" + hashlib.md5(b"a").hexdigest(), 0),
            ("sha1$" + hashlib.sha1(b"a").hexdigest(), 0),
            ("1220" + hashlib.sha256(b"a").hexdigest(), 0),
            ("d50110" + hashlib.md5(b"a").hexdigest(), 0),
            ("sha256:" + hashlib.sha256(b"b").hexdigest(), 12),
            ("nonsense", 2),
            ("sha256:abc", 2),
        ],
    )
    def test_a_record_may_say_the_checksum(self, web: HttpServer, step: Runner, written: str, code: int) -> None:
        url = web.put("/a.txt", b"a")

        assert step("stage-in", {"input_path": {"url": url, "checksum": written}}, "--output", "staged").code == code

    def test_one_failure_names_its_url_and_ends_the_rest(self, web: HttpServer, runner: Runner) -> None:
        good = [web.put(f"/good{index}", b"x", stalls=[0.2]) for index in range(40)]

        result = runner("stage-in", web.url + "/missing?token=t0psecret", *good, "--parallel", "2")

        assert result.code == 12
        assert f"{web.url}/missing: 127.0.0.1 answers 404" in result.err
        assert "t0psecret" not in result.err
        assert len(web.asked) < 20

    def test_a_host_that_does_not_exist(self, runner: Runner) -> None:
        result = runner("stage-in", "http://nowhere.invalid/a", "--attempts", "1")

        assert (result.code, "nowhere.invalid/a: " in result.err) == (12, True)

    def test_credentials_in_a_url_are_used_and_never_shown(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/a.txt", statuses=[404]).replace("://", "://ada:pa55word@")

        result = runner("stage-in", url)

        assert web.asked[0].headers["authorization"] == "Basic YWRhOnBhNTV3b3Jk"
        assert "pa55word" not in result.err + result.out
        assert "404" in result.err

    def test_redirects_are_followed_and_loops_end(self, web: HttpServer, runner: Runner) -> None:
        web.put("/target.txt", b"there")
        url = web.put("/from", redirect="/target.txt")
        loop = web.put("/loop", redirect="/loop")

        assert runner("stage-in", url).content("0_from") == b"there"
        assert "more than 20 redirects" in runner("stage-in", loop).err

    def test_a_redirect_to_a_file_is_not_followed(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/from", redirect="file:///etc/passwd")

        result = runner("stage-in", url)

        assert (result.code, "which is not followed" in result.err) == (12, True)

    def test_an_empty_file_is_a_file(self, web: HttpServer, runner: Runner) -> None:
        assert runner("stage-in", web.put("/empty", b"")).content("0_empty") == b""


class TestRunningAgain:
    def test_a_killed_step_goes_on_where_it_was(self, web: HttpServer, tmp_path: Path, runner: Runner) -> None:
        url = web.put("/big", big, cut=[3_000_000])
        web.pages["/big"].handler = lambda handler: len(web.asked) == 2 and time.sleep(30) is None
        process = start(tmp_path, "stage-in", url)
        part = tmp_path / "staged" / ".0.part"
        wait_until(lambda: part.exists() and part.stat().st_size == 3_000_000)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert not (tmp_path / "staged" / "0_big").exists()
        web.pages["/big"].handler = None
        web.asked.clear()

        result = runner("stage-in", url)

        assert result.content("0_big") == big
        assert web.sent() == len(big) - 3_000_000
        assert result.names == ["0_big"]

    def test_a_thousand_small_files(self, web: HttpServer, runner: Runner) -> None:
        urls = [web.put(f"/{index:04d}.txt", str(index).encode()) for index in range(1000)]

        files = staged_files(runner("stage-in", *urls))

        assert [Path(str(file["path"])).name for file in files] == [f"{i:03d}_{i:04d}.txt" for i in range(1000)]


class TestTwoAtOnce:
    @pytest.mark.parametrize("kind", ["File[]", "Directory", "Directory[]"])
    def test_one_folder_takes_the_files_of_one_stage_in_at_a_time(
        self, kind: str, web: HttpServer, runner: Runner, tmp_path: Path
    ) -> None:
        release = threading.Event()
        quick, other = web.put("/quick.txt", b"quick"), web.put("/b.txt", b"b")
        slow = web.put("/a.txt", b"a" * 1000, handler=lambda _: not release.wait(60))
        for name, urls in {"first": [quick, slow], "second": [other, other]}.items():
            (tmp_path / name).write_text(json.dumps({"input_path": urls, "as_type": kind}))
        first = start(tmp_path, "stage-in", "--inputs", "first")
        wait_until(lambda: any(one.path == "/a.txt" for one in web.asked))

        refused = runner("stage-in", "--inputs", "second")
        release.set()
        _, err = first.communicate(timeout=60)

        assert (refused.code, first.returncode) == (12, 0), err
        assert "staged: another stage-in writes here; wait for its end, or choose another --output" in refused.err
        contents = {path.read_bytes() for path in (tmp_path / "staged").rglob("*.txt")}
        assert contents == {b"quick", b"a" * 1000}
        assert runner("stage-in", other).content("0_b.txt") == b"b"

    def test_one_cache_is_filled_by_many(self, web: HttpServer, runner: Runner, tmp_path: Path) -> None:
        release = threading.Event()
        slow = web.put("/a.txt", b"a", handler=lambda _: not release.wait(60))
        options = ("--cache-dir", "cache", "--cache-only")
        first = start(tmp_path, "stage-in", slow, *options)
        wait_until(lambda: web.asked)

        second = runner("stage-in", web.put("/b.txt", b"b"), *options)
        release.set()
        _, err = first.communicate(timeout=60)

        assert (second.code, first.returncode) == (0, 0), second.err + err


class TestTheStep:
    """The step of the generated CWL: ``--inputs``."""

    def test_it_leaves_cwls_output_object(self, web: HttpServer, step: Runner, outputs: object) -> None:
        url = web.put("/a.txt", b"a")

        result = step("stage-in", {"input_path": url, "name": "tiles", "as_type": "File", "cache_dir": None})

        assert result.code == 0
        file = {"class": "File", "path": "staged/0_a.txt", "basename": "0_a.txt", "size": 1, "url": url}
        assert outputs() == {  # type: ignore[operator]
            "output_files": [file],
            "output_file": file,
            "output_directory": None,
            "output_directories": None,
            "cache_out": None,
            "cache_new": None,
            "cache_is_new": False,
        }
        assert result.out == ""
        assert "stage-in tiles: 1 file, 1 B in " in result.err

    def test_what_it_was_told_is_emptied(self, web: HttpServer, step: Runner, tmp_path: Path) -> None:
        url = web.put("/a.txt", b"a")

        step("stage-in", {"input_path": {"url": url}, "credentials": '{"password": "pa55word"}'})

        assert (tmp_path / "stage_in.json").read_text() == ""

    def test_a_file_parameter_takes_one_file(self, web: HttpServer, step: Runner) -> None:
        urls = [web.put(f"/{name}", b"x") for name in "ab"]

        result = step("stage-in", {"input_path": urls, "name": "mask", "as_type": "File"})

        assert (result.code, "mask: exactly one file is needed, not 2" in result.err) == (2, True)
        assert not web.asked

    def test_an_optional_parameter_may_be_given_nothing(self, step: Runner, outputs: object) -> None:
        assert step("stage-in", {"input_path": None, "name": "mask"}).code == 0
        assert set(outputs().values()) == {None, False}  # type: ignore[operator]

    def test_a_directory_has_a_catalog(self, web: HttpServer, step: Runner, tmp_path: Path, outputs: object) -> None:
        import pystac

        urls = [web.put("/a.tif", b"a"), web.put("/x/a.tif", b"b")]

        assert step("stage-in", {"input_path": urls, "name": "scene", "as_type": "Directory"}).code == 0

        assert outputs()["output_directory"]["basename"] == "scene"  # type: ignore[operator]
        catalog = pystac.Catalog.from_file(str(tmp_path / "staged" / "catalog.json"))
        assets = [asset for item in catalog.get_items() for asset in item.assets.values()]
        assert [Path(asset.get_absolute_href() or "").read_bytes() for asset in assets] == [b"a", b"b"]
        assert [asset.extra_fields["source"] for asset in assets] == urls

    def test_a_directory_that_is_staged_in_again_has_a_catalog_of_the_new_files(
        self, step: Runner, tmp_path: Path
    ) -> None:
        given = tmp_path / "given"
        given.mkdir()
        request = {"input_path": {"class": "Directory", "path": str(given)}, "as_type": "Directory"}
        for name in ("a.txt", "b.txt"):
            (given / name).write_text("earlier")
        assert step("stage-in", request).code == 0
        (given / "a.txt").write_text("new")
        (given / "b.txt").unlink()

        again = step("stage-in", request)

        assert again.code == 0, again.err
        items = list(pystac.Catalog.from_file(str(tmp_path / "staged" / "catalog.json")).get_items())
        assert [item.id for item in items] == ["a"]
        checksum = items[0].assets["txt"].extra_fields["file:checksum"]
        assert checksum == f"1220{hashlib.sha256(b'new').hexdigest()}"
        assert {path.name for path in (tmp_path / "staged").iterdir()} == {"a.stac", "a.txt", "b.txt", "catalog.json"}

    @pytest.mark.parametrize("href", ["./own.json", "./../own.json", "./x.stac/y.json", "./link.stac/link.json"])
    def test_a_catalog_of_an_earlier_stage_in_takes_only_its_items_along(self, tmp_path: Path, href: str) -> None:
        folder, elsewhere = tmp_path / "staged", tmp_path / "elsewhere"
        for path in (folder / "x.stac", elsewhere):
            path.mkdir(parents=True)
        (folder / "link.stac").symlink_to(elsewhere)
        files = [folder / "own.json", tmp_path / "own.json", folder / "x.stac/y.json", elsewhere / "link.json"]
        for path in files:
            path.touch()
        links = [{"href": href}, {"href": "./a\0.stac/a\0.json"}, None]
        document = {"type": "Catalog", "description": "x, staged in", "links": links}
        (folder / "catalog.json").write_text(json.dumps(document))

        remove_staged_catalog(folder, kept=())

        assert all(path.exists() for path in files)
        assert not (folder / "catalog.json").exists()

    def test_a_fetched_file_with_the_path_of_an_item_stays(self, tmp_path: Path) -> None:
        """A catalog of an earlier stage-in may name it, in another case on some file systems."""
        (tmp_path / "A.stac").mkdir()
        (tmp_path / "A.stac" / "A.json").write_text("fetched")
        document = {"type": "Catalog", "description": "x, staged in", "links": [{"href": "./A.stac/A.json"}]}
        (tmp_path / "catalog.json").write_text(json.dumps(document))

        remove_staged_catalog(tmp_path, kept=("a.stac/a.json",))

        assert (tmp_path / "A.stac" / "A.json").read_text() == "fetched"
        assert not (tmp_path / "catalog.json").exists()

    @pytest.mark.parametrize(
        ("text", "kept"),
        [
            ('{"type": "Catalog", "description": "my own"}', ()),
            ('{"type": "Catalog", "description": "staged in"}', ("catalog.json",)),
            ("[]", ()),
            ("", ()),
        ],
    )
    def test_a_catalog_of_somebody_else_or_that_was_fetched_is_not_replaced(
        self, tmp_path: Path, text: str, kept: tuple[str, ...]
    ) -> None:
        (tmp_path / "catalog.json").write_text(text)

        remove_staged_catalog(tmp_path, kept=kept)

        assert (tmp_path / "catalog.json").read_text() == text

    def test_a_folder_with_a_catalog_of_somebody_else_is_refused_before_a_transfer(
        self, web: HttpServer, step: Runner, tmp_path: Path
    ) -> None:
        (tmp_path / "staged").mkdir()
        (tmp_path / "staged" / "catalog.json").write_text('{"id": "own"}')

        refused = step("stage-in", {"input_path": web.put("/a.tif", b"a"), "name": "scene", "as_type": "Directory"})

        assert (refused.code, "catalog.json: not of a stage-in" in refused.err) == (2, True)
        assert [one.name for one in (tmp_path / "staged").iterdir() if not one.name.startswith(".")] == ["catalog.json"]

    @pytest.mark.parametrize("as_type", ["Directory", "Directory[]"])
    def test_nothing_is_written_below_a_link_in_the_folder(self, step: Runner, tmp_path: Path, as_type: str) -> None:
        """Such as one of a repository that the user cloned."""
        for path in ("given/0/x", "own/x", "staged/a"):
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "given/0/x").write_text("new")
        (tmp_path / "own/x").write_text("own")
        (tmp_path / "staged/0").symlink_to("../own")
        given = {"class": "Directory", "path": str(tmp_path / "given" / ("0" if as_type == "Directory[]" else ""))}

        result = step("stage-in", {"input_path": given, "as_type": as_type})

        assert (result.code, "staged/0: a link, so nothing is written below it" in result.err) == (2, True), result.err
        assert [(path.name, path.read_text()) for path in (tmp_path / "own").iterdir()] == [("x", "own")]

    @pytest.mark.parametrize("as_type", ["Directory", "File"])
    def test_a_secondary_file_is_not_copied_through_a_link(self, step: Runner, tmp_path: Path, as_type: str) -> None:
        for name in ("a.bam", "a.bai", "own"):
            (tmp_path / name).write_text(name)
        secondary = {"class": "File", "path": str(tmp_path / "a.bai")}
        given = {"class": "File", "path": str(tmp_path / "a.bam"), "secondaryFiles": [secondary]}
        (tmp_path / "staged").mkdir()
        for name in ("0_a.bai", "a.bai"):
            (tmp_path / "staged" / name).symlink_to("../own")

        result = step("stage-in", {"input_path": given, "as_type": as_type})

        assert result.code == 0, result.err
        assert (tmp_path / "own").read_text() == "own"
        assert result.content("a.bai" if as_type == "Directory" else "0_a.bai") == b"a.bai"

    def test_a_file_that_is_called_as_the_catalog_is_staged_in_again(self, step: Runner, tmp_path: Path) -> None:
        """Such as that of intake-esm, which is no STAC catalog."""
        paths = [tmp_path / "esm" / name for name in ("catalog.json", "t.csv")]
        paths[0].parent.mkdir()
        for path in paths:
            path.write_text('{"esmcat_version": "0.1.0"}')
        given = {"input_path": [str(path) for path in paths], "name": "esm", "as_type": "Directory"}

        assert [step("stage-in", given).code for _ in range(2)] == [0, 0]

    def test_a_list_of_directories_has_one_for_each_item(
        self, web: HttpServer, step: Runner, tmp_path: Path, outputs: Callable[[], dict[str, Any]]
    ) -> None:
        (tmp_path / "scene" / "items").mkdir(parents=True)
        (tmp_path / "scene" / "catalog.json").write_text('{"id": "own"}')
        (tmp_path / "scene" / "items" / "a.json").write_text("{}")
        given = [{"class": "Directory", "path": str(tmp_path / "scene")}, web.put("/a.tif", b"a")]

        assert step("stage-in", {"input_path": given, "name": "scenes", "as_type": "Directory[]"}).code == 0

        folders = outputs()["output_directories"]
        assert [one["basename"] for one in folders] == ["scenes_0", "scenes_1"]
        assert (tmp_path / folders[0]["path"] / "catalog.json").read_text() == '{"id": "own"}'
        assert (tmp_path / folders[0]["path"] / "items" / "a.json").exists()
        assert (tmp_path / folders[1]["path"] / "a.tif").read_bytes() == b"a"
        assert outputs()["output_files"] is None

    def test_the_files_of_a_folder_keep_their_names(self, step: Runner, tmp_path: Path) -> None:
        """Zarr finds its files by their names, and for it ``T`` and ``t`` are two arrays."""
        names = [".zgroup", "T/.zarray", "t/.zarray", "t/0.0", "band 1.tif", "größe 2/50%.csv", "a/.b.part"]
        reduced = {".git/config": "git/config", "a/.Git/HEAD": "a/Git/HEAD", ".0.parts/x": "0.parts/x"}
        reduced |= {".0.part": "0.part", "a\nb/c": "a_b/c", "a\\b": "b", "x" * 201: "x" * 180}
        reduced |= {"c #1;2/d?e.csv": "c _1_2/d_e.csv", "é#1.csv": "é_1.csv", "é?1.csv": "1_é_1.csv"}
        for name in (*names, *reduced):
            (tmp_path / "cube" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "cube" / name).write_text(name)

        given = {"class": "Directory", "path": str(tmp_path / "cube")}
        assert step("stage-in", {"input_path": given, "as_type": "Directory"}).code == 0

        for name, expected in (*zip(names, names, strict=True), *reduced.items()):
            assert (tmp_path / "staged" / expected).read_text() == name
        assert not list((tmp_path / "staged").glob(".*.part*"))
        items = pystac.Catalog.from_file(str(tmp_path / "staged" / "catalog.json")).get_items()
        found = {str(asset.get_absolute_href()) for item in items for asset in item.assets.values()}
        plain = {str(tmp_path / "staged" / one) for one in reduced.values()}
        assert plain <= found, "readers of the catalog find each file"

    def test_names_that_are_one_to_the_file_system_are_refused(self, tmp_path: Path) -> None:
        """As ``T`` and ``t`` are in a file system that ignores case; a link has the same effect."""
        (tmp_path / "staged/t").mkdir(parents=True)
        (tmp_path / "staged/T").symlink_to("t")
        fetched = []
        for name in ("0.part", "1.part"):
            path = tmp_path / name
            path.touch()
            fetched.append(FetchedFile(source=LocalSource(path=path), name="x", path=path, size=0))

        with pytest.raises(StagingError, match="t/x: its name and another are one to the file system"):
            _move_all(tmp_path / "staged", fetched, ["T/x", "t/x"])

    @pytest.mark.parametrize("given", [None, []])
    def test_a_list_of_directories_may_be_empty(
        self, given: object, step: Runner, outputs: Callable[[], dict[str, Any]]
    ) -> None:
        assert step("stage-in", {"input_path": given, "as_type": "Directory[]"}).code == 0
        assert set(outputs().values()) == {None, False}

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"urls": "x"}, "'urls' is not a field of a record; did you mean 'url'?"),
            ({"username": "x"}, "a record with one of s3_url, url, stac_url"),
            ({"url": 3}, "url: text is needed"),
            ([True], "a bool is neither a URL, a File nor a record"),
            ({"class": "File", "location": "http://x"}, "a File or Directory without a path"),
            ("gopher://x/y", "gopher"),
            ("s3://", "write it as s3://bucket/key"),
            ("/nowhere/at/all", "/nowhere/at/all: file not found"),
        ],
    )
    def test_what_is_no_request_is_refused(self, step: Runner, given: object, said: str) -> None:
        result = step("stage-in", {"input_path": given})

        assert result.code in (2, 12)
        assert said in result.err
        assert "Traceback" not in result.err

    def test_inputs_that_are_no_json(self, runner: Runner, tmp_path: Path) -> None:
        (tmp_path / "stage_in.json").write_text('{"aws_secret_access_key": "abc')

        result = runner("stage-in", "--inputs", "stage_in.json")

        assert (result.code, result.err) == (2, "packmill-runner: stage_in.json: the inputs are not valid JSON\n")

    def test_a_full_disk_is_named_before_it_is_full(self, web: HttpServer, runner: Runner) -> None:
        url = web.put("/huge", b"x", claims=10**15)

        result = runner("stage-in", url)

        assert result.code == 10
        assert "1000000000 MB are needed" in result.err
        assert result.names == []


class TestEarthdata:
    """DAAC: a login host that the data host sends strangers to."""

    @pytest.fixture
    def login(self) -> object:
        with http_server("127.0.0.2") as server:
            yield server

    def test_credentials_go_to_the_login_host_alone(self, web: HttpServer, login: HttpServer, step: Runner) -> None:
        from staging_servers import earthdata

        earthdata(web, login, "ada", "pa55 word")
        record = {"url": web.url + "/granule.h5", "username": "ada", "password": "pa55 word", "login_host": "127.0.0.2"}
        result = step("stage-in", {"input_path": record, "name": "granule"})

        assert result.code == 12
        assert "credentials are only sent over https" in result.err

    def test_the_whole_way(self, web: HttpServer, step: Runner) -> None:
        from staging_servers import earthdata

        with http_server() as login:
            name = "localhost"
            earthdata(web, login, "ada", "pa55 word", login_url=login.url.replace("127.0.0.1", name))
            record = {
                "url": [web.url + "/granule.h5"] * 2,
                "username": "ada",
                "password": "pa55 word",
                "login_host": name,
            }
            result = step("stage-in", {"input_path": record}, "--parallel", "1")

            assert result.code == 0, result.err
            assert result.content("1_granule.h5") == b"granule" * 1000
            assert not [one for one in web.asked if "authorization" in one.headers]
            assert len(login.asked) == 1, "the cookie serves the second file"
            wrong = step("stage-in", {"input_path": {**record, "password": "wrong"}})
            assert wrong.code == 12
            assert "localhost answers 401" in wrong.err
            assert "it requires other credentials" in wrong.err


def test_maap_finds_granules_and_shows_its_ticket_to_the_catalog_alone(web: HttpServer, step: Runner) -> None:
    with http_server() as elsewhere:
        data = elsewhere.put("/g.h5", b"granule").replace("127.0.0.1", "localhost")
        links = [
            {"rel": "http://esipfed.org/ns/fedsearch/1.1/data#", "href": "s3://b/g.h5"},
            {"rel": "http://esipfed.org/ns/fedsearch/1.1/data#", "href": data},
            {"rel": "http://esipfed.org/ns/fedsearch/1.1/data#", "href": "http://x/all", "inherited": True},
            {"rel": "http://esipfed.org/ns/fedsearch/1.1/browse#", "href": "http://x/g.png"},
        ]
        web.put("/search/granules.json", json.dumps({"feed": {"entry": [{"links": links}]}}).encode())
        record = {"collection_id": "C1-LP", "granule_name": "g", "maap_pgt": "t1cket", "cmr_host": web.url}

        result = step("stage-in", {"input_path": record})

        assert result.code == 0, result.err
        assert result.content("0_g.h5") == b"granule"
        asked = web.asked[0]
        assert "collection_concept_id=C1-LP&readable_granule_name=g" in asked.path
        assert asked.headers["proxy-ticket"] == "t1cket"
        assert "proxy-ticket" not in elsewhere.asked[0].headers


def test_maap_http_does_not_send_its_ticket_along_a_redirect(web: HttpServer, step: Runner) -> None:
    with http_server() as elsewhere:
        target = elsewhere.put("/g.h5", b"granule").replace("127.0.0.1", "localhost")
        url = web.put("/g.h5", redirect=target)

        assert step("stage-in", {"input_path": {"url": url, "maap_pgt": "t1cket"}}).code == 0

        assert web.asked[0].headers["proxy-ticket"] == "t1cket"
        assert "proxy-ticket" not in elsewhere.asked[0].headers
        assert "maap_pgt" not in elsewhere.asked[0].headers


def test_no_granule_is_a_failure(web: HttpServer, step: Runner) -> None:
    web.put("/search/granules.json", b'{"feed": {"entry": []}}')

    result = step("stage-in", {"input_path": {"collection_id": "C1", "granule_name": "g", "cmr_host": web.url}})

    assert (result.code, "g: no granule of that name has data in C1" in result.err) == (12, True)


def test_a_disk_that_fills_up_is_named_and_emptied(web: HttpServer, runner: Runner, small_disk: Path) -> None:
    """A server that does not say how much is coming."""
    url = web.put("/big", big, chunked=True)

    result = runner("stage-in", url, "--output", small_disk)

    assert (result.code, f"{url}: no space left" in result.err) == (10, True), result.err
    assert list(small_disk.iterdir()) == []
