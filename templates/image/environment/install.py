"""Makes a plain Python environment in a throw-away stage of a build, and leaves it in /packmill-root for the image.

    python3 install.py resolve    what is to be installed, as one lock file
    python3 install.py install    the environment at /srv/venv, compiled, moved to /packmill-root/srv/venv

Runs as root by the base image's Python; /mnt has this file and uv, /media what the repository asks for, /var/tmp is
uv's cache. Code of the repository and of packages that must be built runs as the image's user, with a cache of the
repository's own, and so does uv where the repository configures it: what they might plant there reaches nobody else.
Where nothing is built or configured, nothing of the repository says what is written where, and the cache of wheels is
that of all environments on this base.
"""

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

from settle import settle

NEEDS_BUILDING = 78
"""Exit code of a build without compilers that needs one."""
ABOUT_BUILDING = r"(?i)fail\w* to build|building from source|build (backend|depend)|no usable wheels|compiler"
"""What uv says where compilers may help."""
PLAN = json.loads(pathlib.Path("/media/plan.json").read_text())
ASKED = pathlib.Path("/media/files")
VENV = pathlib.Path("/srv/venv")
LOCK = pathlib.Path("/srv", PLAN["lock"] or "requirements.lock")
WORK = pathlib.Path("/srv/work")
ROOT = pathlib.Path("/packmill-root")
UID = PLAN["uid"]


def uv(*arguments: str, as_user: bool, cwd: pathlib.Path = ASKED) -> None:
    """Runs uv, and ends the build where it fails."""
    settings = {
        "UV_CACHE_DIR": "/var/tmp/uv",
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PREVIEW": "1",
        "VIRTUAL_ENV": str(VENV),
        "HOME": "/tmp/home" if as_user else "/root",
        "SOURCE_DATE_EPOCH": "315532800",
    }
    identity = {"user": UID, "group": UID, "extra_groups": []} if as_user else {}
    with subprocess.Popen(
        ["/mnt/uv", *arguments], cwd=cwd, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True, **identity
    ) as process:
        said = []
        for line in process.stderr or ():
            said.append(line)
            print(line, end="", file=sys.stderr, flush=True)
    if process.returncode != 0:
        about_building = re.search(ABOUT_BUILDING, "".join(said))
        sys.exit(NEEDS_BUILDING if about_building and not PLAN["compilers"] else 1)


def resolve() -> None:
    """Writes the lock: the repository's own, or what its files ask for, resolved now."""
    for folder in (pathlib.Path("/tmp/home"), pathlib.Path("/var/tmp/uv"), WORK):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, UID, UID)
    if PLAN["lock"]:
        shutil.copyfile(f"/media/{PLAN['lock']}", LOCK)
        return
    pins = WORK / "uv.lock.txt"
    target = WORK / LOCK.name
    if PLAN["uv_lock"]:
        options = ("--frozen", "--no-dev", "--no-emit-project", "--no-header", "--no-annotate", "--quiet")
        uv("export", *options, "--output-file", str(pins), as_user=True)
    if PLAN["uv_lock"] and PLAN["asked"] == ["pyproject.toml"]:
        target = pins
    elif PLAN["asked"]:
        _compile(target, pins if PLAN["uv_lock"] else None)
    else:
        target.write_text("")
    LOCK.write_text(target.read_text())


def _compile(target: pathlib.Path, pins: pathlib.Path | None) -> None:
    """Resolves what is asked for; ``pins`` hold what ``uv.lock`` says already."""
    options = ["--generate-hashes", "--no-header", "--no-annotate", "--no-strip-extras", "--quiet"]
    options += ["--emit-build-options"]
    options += ["--prerelease", "allow"] if PLAN["prereleases"] else []
    options += ["--constraint", str(pins)] if pins else []
    folder = _project() if PLAN["project"] or PLAN["local"] else ASKED
    where = ("--python", PLAN["python"], "--output-file", str(target))
    uv("pip", "compile", *options, *where, "--", *PLAN["asked"], as_user=True, cwd=folder)
    target.write_text("".join(f"{line}\n" for line in PLAN["index_lines"]) + target.read_text())


def install() -> None:
    """Makes the environment, and leaves it where the image takes it from."""
    apart = PLAN["apart"]
    if not PLAN["builds"] and re.search(r"(?m)^--no-binary\b", LOCK.read_text()):
        sys.exit(NEEDS_BUILDING)  # uv obeys the file, whatever its own options say
    for folder in (VENV, pathlib.Path("/tmp/home"), pathlib.Path("/var/tmp/uv"), WORK):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, *((UID, UID) if apart or folder != pathlib.Path("/var/tmp/uv") else (0, 0)))
    seed = ("--seed",) if PLAN["seed"] else ()
    uv("venv", "--quiet", "--allow-existing", *seed, "--python", PLAN["python"], str(VENV), as_user=apart)
    if LOCK.read_text().strip():
        wheels = () if PLAN["builds"] else ("--no-build",)
        folder = _project() if PLAN["local"] else ASKED
        uv("pip", "install", "--no-deps", *wheels, "--requirement", str(LOCK), as_user=apart, cwd=folder)
    if PLAN["project"]:
        uv("pip", "install", "--no-deps", str(_project()), as_user=True)
    _settle()


def _project() -> pathlib.Path:
    """The repository's files where a build may write: at their final place when something refers to them there."""
    folder = pathlib.Path(PLAN["repository"]) if PLAN["local"] else WORK / "project"
    if not (WORK / "copied").exists():
        shutil.copytree(ASKED, folder, symlinks=True, dirs_exist_ok=True)
        _own(folder)
        (WORK / "copied").touch()
    return folder


def _remove_what_builds_left(folder: pathlib.Path) -> None:
    """Build folders that setuptools made in the repository; the packages are installed."""
    for pattern in ("build", "*.egg-info"):
        for left in folder.rglob(pattern):
            if left.is_dir() and not (ASKED / left.relative_to(folder)).exists():
                shutil.rmtree(left)


def _own(top: pathlib.Path) -> None:
    for root, folders, files in os.walk(top):
        for name in ("", *folders, *files):
            os.chown(os.path.join(root, name), UID, UID, follow_symlinks=False)


def _settle() -> None:
    """Compiles the environment, takes times and uv's own notes out, and moves it."""
    for note in VENV.rglob("uv_cache.json"):  # it has the time of a build, and so has its line in RECORD
        note.unlink()
        record = note.with_name("RECORD")
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if f"/{note.name}," not in line))
    shutil.copyfile(LOCK, VENV / LOCK.name)
    settle(str(VENV))
    # isolated and without site: a .pth file of a package would run here; tests of packages are run by nobody
    compiler = [sys.executable, "-I", "-S", "-m", "compileall", "-q", "-j", "0", "-x", "/tests?/"]
    subprocess.run([*compiler, *map(str, VENV.glob("lib/python*"))], check=False, stdout=subprocess.DEVNULL)
    _own(VENV)
    places = [VENV]
    if PLAN["local"]:
        places.append(pathlib.Path(PLAN["repository"]))
        _remove_what_builds_left(places[-1])
    for place in places:
        target = ROOT / place.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(str(place), str(target))
        _own(target)  # a move between layers is a copy by root
    settle(str(ROOT))


if __name__ == "__main__":
    {"resolve": resolve, "install": install}[sys.argv[1]]()
