"""Build a plain Python environment in a stage of its own, and move it to /packmill-root for the image.

    python3 install.py resolve    resolve the requirements to one lock file
    python3 install.py install    install the lock into /srv/venv, compile it, and move it to /packmill-root/srv/venv
    python3 install.py fonts      add matplotlib's list of fonts, which code of packages makes

Runs as root with the base image's Python. /mnt contains this file and uv, /media the requirements of the repository,
/var/tmp is uv's cache. Code of the repository and of packages that must be built runs as the image's user, with a cache
that no other repository uses, and so does uv if the repository configures it: they could tamper with the cache. If
nothing is built or configured, the repository cannot affect the cache, and all environments on this base share it.
Code of installed packages runs in a step without the cache, which ends with all of its processes: one that goes on
could otherwise lead root's next command through a link into the cache.
"""

from __future__ import annotations  # the base image's Python may be 3.9

import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

from settle import settle

NEEDS_BUILDING = 78
"""Exit code of a build that needs compilers and has none."""
BUILD_ERROR = r"(?i)fail\w* to build|building from source|build (backend|depend)|no usable wheels|compiler"
"""Messages of uv about builds that may succeed with compilers."""
LIST_FONTS = """
import json, os, matplotlib, matplotlib.font_manager as manager
name = f"fontlist-v{manager.FontManager.__version__}.json"
with open(os.path.join(matplotlib.get_cachedir(), name)) as file:
    found = json.load(file)
for kind in ("afmlist", "ttflist"):  # found in the order of the file system; matplotlib's own fonts first
    found[kind].sort(key=lambda font: (font["fname"].startswith("/"), json.dumps(font, sort_keys=True)))
print(name, json.dumps(found, indent=2), sep="\\n")
"""
PLAN = json.loads(pathlib.Path("/media/plan.json").read_text())
FILES = pathlib.Path("/media/files")
VENV = pathlib.Path("/srv/venv")
LOCK = pathlib.Path("/srv", PLAN["lock"] or "requirements.lock")
WORK = pathlib.Path("/srv/work")
ROOT = pathlib.Path("/packmill-root")
UID = PLAN["uid"]
NOBODY = 65534


def uv(*arguments: str, as_user: bool, cwd: pathlib.Path = FILES) -> None:
    """Run uv, and end the build if it fails."""
    settings = {
        "UV_CACHE_DIR": "/var/tmp/uv",
        "UV_LINK_MODE": "copy",
        "UV_NO_PROGRESS": "1",
        "UV_PYTHON_DOWNLOADS": "never",
        "UV_PREVIEW": "1",
        "VIRTUAL_ENV": str(VENV),
        "HOME": "/tmp/home" if as_user else "/root",
        "SOURCE_DATE_EPOCH": "315532800",
        **PLAN.get("variables", {}),
    }
    identity = {"user": UID, "group": UID, "extra_groups": []} if as_user else {}
    with subprocess.Popen(
        ["/mnt/uv", *arguments], cwd=cwd, env={**os.environ, **settings}, stderr=subprocess.PIPE, text=True, **identity
    ) as process:
        output = []
        for line in process.stderr or ():
            output.append(line)
            print(line, end="", file=sys.stderr, flush=True)
    if process.returncode != 0:
        is_build_error = re.search(BUILD_ERROR, "".join(output))
        sys.exit(NEEDS_BUILDING if is_build_error and not PLAN["compilers"] else 1)


def resolve() -> None:
    """Write the lock: the repository's own, or its requirements resolved now."""
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
    """Resolve the requirements; ``pins`` are the versions in ``uv.lock``."""
    options = ["--generate-hashes", "--no-header", "--no-annotate", "--no-strip-extras", "--quiet"]
    options += ["--emit-build-options"]
    options += ["--prerelease", "allow"] if PLAN["prereleases"] else []
    options += ["--constraint", str(pins)] if pins else []
    folder = _project() if PLAN["project"] or PLAN["local"] else FILES
    output = ("--python", PLAN["python"], "--output-file", str(target))
    uv("pip", "compile", *options, *output, "--", *PLAN["asked"], as_user=True, cwd=folder)
    target.write_text("".join(f"{line}\n" for line in PLAN["index_lines"]) + target.read_text())


def install() -> None:
    """Install the lock, and move the environment to where the image copies it from."""
    apart = PLAN["apart"]
    if not PLAN["builds"] and re.search(r"(?m)^--no-binary\b", LOCK.read_text()):
        sys.exit(NEEDS_BUILDING)  # in uv, the file takes precedence over options
    for folder in (VENV, pathlib.Path("/tmp/home"), pathlib.Path("/var/tmp/uv"), WORK):
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, *((UID, UID) if apart or folder != pathlib.Path("/var/tmp/uv") else (0, 0)))
    seed = ("--seed",) if PLAN["seed"] else ()
    uv("venv", "--quiet", "--allow-existing", *seed, "--python", PLAN["python"], str(VENV), as_user=apart)
    if LOCK.read_text().strip():
        wheels = () if PLAN["builds"] else ("--no-build",)
        folder = _project() if PLAN["local"] else FILES
        uv("pip", "install", "--no-deps", *wheels, "--requirement", str(LOCK), as_user=apart, cwd=folder)
    if PLAN["project"]:
        uv("pip", "install", "--no-deps", str(_project()), as_user=True)
        if not PLAN["local"]:  # else the whole folder is kept
            _keep_written_modules()
    _finish()


def list_fonts() -> None:
    """Keep matplotlib's list of fonts in the user's home; else each container makes it, in a quarter of a second.

    Code of packages makes it, as a user who can write to nothing that is kept, and nothing that it writes is read.
    """
    venv, scratch = ROOT / VENV.relative_to("/"), pathlib.Path("/tmp/fonts")
    if not any(venv.glob("lib/python*/site-packages/matplotlib/font_manager.py")):
        return
    scratch.mkdir()
    os.chown(scratch, NOBODY, NOBODY)
    variables = {"HOME": str(scratch), "MPLCONFIGDIR": str(scratch / "matplotlib"), "PYTHONDONTWRITEBYTECODE": "1"}
    made = subprocess.run(
        [str(venv / "bin/python"), "-c", LIST_FONTS],
        cwd="/tmp",
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
    )
    name, _, fonts = made.stdout.partition("\n")
    if made.returncode != 0 or not re.fullmatch(r"fontlist-v[\w.]+\.json", name):
        return  # containers make the list
    home = ROOT / PLAN["repository"].lstrip("/")
    if not home.exists():
        home.mkdir(parents=True)
        home.chmod(pathlib.Path(PLAN["repository"]).stat().st_mode)
    folder = home / ".cache/matplotlib"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(fonts)
    _own(home)
    settle(str(ROOT))


def _project() -> pathlib.Path:
    """Copy the repository's files to where a build may write: to their final place if requirements refer to it."""
    folder = pathlib.Path(PLAN["repository"]) if PLAN["local"] else WORK / "project"
    if not (WORK / "copied").exists():
        shutil.copytree(FILES, folder, symlinks=True, dirs_exist_ok=True)
        _own(folder)
        (WORK / "copied").touch()
    return folder


def _keep_written_modules() -> None:
    """Copy modules that the build wrote next to the project's own, such as ``_version.py``, to the repository's place.

    A notebook next to the project's package imports that one instead of the installed one.
    """
    project, target = _project(), ROOT / PLAN["repository"].lstrip("/")
    for path in _files_below(project):
        below = path.relative_to(project)
        is_beside = path.suffix == ".py" and any((FILES / below.parent).glob("*.py"))
        if is_beside and not path.is_symlink() and path.is_file() and not (FILES / below).exists():
            (target / below).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target / below)
    if target.exists():
        target.chmod(pathlib.Path(PLAN["repository"]).stat().st_mode)
        _own(target)


def _remove_build_folders(folder: pathlib.Path) -> None:
    """Remove folders that setuptools created in the repository; the packages are installed."""
    for root, folders, _ in os.walk(folder):
        paths = [pathlib.Path(root, name) for name in folders if name == "build" or name.endswith(".egg-info")]
        for path in paths:
            if not path.is_symlink() and not (FILES / path.relative_to(folder)).exists():
                shutil.rmtree(path)
                folders.remove(path.name)


def _files_below(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yield files and links; ``Path.rglob`` raises for a link with a long target in Python 3.11.2 and others."""
    for root, _, names in os.walk(folder):
        yield from (pathlib.Path(root, name) for name in names)


def _own(top: pathlib.Path) -> None:
    for root, folders, files in os.walk(top):
        for name in ("", *folders, *files):
            os.chown(os.path.join(root, name), UID, UID, follow_symlinks=False)


def _finish() -> None:
    """Compile the environment, remove file times and uv's own notes, and move it."""
    for note in VENV.rglob("uv_cache.json"):  # it contains the time of the build, and its line in RECORD a digest of it
        note.unlink()
        record = note.with_name("RECORD")
        lines = record.read_text().splitlines(keepends=True)
        record.write_text("".join(line for line in lines if f"/{note.name}," not in line))
    shutil.copyfile(LOCK, VENV / LOCK.name)
    settle(str(VENV))
    # isolated and without site, so that no .pth file of a package runs; nothing runs the tests of packages
    compiler = [sys.executable, "-I", "-S", "-m", "compileall", "-q", "-j", "0", "-x", "/tests?/"]
    subprocess.run([*compiler, *map(str, VENV.glob("lib/python*"))], check=False, stdout=subprocess.DEVNULL)
    _own(VENV)
    places = [VENV]
    if PLAN["local"]:
        places.append(pathlib.Path(PLAN["repository"]))
        _remove_build_folders(places[-1])
    for place in places:
        target = ROOT / place.relative_to("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(str(place), str(target))
        _own(target)  # a move between file systems is a copy, owned by root
    settle(str(ROOT))


if __name__ == "__main__":
    {"resolve": resolve, "install": install, "fonts": list_fonts}[sys.argv[1]]()
