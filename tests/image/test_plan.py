"""The key of a plain Python environment, and the context of its build."""

from __future__ import annotations

import io
import os
import tarfile
import tracemalloc
from datetime import datetime, timezone
from pathlib import Path

import pytest
from support import write_notebook

from generator.environment.checkout import read_environment
from generator.image import build
from generator.image.base.find import Base
from generator.image.environment import plain_python
from generator.image.environment.context import open_context, plan_key, render_plan
from generator.image.environment.plan import Caches, Lock, Plan, make_plan
from generator.image.store import ImageStore
from generator.progress import Progress
from generator.repository.source import Source
from generator.shared.errors import EnvironmentSpecError, ImageBuildError

_PACKAGE = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "trees"
version = "1.0"
dependencies = ["numpy"]
"""
_DEPENDENCIES = '[project]\nname = "trees"\nversion = "1.0"\ndependencies = ["numpy"]\n'


def write(repository: Path, files: dict[str, str]) -> Path:
    for path, text in files.items():
        (repository / path).parent.mkdir(parents=True, exist_ok=True)
        (repository / path).write_text(text)
    return repository


def plan(repository: Path, lock: Lock | None = None) -> Plan:
    return make_plan(repository, read_environment(repository), base_image="base", lock=lock)


def key(repository: Path) -> str:
    return plan_key(plan(repository), base_id="sha256:0")


def archive_of(plan: Plan) -> bytes:
    with open_context(plan, caches=Caches(own="x")) as file:
        return file.read()


def context(plan: Plan) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(archive_of(plan))) as archive:
        return {entry.name: entry for entry in archive.getmembers()}


@pytest.fixture(params=["requirements.txt", "pyproject.toml", "setup.py", "pylock.toml", "none"])
def described(request: pytest.FixtureRequest, repository: Path) -> Path:
    """Return a repository with a notebook and each kind of environment."""
    texts = {
        "requirements.txt": "numpy\n",
        "pyproject.toml": _PACKAGE,
        "setup.py": "from setuptools import setup\nsetup()\n",
        "pylock.toml": 'lock-version = "1.0"\n\n[[packages]]\nname = "numpy"\n',
    }
    write_notebook(repository / "notebooks" / "process.ipynb", "n = 1")
    return write(repository, {request.param: texts[request.param]} if request.param in texts else {})


def test_an_edited_notebook_does_not_change_the_key(described: Path) -> None:
    before = key(described)

    write_notebook(described / "notebooks" / "process.ipynb", "n = 2")
    write_notebook(described / "another.ipynb", "n = 3")

    assert key(described) == before


def test_the_key_ignores_times_folder_and_read_permissions(described: Path, tmp_path: Path) -> None:
    before = key(described)

    for file in described.rglob("*"):
        os.utime(file, (1, 1))
        file.chmod(0o700 if file.is_dir() else 0o600)
    moved = described.rename(tmp_path / "elsewhere")

    assert key(moved) == before


def test_a_file_that_becomes_executable_changes_the_key(repository: Path) -> None:
    write(repository, {"postBuild": "./tool\n", "tool": "#!/bin/sh\n"})
    before = key(repository)

    (repository / "tool").chmod(0o755)

    assert key(repository) != before


def test_a_package_in_its_own_requirements_is_installed_once(repository: Path) -> None:
    write(repository, {"requirements.txt": "-e .\n", "setup.py": ""})

    made = plan(repository)

    assert (made.requirement_files, made.project, made.local) == (("requirements.txt",), False, True)


def test_two_repositories_with_the_same_files_share_their_environment(tmp_path: Path) -> None:
    files = {"requirements.txt": "-r more.txt\n", "more.txt": "numpy\n", "apt.txt": "jq\n"}

    keys = {key(write(tmp_path / name, {**files, f"{name}.csv": name})) for name in ("one", "other")}

    assert len(keys) == 1


@pytest.mark.parametrize(
    ("files", "path", "text"),
    [
        ({"requirements.txt": "numpy\n"}, "requirements.txt", "numpy<2\n"),
        ({"requirements.txt": "-r a/b.txt\n", "a/b.txt": "numpy\n"}, "a/b.txt", "numpy<2\n"),
        ({"requirements.txt": "numpy\n-c limits.txt\n", "limits.txt": ""}, "limits.txt", "numpy<2\n"),
        ({"requirements.txt": "-e ./lib\n", "lib/setup.py": "", "lib/a.py": ""}, "lib/a.py", "x = 1\n"),
        ({"binder/requirements.txt": "numpy\n"}, "binder/requirements.txt", "numpy<2\n"),
        ({"pyproject.toml": _PACKAGE, "trees/__init__.py": ""}, "trees/__init__.py", "x = 1\n"),
        ({"pyproject.toml": _PACKAGE, "trees/__init__.py": "", "trees/a.ipynb": "{}"}, "trees/a.ipynb", "{ }"),
        ({"pyproject.toml": _PACKAGE, "uv.lock": "version = 1\n"}, "uv.lock", "version = 1\nrevision = 2\n"),
        ({"pyproject.toml": _DEPENDENCIES, "uv.lock": "version = 1\n"}, "uv.lock", "version = 1\nrevision = 2\n"),
        ({"setup.py": "import setuptools"}, "setup.cfg", "[metadata]\n"),
        ({"Pipfile.lock": '{"default": {"six": {"version": "==1.16.0"}}}'}, "Pipfile.lock", '{"default": {}}'),
        ({"pylock.toml": "packages = []\n"}, "pylock.toml", 'lock-version = "1.0"\npackages = []\n'),
        ({"apt.txt": "jq\n"}, "apt.txt", "jq\nless\n"),
        ({"postBuild": "true\n"}, "postBuild", "false\n"),
        ({"postBuild": "true\n"}, "process.ipynb", "{}"),
        ({"start": 'exec "$@"\n'}, "binder/start", 'exec "$@"\n'),
    ],
)
def test_a_change_of_what_the_build_reads_changes_the_key(
    files: dict[str, str], path: str, text: str, repository: Path
) -> None:
    before = key(write(repository, files))

    write(repository, {path: text})

    assert key(repository) != before


@pytest.mark.parametrize(
    ("files", "path", "text"),
    [
        ({"requirements.txt": "numpy\n"}, "README.md", "edited"),
        ({"requirements.txt": "numpy\n"}, "src/a.py", "x = 1\n"),
        ({"requirements.txt": "numpy\n"}, "runtime.txt", "python-3"),
        ({"requirements.txt": "numpy\n"}, "pyproject.toml", "[tool.ruff]\n"),
        ({"pylock.toml": "packages = []\n"}, "requirements.txt", "numpy\n"),
        ({"Pipfile.lock": "{}"}, "Pipfile", "[packages]\n"),
        ({"binder/requirements.txt": "numpy\n"}, "requirements.txt", "scipy\n"),
        ({"apt.txt": "jq\nless\n"}, "apt.txt", "# sorted, and once\nless\njq\n\njq"),
        ({"start": 'exec "$@"\n'}, "start", 'export A=1\nexec "$@"\n'),
        ({"pyproject.toml": _DEPENDENCIES, "src/a.py": ""}, "src/a.py", "x = 1\n"),
    ],
)
def test_a_change_of_other_files_does_not_change_the_key(
    files: dict[str, str], path: str, text: str, repository: Path
) -> None:
    before = key(write(repository, files))

    write(repository, {path: text})

    assert key(repository) == before


def test_another_base_image_changes_the_key(repository: Path) -> None:
    made = plan(write(repository, {"requirements.txt": "numpy\n"}))

    assert plan_key(made, base_id="sha256:0") != plan_key(made, base_id="sha256:1")


def test_a_lock_is_installed_instead_of_the_requirements(repository: Path) -> None:
    write(repository, {"requirements.txt": "numpy\n-e .\n", "setup.py": ""})
    lock = Lock(name="requirements.lock", text="numpy==2.2.0\n-e .\n")

    made = plan(repository, lock)

    assert (made.requirement_files, made.lock, made.local) == ((), lock, True)


@pytest.mark.parametrize(
    ("files", "given"),
    [
        ({"requirements.txt": "numpy\n", "a.py": "", "b.ipynb": "{}"}, {"inputs/files/requirements.txt"}),
        ({"a.py": "", "b.ipynb": "{}"}, set()),
        (
            {"pyproject.toml": _DEPENDENCIES, "a.py": ""},
            {"inputs/files/pyproject.toml"},
        ),
        (
            {"pyproject.toml": _PACKAGE, "trees/__init__.py": "", "trees/in.ipynb": "{}", "b.ipynb": "{}"},
            {f"inputs/files/{name}" for name in ("pyproject.toml", "trees/__init__.py", "trees/in.ipynb")},
        ),
        (
            {"requirements.txt": "./lib\n", "lib/setup.py": "", "b.ipynb": "{}"},
            {f"inputs/files/{name}" for name in ("requirements.txt", "lib/setup.py")},
        ),
        (
            {"postBuild": "true\n", "data/table.csv": "1", "b.ipynb": "{}"},
            {f"repository/{name}" for name in ("postBuild", "data/table.csv", "b.ipynb")},
        ),
    ],
)
def test_a_build_is_given_what_it_needs_and_no_more(files: dict[str, str], given: set[str], repository: Path) -> None:
    entries = context(plan(write(repository, files)))

    paths = {name for name, entry in entries.items() if entry.isfile() and not name.startswith("tools/")}
    assert paths - {"Dockerfile", "stubs.tar", "inputs/plan.json"} == given


def test_large_files_next_to_a_package_are_not_in_memory(repository: Path) -> None:
    """Every file at the top was read and kept until the last one, data too."""
    write(repository, {"pyproject.toml": _PACKAGE})
    for number in range(4):
        with (repository / f"{number}.csv").open("wb") as file:
            file.truncate(8 << 20)  # of zeros, which take no room
    tracemalloc.start()
    try:
        made = plan(repository)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert "3.csv" in made.files
    assert peak < 8 << 20


def test_a_link_to_a_folder_of_the_checkout_is_in_the_context(repository: Path) -> None:
    write(repository, {"requirements.txt": "./lib\n", "packages/lib/setup.py": ""})
    (repository / "lib").symlink_to("packages/lib")

    assert any(name.startswith("inputs/files/lib") for name in context(plan(repository)))


def test_the_context_contains_no_file_outside_of_the_checkout(repository: Path, tmp_path: Path) -> None:
    write(tmp_path, {"secret/key": "secret"})
    write(repository, {"postBuild": "true\n", "data/table.csv": "1", ".git/config": "[core]\n"})
    (repository / "leaves").symlink_to(tmp_path / "secret" / "key")
    (repository / "absolute").symlink_to("/etc/passwd")
    (repository / "nowhere").symlink_to("gone")
    (repository / "folder").symlink_to(tmp_path / "secret")
    (repository / "stays").symlink_to("data/table.csv")

    made = plan(repository)

    assert set(made.repository) == {"postBuild", "data/table.csv", "stays"}


def test_the_same_plan_gives_the_same_bytes(described: Path) -> None:
    first = archive_of(plan(described))
    os.utime(described / "notebooks", (1, 1))

    assert archive_of(plan(described)) == first


def test_programs_stay_programs_and_nothing_else_is_kept_of_modes_times_and_owners(repository: Path) -> None:
    write(repository, {"postBuild": "true\n", "data.csv": "1", "tool.sh": "true\n"})
    (repository / "tool.sh").chmod(0o700)
    (repository / "data.csv").chmod(0o600)

    entries = context(plan(repository))

    assert [entries[f"repository/{name}"].mode for name in ("tool.sh", "data.csv")] == [0o755, 0o644]
    assert {(entry.uid, entry.gid, entry.mtime) for entry in entries.values()} == {(0, 0, 315532800)}


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"apt.txt": "jq\n\nless && rm -rf /\n"}, "apt.txt line 3: '&&' is not the name of a Debian"),
        ({"apt.txt": "-o=Dir::Etc=/x\n"}, "apt.txt line 1: '-o=Dir::Etc=/x' is not the name"),
        ({"binder/apt.txt": "Less\n"}, "binder/apt.txt line 1: 'Less' is not the name"),
        ({"requirements.txt": "numpy\n-r gone.txt\n"}, "requirements.txt line 2: -r gone.txt: not in the repository"),
        ({"pylock.toml": 'lock-version = "1.0"\n'}, "pylock.toml: not a lock file"),
    ],
)
def test_an_invalid_file_is_refused_with_its_line(files: dict[str, str], message: str, repository: Path) -> None:
    with pytest.raises(EnvironmentSpecError, match=message):
        plan(write(repository, files))


def test_packages_of_debian_may_have_versions_and_comments(repository: Path) -> None:
    write(repository, {"apt.txt": "less=590-2.1~deb12u2  # newer ones scroll\nlibstdc++6\n# none\njq\n"})

    assert plan(repository).apt == ("jq", "less=590-2.1~deb12u2", "libstdc++6")


@pytest.mark.parametrize(
    ("files", "shared"),
    [
        ({"requirements.txt": "numpy\n"}, True),
        ({"requirements.txt": "-e .\n", "setup.py": ""}, False),
        ({"requirements.txt": "x @ git+https://example.org/x\n"}, False),
        ({"pyproject.toml": '[project]\nname = "x"\n'}, True),
        ({"pyproject.toml": '[project]\nname = "x"\n[tool.uv.pip]\ntarget = "/var/tmp/uv"\n'}, False),
    ],
)
def test_wheels_are_shared_if_the_repository_cannot_affect_the_cache(
    files: dict[str, str], shared: bool, repository: Path
) -> None:
    write(repository, files)

    dockerfile = render_plan(plan(repository), caches=Caches(own="mine", wheels="ours"))

    resolve, _, install = dockerfile.partition("AS builder")
    assert ("packmill-uv-ours" in install, "packmill-uv-mine" in install) == (shared, not shared)
    assert ("packmill-uv-ours" in resolve, "packmill-uv-mine" in resolve) == (False, not shared)


def test_an_environment_with_other_files_has_another_cache_of_its_own(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull request has the address of its repository, and a package that is rebuilt names any address and lock."""
    named: list[Caches] = []

    def prepare(_plan: Plan, caches: Caches) -> None:
        named.append(caches)
        raise ImageBuildError("the caches are known")

    monkeypatch.setattr(plain_python, "prepare_build_pack", prepare)
    monkeypatch.setattr(build, "cache_name", lambda *users: " ".join(users))
    time = datetime(2026, 2, 3, tzinfo=timezone.utc)
    commit = Source(address="a", owner="o", name="n", checkout="main", commit="c" * 40, message="m", time=time)
    base = Base(reference="base", id="sha256:0", digest=None)
    lock = Lock(name="requirements.lock", text="numpy==2.2.0\n")
    for text, chosen in (("", None), ("", None), ("evil()", None), ("", lock)):
        made = plan(write(repository, {"setup.py": text}), chosen)
        spec = build.ImageSpec(
            reference="image",
            source=commit,
            folder=repository,
            environment=read_environment(repository),
            environment_key="repository",
            base_image=None,
            store=ImageStore(fresh=True),
        )
        planned = build._PlannedEnvironment(key=plan_key(made, base_id=base.id), base=base, plan=made)
        with pytest.raises(ImageBuildError):
            build._ensure_environment(spec, planned, Progress())

    first, second, *strangers = (caches.own for caches in named)
    assert (first == second, len({first, *strangers})) == (True, 3)
    assert len({caches.wheels for caches in named}) == 1


def test_the_install_stage_gets_the_lock_of_the_resolution_alone(repository: Path) -> None:
    write(repository, {"requirements.txt": "numpy\n"})

    dockerfile = render_plan(plan(repository), caches=Caches())

    assert "FROM tools AS builder\nCOPY --from=resolver /srv/requirements.lock /srv/\n" in dockerfile


def test_names_need_not_be_utf_8(repository: Path) -> None:
    write(repository, {"postBuild": "true\n"})
    (repository / os.fsdecode(b"\xff.txt")).write_text("x")

    assert any(name.startswith("repository/") and name.endswith(".txt") for name in context(plan(repository)))
    assert key(repository)


def test_a_linked_project_file_is_a_file_in_the_context(repository: Path) -> None:
    write(repository, {"settings/project.toml": '[project]\nname = "x"\nversion = "1"\n'})
    (repository / "pyproject.toml").symlink_to("settings/project.toml")

    assert context(plan(repository))["inputs/files/pyproject.toml"].isreg()


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "six\n--index-url https://ada:sesame@example.org/simple\n"},
        {"requirements.txt": "-r more.txt\n", "more.txt": "--extra-index-url=https://sesame@example.org/simple\n"},
        {"requirements.txt": "x @ git+https://sesame@example.org/x.git\n"},
        {"requirements.txt": "x @ https://example.org/x-1.tar.gz?token=sesame\n"},
        {"requirements.txt": "--index-url https://${USER}:${SESAME}@example.org/simple\n"},
        {"pyproject.toml": '[project]\nname = "x"\n[[tool.uv.index]]\nurl = "https://ada:sesame@example.org/"\n'},
        {"pylock.toml": 'packages = []\n[x]\nurl = "https://ada:sesame@example.org/x.whl"\n'},
        {"Pipfile.lock": '{"default": {"x": {"git": "https://sesame@example.org/x", "ref": "1"}}}'},
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(files: dict[str, str], repository: Path) -> None:
    write(repository, files)

    with pytest.raises(EnvironmentSpecError, match="holds or requests a secret") as refused:
        plan(repository)

    assert "sesame" not in str(refused.value).lower()


@pytest.mark.parametrize("line", ["x @ git+ssh://git@example.org/x.git@v1", "x @ https://example.org/gh/x@v1/x.tar.gz"])
def test_an_address_with_an_at_sign_need_not_hold_a_secret(line: str, repository: Path) -> None:
    write(repository, {"requirements.txt": f"{line}\n"})

    assert plan(repository).builds is line.startswith("x @ git+")
