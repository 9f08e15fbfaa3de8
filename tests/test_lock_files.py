"""Lock files: every package has its digests, installations check them, and another file is refused."""

from __future__ import annotations

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from uv import find_uv_bin

here = Path(__file__).parent
top = here.parent
locks = sorted(
    [
        *top.glob("requirements*.lock"),
        *(one for one in top.glob("templates/image/*/*.txt") if one.name != "unused.txt"),
        *here.glob("helpers/*/requirements.txt"),
    ]
)
installers = (
    *(top / "scripts" / name for name in ("virtual-environment", "test-kernels", "test-validators", "test-airflow")),
    *(top / "templates/image" / name / "install.sh" for name in ("runner", "formats")),
    *(top / "scripts/test-formats", top / "templates/service/Dockerfile"),
)


@pytest.mark.parametrize("lock", locks, ids=lambda path: str(path.relative_to(top)))
def test_every_package_of_a_lock_file_has_its_digests(lock: Path) -> None:
    text = re.sub(r" *\\\n *", " ", lock.read_text(encoding="utf-8"))
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]

    assert lines
    assert [
        line for line in lines if not re.fullmatch(r"[\w.\[\],-]+==\S+( ; .+?)?( --hash=sha256:[0-9a-f]{64})+", line)
    ] == []
    assert lock.stat().st_size < 1_000_000


@pytest.mark.parametrize("program", installers, ids=lambda path: str(path.relative_to(top)))
def test_every_installation_from_a_lock_file_checks_digests(program: Path) -> None:
    text = re.sub(r" *\\\n *", " ", program.read_text(encoding="utf-8"))
    commands = [line for line in text.splitlines() if re.search(r"\binstall\b.* (-r|--requirement\S*) ", line + " ")]

    assert commands
    assert [line for line in commands if "--require-hashes" not in line or "--no-deps" not in line] == []


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """Return a package of one file, in a folder that serves as the index."""
    file = tmp_path / "index" / "harmless-1.0-py3-none-any.whl"
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("harmless.py", "")
        archive.writestr("harmless-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: harmless\nVersion: 1.0\n")
        archive.writestr(
            "harmless-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("harmless-1.0.dist-info/RECORD", "")
    return file


def install_in_image(lock: Path, wheel: Path, *, present: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    """Install a lock file into a folder with the functions of the runner's installation in an image."""
    script = (top / "templates/image/runner/install.sh").read_text(encoding="utf-8")
    functions = script[script.index("installed_in()") : script.index("compile()")]
    for name in present:
        (wheel.parent.parent / "present" / f"{name}-1.0.dist-info").mkdir(parents=True)
    (wheel.parent / "uv").symlink_to(find_uv_bin())
    commands = 'set -eu; here=$1; missing_of "$2" $4 > "$3/some.txt"; install_into "$3/lib" python3 "$3/some.txt"'
    folder = wheel.parent.parent
    shared = str(folder / "present") if present else ""
    return subprocess.run(
        ["sh", "-c", functions + commands, "sh", wheel.parent, lock, folder, shared],
        env={
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "UV_FIND_LINKS": str(wheel.parent),
            "UV_OFFLINE": "1",
            "UV_NO_CACHE": "1",
        },
        cwd=folder,  # in a clone, uv reads its pyproject.toml
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_package_with_the_known_digest_is_installed(wheel: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    # the first one is present, so neither its line nor its digest may be left over
    lock.write_text(f"other==1.0 \\\n    --hash=sha256:{'1' * 64}\nharmless==1.0 \\\n    --hash=sha256:{digest}\n")

    done = install_in_image(lock, wheel, present=("other",))

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lib/harmless.py").exists()


def test_a_package_with_another_digest_is_refused(wheel: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(f"harmless==1.0 \\\n    --hash=sha256:{'0' * 64}\n")

    done = install_in_image(lock, wheel)

    assert done.returncode != 0
    assert "Hash mismatch for `harmless==1.0`" in done.stderr
    assert not (tmp_path / "lib").exists() or not (tmp_path / "lib/harmless.py").exists()


def test_a_package_without_a_digest_is_refused(wheel: Path, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text("harmless==1.0\n")

    assert install_in_image(lock, wheel).returncode != 0
