"""Attacks by untrusted servers, documents, addresses and configurations."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import re
import signal
import socket
import threading
import time
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from another_user import as_another_user
from staging_servers import Handler, HttpServer, Runner, http_server, json_page, start
from waiting import wait_until

from generator.shared.failures import StagingError
from generator.staging import documents, urls
from generator.staging.checksums import checksums_from_headers
from generator.staging.file_names import disposition_name, make_distinct
from generator.staging.network.credentials import Credentials
from generator.staging.network.settings import NetworkSettings
from generator.staging.records import Location
from generator.staging.sources import SourceFinder
from generator.staging.stac.assets import StacReader
from generator.staging.stac.catalog import _make_identifier
from generator.staging.stage_in import StageInRequest, stage_in
from generator.staging.stores.s3 import S3Access, S3Source, S3Store
from generator.staging.transfer.transfer import Transfer, TransferResult, Watch


def item(assets: dict[str, object], **more: object) -> dict[str, object]:
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "id": "i",
        "geometry": None,
        "properties": {"datetime": "2026-02-03T04:05:06Z"},
        "links": [],
        "assets": assets,
        **more,
    }


@pytest.fixture
def evil() -> Iterator[HttpServer]:
    with http_server() as server:
        yield server


class TestDocumentsThatLeadAstray:
    def test_an_assets_key_is_no_path(self, web: HttpServer, step: Runner, tmp_path: Path) -> None:
        web.put("/", b"asset")
        url = web.put("/i.json", json_page(item({"../../../../escape/x": {"href": web.url + "/"}})))

        assert step("stage-in", {"input_path": {"stac_url": url}, "as_type": "Directory"}).code == 0

        assert {path.name for path in tmp_path.iterdir()} == {"staged", "stage_in.json", "cwl.output.json"}

    @pytest.mark.parametrize(
        "document",
        [
            item({"a": {"href": "file:///etc/hostname"}}),
            item({"a": {"href": "local:///etc/hostname"}}),
            item({"a": {"href": "simplecache://::file:///etc/hostname"}}),
            {"type": "Catalog", "stac_version": "1.0.0", "links": [{"rel": "item", "href": "file:///etc/i.json"}]},
        ],
    )
    def test_a_document_from_elsewhere_reads_nothing_here(
        self, web: HttpServer, step: Runner, document: object
    ) -> None:
        url = web.put("/i.json", json_page(document))

        result = step("stage-in", {"input_path": {"stac_url": url}})

        assert (result.code, "which is not followed" in result.err) == (12, True), result.err

    def test_a_document_that_is_too_deep_is_a_file(self, web: HttpServer, step: Runner) -> None:
        """A folder may be STAC, so its document is read first."""
        url = web.put("/deep.json", b"[" * 100_000)

        result = step("stage-in", {"input_path": url, "as_type": "Directory"})

        assert (result.code, "Traceback" in result.err) == (0, False), result.err

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_document_that_cannot_be_read_is_not_taken_for_a_file(
        self, web: HttpServer, step: Runner, status: int
    ) -> None:
        """It may be STAC, and a folder with the document alone would pass for its data."""
        web.put("/b.tif", b"b")
        url = web.put("/i.json", json_page(item({"b": {"href": "b.tif"}})), statuses=[status] * 2)

        failed = step("stage-in", {"input_path": url, "as_type": "Directory"}, "--attempts", "2")
        again = step("stage-in", {"input_path": url, "as_type": "Directory"}, "--attempts", "2")

        assert (failed.code, f"the server answers {status}" in failed.err) == (12, True), failed.err
        assert (again.code, again.content("i/b.tif")) == (0, b"b"), again.err

    def test_a_document_that_is_too_large_for_stac_is_a_file_with_a_word(
        self, web: HttpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        """Files of GeoJSON can be of any size."""
        monkeypatch.setattr(documents, "_LARGEST", 100)
        url = web.put("/i.json", json_page(item({"b": {"href": "b.tif"}}, filler="x" * 100)))
        said: list[str] = []
        request = StageInRequest(
            input_path=url,
            folder=tmp_path / "staged",
            as_type="Directory",
            network=NetworkSettings(),
            credentials=Credentials(),
            say=said.append,
        )

        stage_in(request)

        assert (tmp_path / "staged/i.json").read_bytes() == web.pages["/i.json"].content
        assert f"{url}: too large for a STAC document, so it is staged in as a file" in said[0]

    def test_many_large_documents_have_a_limit_in_total(self, web: HttpServer, monkeypatch: pytest.MonkeyPatch) -> None:
        """All locations of a step together: the Items of all are in memory. Each document here is small enough."""
        monkeypatch.setattr(documents, "_LARGEST_TOTAL", 2 * 1024**2)
        pages = [f"/{number}.json" for number in range(3)]
        for page, following in zip(pages, [*pages[1:], ""], strict=True):
            links = [{"rel": "next", "href": web.url + following}] if following else []
            found = [item({"a": {"href": "a.tif"}}, filler="x" * 900 * 1024)]
            web.put(page, json_page({"type": "FeatureCollection", "features": found, "links": links}))
        finder = SourceFinder(NetworkSettings(), Credentials())

        def read(page: str) -> list[str]:
            location = Location(kind="STAC", addresses=(web.url + page,))
            return [asset.key for asset in StacReader(location, finder).assets()]

        assert read(pages[1]) == ["a", "a"]
        with pytest.raises(
            StagingError, match=r"0\.json: with this document, STAC documents have more than 2 MiB in tot"
        ):
            read(pages[0])

    def test_its_own_self_link_is_not_believed(self, web: HttpServer, step: Runner) -> None:
        links = [{"rel": "self", "href": "file:///etc/i.json"}]
        url = web.put("/s/i.json", json_page(item({"a": {"href": "hostname"}}, links=links)))

        result = step("stage-in", {"input_path": {"stac_url": url}})

        assert (result.code, f"{web.url}/s/hostname: 127.0.0.1 answers 404" in result.err) == (12, True), result.err

    @pytest.mark.parametrize(
        "document",
        [
            {"type": "FeatureCollection", "features": None},
            {"type": "FeatureCollection", "features": [1]},
            item({"a": {"href": "x", "roles": 5}}),
            item({"a": 5}),
            {"type": "Catalog", "links": 5},
            item({}, id=5),
        ],
    )
    def test_sloppy_documents_are_refused_in_words(self, web: HttpServer, step: Runner, document: object) -> None:
        url = web.put("/i.json", json_page(document))

        result = step("stage-in", {"input_path": {"stac_url": url, "roles": ["data"]}})

        assert (result.code, "Traceback" in result.err) == (12, False), result.err

    def test_an_items_document_takes_no_assets_place(self, web: HttpServer, step: Runner, tmp_path: Path) -> None:
        web.put("/i.json", b"the asset")
        url = web.put("/stac.json", json_page(item({"a": {"href": "/i.json"}}, collection="c")))

        assert step("stage-in", {"input_path": {"stac_url": url}, "as_type": "Directory"}).code == 0

        assert (tmp_path / "staged" / "i" / "i.json").read_bytes() == b"the asset"
        assert json.loads((tmp_path / "staged" / "i" / "i.item.json").read_text()).get("collection") is None


class TestSecretsStayWithTheirHosts:
    def test_a_token_does_not_go_where_a_document_leads(self, web: HttpServer, evil: HttpServer, step: Runner) -> None:
        target = evil.put("/a.tif", b"a")
        url = web.put("/i.json", json_page(item({"a": {"href": target}})))

        given = {"input_path": {"url": url, "token": "t0ken"}, "as_type": "Directory"}
        assert step("stage-in", given).code == 0

        assert web.asked[0].headers["authorization"] == "Bearer t0ken"
        assert "authorization" not in evil.asked[0].headers, "another port is another origin"

    def test_a_token_of_the_environment_waits_for_a_login(self, web: HttpServer, step: Runner, runner: Runner) -> None:
        url = web.put("/a.tif", b"a")

        assert runner("stage-in", url, EARTHDATA_TOKEN="t0ken").code == 0
        assert "authorization" not in web.asked[0].headers

        def granule(handler: object) -> bool:
            if handler.headers.get("Authorization") == "Bearer t0ken":  # type: ignore[attr-defined]
                return False
            handler.answer(302, b"", Location="https://urs.earthdata.nasa.gov/oauth")  # type: ignore[attr-defined]
            return True

        web.pages["/a.tif"].handler = granule
        assert runner("stage-in", url, "--output", "two", EARTHDATA_TOKEN="t0ken").code == 0

    def test_a_netrc_has_no_default_for_strangers(self, web: HttpServer, runner: Runner, tmp_path: Path) -> None:
        (tmp_path / ".netrc").write_text("default login ada password pa55word\n")
        (tmp_path / ".netrc").chmod(0o600)

        assert runner("stage-in", web.put("/a", b"a")).code == 0

        assert "authorization" not in web.asked[0].headers

    def test_a_home_that_the_user_may_not_read_has_no_login(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "home").mkdir(mode=0)
        tmp_path.chmod(0o755)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("HOME", "home")

        with as_another_user():
            assert Credentials().login("data.example.org") is None

    def test_passwords_in_addresses_need_tls_elsewhere(self, runner: Runner) -> None:
        result = runner("stage-in", "http://ada:pa55word@192.0.2.1/a")

        assert (result.code, "credentials are only sent over https" in result.err) == (12, True)
        assert "pa55word" not in result.err

    @pytest.mark.parametrize(
        "url",
        [
            "http://user:pa/55word@h/a",
            "s3://AKIA:SECRETpa55word@bucket/k",
            "http://user:pa55word@ex℀mple.com/a",
            "http://[bad/pa55word",
            "http://h/a\nX-Header: pa55word",
        ],
    )
    def test_odd_addresses_are_refused_without_repeating_them(self, runner: Runner, url: str) -> None:
        result = runner("stage-in", url)

        assert result.code == 2
        assert "pa55word" not in result.err + result.out
        assert "pa/55word" not in result.err
        assert "Traceback" not in result.err

    @pytest.mark.parametrize("scheme", ["https", "http"])
    def test_no_failure_repeats_a_signature(self, web: HttpServer, runner: Runner, scheme: str) -> None:
        host = web.url.removeprefix("http://") if scheme == "https" else "[2001:db8::1]"
        query = "X-Amz-Signature=S1GNED&token=T0KEN1&subscription-key=K3Y123&code=C0DE12"

        result = runner("stage-in", f"{scheme}://{host}/a?{query}", "--attempts", "1")

        assert result.code == 12
        assert not [secret for secret in ("S1GNED", "T0KEN1", "K3Y123", "C0DE12") if secret in result.err]

    def test_a_secret_with_a_line_in_it_is_refused_unseen(self, web: HttpServer, step: Runner) -> None:
        result = step("stage-in", {"input_path": web.put("/a"), "credentials": "token: |\n  S3CRETTOKEN\n  x\n"})

        assert (result.code, "S3CRET" in result.err) == (2, False)
        assert "token has invalid characters" in result.err

    def test_numbers_in_yaml_stay_as_they_are_written(self, web: HttpServer, step: Runner) -> None:
        url = web.put("/a.tif", b"a")
        step(
            "stage-in",
            {"input_path": {"url": url, "login_host": "127.0.0.1"}, "credentials": "{username: no, password: 0123}"},
        )

        assert web.asked[0].headers["authorization"] == "Basic bm86MDEyMw=="


class TestAddressesThatReadThisMachine:
    @pytest.mark.parametrize(
        "url",
        [
            "simplecache://::file:///etc/hostname",
            "filecache://::file:///etc/hostname",
            "hdfs://host/a::file:///etc/hostname",
            "github://a::file:///etc/hostname",
            "local:///etc/hostname",
        ],
    )
    def test_chains_of_file_systems(self, runner: Runner, url: str) -> None:
        for words in ((), ("--guard",)):
            result = runner("stage-in", url, *words)
            assert result.code == 2, result.err
            assert not list(result.folder.rglob("0_*"))

    def test_a_destination_that_is_one(self, step: Runner, tmp_path: Path) -> None:
        (tmp_path / "output").mkdir()
        (tmp_path / "output" / "a").write_text("a")
        folder = {"class": "Directory", "path": str(tmp_path / "output")}

        result = step("stage-out", {"output_path": {"url": f"local://{tmp_path}/outside"}, "output_dir": folder})

        assert (result.code, (tmp_path / "outside").exists()) == (2, False)

    def test_a_strangers_configuration_runs_nothing_under_the_guard(self, step: Runner, tmp_path: Path) -> None:
        config = tmp_path / "aws"
        config.mkdir()
        (config / "config").write_text(f"[default]\ncredential_process = touch {tmp_path}/ran\n")
        folder = {"class": "Directory", "path": str(config)}

        result = step(
            "stage-in", {"input_path": {"s3_url": "s3://b/k"}, "config_dir": folder}, "--guard", "--attempts", "1"
        )

        assert result.code in (2, 12)
        assert not (tmp_path / "ran").exists()

    def test_a_proxy_reaches_no_metadata_service_for_us(self, web: HttpServer, step: Runner) -> None:
        record = {"s3_url": "s3://latest/meta-data", "endpoint_url": "http://169.254.169.254"}

        result = step("stage-in", {"input_path": record}, "--guard", HTTP_PROXY=web.url, http_proxy=web.url)

        assert (result.code, "is a private address" in result.err) == (12, True), result.err
        assert not web.asked


class TestContentsAreNeverMixed:
    def test_parameters_that_say_what_is_wanted_tell_files_apart(self, web: HttpServer, runner: Runner) -> None:
        """A server that sends the same modification time for all files."""
        seen = {"Last-Modified": "Tue, 03 Feb 2026 04:05:06 GMT"}

        def by_key(handler: object) -> bool:
            same = handler.headers.get("If-Modified-Since") == seen["Last-Modified"]  # type: ignore[attr-defined]
            handler.answer(304 if same else 200, b"" if same else handler.path.encode(), **seen)  # type: ignore[attr-defined]
            return True

        url = web.put("/dl", handler=by_key)
        for name in ("key=a", "key=b", "author=c"):
            result = runner("stage-in", f"{url}?{name}", "--cache-dir", "cache", "--output", f"out-{name}")
            assert result.code == 0, result.err
            assert (result.folder / f"out-{name}" / "0_dl").read_bytes() == f"/dl?{name}".encode()

    def test_a_wanted_checksum_holds_for_what_is_cached_too(
        self, web: HttpServer, runner: Runner, step: Runner
    ) -> None:
        url = web.put("/a.bin", b"a")
        runner("stage-in", url, "--cache-dir", "cache", "--output", "one")

        for checksum in ("md5:" + "0" * 32, "sha256:" + "0" * 64):
            result = step("stage-in", {"input_path": {"url": url, "checksum": checksum}, "cache_dir": "cache"})
            assert (result.code, (result.folder / "staged" / "0_a.bin").exists()) == (12, False), result.err

    def test_a_note_that_came_before_its_bytes_mixes_nothing(
        self, web: HttpServer, tmp_path: Path, runner: Runner
    ) -> None:
        """As a kill between the two would leave them, if the note were written first."""
        content = bytes(range(256)) * 8192
        url = web.put("/a.bin", content)
        (tmp_path / "staged").mkdir()
        (tmp_path / "staged" / ".0.part").write_bytes(b"old" * 100_000)
        (tmp_path / "staged" / ".0.part.json").write_text("{}")

        assert runner("stage-in", url).content("0_a.bin") == content

    def test_an_encoded_answer_that_is_cut_begins_anew(self, web: HttpServer, runner: Runner) -> None:
        content = os.urandom(3_000_000)
        url = web.put("/a.bin", gzip.compress(content), headers={"Content-Encoding": "gzip"}, cut=[2_000_000])

        assert runner("stage-in", url).content("0_a.bin") == content

    @pytest.mark.parametrize("encoding", ["gzip", "X-GZIP", "deflate", "raw deflate"])
    @pytest.mark.parametrize("left", [0.5, 1])
    def test_an_encoded_stream_is_read_to_its_end(
        self, web: HttpServer, runner: Runner, encoding: str, left: float
    ) -> None:
        """The answer has no length, or the server stores half of the stream."""
        content = os.urandom(200_000).hex().encode()
        compress = zlib.compressobj(wbits={"raw deflate": -15, "deflate": 15}.get(encoding, 31))
        stream = compress.compress(content) + compress.flush()
        url = web.put(
            "/a.bin",
            stream[: int(len(stream) * left)],
            headers={"Content-Encoding": encoding.removeprefix("raw ")},
        )

        result = runner("stage-in", url, "--attempts", "2")

        assert (result.code, "the content ends before its Content-Encoding does" in result.err) == (
            (0, False) if left == 1 else (12, True)
        ), result.err
        assert left < 1 or result.content("0_a.bin") == content

    @pytest.mark.parametrize(
        "more",
        [b"", gzip.compress(b"second", mtime=0), b"\0" * 512, b"end"],
        ids=["empty", "second-member", "zeros", "end"],
    )
    def test_a_gzip_stream_may_have_more_members_or_padding(self, web: HttpServer, runner: Runner, more: bytes) -> None:
        content = b"" if not more else b"first"
        url = web.put("/a.bin", gzip.compress(content) + more, headers={"Content-Encoding": "gzip"})

        assert runner("stage-in", url).content("0_a.bin") == content + (b"second" if more[:1] == b"\x1f" else b"")

    def test_a_damaged_stream_is_no_file(self, web: HttpServer, runner: Runner) -> None:
        """Each member of gzip has a checksum of its own."""
        damaged = bytearray(gzip.compress(b"second"))
        damaged[-8] ^= 1
        url = web.put("/a.bin", gzip.compress(b"first") + damaged, headers={"Content-Encoding": "gzip"})

        result = runner("stage-in", url, "--attempts", "2")

        assert (result.code, "the content does not match its Content-Encoding" in result.err) == (12, True), result.err

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    def test_an_encoded_answer_may_be_empty(self, web: HttpServer, runner: Runner, encoding: str) -> None:
        """As servers send it that name the encoding of every answer."""
        url = web.put("/a.bin", b"", headers={"Content-Encoding": encoding})

        assert runner("stage-in", url).content("0_a.bin") == b""

    @pytest.mark.parametrize("encoding", ["gzip, gzip", "identity, gzip"])
    def test_several_encodings_are_decoded(self, web: HttpServer, runner: Runner, encoding: str) -> None:
        content = gzip.compress(b"a") if encoding == "gzip, gzip" else b"a"
        url = web.put("/a.bin", gzip.compress(content), headers={"Content-Encoding": encoding})

        assert runner("stage-in", url).content("0_a.bin") == b"a"

    def test_a_checksum_of_a_part_is_not_that_of_the_file(self, web: HttpServer, runner: Runner) -> None:
        """Content-MD5 is of the bytes in the answer (RFC 2616)."""
        content = os.urandom(3_000_000)
        url = web.put("/a.bin", content, cut=[2_000_000])

        def add_checksum(handler: Handler) -> bool:
            start = int(re.sub(r"\D", "", handler.headers.get("Range", "0")))
            digest = base64.b64encode(hashlib.md5(content[start:]).digest()).decode()
            web.pages["/a.bin"].headers = {"Content-MD5": digest}
            return False

        web.pages["/a.bin"].handler = add_checksum

        result = runner("stage-in", url, "--attempts", "1")

        assert (result.code, [one.status for one in web.asked]) == (0, [200, 206]), result.err
        assert result.content("0_a.bin") == content

    def test_the_checksum_of_the_first_answer_holds_for_a_resumed_file(self, web: HttpServer, runner: Runner) -> None:
        content = os.urandom(3_000_000)
        wrong = base64.b64encode(bytes(16)).decode()
        url = web.put("/a.bin", content, headers={"Content-MD5": wrong}, cut=[2_000_000] * 2)

        result = runner("stage-in", url, "--attempts", "1")

        assert (result.code, "its md5 is" in result.err) == (12, True), result.err

    def test_a_range_without_its_validator_goes_on(self, web: HttpServer, runner: Runner) -> None:
        """RFC 9110 lets a 206 to If-Range leave out Last-Modified."""
        content = bytes(range(256)) * 8192
        url = web.put("/a.bin", content, headers={"Last-Modified": "Tue, 03 Feb 2026 04:05:06 GMT"}, cut=[1_200_000])

        def forget(_handler: object) -> bool:
            if len(web.asked) == 2:
                web.pages["/a.bin"].headers = {}
            return False

        web.pages["/a.bin"].handler = forget

        assert runner("stage-in", url).content("0_a.bin") == content
        assert [one.headers.get("range") for one in web.asked] == [None, "bytes=1200000-"]


class TestServersThatMisbehave:
    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 304 Not Modified\r\n\r\n",
            b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-9/10\r\nContent-Length: 5\r\n\r\n56789",
            b"HTTP/1.1 200 OK\r\nContent-Length: \xc2\xb2\r\n\r\nab",
            b"HTTP/1.1 503 Wait\r\nRetry-After: \xc2\xb2\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://[bad/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 302 Found\r\nLocation: http://h:port/\r\nContent-Length: 0\r\n\r\n",
            b"HTTP/1.1 416 No\r\nContent-Length: 0\r\n\r\n",
            b"no HTTP at all\r\n\r\n",
            b"",
        ],
    )
    def test_every_answer_ends_in_words(self, runner: Runner, answer: bytes) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=self.serve, args=(server, answer), daemon=True).start()

            result = runner("stage-in", f"http://127.0.0.1:{server.getsockname()[1]}/a", "--attempts", "2")

        assert "Traceback" not in result.err, result.err
        assert result.code in (0, 12)

    @pytest.mark.parametrize(
        "answer",
        [
            b"HTTP/1.1 206 Partial\r\nContent-Range: bytes */*\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 206 Partial\r\nContent-Range: bytes 5-6/7\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nContent-Length: 1e3\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nLast-Modified: yesterday\r\nContent-Length: 2\r\n\r\nab",
            b"HTTP/1.1 200 OK\r\nx-amz-missing-meta: many\r\nContent-Length: 2\r\n\r\nab",
        ],
        ids=["no-range", "another-range", "no-length", "no-time", "no-number"],
    )
    def test_every_answer_of_a_store_ends_in_words(self, answer: bytes, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=self.serve, args=(server, answer), daemon=True).start()

            with pytest.raises(StagingError):
                self.fetch(server, tmp_path / "part")

    def test_a_store_that_sends_no_length_is_read_to_its_end(self, tmp_path: Path) -> None:
        answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
        with socket.create_server(("127.0.0.1", 0)) as server:
            threading.Thread(target=self.serve, args=(server, answer), daemon=True).start()

            assert self.fetch(server, tmp_path / "part").size == 2

    @staticmethod
    def fetch(server: socket.socket, part: Path) -> TransferResult:
        network = NetworkSettings(attempts=2, first_wait=0.01, longest_wait=0.01)
        keys = Credentials(aws_access_key_id="a", aws_secret_access_key="b")
        access = S3Access(endpoint=f"http://127.0.0.1:{server.getsockname()[1]}")
        source = S3Store(network, keys, access).source("s3://bucket/a")
        return Transfer(source, part, network=network, watch=Watch()).fetch()

    @staticmethod
    def serve(server: socket.socket, answer: bytes) -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

    @pytest.mark.parametrize(
        "headers",
        [{"Repr-Digest": "a" * 60_000}, {"Content-Disposition": 'attachment; filename="' + ";" * 60_000}],
        ids=["checksum", "name"],
    )
    def test_a_long_header_takes_no_time(self, headers: dict[str, str]) -> None:
        began = time.process_time()

        (value,) = headers.values()
        assert checksums_from_headers({name.lower(): value for name in headers}) == ()
        assert disposition_name(value) == ""

        assert time.process_time() - began < 0.2, "takes time with the square of its length"

    @pytest.mark.parametrize("charset", ["none-such", "idna"])
    def test_a_name_in_a_charset_that_cannot_be_read_is_no_name(self, charset: str) -> None:
        for header in (f"attachment; filename*={charset}''a..b%80", f"attachment; filename*0*={charset}''a..b%80"):
            assert isinstance(disposition_name(header), str)

    @pytest.mark.parametrize("keys", ["", "<Contents><Size>1</Size></Contents><Contents><Key>f/a</Key></Contents>"])
    def test_a_listing_without_end_or_sense_ends_in_words(
        self, web: HttpServer, keys: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("generator.staging.stores.most_listed", 6)

        def page(handler: object) -> bool:
            token = f"<NextContinuationToken>{len(web.asked)}</NextContinuationToken>"
            more = f"<IsTruncated>true</IsTruncated>{token}{keys}"
            handler.answer(200, f"<ListBucketResult>{more}</ListBucketResult>".encode())  # type: ignore[attr-defined]
            return True

        web.put("/bucket", handler=page)
        keys_of = Credentials(aws_access_key_id="a", aws_secret_access_key="b")
        store = S3Store(NetworkSettings(), keys_of, S3Access(endpoint=web.url))
        listed, found = store.list_folder("s3://bucket/f/"), list[S3Source]()

        with pytest.raises(StagingError, match="more than 6 files and folders; give folders in it"):
            found.extend(listed)
        assert {(source.url, source.size) for source in found} == ({("s3://bucket/f/a", None)} if keys else set())

    def test_bytes_before_a_stall_count(self, web: HttpServer, runner: Runner) -> None:
        content = bytes(range(256)) * 8192
        url = web.put("/a.bin", content)

        def stall(handler: object) -> bool:
            if len(web.asked) > 1:
                return False
            handler.send_response(200)  # type: ignore[attr-defined]
            for name, value in (("Content-Length", str(len(content))), ("ETag", self.tag(web))):
                handler.send_header(name, value)  # type: ignore[attr-defined]
            handler.end_headers()  # type: ignore[attr-defined]
            handler.wfile.write(content[:500_000])  # type: ignore[attr-defined]
            time.sleep(3)
            return True

        web.pages["/a.bin"].handler = stall

        result = runner("stage-in", url, "--timeout", "1")

        assert result.content("0_a.bin") == content
        assert web.asked[1].headers["range"] == "bytes=500000-"

    @staticmethod
    def tag(web: HttpServer) -> str:
        import hashlib

        return f'"{hashlib.sha1(web.pages["/a.bin"].content).hexdigest()[:16]}"'

    def test_an_interrupt_ends_at_once(self, web: HttpServer, tmp_path: Path) -> None:
        url = web.put("/a.bin", b"a", stalls=[600])
        process = start(tmp_path, "stage-in", url)
        wait_until(lambda: len(web.asked) == 1)

        process.send_signal(signal.SIGINT)

        process.communicate(timeout=120)  # less than the stall
        assert process.returncode == 130


def test_very_many_files_of_one_name_get_theirs_in_time(tmp_path: Path) -> None:
    """A catalog of some megabytes has hundreds of thousands of Items of one name; results may be as many."""
    began, taken = time.process_time(), dict[str, int]()

    names = make_distinct(["a"] * 50_000)
    identifiers = [_make_identifier(tmp_path, "a", taken) for _ in range(50_000)]

    assert (names[-1], identifiers[-1]) == ("49999_a", "a-50000")
    assert len(set(names)) == len(set(identifiers)) == 50_000
    assert time.process_time() - began < 10, "takes time with the square of their number"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://ada:pw@h/a?id=7&sig=x", "https://h/a?id=7"),
        ("https://h/a?X-Amz-Signature=x&X-Amz-Date=y&version=2", "https://h/a?version=2"),
        ("https://h/a#part", "https://h/a"),
        ("s3://b/k", "s3://b/k"),
        ("http://[bad", "http://…"),
    ],
)
def test_what_of_an_address_is_told(url: str, shown: str) -> None:
    assert urls.redact(url) == shown
