"""What requirements files and locks need, and that uv takes them as they are handed to it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import uv
from packaging.requirements import Requirement

from generator.environment import requirements
from generator.environment.pipfile_lock import read_pipfile_lock
from generator.environment.requirements import is_local_requirement, logical_lines, read_pylock, read_requirements
from generator.shared.errors import EnvironmentSpecError


def test_files_name_files_relative_to_themselves() -> None:
    files = {
        "binder/requirements.txt": "-r ../requirements/base.txt\n--constraint=limits.txt\n",
        "requirements/base.txt": '-r "with a space.txt"\n-rmore.txt\n',
        "requirements/with a space.txt": "numpy\n",
        "requirements/more.txt": "-r base.txt\npandas\n",
        "binder/limits.txt": "numpy<2\n",
    }

    found = read_requirements("binder/requirements.txt", files.get)

    assert found.referenced_files == (
        "requirements/base.txt",
        "requirements/with a space.txt",
        "requirements/more.txt",
        "binder/limits.txt",
    )
    assert (found.is_local, found.needs_git) == (False, False)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("numpy\n-r gone.txt\n", "requirements.txt line 2: -r gone.txt: not in the repository"),
        ("-r ../other.txt", "line 1: -r ../other.txt: leads out of the repository"),
        ("-r /etc/passwd", "-r /etc/passwd: leads out"),
        ("-c file:///etc/passwd", "leads out"),
        ("-r", "names no file"),
        ("-r 'x.txt", "no closing quotation"),
        ("numpy\n\nhg+https://example.org/x", "line 3: .* by git alone"),
        ("-e svn+ssh://example.org/x#egg=x", "by git alone"),
        ("numpy @ file:///croot/numpy_1707/work", "pip freeze"),
        ("idna @ file:///home/conda/feedstock_root/build_artifacts/idna_1/work", "pip freeze"),
    ],
)
def test_what_cannot_be_had_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(EnvironmentSpecError, match=message):
        read_requirements("requirements.txt", {"requirements.txt": text}.get)


def test_no_password_of_a_requirement_is_told() -> None:
    with pytest.raises(EnvironmentSpecError) as refused:
        read_requirements("r.txt", {"r.txt": "hg+https://ada:secret@example.org/x"}.get)

    assert "secret" not in str(refused.value)


def test_a_chain_of_files_has_an_end() -> None:
    with pytest.raises(EnvironmentSpecError, match="more than 100 requirements files"):
        read_requirements("0.txt", lambda name: f"-r {int(name.removesuffix('.txt')) + 1}.txt")


def test_files_that_name_each_other_have_a_size_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a limit of its own, and all of them are in memory."""
    monkeypatch.setattr(requirements, "_MOST_TEXT", 300)
    texts = {"r.txt": "-r a.txt\n-r b.txt\n", "a.txt": "six\n" * 40, "b.txt": "six\n" * 20}

    assert read_requirements("r.txt", texts.get).referenced_files == ("a.txt", "b.txt")
    with pytest.raises(EnvironmentSpecError, match="requirements files of more than"):
        read_requirements("r.txt", {**texts, "b.txt": "six\n" * 40}.get)


@pytest.mark.parametrize("line", ["../pkg", "-e ..", "-e ../lib[plot]", "lib/../../pkg"])
def test_a_path_that_leads_out_of_the_repository_is_refused(line: str) -> None:
    with pytest.raises(EnvironmentSpecError, match=r"binder/requirements.txt line 1: .*paths start at its top"):
        read_requirements("binder/requirements.txt", {"binder/requirements.txt": line}.get)


@pytest.mark.parametrize(
    "line",
    [
        ".", "./pkg", "lib/../pkg", "pkg/", "vendored/pkg", "pkg @ file:./pkg", "pkg @ ./pkg", "file:///home/jovyan/pkg",
        "dist/x-1.0-py3-none-any.whl", "x-1.0.tar.gz", "./pkg[plot] ; python_version > '3'", "git+file:///home/jovyan",
        "-e .", "-e pkg", "--editable=./pkg", "-f wheels",
    ],
)  # fmt: skip
def test_what_is_of_the_repository_is_local(line: str) -> None:
    assert read_requirements("r.txt", {"r.txt": line}.get).is_local


@pytest.mark.parametrize(
    "line",
    [
        "numpy", "numpy>=1.2,<2 ; sys_platform == 'linux'", "x[a,b]==1.*", "x @ https://example.org/a/x-1.0.whl",
        "https://example.org/a/x.tar.gz", "git+https://example.org/x.git@main#egg=x", "x @ git+ssh://git@example.org/x",
        "-e git+https://example.org/x#egg=x", "-f https://example.org/wheels", "-i https://example.org/simple",
        "# ./pkg", "numpy  # or ./pkg", "six==1.17.0 --hash=sha256:ab/cd",
    ],
)  # fmt: skip
def test_what_comes_from_elsewhere_is_not_local(line: str) -> None:
    assert not read_requirements("r.txt", {"r.txt": line}.get).is_local


@pytest.mark.parametrize(
    ("line", "needed"),
    [
        ("x @ git+https://example.org/x", True),
        ("-e git+ssh://git@example.org/x#egg=x", True),
        ("git+https://example.org/x", True),
        ("gitpython  # not git+https://", False),
        ("digit-plus", False),
    ],
)
def test_git_is_needed_for_what_it_fetches(line: str, needed: bool) -> None:
    assert read_requirements("r.txt", {"r.txt": line}.get).needs_git == needed


def test_lines_are_joined_as_pip_joins_them() -> None:
    text = "idna \\\n  >=3 \\\n  # why\n# a comment \\\nsix\\"

    assert list(logical_lines(text)) == [(1, 3, "idna   >=3"), (4, 1, ""), (5, 1, "six")]


def test_texts_are_written_for_uv() -> None:
    """uv joins no line before a version, installs nothing editable by git, and takes ``--pre`` as an option alone."""
    text = "\ufeff-e git+https://example.org/x#egg=x\nidna \\\n>=3\nsix\n--pre\n-f wheels\n--trusted-host example.org\n"

    found = read_requirements("r.txt", {"r.txt": text}.get)

    assert found.files == (("r.txt", "git+https://example.org/x#egg=x\nidna >=3\n\nsix\n\n--find-links ./wheels\n\n"),)
    assert found.prereleases
    assert found.remarks == ("r.txt line 7: --trusted-host example.org: ignored, certificates are always verified",)


def test_uv_and_pip_read_the_same_packages(tmp_path: Path) -> None:
    """Resolved without a network: packages are folders beside the files."""
    for name in ("one", "two", "three"):
        (tmp_path / name / name).mkdir(parents=True)
        (tmp_path / name / "pyproject.toml").write_text(
            f'[project]\nname = "{name}"\nversion = "1"\n[build-system]\nrequires = []\nbuild-backend = "x"\n'
        )
    (tmp_path / "sub").mkdir()
    texts = {
        "r.txt": '-r "sub/more r.txt"  # more\n./one \\\n  ; python_version > "3"\n',
        "sub/more r.txt": "three @ file:./three\n-r ../r.txt\n--editable=two\n",
    }
    for path, text in read_requirements("r.txt", texts.get).files:
        (tmp_path / path).write_text(text)

    resolved = subprocess.run(
        [uv.find_uv_bin(), "pip", "compile", "--offline", "--no-header", "--no-annotate", "--quiet", "r.txt"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert resolved.returncode == 0, resolved.stderr
    assert len(resolved.stdout.splitlines()) == 3


def test_index_lines_are_known() -> None:
    texts = {
        "r.txt": "-r s.txt\n--index-url https://a.example.org\n",
        "s.txt": "--extra-index-url https://b.example.org",
    }

    found = read_requirements("r.txt", texts.get)

    assert found.index_lines == ("--extra-index-url https://b.example.org", "--index-url https://a.example.org")


_WHEEL = {"url": "https://example.org/x-1-py3-none-any.whl", "hashes": {"sha256": "ab"}}


@pytest.mark.parametrize(
    ("package", "local", "git"),
    [
        (f'[[packages.wheels]]\nurl = "{_WHEEL["url"]}"', False, False),
        ('directory = {path = ".", editable = true}', True, False),
        ('archive = {path = "dist/x.tar.gz"}', True, False),
        ('archive = {url = "https://example.org/x.tar.gz"}', False, False),
        ('[[packages.wheels]]\npath = "dist/x-1-py3-none-any.whl"', True, False),
        ('vcs = {type = "git", url = "https://example.org/x", commit-id = "abc"}', False, True),
    ],
)
def test_a_pylock_says_what_it_needs(package: str, local: bool, git: bool) -> None:
    text = f'lock-version = "1.0"\n[[packages]]\nname = "x"\n{package}\n'

    found = read_pylock("pylock.toml", text)

    assert (found.is_local, found.needs_git, found.files) == (local, git, (("pylock.toml", text),))


@pytest.mark.parametrize("text", ["", "packages = 3", "packages = [1]", "no toml"])
def test_a_pylock_without_packages_is_refused(text: str) -> None:
    with pytest.raises(EnvironmentSpecError, match=r"pylock\.toml"):
        read_pylock("pylock.toml", text)


def _pipfile_lock(default: dict[str, Any], *, sources: list[dict[str, Any]] | None = None) -> str:
    pypi = [{"name": "pypi", "url": "https://pypi.org/simple", "verify_ssl": True}]
    return json.dumps({"_meta": {"sources": pypi if sources is None else sources}, "default": default})


@pytest.mark.parametrize(
    ("name", "entry", "line"),
    [
        ("six", {"version": "==1.17.0", "hashes": ["sha256:ab", "sha256:cd"], "index": "pypi"},
         "six==1.17.0 --hash=sha256:ab --hash=sha256:cd"),
        ("x", {"version": "==1", "extras": ["b", "a"], "markers": "python_version >= '3.9'"},
         'x[a,b]==1; python_version >= "3.9"'),
        ("x", {"version": "==1", "sys_platform": "== 'win32'", "markers": "os_name == 'nt'"},
         'x==1; os_name == "nt" and sys_platform == "win32"'),
        ("x", {"version": "*"}, "x"),
        ("x", {"git": "https://example.org/x.git", "ref": "abc", "editable": True},
         "x @ git+https://example.org/x.git@abc"),
        ("x", {"git": "git@example.org:a/x.git", "ref": "abc", "subdirectory": "py", "markers": "os_name == 'nt'"},
         'x @ git+ssh://git@example.org/a/x.git@abc#subdirectory=py ; os_name == "nt"'),
        ("x", {"path": ".", "editable": True}, "-e ./"),
        ("x", {"path": "./pkg", "extras": ["plot"], "markers": "os_name == 'posix'"},
         './pkg[plot] ; os_name == "posix"'),
        ("x", {"file": "dist/x.whl"}, "./dist/x.whl"),
        ("x", {"file": "https://example.org/x.whl", "hashes": ["sha256:ab"]},
         "x @ https://example.org/x.whl --hash=sha256:ab"),
    ],
)  # fmt: skip
def test_an_entry_of_a_pipfile_lock_is_a_line(name: str, entry: dict[str, Any], line: str) -> None:
    found = read_pipfile_lock("Pipfile.lock", _pipfile_lock({name: entry}))

    assert found.files == (("Pipfile.lock", line + "\n"),)
    assert found.is_local == line.startswith(("-e", "./"))
    assert found.needs_git == ("git+" in line)
    if not found.is_local:
        Requirement(line.partition(" --hash")[0])


def test_the_lines_of_a_pipfile_lock_are_sorted_and_of_one_section() -> None:
    document = json.dumps({"default": {"b": {"version": "==1"}, "A_x": {"version": "==2"}}, "develop": {"c": {}}})

    assert read_pipfile_lock("Pipfile.lock", document).files[0][1] == "A_x==2\nb==1\n"
    assert read_pipfile_lock("Pipfile.lock", document, develop=True).files[0][1] == "A_x==2\nb==1\nc\n"


def test_paths_of_a_pipfile_lock_are_from_its_folder() -> None:
    found = read_pipfile_lock("binder/Pipfile.lock", _pipfile_lock({"x": {"path": "../pkg"}}))

    assert found.files == (("binder/Pipfile.lock", "./pkg\n"),)


@pytest.mark.parametrize(
    ("sources", "lines"),
    [
        (["https://pypi.org/simple"], ()),
        (["https://pypi.org/simple", "https://a.example.org"], ("--extra-index-url https://a.example.org",)),
        (
            ["https://a.example.org", "https://b.example.org"],
            ("--index-url https://a.example.org", "--extra-index-url https://b.example.org"),
        ),
    ],
)
def test_other_indexes_than_pypi_are_named(sources: list[str], lines: tuple[str, ...]) -> None:
    text = _pipfile_lock({}, sources=[{"name": url[8], "url": url} for url in sources])

    assert read_pipfile_lock("Pipfile.lock", text).index_lines == lines


def test_certificates_are_verified_whatever_a_lock_says() -> None:
    sources = [{"name": "mine", "url": "https://a.example.org", "verify_ssl": False}]

    found = read_pipfile_lock("Pipfile.lock", _pipfile_lock({}, sources=sources))

    assert found.remarks == ("Pipfile.lock: verify_ssl = false of 'mine' is ignored, certificates are always verified",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Pipfile.lock line 1: invalid JSON"),
        ('{"default": []}', None),
        ('{"default": {"x": "1"}}', "its section 'default' is not a table"),
        (_pipfile_lock({"x": {"version": "1.0"}}), "x: invalid requirement"),
        (_pipfile_lock({"x": {"version": "==1\n--index-url https://evil.example"}}), "invalid requirement"),
        (_pipfile_lock({"x": {"version": "==1", "hashes": ["sha256:ab --index-url=x"]}}), "is not a hash"),
        (_pipfile_lock({"x": {"hg": "https://example.org/x"}}), "by git alone"),
        (_pipfile_lock({"x": {"git": "file:///etc"}}), "over https or ssh"),
        (_pipfile_lock({"x": {"path": "../other"}}), "leads out of the repository"),
        (_pipfile_lock({"x": {"path": "a\n-e b"}}), "leads out of the repository"),
        (_pipfile_lock({"x": {"file": "https://ada:pw@example.org/x.whl"}}), "holds or requests a secret"),
        (
            _pipfile_lock({}, sources=[{"name": "p", "url": "https://${USER}:${TOKEN}@example.org"}]),
            "needs a user",
        ),
        (
            _pipfile_lock({}, sources=[{"name": "p", "url": "https://ada:pw@example.org"}]),
            "'p': needs a user name",
        ),
        (_pipfile_lock({}, sources=[{"name": "p", "url": "http://example.org"}]), "only https"),
    ],
)
def test_a_lock_that_cannot_be_followed_is_refused(text: str, message: str | None) -> None:
    if message is None:
        assert read_pipfile_lock("Pipfile.lock", text).files == (("Pipfile.lock", ""),)
        return
    with pytest.raises(EnvironmentSpecError, match=message) as refused:
        read_pipfile_lock("Pipfile.lock", text)
    assert "pw" not in str(refused.value)


@pytest.mark.parametrize("text", ["numpy", "a.b-c_d", "numpy ; python_version >= '3'"])
def test_a_name_is_no_path(text: str) -> None:
    assert not is_local_requirement(text)


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"path": "a --index-url https://example.org"}, "has a space"),
        ({"version": "==1", "markers": "(" * 5000 + "os_name == 'x'" + ")" * 5000}, "invalid requirement"),
    ],
)
def test_a_pipfile_lock_cannot_say_more_than_a_requirement(entry: dict[str, str], said: str) -> None:
    with pytest.raises(EnvironmentSpecError, match=said):
        read_pipfile_lock("Pipfile.lock", _pipfile_lock({"x": entry}))


def test_an_index_whose_address_cannot_be_read_is_refused() -> None:
    with pytest.raises(EnvironmentSpecError, match="invalid URL"):
        read_pipfile_lock("Pipfile.lock", _pipfile_lock({}, sources=[{"name": "x", "url": "https://[x"}]))


def test_sources_that_are_no_list_are_none() -> None:
    assert read_pipfile_lock("Pipfile.lock", '{"_meta": {"sources": 5}, "default": {}}').index_lines == ()


def test_wheels_that_are_no_list_are_none() -> None:
    assert not read_pylock("pylock.toml", '[[packages]]\nname = "x"\nwheels = 5\n').is_local


def test_a_line_that_no_one_wrote_is_refused() -> None:
    with pytest.raises(EnvironmentSpecError, match=r"requirements\.txt line 2: longer than"):
        read_requirements("requirements.txt", {"requirements.txt": f"six\n{'x' * 70_000}\n"}.get)
