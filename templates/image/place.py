"""Add those files of the repository that the environment lacks, and make all readable for every user. Runs as root.

python place.py FOLDER TIME    TIME is the commit's, in seconds since 1970
"""

import json
import os
import shutil
import sys
from pathlib import Path

source, folder, time = Path("/tmp/packmill/repository"), Path(sys.argv[1]), int(sys.argv[2])
folder.mkdir(parents=True, exist_ok=True)
placed = []
for root, folders, names in os.walk(source):
    for name in (*names, *(folder for folder in folders if os.path.islink(os.path.join(root, folder)))):
        path = Path(root, name)
        target = folder / path.relative_to(source)
        if os.path.lexists(target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(path, target, follow_symlinks=False)
        os.chown(target, 1000, 1000, follow_symlinks=False)
        placed += [target, *target.parents[: len(target.relative_to(folder).parts)]]
for path in (folder, *folder.parents):
    path.chmod(path.stat().st_mode | 0o555)
for root, folders, names in os.walk(folder):
    folders[:] = [name for name in folders if not os.path.islink(os.path.join(root, name))]
    for name in (*folders, *names):
        path = Path(root, name)
        if not path.is_symlink():
            mode = path.stat().st_mode
            readable = mode | (0o555 if path.is_dir() or mode & 0o100 else 0o444)
            if readable != mode:
                path.chmod(readable)
facts = json.loads(Path("/tmp/packmill/repository.json").read_text())
home = facts.get("home") or os.path.expanduser(f"~{facts['user'].partition(':')[0]}")
if os.path.isabs(home) and home != "/":  # root's is closed to other users
    for root, folders, _ in os.walk(home):
        mode = os.stat(root).st_mode
        if mode | 0o555 != mode:
            os.chmod(root, mode | 0o555)
        private = (".ssh", ".gnupg")
        folders[:] = [name for name in folders if name not in private and not os.path.ismount(os.path.join(root, name))]
start = folder / facts.get("start", "")
if start.is_file() and not start.is_symlink():
    start.chmod(start.stat().st_mode | 0o555)
note = Path("/opt/packmill/repository.json")
shutil.copyfile("/tmp/packmill/repository.json", note)
note.chmod(0o644)
os.utime("/opt/packmill", (315532800, 315532800))
# the deepest first: writing into a folder changes its time
for path in sorted({*placed, note}, key=lambda one: len(one.parts), reverse=True):
    os.utime(path, (time, time), follow_symlinks=False)
