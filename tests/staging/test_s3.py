"""S3, in and out: keys that are right, wrong, expired or missing, profiles, roles, and how results arrive."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from ports import free_port
from staging_servers import S3, HttpServer, Runner, http_server, wait_for


@pytest.fixture(scope="module")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """moto's server, for the security token service that rclone's S3 has not."""
    python = shutil.which("moto_server", path=f"{sys.prefix}/moto/bin{os.pathsep}{os.environ['PATH']}")
    if not python:
        pytest.skip("moto's server is not installed here")
    port = free_port()
    process = subprocess.Popen([python, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port, process, "moto")
    yield f"http://127.0.0.1:{port}"
    process.terminate()
    process.wait(timeout=120)


def put(s3: S3, bucket: str, key: str, content: bytes) -> str:
    path = s3.folder / bucket / key
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return f"s3://{bucket}/{key}"


def test_an_object_with_keys(s3: S3, step: Runner) -> None:
    url = put(s3, "data", "a/dem.tif", b"dem")

    result = step("stage-in", {"input_path": {"s3_url": url, **s3.record}})

    assert result.content("0_dem.tif") == b"dem"


def test_everything_below_a_folder_in_its_order(s3: S3, step: Runner, outputs: object) -> None:
    for name in ("c", "a", "b/x"):
        put(s3, "data", f"below/{name}.tif", name.encode())

    result = step("stage-in", {"input_path": {"s3_url": "s3://data/below/", **s3.record}})

    assert [file["url"] for file in outputs()["output_files"]] == [  # type: ignore[operator]
        "s3://data/below/a.tif",
        "s3://data/below/b/x.tif",
        "s3://data/below/c.tif",
    ]
    assert result.content("1_x.tif") == b"b/x"


def test_a_folder_keeps_its_structure_as_a_directory(s3: S3, step: Runner, tmp_path: Path) -> None:
    put(s3, "data", "tree/b/x.tif", b"x")
    put(s3, "data", "tree/x.tif", b"y")
    put(s3, "data", "cube/x.tif/.z group", b"z")
    addresses = ["s3://data/tree/", "s3://data/cube/"]

    assert step("stage-in", {"input_path": {"s3_url": addresses, **s3.record}, "as_type": "Directory"}).code == 0

    assert (tmp_path / "staged" / "b" / "x.tif").read_bytes() == b"x"
    assert (tmp_path / "staged" / "x.tif").read_bytes() == b"y"
    assert (tmp_path / "staged" / "1_x.tif" / ".z group").read_bytes() == b"z"  # x.tif is a file


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"aws_secret_access_key": "wrong"}, "SignatureDoesNotMatch"),
        ({"aws_access_key_id": "AKIDUNKNOWN"}, "InvalidAccessKeyId"),
        ({"s3_url": "s3://data/missing"}, "s3://data/missing: NoSuchKey: object not found"),
        ({"s3_url": "s3://nowhere/missing"}, "s3://nowhere/missing: NoSuchBucket: bucket not found"),
        ({"s3_url": "s3://data/empty/"}, "the folder is empty or missing"),
    ],
)
def test_what_is_refused_is_named_without_its_keys(s3: S3, step: Runner, change: dict[str, str], said: str) -> None:
    url = put(s3, "data", "a.tif", b"a")

    result = step("stage-in", {"input_path": {"s3_url": url, **s3.record, **change}})

    assert result.code == 12
    assert said.lower() in result.err.lower()
    assert s3.secret not in result.err


def test_expired_keys_are_called_so(web: HttpServer, step: Runner) -> None:
    body = b"<Error><Code>ExpiredToken</Code><Message>The provided token has expired.</Message></Error>"
    web.put("/data/a.tif", handler=lambda handler: handler.answer(400, body) is None)
    record = {"aws_access_key_id": "AK", "aws_secret_access_key": "sk", "aws_session_token": "old"}

    result = step("stage-in", {"input_path": {"s3_url": "s3://data/a.tif", "endpoint_url": web.url, **record}})

    assert result.code == 12
    assert "s3://data/a.tif: ExpiredToken: the session's keys have expired; get new ones" in result.err


def test_a_broken_connection_is_resumed(s3: S3, web: HttpServer, step: Runner) -> None:
    content = bytes(range(256)) * 8192
    web.put("/data/a.tif", content, cut=[500_000])

    result = step("stage-in", {"input_path": {"s3_url": "s3://data/a.tif", **s3.record, "endpoint_url": web.url}})

    assert result.content("0_a.tif") == content
    assert [one.headers.get("range") for one in web.asked] == [None, "bytes=500000-"]


def test_an_open_bucket_needs_no_keys(public_s3: S3, step: Runner) -> None:
    url = put(public_s3, "open", "a.tif", b"open")

    result = step("stage-in", {"input_path": {"s3_url": url, "endpoint_url": public_s3.url}})

    assert result.content("0_a.tif") == b"open"


def test_the_second_run_takes_it_from_the_cache(s3: S3, step: Runner) -> None:
    url = put(s3, "data", "cached.tif", b"once")
    given = {"input_path": {"s3_url": url, **s3.record}, "cache_dir": "cache"}

    step("stage-in", given, "--output", "one")
    result = step("stage-in", given)

    assert "1 of them from the cache, 0 B" in result.err
    assert result.content("0_cached.tif") == b"once"


class TestKeysFromElsewhere:
    def test_the_credentials_input(self, s3: S3, step: Runner) -> None:
        url = put(s3, "data", "a.tif", b"a")
        keys = {name: s3.record[name] for name in ("aws_access_key_id", "aws_secret_access_key")}
        record = {"s3_url": url, "endpoint_url": s3.url}

        assert step("stage-in", {"input_path": record, "credentials": json.dumps(keys)}).code == 0
        own = json.dumps({"tiles": keys, "aws_access_key_id": "other", "aws_secret_access_key": "other"})
        assert step("stage-in", {"input_path": record, "credentials": own, "name": "tiles"}).code == 0
        assert step("stage-in", {"input_path": record, "credentials": own, "name": "else"}).code == 12

    def test_credentials_that_are_none(self, step: Runner) -> None:
        result = step("stage-in", {"input_path": "s3://a/b", "credentials": "aws_secret: v3ry s3cret"})

        assert (result.code, "unknown fields aws_secret;" in result.err, "v3ry" in result.err) == (2, True, False)
        assert "a mapping such as" in step("stage-in", {"input_path": "s3://a/b", "credentials": "s3cret"}).err

    def test_the_environment(self, s3: S3, runner: Runner) -> None:
        url = put(s3, "data", "a.tif", b"a")

        result = runner(
            "stage-in",
            url,
            AWS_ACCESS_KEY_ID=s3.key,
            AWS_SECRET_ACCESS_KEY=s3.secret,
            AWS_ENDPOINT_URL_S3=s3.url,
            AWS_CONFIG_FILE="/dev/null",
        )

        assert result.code == 0, result.err

    def test_a_profile_of_a_configuration_folder(self, s3: S3, step: Runner, tmp_path: Path) -> None:
        url = put(s3, "data", "a.tif", b"a")
        config = tmp_path / "aws"
        config.mkdir()
        (config / "credentials").write_text(f"[lab]\naws_access_key_id={s3.key}\naws_secret_access_key={s3.secret}\n")
        (config / "config").write_text("[profile lab]\nregion=eu-central-1\n")
        folder = {"class": "Directory", "path": str(config)}
        record = {"s3_url": url, "source_profile": "lab", "aws_config": folder, "endpoint_url": s3.url}

        assert step("stage-in", {"input_path": record}).code == 0
        missing = step("stage-in", {"input_path": {**record, "source_profile": "other"}})
        assert (missing.code, "profile 'other' is not in AWS's configuration" in missing.err) == (2, True)

    def test_a_role(self, s3: S3, moto: str, step: Runner) -> None:
        import boto3

        keys = {"aws_access_key_id": "AK", "aws_secret_access_key": "sk", "region_name": "us-east-1"}
        bucket = boto3.client("s3", endpoint_url=moto, **keys)
        bucket.create_bucket(Bucket="roles")
        bucket.put_object(Bucket="roles", Key="a.tif", Body=b"by role")
        record = {
            "s3_url": "s3://roles/a.tif",
            "role_arn": "arn:aws:iam::123456789012:role/reader",
            "endpoint_url": moto,
            "region_name": "us-east-1",
        }
        given = {"input_path": record, "credentials": json.dumps({k: v for k, v in keys.items() if k != "region_name"})}

        result = step("stage-in", given, AWS_ENDPOINT_URL_STS=moto)

        assert result.code == 0, result.err
        assert result.content("0_a.tif") == b"by role"


class TestStageOut:
    @pytest.fixture
    def results(self, tmp_path: Path) -> Path:
        folder = tmp_path / "output"
        (folder / "maps").mkdir(parents=True)
        (folder / "summary.txt").write_text("summary")
        (folder / "maps" / "a.geojson").write_text('{"type": "Point", "coordinates": [11.5, 0.25]}')
        (folder / "undeclared.bin").write_bytes(b"x")
        return folder

    def given(self, results: Path, destination: object, **more: object) -> dict[str, object]:
        return {"output_path": destination, "output_dir": {"class": "Directory", "path": str(results)}, **more}

    def test_objects_arrive_with_their_media_types(self, s3: S3, step: Runner, results: Path, tmp_path: Path) -> None:
        include = ["summary.txt", "maps"]
        record = {"s3_url": "s3://results/run-1/", **s3.record}

        result = step("stage-out", self.given(results, record, include=include))

        assert result.code == 0, result.err
        assert [one for one in s3.objects("results") if one.startswith("run-1/")] == [
            "run-1/maps/a.geojson",
            "run-1/summary.txt",
        ]
        told = json.loads((tmp_path / "stage_out.json").read_text())
        assert told["destination"] == "s3://results/run-1"
        assert [(one["url"], one["size"], one["type"]) for one in told["files"]] == [
            ("s3://results/run-1/summary.txt", 7, "text/plain"),
            ("s3://results/run-1/maps/a.geojson", 46, "application/geo+json"),
        ]
        assert json.loads((tmp_path / "cwl.output.json").read_text()) == {
            "staged": {"class": "File", "path": "stage_out.json"},
            "staged_dir": None,
        }

    def test_a_large_file_goes_in_parts(self, s3: S3, step: Runner, results: Path) -> None:
        content = bytes(range(256)) * 4096 * 24
        (results / "large.bin").write_bytes(content)

        result = step("stage-out", self.given(results, {"s3_url": "s3://results/big", **s3.record}, include=["*.bin"]))

        assert result.code == 0, result.err
        assert (s3.folder / "results" / "big" / "large.bin").read_bytes() == content

    def test_keys_of_a_configuration_folder(self, s3: S3, step: Runner, results: Path, tmp_path: Path) -> None:
        config = tmp_path / "aws"
        config.mkdir()
        keys = f"[default]\naws_access_key_id={s3.key}\naws_secret_access_key={s3.secret}\n"
        (config / "credentials").write_text(keys)
        folder = {"class": "Directory", "path": str(config)}
        record = {"s3_url": "s3://results/ltak", "aws_config": folder, "endpoint_url": s3.url}

        assert step("stage-out", self.given(results, record, include=["summary.txt"])).code == 0
        assert "ltak/summary.txt" in s3.objects("results")

    @pytest.mark.parametrize(
        ("variable", "path"),
        [("AWS_EC2_METADATA_SERVICE_ENDPOINT", ""), ("AWS_CONTAINER_CREDENTIALS_FULL_URI", "/keys")],
    )
    def test_the_role_of_the_machine(self, s3: S3, step: Runner, results: Path, variable: str, path: str) -> None:
        """A service that the guard does not allow, here another server, hands out the keys.

        A container's keys of ten minutes are renewed at each request; botocore extends those of an instance.
        """
        found = {"AccessKeyId": s3.key, "SecretAccessKey": s3.secret, "Token": "", "Code": "Success"}
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 600))
        keys = json.dumps({**found, "Expiration": when}).encode()
        role = "/latest/meta-data/iam/security-credentials/"
        record = {"s3_url": f"s3://results/{variable}", "endpoint_url": s3.url}
        with http_server("127.0.0.2") as service:
            service.put(role, b"worker")
            service.put(role + "worker", keys)
            service.put("/keys", keys, headers={"Connection": "close"})

            result = step(
                "stage-out",
                self.given(results, record, include=["summary.txt"]),
                **{variable: service.url + path},
                AWS_CONFIG_FILE="/dev/null",
                PACKMILL_STAGE_GUARD="1",
                PACKMILL_STAGE_ALLOW="127.0.0.1",
            )

        assert result.code == 0, result.err
        assert f"{variable}/summary.txt" in s3.objects("results")

    @pytest.mark.parametrize(
        ("change", "code", "said"),
        [
            ({"aws_secret_access_key": "wrong"}, 12, "SignatureDoesNotMatch"),
            ({"s3_url": "s3://nowhere/x"}, 12, "NoSuchBucket"),
            ({"s3_url": "s3:///x"}, 2, "write it as s3://bucket/key"),
        ],
    )
    def test_a_refusal(self, s3: S3, step: Runner, results: Path, change: dict[str, str], code: int, said: str) -> None:
        record = {"s3_url": "s3://results/x", **s3.record, **change}

        result = step("stage-out", self.given(results, record))

        assert (result.code, said in result.err) == (code, True), result.err
        assert s3.secret not in result.err

    def test_a_catalog_is_written_last(self, s3: S3, step: Runner, results: Path) -> None:
        record = {"s3_url": "s3://results/stac", **s3.record}

        assert step("stage-out", self.given(results, record, stac_catalog=True, name="ada.trees.main")).code == 0

        folder = s3.folder / "results" / "stac"
        newest = max(folder.rglob("*.*"), key=lambda path: path.stat().st_mtime_ns)
        assert newest == folder / "catalog.json"
        assert json.loads(newest.read_text())["id"] == "ada.trees.main"


def test_peak_memory_stays_small(s3: S3, tmp_path: Path) -> None:
    """A file of 200 MB, in and out, in less than 150 MB."""
    with (s3.folder / "data" / "large.bin").open("wb") as file:
        for _ in range(200):
            file.write(os.urandom(1024**2))
    script = (
        "import re, sys\nfrom generator.runner.cli import main\ncode = main(sys.argv[1:])\n"
        "print(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1], file=sys.stderr)\nsys.exit(code)"
    )
    peaks = []
    record = {"s3_url": "s3://data/large.bin", **s3.record}
    out = {"class": "Directory", "path": str(tmp_path / "staged")}
    given = {
        "stage-in": {"input_path": record},
        "stage-out": {"output_path": {**record, "s3_url": "s3://results/large"}, "output_dir": out},
    }
    for command, inputs in given.items():
        (tmp_path / "in.json").write_text(json.dumps(inputs))
        done = subprocess.run(
            [sys.executable, "-c", script, command, "--inputs", "in.json"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(done.stderr.split()[-1]) / 1024)

    assert max(peaks) < 150
    (s3.folder / "data" / "large.bin").unlink()
    (s3.folder / "results" / "large" / "0_large.bin").unlink()
