"""What the programs of a job reach: their own folders and the engine, nothing of the service or of other jobs."""

from __future__ import annotations

import json
import os
import pwd
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from ci_service import Service
from waiting import processes_naming, wait_until

from generator.request.secret_files import secret_paths
from generator.service.jobs import confinement, isolation
from generator.service.jobs.environment import signing_key_file, without_signing_key
from generator.service.jobs.inherited_variables import inherited_variables
from generator.service.store.job_folders import DataFolder
from generator.shared.errors import UsageError

confined = pytest.mark.skipif(
    confinement.landlock_abi() < confinement.COMPLETE_ABI, reason="this kernel's Landlock is missing or too old"
)


def _trace(service: Service, script: str, **variables: str) -> str:
    number = service.trigger(script=script, **variables)
    service.wait(number)
    return service.trace(int(service.jobs(number)["one"]["id"]))


@pytest.fixture(scope="module")
def earlier(service: Service) -> int:
    """A job that has ended, whose log and artifacts hold a mark."""
    number = service.trigger(script="mkdir out; echo mark-of-another-job | tee out/a.txt")
    service.wait(number)
    return int(service.jobs(number)["one"]["id"])


@confined
@pytest.mark.parametrize(
    "file",
    ["packmill.sqlite3", "session.key", "instance", "jobs/{earlier}/trace", "jobs/{earlier}/artifacts.zip"],
)
def test_a_job_reads_nothing_of_the_service(service: Service, earlier: int, file: str) -> None:
    path = service.data / file.format(earlier=earlier)
    assert path.read_bytes()

    trace = _trace(service, f"head -c 1 {path} > read; test -s read && echo was-read; ls {path.parent}; true")

    assert "Permission denied" in trace
    assert "was-read\n" not in trace
    assert "Job succeeded" in trace
    assert trace.count("cannot open directory") == 1


@confined
def test_a_job_writes_to_its_own_folders_alone(service: Service, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    kept.write_text("as it was\n")
    tried = [
        f"echo changed > {kept}",
        f"rm {kept}",
        f"mv {kept} here",
        f"ln {kept} here",
        f"truncate -s 0 {kept}",
        f"touch {tmp_path}/new",
        f"touch {service.data}/new",
        f"ln -s {tmp_path} way; touch way/new",
    ]
    trace = _trace(service, "; ".join(f"({one}) 2> /dev/null && echo done-{n}" for n, one in enumerate(tried)))

    assert "done-" not in trace.partition("bash -c")[2].replace("echo done-", "")
    assert kept.read_text() == "as it was\n"
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]
    own = 'touch here "$TMPDIR/a" "$HOME/b" "$XDG_CACHE_HOME/packmill/c" && echo all-four'
    assert "all-four\n" in _trace(service, own)


@confined
def test_a_job_sees_no_other_job_that_runs(service: Service, marks: Path) -> None:
    secret = "mark-of-a-job-that-runs"
    number = service.trigger(script=f"echo {secret} > work; echo {secret} > $TMPDIR/t; sleep 300", later=secret)
    job = int(service.jobs(number)["one"]["id"])
    group = service.data / "jobs" / str(job) / "group"
    wait_until(lambda: group.exists() and (service.data / "tmp" / str(job) / "t").exists())
    other = group.read_text()
    looks = [
        f"cat {service.data}/builds/{job}/work",
        f"cat {service.data}/tmp/{job}/t",
        f"cat /proc/{other}/environ",
        f"cat /proc/{other}/cwd/work",
        f"kill -STOP {other}",
        "kill -STOP $(cut -d ' ' -f 4 /proc/$PPID/stat)",
    ]
    trace = _trace(service, "; ".join(f"{look} && echo seen" for look in looks) + "; true")
    service.ask("POST", f"/pipelines/{number}/cancel")

    assert "seen\n" not in trace
    assert secret not in trace.replace("later", "")
    assert trace.count("Permission denied") == 4
    assert trace.count("Operation not permitted") == 2
    assert service.wait(number) == "canceled"


@confined
def test_what_a_job_detached_ends_with_it(service: Service, marks: Path) -> None:
    mark = marks / "detached"
    _trace(service, f"setsid -f bash -c 'sleep 300; touch {mark}' > /dev/null 2>&1; echo done")

    wait_until(lambda: not processes_naming(f"touch {mark}"), message="the detached process has ended")
    assert not mark.exists()


@confined
def test_a_library_that_an_earlier_job_names_is_not_loaded_before_the_limits(service: Service, marks: Path) -> None:
    """The variables of `packmill.env` reach later jobs, whoever wrote them."""
    number = service.trigger(
        script="echo LD_PRELOAD=/nowhere/mark.so > made.env", later="echo preload: $LD_PRELOAD; true"
    )
    service.wait(number)
    trace = service.trace(int(service.jobs(number)["two"]["id"]))

    assert "preload: /nowhere/mark.so" in trace
    assert trace.count("cannot be preloaded") == 2, "by the script's bash and the one that it starts"


def test_of_the_operators_variables_jobs_get_what_they_need(another_service: Callable[..., Service]) -> None:
    service = another_service("--job-variable", "MARK_FOR_JOBS")
    service.stop()
    foreign = {"AWS_SECRET_ACCESS_KEY": "mark-aws", "GITHUB_TOKEN": "mark-gh", "DATABASE_URL": "mark-db"}
    wanted = {"MARK_FOR_JOBS": "given", "https_proxy": "http://proxy.test", "PIP_INDEX_URL": "https://index.test"}
    service.environment |= foreign | wanted | {"PACKMILL_BASE_IMAGE": "base.test/x"}
    service.start()
    trace = _trace(service, "env")

    assert "mark-" not in trace
    for line in (*(f"{name}={value}\n" for name, value in wanted.items()), "PACKMILL_BASE_IMAGE=base.test/x\n"):
        assert line in trace


def test_tokens_for_publishing_packages_of_python_stay_with_the_service() -> None:
    assert inherited_variables({"UV_PUBLISH_TOKEN": "a", "UV_INDEX_URL": "b", "LC_ALL": "C"}) == {
        "UV_INDEX_URL": "b",
        "LC_ALL": "C",
    }


def test_the_service_says_at_start_how_jobs_run(service: Service) -> None:
    how = "confined by Landlock" if confinement.landlock_abi() >= confinement.OLDEST_ABI else "not confined"
    account = pwd.getpwuid(os.getuid()).pw_name

    assert f"jobs run as {account}, {how}" in service.data.with_suffix(".log").read_text()


def _choose(folder: Path, **options: object) -> tuple[isolation.Isolation, list[str]]:
    given = {"user": None, "writable": (), "required": False, "home_hidden": False, **options}
    return isolation.choose_isolation(DataFolder(folder), **given)  # type: ignore[arg-type]


@pytest.mark.parametrize(("abi", "said"), [(0, "found: none"), (1, "found: version 1"), (2, "Landlock 2: jobs can")])
def test_what_the_kernel_lacks_is_said_once_or_refused(
    abi: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "landlock_abi", lambda: abi)

    chosen, sentences = _choose(tmp_path)
    assert chosen.confined is (abi >= confinement.OLDEST_ABI)
    assert [one for one in sentences if said in one] == sentences[1:]
    with pytest.raises(UsageError, match="--require-confinement: this kernel has"):
        _choose(tmp_path, required=True)


def test_a_user_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--job-user nobody-of-this-name: no such user; create it"):
        _choose(tmp_path, user="nobody-of-this-name")


@pytest.mark.parametrize("folder", [".", "..", "jobs"])
def test_jobs_may_not_be_given_the_services_own_data(tmp_path: Path, folder: str) -> None:
    with pytest.raises(UsageError, match="the service's own data would be writable"):
        _choose(tmp_path, writable=(tmp_path / folder,))


@pytest.mark.parametrize(
    ("folder", "is_writable"), [("deposit.git", True), ("plain", False), ("data/project", False), ("", False)]
)
def test_a_local_destination_is_writable_if_it_is_a_repository(folder: str, is_writable: bool, tmp_path: Path) -> None:
    data, place = tmp_path / "data", tmp_path / folder
    data.mkdir()
    place.mkdir(exist_ok=True)
    if folder != "plain":
        (place / "HEAD").write_text("ref: refs/heads/main\n")

    found = isolation.local_destination(f"file://{place}", [data])
    assert found == ((place,) if is_writable else ())


@pytest.mark.parametrize("secret", ["repository/token", "."])
def test_no_folder_with_a_secret_of_the_service_is_writable(secret: str, tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository/HEAD").write_text("ref: refs/heads/main\n")
    (tmp_path / "link").symlink_to(tmp_path / secret)
    chosen = isolation.Isolation(confined=True, secrets=(tmp_path / "link",))

    private = chosen.private(DataFolder(tmp_path / "repository-data"))
    assert isolation.local_destination(str(tmp_path / "repository"), private) == ()
    with pytest.raises(UsageError, match=f"{tmp_path} would be writable" if secret == "." else "token would be"):
        _choose(tmp_path / "data", writable=(tmp_path / "repository",), secrets=chosen.secrets)


def test_a_secret_that_a_pipe_has_brought_hides_no_processes(tmp_path: Path) -> None:
    """``PACKMILL_CI_ACCESS_TOKEN_FILE=<(pass show token)``, of which bash makes ``/dev/fd/63``."""
    reading, writing = os.pipe()
    chosen = isolation.Isolation(confined=True, secrets=(Path(f"/dev/fd/{reading}"), Path("/dev/shm/token")))
    try:
        assert chosen.private(DataFolder(tmp_path)) == [tmp_path, Path("/dev/shm/token")]
    finally:
        os.close(reading)
        os.close(writing)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter."""
    folder = Path(tempfile.mkdtemp(prefix="packmill-test-", dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@confined
@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a program as another user")
def test_a_job_runs_as_the_account_that_was_named(open_folder: Path) -> None:
    work, secret = open_folder / "work", open_folder / "secret"
    work.mkdir()
    secret.write_text("mark")
    os.chown(work, pwd.getpwnam("nobody").pw_uid, -1)
    script = "id -un; id -G; touch here && echo wrote; cat ../secret; grep -E 'NoNewPrivs|CapBnd' /proc/self/status"
    spec = {
        "command": ["bash", "-c", script],
        "environment": {"PATH": "/usr/bin:/bin"},
        "user": "nobody",
        "files": {"hidden": [str(secret)], "readable": [], "writable": [str(work)]},
    }
    command = [sys.executable, "-I", "-S", confinement.__file__, "2"]
    done = subprocess.run(command, cwd=work, input=json.dumps(spec), capture_output=True, text=True, check=False)

    group = pwd.getpwnam("nobody").pw_gid
    assert done.stdout.splitlines()[:3] == ["nobody", str(group), "wrote"]
    assert "mark" not in done.stdout
    assert "NoNewPrivs:\t1" in done.stdout
    assert int(done.stdout.split()[4], 16) == 0b11011


def _readable(files: dict[str, list[str]], *paths: Path) -> list[bool]:
    """Whether a confined program can read each path, a file or a folder."""
    script = "\n".join(f"({'ls' if path.is_dir() else 'cat'} {path}) > /dev/null 2>&1; echo $?" for path in paths)
    spec = {"command": ["sh", "-c", script], "environment": {"PATH": "/usr/bin:/bin"}, "user": None, "files": files}
    command = [sys.executable, "-I", "-S", confinement.__file__, "2"]
    done = subprocess.run(command, input=json.dumps(spec), capture_output=True, text=True, check=True)
    return [line == "0" for line in done.stdout.splitlines()]


@confined
def test_files_and_folders_with_secrets_of_the_service_are_not_readable(tmp_path: Path) -> None:
    """The API's tokens are in files of systemd or an engine; ``publish`` alone reads the key that signs."""
    credentials, mounted = tmp_path / "credentials", tmp_path / "mounted"
    for folder in (credentials, mounted / "..today"):
        folder.mkdir(parents=True)
        (folder / "key").write_text("mark")
    (mounted / "key").symlink_to("..today/key")  # as Kubernetes does
    (tmp_path / "other").write_text("x")
    variables = {"PACKMILL_CI_ACCESS_TOKEN_FILE": f"{mounted}/key", "CREDENTIALS_DIRECTORY": str(credentials)}
    chosen = isolation.Isolation(confined=True, secrets=secret_paths(variables))
    data = DataFolder(tmp_path / "data")
    paths = (credentials / "key", mounted / "key", mounted / "..today" / "key", credentials, tmp_path / "other")

    assert _readable(chosen.rules(data, writable=(), read=()), *paths) == [False] * 4 + [True]
    own = {"PACKMILL_SIGN_KEY": f"{credentials}/key"}
    for job, is_readable in {"publish": True, "run": False}.items():
        key = signing_key_file(without_signing_key(own, job))
        assert _readable(chosen.rules(data, writable=(), read=key), *paths)[0] is is_readable


@confined
def test_data_of_the_service_in_the_folder_of_its_project_are_not_readable(tmp_path: Path) -> None:
    """It is there unless ``--data`` names another place, and jobs read the project."""
    (tmp_path / "clone/packmill-data").mkdir(parents=True)
    (tmp_path / "clone/README.md").write_text("x")
    (tmp_path / "clone/packmill-data/session.key").write_text("mark")
    data = DataFolder(tmp_path / "clone/packmill-data")
    files = isolation.Isolation(confined=True).rules(data, writable=(), read=(tmp_path / "clone",))

    found = _readable(files, data.path / "session.key", data.path, tmp_path / "clone/README.md")
    assert found == [False, False, True]


@confined
def test_a_file_that_a_job_may_not_read_is_no_value_of_a_run(tmp_path: Path) -> None:
    """The engine, which is outside of the limits, would give it to the notebook."""
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets/token").write_text("mark")
    script = (
        "import sys; from pathlib import Path; from generator.package.inputs import check_job;"
        "from generator.notebook.parameters import CwlType, Hint;"
        "job = {path: {'class': 'File', 'path': path} for path in sys.argv[1:]};"
        "check_job(job, {path: Hint(type=CwlType.ANY) for path in job}, Path('job'))"
    )
    given = [tmp_path / "secrets/token", tmp_path / "secrets", tmp_path, Path("/etc/passwd")]
    files = isolation.Isolation(confined=True, secrets=(tmp_path / "secrets",)).rules(
        DataFolder(tmp_path / "data"), writable=(), read=(Path(confinement.__file__).parents[3],)
    )
    spec = {
        "command": [sys.executable, "-c", script, *map(str, given)],
        "environment": {"PYTHONPATH": str(Path(confinement.__file__).parents[3])},
        "user": None,
        "files": files,
    }
    command = [sys.executable, "-I", "-S", confinement.__file__, "2"]
    done = subprocess.run(command, input=json.dumps(spec), capture_output=True, text=True, check=False)

    assert re.findall(r"(\S+) may not be read by this user", done.stderr) == list(map(str, given[:3]))


def test_links_make_no_hidden_folder_visible(tmp_path: Path) -> None:
    (tmp_path / "data" / "jobs").mkdir(parents=True)
    (tmp_path / "other").mkdir()
    (tmp_path / "way").symlink_to(tmp_path / "data")

    assert list(confinement.visible(tmp_path, [tmp_path / "data"])) == [tmp_path / "other"]
