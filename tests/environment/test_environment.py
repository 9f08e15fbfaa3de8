"""Which files describe the environment, and environments that are asked for instead."""

from __future__ import annotations

import http.server
import json
import os
import re
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from repo2docker.app import Repo2Docker

from generator.environment.checkout import read_environment, write_readably
from generator.environment.environment import BuildPack, configuration_name, find_environment
from generator.environment.project import Project, is_package_project, packaged_notebooks, read_project
from generator.environment.requested import place
from generator.shared.errors import EnvironmentSpecError


@pytest.mark.parametrize(
    ("files", "used", "buildpack"),
    [
        ([], (), BuildPack.PLAIN_PYTHON),
        (["requirements.txt", "apt.txt"], ("requirements.txt", "apt.txt"), BuildPack.PLAIN_PYTHON),
        (["pyproject.toml", "uv.lock"], ("pyproject.toml", "uv.lock"), BuildPack.PLAIN_PYTHON),
        (["uv.lock"], (), BuildPack.PLAIN_PYTHON),
        (["pylock.toml"], ("pylock.toml",), BuildPack.PLAIN_PYTHON),
        (["Pipfile", "Pipfile.lock"], ("Pipfile.lock",), BuildPack.PLAIN_PYTHON),
        (["Pipfile"], ("Pipfile",), BuildPack.REPO2DOCKER),
        (["requirements.txt", "environment.yml"], ("environment.yml", "requirements.txt"), BuildPack.REPO2DOCKER),
        (["environment.yaml"], ("environment.yaml",), BuildPack.REPO2DOCKER),
        (["runtime.txt"], ("runtime.txt",), BuildPack.REPO2DOCKER),
        (["install.R"], (), BuildPack.REPO2DOCKER),
        (["Dockerfile", "requirements.txt"], ("Dockerfile", "requirements.txt"), BuildPack.DOCKERFILE),
        (
            ["binder/requirements.txt", "Dockerfile", "pyproject.toml"],
            ("binder/requirements.txt",),
            BuildPack.PLAIN_PYTHON,
        ),
        ([".binder/Dockerfile", "requirements.txt"], (".binder/Dockerfile",), BuildPack.DOCKERFILE),
        (["binder/", "requirements.txt"], (), BuildPack.PLAIN_PYTHON),
        (["binder/pylock.toml", "uv.lock", "pyproject.toml"], ("binder/pylock.toml",), BuildPack.PLAIN_PYTHON),
    ],
)
def test_the_environment_is_found_among_names(files: list[str], used: tuple[str, ...], buildpack: BuildPack) -> None:
    environment = find_environment(files)

    assert (environment.files, environment.buildpack) == (used, buildpack)


_PROJECT = '[project]\nname = "x"\nversion = "1"\n[build-system]\nrequires = ["hatchling"]\n'


@pytest.mark.parametrize(
    ("files", "theirs", "used", "remarks"),
    [
        ({}, None, (), ()),
        ({"runtime.txt": "python-3.11"}, "PythonBuildPack", ("runtime.txt",), ()),
        ({"pyproject.toml": _PROJECT}, "PythonBuildPack", ("pyproject.toml",), ()),
        ({"pyproject.toml": "[tool.ruff]\n"}, None, (), ()),
        ({"pyproject.toml": "[tool.x]\n", "setup.py": ""}, "PythonBuildPack", ("pyproject.toml", "setup.py"), ()),
        (
            {"pyproject.toml": "[tool.ruff]\n", "uv.lock": "version = 1\n"},
            None,
            (),
            ("uv.lock is not read: a pyproject.toml with a project is missing next to it",),
        ),
        (
            {"environment.yml": "name: x\n", "requirements.txt": "", "runtime.txt": "python-3.11"},
            "CondaBuildPack",
            ("environment.yml",),
            ("environment.yml is used: requirements.txt and runtime.txt are not read",),
        ),
        (
            {"environment.yml": "dependencies:\n  - pip:\n    - -r requirements.txt\n", "requirements.txt": ""},
            "CondaBuildPack",
            ("environment.yml", "requirements.txt"),
            (),
        ),
        (
            {"Pipfile": "", "Pipfile.lock": "{}", "requirements.txt": ""},
            "PipfileBuildPack",
            ("Pipfile.lock",),
            ("Pipfile.lock is used: requirements.txt is not read",),
        ),
        (
            {"Pipfile.lock": '{"develop": {"pytest": {}}}'},
            "PipfileBuildPack",
            ("Pipfile.lock",),
            ("Pipfile.lock: its develop section is not installed",),
        ),
        (
            {"Pipfile": ""},
            "PipfileBuildPack",
            ("Pipfile",),
            ("Pipfile without Pipfile.lock needs pipenv: repo2docker's own build pack is used",),
        ),
        (
            {"install.R": "", "requirements.txt": ""},
            "PythonBuildPack",
            ("requirements.txt",),
            (
                (
                    "install.R is not read: repo2docker uses it only with runtime.txt (r-<version>-<date>), "
                    "or with DESCRIPTION at the top"
                ),
            ),
        ),
        (
            {"runtime.txt": "r-4.4-2025-06-02", "install.R": "", "environment.yml": "", "uv.lock": ""},
            "RBuildPack",
            ("install.R", "environment.yml", "runtime.txt"),
            ("runtime.txt is used: uv.lock is not read",),
        ),
        (
            {"runtime.txt": "r-4.4"},
            None,
            ("runtime.txt",),
            ("runtime.txt requests R without a date; repo2docker needs one: write r-4.4-2025-06-02",),
        ),
        ({"DESCRIPTION": "", "environment.yml": ""}, "RBuildPack", ("DESCRIPTION", "environment.yml"), ()),
        (
            {"binder/DESCRIPTION": "", "binder/setup.py": ""},
            None,
            (),
            ("binder/DESCRIPTION and binder/setup.py are not read: they are read only at the top",),
        ),
        (
            {"default.nix": "", "requirements.txt": "", "apt.txt": "jq"},
            "NixBuildPack",
            ("default.nix", "apt.txt"),
            ("default.nix is used: requirements.txt is not read",),
        ),
        (
            {"Project.toml": "", "JuliaProject.toml": "", "requirements.txt": "", "environment.yml": ""},
            "JuliaProjectTomlBuildPack",
            ("JuliaProject.toml", "environment.yml", "requirements.txt"),
            ("JuliaProject.toml is used: Project.toml is not read",),
        ),
        (
            {"Dockerfile": "FROM x\nCOPY requirements.txt /\n", "requirements.txt": "", "apt.txt": ""},
            "DockerBuildPack",
            ("Dockerfile", "requirements.txt", "apt.txt"),
            ("apt.txt is not read unless the Dockerfile does it",),
        ),
        (
            {
                "binder/requirements.txt": "-r ../requirements.txt",
                "requirements.txt": "",
                "apt.txt": "",
                "setup.py": "",
            },
            "PythonBuildPack",
            ("binder/requirements.txt",),
            ("binder/ is used: setup.py and apt.txt at the top are not read",),
        ),
    ],
)
def test_files_count_as_they_do_in_repo2docker(
    files: dict[str, str],
    theirs: str | None,
    used: tuple[str, ...],
    remarks: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What repo2docker's own ``detect`` says of the same folder stands beside it; None is its default build pack."""
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    packs = (pack(base_image="x") for pack in Repo2Docker().buildpacks)
    detected = next((type(pack).__name__ for pack in packs if pack.detect()), None)

    environment = find_environment(files, files.get)

    assert (detected, environment.files, environment.remarks) == (theirs, used, remarks)


@pytest.mark.parametrize(
    ("files", "buildpack"),
    [
        ({"requirements.txt": "", "uv.lock": "", "runtime.txt": "neither"}, BuildPack.REPO2DOCKER),
        ({"pylock.toml": "= no TOML"}, BuildPack.REPO2DOCKER),
        ({}, BuildPack.REPO2DOCKER),
        ({"Dockerfile": ""}, BuildPack.DOCKERFILE),
    ],
)
def test_everything_can_be_left_to_repo2docker(files: dict[str, str], buildpack: BuildPack) -> None:
    environment = find_environment(files, files.get, standard=True)

    assert (environment.buildpack, environment.python) == (buildpack, "")
    assert not {"uv.lock", "pylock.toml"} & set(environment.files)


@pytest.mark.parametrize(
    "files",
    [
        {"runtime.txt": "r-4.1.0\nADD http:x /x\n-2025-06-02"},
        {"runtime.txt": "python-4.1.0\rADD http:x /x", "DESCRIPTION": ""},
        {"binder/runtime.txt": "r-4.1.0\nADD http:x /x\n-2025-06-02", "binder/environment.yml": "{}"},
    ],
)
@pytest.mark.parametrize("standard", [False, True])
def test_no_line_of_a_runtime_becomes_one_of_a_dockerfile(files: dict[str, str], standard: bool) -> None:
    """repo2docker's build pack for R writes the version of any runtime to its Dockerfile, and comes before conda's."""
    with pytest.raises(EnvironmentSpecError, match=r"runtime\.txt line 1: .* not understood"):
        find_environment(files, files.get, standard=standard)


@pytest.mark.parametrize(
    ("files", "python", "asked_by", "remarks"),
    [
        ({"requirements.txt": ""}, "", "", ()),
        ({"runtime.txt": "python-3.11\n"}, "==3.11.*", "runtime.txt", ()),
        ({"runtime.txt": "python-3"}, "==3.*", "runtime.txt", ()),
        (
            {"binder/runtime.txt": "python-3.11.4"},
            "==3.11.*",
            "binder/runtime.txt",
            ("binder/runtime.txt requests Python 3.11.4: any patch release of 3.11 is accepted",),
        ),
        (
            {"runtime.txt": "python-3.11-2024-02-29"},
            "==3.11.*",
            "runtime.txt",
            ("the date in runtime.txt is not used: it only selects packages of R",),
        ),
        (
            {"runtime.txt": "python-2024-02-29"},
            "",
            "",
            ("the date in runtime.txt is not used: it only selects packages of R",),
        ),
        ({"pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.10,<4"'}, "<4,>=3.10", "pyproject.toml", ()),
        (
            {"runtime.txt": "python-3.11", "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.11.5"'},
            "==3.11.*,>=3.11.5",
            "runtime.txt and pyproject.toml",
            (),
        ),
        (
            {"pyproject.toml": _PROJECT, "uv.lock": 'version = 1\nrequires-python = ">=3.12"\n[[package]]\n'},
            ">=3.12",
            "uv.lock",
            (),
        ),
        ({"pylock.toml": 'lock-version = "1.0"\nrequires-python = "~=3.11"\n'}, "~=3.11", "pylock.toml", ()),
        ({"Pipfile.lock": '{"_meta": {"requires": {"python_version": "3.9"}}}'}, "==3.9.*", "Pipfile.lock", ()),
        (
            {
                "Pipfile.lock": '{"_meta": {"requires": {"python_full_version": "3.9.1", "python_version": "3.9"}}}',
            },
            "==3.9.*",
            "Pipfile.lock",
            ("Pipfile.lock requests Python 3.9.1: any patch release of 3.9 is accepted",),
        ),
        ({"Pipfile.lock": '{"_meta": {"requires": {"python_version": "*"}}}'}, "", "", ()),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.9"'}, "<4,>=3.9", "pyproject.toml", ()),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.9.2"'}, "<3.10,>=3.9.2", "pyproject.toml", ()),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = ">=3.9,<3.13"'}, "<3.13,>=3.9", "pyproject.toml", ()),
        ({"pyproject.toml": '[tool.poetry.dependencies]\npython = "3.11"'}, "==3.11.*", "pyproject.toml", ()),
        (
            {"pyproject.toml": '[tool.poetry.dependencies]\npython = "^3.8 || ^4"'},
            "",
            "",
            ("pyproject.toml line 2: python = '^3.8 || ^4' is not understood: any Python is accepted",),
        ),
        ({"environment.yml": "", "pyproject.toml": "[project"}, "", "", None),
    ],
)
def test_the_files_of_an_environment_ask_for_a_python(
    files: dict[str, str], python: str, asked_by: str, remarks: tuple[str, ...] | None
) -> None:
    environment = find_environment(files, files.get)

    assert (environment.python, environment.python_from) == (python, asked_by)
    assert remarks is None or environment.remarks == remarks


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"runtime.txt": ""}, "runtime.txt line 1: '': not understood\n  write one line: python-3.12"),
        ({"runtime.txt": "\n3.11\n"}, "runtime.txt line 2: '3.11': not understood"),
        ({"runtime.txt": "python-3.11\nnumpy"}, "runtime.txt line 1: .* not understood"),
        ({"runtime.txt": "python-3.x"}, "'python-3.x': not a version of Python"),
        ({"runtime.txt": "python-2024-02-30"}, "'2024-02-30' is not a date"),
        ({"runtime.txt": "julia-1.10"}, "'julia-1.10': names neither python nor r"),
        ({"pyproject.toml": "[project]\na b\n"}, "pyproject.toml: invalid TOML: .* line 2"),
        (
            {"pyproject.toml": "[project]\n\nrequires-python = 3\n"},
            "line 3: requires-python is not a string",
        ),
        ({"pyproject.toml": "[project]\nrequires-python = '^3.9'"}, "line 2: '\\^3.9' is not a specifier"),
        (
            {"pyproject.toml": "[project]\nrequires-python = '>=4'"},
            "'>=4': no Python has this version",
        ),
        ({"pylock.toml": "x ="}, "pylock.toml: invalid TOML"),
        ({"pyproject.toml": f"x = {'[' * 5000}"}, "pyproject.toml: invalid TOML: nested too deeply"),
        ({"pyproject.toml": f"x = {'9' * 5000}"}, "pyproject.toml: invalid TOML"),
        ({"pyproject.toml": f"[project]\nrequires-python = '=={'3' * 5000}'"}, "line 2: '==3+' is not a specifier"),
        ({"runtime.txt": "python-\uff13.\uff11\uff12"}, "not a version of Python"),
        ({"runtime.txt": f"python-{'3' * 5000}"}, "not a version of Python"),
        ({"Pipfile.lock": f'{{"x": {"9" * 5000}}}'}, "Pipfile.lock: invalid JSON"),
        ({"Pipfile.lock": ""}, "Pipfile.lock line 1: invalid JSON"),
        ({"Pipfile.lock": "[]"}, "Pipfile.lock: not a JSON object"),
        ({"Pipfile.lock": "{\n'a'}"}, "Pipfile.lock line 2: invalid JSON"),
        (
            {"runtime.txt": "python-3.9", "pyproject.toml": '[project]\nname = "x"\nrequires-python = ">=3.10"'},
            (
                "no Python fits all of these: change one\n"
                "  runtime.txt line 1: python-3.9\n  pyproject.toml line 3: requires-python = '>=3.10'"
            ),
        ),
    ],
)
def test_what_cannot_be_understood_is_refused_with_its_place(files: dict[str, str], message: str) -> None:
    with pytest.raises(EnvironmentSpecError, match=message):
        find_environment(files, files.get)


def test_a_file_without_a_text_is_refused() -> None:
    with pytest.raises(EnvironmentSpecError, match=r"pyproject\.toml: cannot be read as text"):
        find_environment(["pyproject.toml"], lambda _: None)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        (_PROJECT, Project.PACKAGE),
        ('[build-system]\nrequires = ["setuptools"]', Project.PACKAGE),
        ('[tool.poetry]\nname = "x"', Project.PACKAGE),
        ('[project]\nname = "x"', Project.DEPENDENCIES),
        (_PROJECT + "[tool.uv]\npackage = false", Project.DEPENDENCIES),
        ('[project]\nname = "x"\n[tool.uv]\npackage = true', Project.PACKAGE),
        ('[project]\nname = "x"\n[tool.poetry]\npackage-mode = false', Project.DEPENDENCIES),
        ("[tool.ruff]\nline-length = 100", Project.NONE),
        ("", Project.NONE),
    ],
)
def test_a_pyproject_toml_may_hold_a_project(text: str, kind: Project) -> None:
    assert read_project(text) is kind
    assert is_package_project(text) == (kind is Project.PACKAGE)


def test_dependencies_that_only_poetry_can_install_are_refused() -> None:
    with pytest.raises(EnvironmentSpecError, match=r"poetry export -o requirements\.txt"):
        read_project("[tool.poetry]\npackage-mode = false")


_PATHS = ("a.ipynb", "pkg/__init__.py", "pkg/b.ipynb", "pkg/data/c.ipynb", "notebooks/d.ipynb", "src/pkg/e.ipynb")


@pytest.mark.parametrize(
    ("texts", "packaged"),
    [
        ({}, ("pkg/b.ipynb", "pkg/data/c.ipynb")),
        ({"MANIFEST.in": "recursive-include notebooks *"}, ("notebooks/d.ipynb", "pkg/b.ipynb", "pkg/data/c.ipynb")),
        ({"setup.py": 'package_data={"": ["*.ipynb"]}'}, tuple(sorted(name for name in _PATHS if "ipynb" in name))),
        ({"README.md": "see a.ipynb"}, ("pkg/b.ipynb", "pkg/data/c.ipynb")),
    ],
)
def test_notebooks_of_a_package_belong_to_what_is_built(texts: dict[str, str], packaged: tuple[str, ...]) -> None:
    assert packaged_notebooks(_PATHS, texts) == packaged


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Dockerfile", "Dockerfile"),
        ("docker/Dockerfile.gpu", "Dockerfile"),
        ("prod.Dockerfile", "Dockerfile"),
        ("envs/environment-prod.yml", "environment.yml"),
        ("conda.yaml", "environment.yml"),
        ("requirements-dev.txt", "requirements.txt"),
        ("locks/pylock.prod.toml", "pylock.toml"),
        ("https://example.org/x/-/raw/main/docker/Dockerfile", "Dockerfile"),
    ],
)
def test_a_file_under_another_name_is_understood(file: str, name: str) -> None:
    assert configuration_name(file) == name


def test_an_environment_that_is_asked_for_is_the_only_one(tmp_path: Path) -> None:
    for name in ("binder/apt.txt", "envs/requirements-dev.txt", "Dockerfile"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)

    key = place("envs/requirements-dev.txt", tmp_path)

    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob(".binder/*")] == [".binder/requirements.txt"]
    assert not (tmp_path / "binder").exists()
    assert key.startswith("requirements.txt ")


def test_a_requested_environment_replaces_a_file_named_binder(tmp_path: Path) -> None:
    for name in (".binder", "binder", "requirements.txt"):
        (tmp_path / name).write_text(name)

    place("requirements.txt", tmp_path)

    assert (tmp_path / ".binder/requirements.txt").read_text() == "requirements.txt"
    assert (tmp_path / "binder").read_text() == "binder"  # not a folder, so repo2docker ignores it


_ANSWERS = {
    "/Dockerfile": (200, b"FROM scratch\n", {}),
    "/page/Dockerfile": (200, b"<!DOCTYPE html><html></html>", {}),
    "/large/Dockerfile": (200, b"#" * (1024**2 + 10), {}),
    "/moved/Dockerfile": (302, b"", {"Location": "/Dockerfile"}),
    "/down/Dockerfile": (302, b"", {"Location": "http://127.0.0.1:9/Dockerfile"}),
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An https server with some environments; its certificate is trusted by REQUESTS_CA_BUNDLE."""
    folder = tmp_path_factory.mktemp("https")
    names = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    make = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *names)
    subprocess.run([*make, "-keyout", folder / "key", "-out", folder / "certificate"], check=True, capture_output=True)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, headers = _ANSWERS.get(self.path.partition("?")[0], (404, b"", {}))
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "certificate", folder / "key")
    httpd.socket = context.wrap_socket(httpd.socket, server_side=True)
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("REQUESTS_CA_BUNDLE", str(folder / "certificate"))
        yield f"https://localhost:{httpd.server_address[1]}"
    httpd.shutdown()
    httpd.server_close()
    thread.join()


@pytest.mark.parametrize("path", ["/Dockerfile", "/moved/Dockerfile", "/Dockerfile?ref=main"])
def test_an_environment_comes_from_an_https_url(path: str, server: str, tmp_path: Path) -> None:
    place(server + path, tmp_path)

    assert (tmp_path / ".binder/Dockerfile").read_text() == "FROM scratch\n"


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("/gone/Dockerfile", "404"),
        ("/page/Dockerfile", "use the address of the raw file"),
        ("/large/Dockerfile", "larger than 1 MiB"),
        ("/down/Dockerfile", "cannot be fetched|redirects to an address without https"),
        ("/setup.cfg", "not a configuration file of repo2docker"),
        ("/uv.lock", "only read at the repository's top"),
    ],
)
def test_what_is_no_environment_is_refused(path: str, said: str, server: str, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentSpecError, match=said):
        place(server + path, tmp_path)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"environment.yml": "dependencies: [numpy]\n"}, ["environment.yml", "mamba", "FROM base/image:x"]),
        ({"Dockerfile": "FROM scratch\n# mine\n", "environment.yml": ""}, ["# mine"]),
        ({"requirements.txt": "numpy\n"}, ["requirements.txt", "mamba", "FROM base/image:x"]),
    ],
    ids=["conda", "Dockerfile", "requirements by the standard build packs"],
)
def test_repo2docker_would_build(
    files: dict[str, str], expected: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The Dockerfile of every kind of environment, also of those whose packages this machine may not reach."""
    from generator.containers.builder import repo2docker_app

    for name, text in files.items():
        (tmp_path / name).write_text(text)
    app = repo2docker_app(tmp_path, image="x:y", base_image="base/image:x", packs=(), time=0, fresh=False)
    app.dry_run = True
    app.initialize()
    app.build()

    dockerfile = capsys.readouterr().out
    assert all(part in dockerfile for part in expected), dockerfile


@pytest.mark.parametrize(
    ("file", "others"),
    [
        ("requirements3.txt", ("Project.toml",)),
        ("binder/requirements3.txt", ("binder/Project.toml",)),
        ("Dockerfile", ("binder/environment.yml",)),
        ("Dockerfile", ("binder/Dockerfile",)),
    ],
)
def test_a_file_that_repo2docker_reads_unasked_is_no_link_out_of_the_repository(
    file: str, others: tuple[str, ...], tmp_path: Path
) -> None:
    """repo2docker reads it on this machine, to its end, which a device does not have."""
    (tmp_path / "elsewhere").touch()
    folder = tmp_path / "checkout"
    for name in (*others, file):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    read_environment(folder)
    (folder / file).unlink()
    (folder / file).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(EnvironmentSpecError, match=f"^{re.escape(file)}: a link that leaves the repository"):
        read_environment(folder)


@pytest.mark.parametrize(
    ("file", "size", "others"),
    [
        ("Project.toml", 1 << 19, ()),
        ("Pipfile", 1 << 19, ()),
        ("DESCRIPTION", 1 << 25, ()),
        ("Dockerfile", 1 << 25, ("binder/Dockerfile",)),
    ],
)
def test_a_file_that_is_too_large_for_repo2docker_is_refused(
    file: str, size: int, others: tuple[str, ...], tmp_path: Path
) -> None:
    for name in (*others, file):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    read_environment(tmp_path)
    os.truncate(tmp_path / file, size)

    with pytest.raises(EnvironmentSpecError, match=rf"{file}: larger than \d+ KiB, and not read"):
        read_environment(tmp_path)


def test_a_project_of_julia_that_is_not_toml_is_refused_before_repo2docker_reads_it(tmp_path: Path) -> None:
    """Its parser takes time with the square of the depth."""
    (tmp_path / "Project.toml").write_text(f"a = {'[' * 5000}")

    with pytest.raises(EnvironmentSpecError, match=r"Project\.toml: invalid TOML"):
        read_environment(tmp_path)


def test_a_lock_of_conda_takes_the_place_of_no_folder(tmp_path: Path) -> None:
    package = {"name": "a", "manager": "conda", "version": "1", "url": "https://example.org/a-1-b_0.conda"}
    packages = [{**package, "platform": one} for one in ("linux-64", "linux-aarch64", "linux-ppc64le")]
    (tmp_path / "conda-lock.yml").write_text(json.dumps({"version": 1, "package": packages}))
    write_readably(tmp_path, read_environment(tmp_path))
    assert "a=1=b_0" in (tmp_path / "environment.yml").read_text()
    (tmp_path / "environment.yml").unlink()
    (tmp_path / "environment.yml").mkdir()

    with pytest.raises(EnvironmentSpecError, match=r"environment\.yml next to it is not a file"):
        write_readably(tmp_path, read_environment(tmp_path))


@pytest.mark.parametrize("file", [".dockerignore", ".containerignore"])
def test_a_list_of_ignored_files_is_not_ignored_in_silence(file: str) -> None:
    assert find_environment(["process.ipynb", file]).remarks == (
        f"{file} is not applied: the image also has the files that it lists; remove them from the repository",
    )
