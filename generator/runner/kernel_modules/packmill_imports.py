"""Find and import modules one after another; the check sends this source to the notebook's kernel.

Sent as text because a kernel may ignore PYTHONPATH, and written for every Python 3 that a kernel may have.
"""

import importlib.machinery
import importlib.util
import json
import os
import pathlib
import sys

MOST_ENTRIES = 20000


def check_imports(file, items):
    """Report on each pair of a module and a statement, which is executed unless it is empty.

    Writes a JSON object a line to ``file``: {"item": number} before each item, {"missing": true} or {"errors": [...]}
    after it, and {"done": true} at the end. A file, because a module can print, replace stdout, or end the process.
    """
    with open(file, "w", buffering=1, encoding="utf-8") as report:

        def say(answer):
            report.write(json.dumps(answer) + "\n")

        for number, (module, statement) in enumerate(items):
            say({"item": number})
            if is_missing(module):
                say({"missing": True})
            elif statement:
                try:
                    exec(compile(statement, "<import>", "exec"), {"__name__": "__main__"})  # noqa: S102 - an import
                except BaseException as error:  # noqa: BLE001 - a module may raise SystemExit
                    say({"errors": list(describe(error))})
        say({"done": True})


def is_missing(module):
    if module in sys.modules:
        return False
    try:
        spec = importlib.util.find_spec(module)
    except Exception:  # noqa: BLE001 - a finder of any library
        return False
    if spec is None:
        return True
    folders = spec.submodule_search_locations
    is_namespace = folders is not None and spec.origin in (None, "namespace")
    return is_namespace and not any(has_modules(str(folder)) for folder in folders)


def has_modules(folder):
    """Check whether Python can import a file below a folder; a namespace package is any folder (PEP 420)."""
    if not pathlib.Path(folder).is_dir():  # such as an archive
        return True
    entries = 0
    for _, folders, files in os.walk(folder, followlinks=True):
        folders[:] = [name for name in folders if name.isidentifier() and name != "__pycache__"]
        entries += len(folders) + len(files)
        if any(map(is_module, files)) or entries > MOST_ENTRIES:
            return True
    return False


def is_module(file):
    suffixes = importlib.machinery.all_suffixes()
    return file.partition(".")[0].isidentifier() and any(file.endswith(suffix) for suffix in suffixes)


def describe(error):
    """Yield an exception and those that led to it."""
    for _ in range(10):
        if error is None:
            return
        try:
            text = str(error)
        except Exception:  # noqa: BLE001 - code of any library
            text = ""
        name = getattr(error, "name", None)
        yield {
            "kinds": [kind.__name__ for kind in type(error).__mro__],
            "text": text[:2000],
            "name": name if isinstance(name, str) else "",
            "errno": getattr(error, "errno", None) if isinstance(error, OSError) else None,
        }
        error = error.__cause__ or error.__context__
