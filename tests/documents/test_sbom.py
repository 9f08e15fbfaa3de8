"""What is in an image is listed from its own records, and written down as CycloneDX."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from generator import __version__
from generator.documents.sbom import sbom_json
from generator.image.keys import runner_files
from generator.runner.check import inventory
from generator.runner.check.inventory import list_packages

DIGEST = "sha256:" + "0123456789abcdef" * 4
SITE = "srv/venv/lib/python3.11/site-packages"
STATUS = """\
Package: libc6
Status: install ok installed
Architecture: amd64
Source: glibc
Version: 2.36-9+deb12u10
Description: GNU C Library
 Version: 9.9
 .
 Contains the standard libraries.

Package: bash
Status: install ok installed
Architecture: amd64
Source: bash (5.2.15-2)
Version: 5.2.15-2+b8

Package: removed
Status: deinstall ok config-files
Architecture: all
Version: 1.0
"""
TEXT = "License: Copyright (c) 2001\n" + "        a clause\n" * 40 + "        the end"
Packages = list[dict[str, str]]


class Root:
    """The files of an image, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()

    def write(self, path: str, content: str | bytes = "") -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def distribution(self, name: str, version: str, *lines: str, folder: str = SITE, body: str = "") -> Path:
        header = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", f"Version: {version}", *lines])
        return self.write(f"{folder}/{name}-{version}.dist-info/METADATA", f"{header}\n\n{body}")

    def contents(self, **environment: str) -> Packages:
        return list_packages({"PATH": "/srv/venv/bin:/usr/bin", **environment}, self.folder)

    def names(self, **environment: str) -> list[str]:
        return [f"{one['kind']} {one['name']} {one['version']}" for one in self.contents(**environment)]


@pytest.fixture
def root(tmp_path: Path) -> Root:
    return Root(tmp_path / "image")


class TestDebian:
    def test_installed_packages_are_listed_and_removed_ones_are_not(self, root: Root) -> None:
        root.write("var/lib/dpkg/status", STATUS)

        assert root.contents() == [
            {
                "kind": "deb",
                "name": "bash",
                "version": "5.2.15-2+b8",
                "architecture": "amd64",
                "source": "bash (5.2.15-2)",
            },
            {"kind": "deb", "name": "libc6", "version": "2.36-9+deb12u10", "architecture": "amd64", "source": "glibc"},
        ]

    def test_images_without_dpkg_keep_a_file_a_package(self, root: Root) -> None:
        root.write("var/lib/dpkg/status.d/tzdata", "Package: tzdata\nVersion: 2025a\nArchitecture: all\n")
        root.write("var/lib/dpkg/status.d/tzdata.md5sums", "Package: none\nVersion: 1\n")

        assert root.names() == ["deb tzdata 2025a"]

    def test_the_distribution_is_the_first_thing_that_scanners_ask_for(self, root: Root) -> None:
        root.write("usr/lib/os-release", 'PRETTY_NAME="Debian"\nVERSION_ID="12"\nID=debian\n')
        (root.folder / "etc").mkdir()
        (root.folder / "etc/os-release").symlink_to("../usr/lib/os-release")

        assert root.contents() == [{"kind": "os", "name": "debian", "version": "12"}]


@pytest.mark.parametrize("folder", ["lib/apk/db", "usr/lib/apk/db"])
def test_packages_of_alpine_have_licences(root: Root, folder: str) -> None:
    root.write(f"{folder}/installed", "C:Q1\nP:musl\nV:1.2.5-r0\nA:x86_64\nL:MIT\no:musl\nF:lib\nR:ld.so\n\nP:none\n\n")

    assert root.contents() == [
        {
            "kind": "apk",
            "name": "musl",
            "version": "1.2.5-r0",
            "architecture": "x86_64",
            "source": "musl",
            "license": "MIT",
        }
    ]


class TestPython:
    def test_distributions_say_where_they_lie(self, root: Root) -> None:
        root.distribution("numpy", "2.1.0", "License-Expression: BSD-3-Clause")

        assert root.contents() == [
            {"kind": "pypi", "name": "numpy", "version": "2.1.0", "place": f"/{SITE}", "license": "BSD-3-Clause"}
        ]

    @pytest.mark.parametrize(
        ("folder", "environment"),
        [
            ("opt/packmill/lib/python3.12/site-packages", {}),
            ("opt/packmill/kernel/lib", {}),
            ("usr/lib/python3/dist-packages", {}),
            ("usr/local/lib/python3.11/dist-packages", {}),
            ("home/jovyan/.local/lib/python3.11/site-packages", {}),
            ("root/.local/lib/python3.11/site-packages", {"HOME": "/root"}),
            ("tools/lib64/python3.13t/site-packages", {"VIRTUAL_ENV": "/tools"}),
            ("tools/lib/pypy3.10/site-packages", {"PATH": "/usr/bin:/tools/bin/"}),
            ("srv/conda/envs/notebook/lib/python3.10/site-packages", {}),
            ("mine", {"PYTHONPATH": "relative:/mine"}),
        ],
    )
    def test_every_environment_that_a_run_may_use_is_looked_at(
        self, root: Root, folder: str, environment: Mapping[str, str]
    ) -> None:
        root.distribution("six", "1.17.0", folder=folder)

        assert [(one["name"], one["place"]) for one in root.contents(**environment)] == [("six", f"/{folder}")]

    def test_a_folder_that_two_names_lead_to_is_listed_once(self, root: Root) -> None:
        root.distribution("six", "1.17.0")
        (root.folder / "srv/venv/lib64").symlink_to("lib")

        assert root.names() == ["pypi six 1.17.0"]

    def test_eggs_of_every_form_count(self, root: Root) -> None:
        root.write(f"{SITE}/one.egg-info", "Name: one\nVersion: 1\n")
        root.write(f"{SITE}/two.egg-info/PKG-INFO", "Name: two\nVersion: 2\n")
        root.write(f"{SITE}/three-3-py3.egg/EGG-INFO/PKG-INFO", "Name: three\r\nVersion: 3\r\n\r\nLicense: no\r\n")

        assert root.names() == ["pypi one 1", "pypi three 3", "pypi two 2"]
        assert not any("license" in one for one in root.contents())

    @pytest.mark.parametrize(
        ("lines", "license_"),
        [
            (["License-Expression: MIT OR Apache-2.0", "License: other"], "MIT OR Apache-2.0"),
            (["License: BSD", "Classifier: License :: OSI Approved :: MIT License"], "BSD"),
            (["License: UNKNOWN", "Classifier: License :: OSI Approved :: MIT License"], "MIT License"),
            ([TEXT], None),
            (
                [TEXT, "Classifier: License :: OSI Approved :: BSD License", "Classifier: License :: Free"],
                "BSD License, Free",
            ),
            (["Classifier: License :: OSI Approved", "Classifier: Topic :: Science"], None),
        ],
    )
    def test_the_license_is_an_expression_or_a_name_but_no_text(
        self, root: Root, lines: list[str], license_: str | None
    ) -> None:
        root.distribution("one", "1", *lines)

        assert root.contents()[0].get("license") == license_

    def test_a_description_does_not_change_the_header(self, root: Root) -> None:
        root.distribution("one", "1", body="Version: 2\nLicense: GPL\n")

        assert root.contents() == [{"kind": "pypi", "name": "one", "version": "1", "place": f"/{SITE}"}]

    def test_an_interpreter_is_known_by_its_headers(self, root: Root) -> None:
        root.write("usr/bin/python3.12", b"\0")
        root.write("usr/include/python3.12/patchlevel.h", '#define PY_VERSION      \t"3.12.4"\n')

        assert root.contents() == [{"kind": "generic", "name": "python", "version": "3.12.4", "place": "/usr/bin"}]

    @pytest.mark.parametrize("program", ["usr/bin/python3.11", "usr/lib64/libpython3.11.so.1.0"])
    def test_or_by_the_version_inside_it(self, root: Root, program: str) -> None:
        root.write("usr/bin/python3.11")
        root.write(program, b"\x7fELF 3.11.7 \0" + b"3.11\0" + b"3.11.2\0 (main)")

        assert root.names() == ["generic python 3.11.2"]

    def test_a_virtual_environment_has_the_interpreter_that_it_links_to(self, root: Root) -> None:
        base = "uv/cpython-3.13.1"
        root.write(f"{base}/bin/python3.13", b"\0" + b"3.13.1\0")
        root.distribution("pip", "25.0", folder=f"{base}/lib/python3.13/site-packages")
        (root.folder / "srv/venv/bin").mkdir(parents=True)
        (root.folder / "srv/venv/bin/python").symlink_to(root.folder / base / "bin/python3.13")
        (root.folder / "srv/venv/bin/python3").symlink_to("python")

        assert root.names() == ["generic python 3.13.1", "pypi pip 25.0"]


class TestConda:
    def record(self, **more: Any) -> str:
        return json.dumps({"channel": "https://conda.anaconda.org/conda-forge", "subdir": "linux-64", **more})

    def test_packages_have_a_build_and_a_channel(self, root: Root) -> None:
        root.write(
            "srv/conda/envs/notebook/conda-meta/ca-certificates-2024.7.4-hbcca054_0.json", self.record(license="ISC")
        )
        root.write("srv/conda/envs/notebook/conda-meta/history")

        assert root.contents() == [
            {
                "kind": "conda",
                "name": "ca-certificates",
                "version": "2024.7.4",
                "architecture": "linux-64",
                "build": "hbcca054_0",
                "channel": "conda-forge",
                "place": "/srv/conda/envs/notebook",
                "license": "ISC",
            }
        ]

    @pytest.mark.parametrize("variable", ["CONDA_PREFIX", "NB_PYTHON_PREFIX", "CONDA_DIR"])
    def test_the_environment_says_where_they_are(self, root: Root, variable: str) -> None:
        root.write("mine/conda-meta/zlib-1.3.1-h4ab18f5_1.json", self.record())

        assert root.names(**{variable: "/mine"}) == ["conda zlib 1.3.1"]

    @pytest.mark.parametrize(
        ("address", "channel"),
        [
            ("https://conda.anaconda.org/t/ab-1234-secret/mine/linux-64", "mine"),
            ("https://conda.anaconda.org/t/ab-1234-secret", "conda.anaconda.org"),
            ("https://ada:secret@example.org", None),
            ("bioconda", "bioconda"),
        ],
    )
    def test_no_secret_of_a_channel_s_address_is_told(self, root: Root, address: str, channel: str | None) -> None:
        root.write("srv/conda/conda-meta/zlib-1-0.json", self.record(channel=address))

        [package] = root.contents()
        assert package.get("channel") == channel
        assert "secret" not in str(package)

    @pytest.mark.parametrize("text", ["{", "[]", '{"license": ["MIT"], "channel": 3}', "[" * 100_000])
    def test_a_record_that_cannot_be_read_still_has_its_name(self, root: Root, text: str) -> None:
        root.write("srv/conda/conda-meta/zlib-1.3.1-0.json", text)

        assert root.names() == ["conda zlib 1.3.1"]


class TestR:
    @pytest.mark.parametrize(
        ("library", "environment"),
        [
            ("usr/lib/R/site-library", {}),
            ("usr/local/lib/R/library", {}),
            ("opt/R/4.4.1/lib/R/library", {}),
            ("srv/rlibs", {}),
            ("srv/conda/envs/notebook/lib/R/library", {}),
            ("mine", {"R_LIBS_USER": "/none:/mine"}),
        ],
    )
    def test_packages_of_every_library_are_listed(
        self, root: Root, library: str, environment: Mapping[str, str]
    ) -> None:
        root.write(
            f"{library}/sf/DESCRIPTION", "Package: sf\nVersion: 1.0-16\nLicense: GPL-2 |\n        MIT + file LICENSE\n"
        )

        assert root.contents(**environment) == [
            {
                "kind": "cran",
                "name": "sf",
                "version": "1.0-16",
                "place": f"/{library}",
                "license": "GPL-2 | MIT + file LICENSE",
            }
        ]

    def test_its_own_packages_are_r_itself(self, root: Root) -> None:
        for name in ("base", "stats"):
            root.write(f"usr/lib/R/library/{name}/DESCRIPTION", f"Package: {name}\nVersion: 4.4.1\nPriority: base\n")

        assert root.contents() == [{"kind": "generic", "name": "r", "version": "4.4.1", "place": "/usr/lib/R/library"}]


class TestHostileImages:
    def test_a_record_of_a_gigabyte_is_read_in_part(self, root: Root) -> None:
        os.truncate(root.distribution("one", "1"), 1024**3)
        os.truncate(root.write("var/lib/dpkg/status", STATUS), 1024**3)
        os.truncate(root.write("usr/bin/python3.11", b"\0" + b"3.11.2\0"), 1024**3)

        assert root.names() == [
            "deb bash 5.2.15-2+b8",
            "deb libc6 2.36-9+deb12u10",
            "generic python 3.11.2",
            "pypi one 1",
        ]

    def test_a_pipe_in_place_of_a_record_is_not_waited_for(self, root: Root) -> None:
        file = root.distribution("one", "1")
        file.unlink()
        os.mkfifo(file)
        root.distribution("two", "2")

        assert root.names() == ["pypi two 2"]

    def test_links_in_circles_end(self, root: Root) -> None:
        root.distribution("one", "1")
        for path in (f"{SITE}/loop.dist-info", "srv/conda", "usr/lib", "etc/os-release", "srv/venv/bin/python3"):
            (root.folder / path).parent.mkdir(parents=True, exist_ok=True)
            (root.folder / path).symlink_to(Path(path).name)
        (root.folder / "srv/venv/lib/python3.12").symlink_to("../../venv")

        assert root.names() == ["pypi one 1"]

    def test_nothing_outside_of_the_root_is_read(self, root: Root, tmp_path: Path) -> None:
        outside = Root(tmp_path / "outside")
        file = outside.distribution("secret", "1", folder="site-packages")
        root.distribution("one", "1").unlink()
        (root.folder / SITE / "one-1.dist-info/METADATA").symlink_to(file)
        (root.folder / SITE / "two.dist-info").symlink_to(file.parent)
        (root.folder / "usr/lib/python3").mkdir(parents=True)
        (root.folder / "usr/lib/python3/dist-packages").symlink_to(outside.folder / "site-packages")

        assert root.contents(PYTHONPATH="/../outside/site-packages") == []

    def test_what_has_no_name_or_no_version_is_left_out(self, root: Root) -> None:
        root.write(f"{SITE}/a.dist-info/METADATA", "Name: a\n\n")
        root.write(f"{SITE}/b.dist-info/METADATA", "Version: 1\n\n")
        root.write(f"{SITE}/c.dist-info/RECORD")
        root.distribution("d" * 201, "1")
        root.write("var/lib/dpkg/status", "\n\n\nPackage: e\n\nVersion: 1\n\n" + ":\n" * 1000)

        assert root.contents() == []

    def test_texts_lose_what_cannot_stand_in_a_document(self, root: Root) -> None:
        root.write(
            f"{SITE}/a.dist-info/METADATA", b"Name: a\x1b[31m\xff\x00b\nVersion: 1\xe2\x80\xae\nLicense: \x07MIT\n\n"
        )
        root.write("srv/conda/conda-meta/b-1-0.json", '{"license": "\\ud800MIT"}')

        assert [(one["name"], one["version"], one["license"]) for one in root.contents()] == [
            ("b", "1", "MIT"),
            ("a [31m\N{REPLACEMENT CHARACTER} b", "1", "MIT"),
        ]

    def test_names_that_are_no_text_can_be_folders(self, root: Root) -> None:
        folder = os.fsencode(root.folder / "srv/conda/envs") + b"/\xff/lib/python3.11/site-packages/one.dist-info"
        os.makedirs(folder)
        with open(folder + b"/METADATA", "w") as file:
            file.write("Name: one\nVersion: 1\n")

        [package] = root.contents()
        json.dumps(package).encode()
        assert package["name"] == "one"

    def test_a_list_without_end_ends(self, root: Root) -> None:
        root.write("lib/apk/db/installed", "".join(f"P:{number}\nV:1\n\n" for number in range(30_000)))

        assert len(root.contents()) == 20_000


def test_the_list_is_sorted_whatever_the_file_system_says(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b", "a", "C"):
        root.distribution(name, "1")
    root.distribution("a", "0")
    root.write("var/lib/dpkg/status", STATUS)
    usual, scandir = root.contents(), os.scandir
    monkeypatch.setattr(inventory, "_MOST", 4)
    first = root.contents()

    class Reversed:
        def __init__(self, folder: str) -> None:
            with scandir(folder) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(os, "scandir", Reversed)

    assert root.contents() == first
    monkeypatch.setattr(inventory, "_MOST", 100)
    assert root.contents() == usual
    assert [(one["name"], one["version"]) for one in usual if one["kind"] == "pypi"] == [
        ("C", "1"),
        ("a", "0"),
        ("a", "1"),
        ("b", "1"),
    ]


def test_a_usual_image_is_listed_in_a_moment(root: Root) -> None:
    paragraph = STATUS.partition("\n\n")[0] + "\n .\n" + " more text of a description\n" * 20
    root.write("var/lib/dpkg/status", "\n".join(paragraph.replace("libc6", f"lib{n}") for n in range(300)))
    for number in range(100):
        root.distribution(f"d{number}", "1", "Requires-Dist: six\n" * 20, body="text\n" * 4000)
    root.contents()

    started = time.process_time()
    found = root.contents()

    assert len(found) == 400
    assert time.process_time() - started < 2  # of the processor; 0.02 on an idle machine


def test_it_travels_and_needs_the_standard_library_alone() -> None:
    assert "runner/check/inventory.py" in runner_files()
    code = (
        "import sys, generator.runner.check.inventory; "
        "print(*sorted({name.partition('.')[0] for name in sys.modules} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=here())

    assert set(done.stdout.split()) <= {"__main__", "generator"}


def here() -> Path:
    return Path(__file__).parents[2]


Write = Callable[..., dict[str, Any]]


def text_of(packages: Packages, **changes: Any) -> str:
    given: dict[str, Any] = {
        "name": "ada/rivers",
        "version": "main",
        "reference": "registry.example.org:5000/ada/ada.rivers:main-7b2a5cf61774",
        "digest": DIGEST,
        "time": "2026-02-03T04:05:06+00:00",
        "key": "c4c9249d2757",
    }
    return sbom_json(packages, **{**given, **changes})


@pytest.fixture
def write() -> Write:
    """The document; every one that a test makes is valid, with no property that the standard does not know."""

    def written(packages: Packages, **changes: Any) -> dict[str, Any]:
        text = text_of(packages, **changes)
        faults = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text, all_errors=True)
        assert list(faults or ()) == []
        document: dict[str, Any] = json.loads(text)
        return document

    return written


DEBIAN = {"kind": "os", "name": "debian", "version": "12"}
EVERYTHING: Packages = [
    {"kind": "pypi", "name": "zope.interface", "version": "7.0", "place": "/b", "license": "ZPL-2.1"},
    {"kind": "cran", "name": "sf", "version": "1.0-16", "place": "/r", "license": "GPL-2 | MIT + file LICENSE"},
    {"kind": "conda", "name": "zlib", "version": "1.3.1", "architecture": "linux-64", "build": "h4_1", "channel": "c"},
    {"kind": "deb", "name": "libstdc++6", "version": "12.2.0-14+deb12u1", "architecture": "amd64", "source": "gcc-12"},
    {"kind": "deb", "name": "bash", "version": "5.2", "architecture": "amd64", "source": "bash (5.2.15-2)"},
    {"kind": "generic", "name": "python", "version": "3.11.2", "place": "/usr/bin"},
    {"kind": "pypi", "name": "Typing_Extensions", "version": "4.12", "place": "/a", "license": "PSF-2.0"},
    {"kind": "pypi", "name": "typing-extensions", "version": "4.12", "place": "/b", "license": "PSF-2.0"},
    DEBIAN,
]


class TestDocument:
    def test_it_describes_the_image(self, write: Write) -> None:
        metadata = write([])["metadata"]

        purl = PackageURL.from_string(metadata["component"]["purl"])
        assert metadata["component"] == {
            "type": "container",
            "name": "ada/rivers",
            "version": "main",
            "purl": purl.to_string(),
            "bom-ref": purl.to_string(),
            "properties": [
                {
                    "name": "org.opencontainers.image.ref.name",
                    "value": "registry.example.org:5000/ada/ada.rivers:main-7b2a5cf61774",
                }
            ],
        }
        assert (purl.type, purl.name, purl.version) == ("oci", "ada.rivers", DIGEST)
        assert purl.qualifiers == {
            "repository_url": "registry.example.org:5000/ada/ada.rivers",
            "tag": "main-7b2a5cf61774",
        }

    def test_an_image_that_was_not_pushed_has_no_package_url(self, write: Write) -> None:
        component = write([], digest=None, reference="ada.rivers:main-7b2a5cf61774")["metadata"]["component"]

        assert "purl" not in component
        assert component["bom-ref"] == "ada.rivers:main-7b2a5cf61774"

    def test_it_says_what_made_it_and_of_what_time_it_is(self, write: Write) -> None:
        metadata = write([], time="2026-02-03T04:05:06Z")["metadata"]

        tool = {"type": "application", "name": "packmill", "version": __version__}
        assert metadata["tools"] == {"components": [tool]}
        assert metadata["timestamp"] == "2026-02-03T04:05:06+00:00"

    def test_its_serial_number_follows_the_key(self, write: Write) -> None:
        one, again, other = write([]), write(EVERYTHING), write([], key="other")

        assert one["serialNumber"] == again["serialNumber"] != other["serialNumber"]

    @pytest.mark.parametrize(
        ("package", "purl"),
        [
            (
                {
                    "kind": "deb",
                    "name": "bash",
                    "version": "1:5.2-2+b8",
                    "architecture": "amd64",
                    "source": "b (5.2-2)",
                },
                (
                    "deb",
                    "debian",
                    "bash",
                    "1:5.2-2+b8",
                    {"arch": "amd64", "distro": "debian-12", "upstream": "b@5.2-2"},
                ),
            ),
            (
                {"kind": "deb", "name": "libc6", "version": "2.36", "source": "glibc"},
                ("deb", "debian", "libc6", "2.36", {"distro": "debian-12", "upstream": "glibc"}),
            ),
            (
                {"kind": "pypi", "name": "Typing_Extensions", "version": "4.12"},
                ("pypi", None, "typing-extensions", "4.12", {}),
            ),
            (
                {
                    "kind": "conda",
                    "name": "zlib",
                    "version": "1",
                    "architecture": "noarch",
                    "build": "0",
                    "channel": "c",
                },
                ("conda", None, "zlib", "1", {"build": "0", "channel": "c", "subdir": "noarch"}),
            ),
            ({"kind": "cran", "name": "data.table", "version": "1.0-16"}, ("cran", None, "data.table", "1.0-16", {})),
            ({"kind": "generic", "name": "python", "version": "3.11.2"}, ("generic", None, "python", "3.11.2", {})),
        ],
    )
    def test_package_urls_say_what_a_package_is(
        self, write: Write, package: dict[str, str], purl: tuple[object, ...]
    ) -> None:
        system, component = sorted(write([package, DEBIAN])["components"], key=lambda one: "purl" in one)

        assert tuple(PackageURL.from_string(component["purl"])) == (*purl, None)
        assert component["bom-ref"] == component["purl"]
        assert (system["type"], system["name"], system["version"]) == ("operating-system", "debian", "12")

    @pytest.mark.parametrize(
        ("kind", "system", "start"),
        [
            ("apk", [], "pkg:apk/alpine/musl@1"),
            ("apk", [{"kind": "os", "name": "wolfi", "version": "20230201"}], "pkg:apk/wolfi/musl@1?distro=wolfi-2023"),
            ("deb", [], "pkg:deb/debian/musl@1"),
            (
                "deb",
                [{"kind": "os", "name": "ubuntu", "version": "24.04"}],
                "pkg:deb/ubuntu/musl@1?distro=ubuntu-24.04",
            ),
        ],
    )
    def test_the_distribution_is_the_image_s_own(self, write: Write, kind: str, system: Packages, start: str) -> None:
        components = write([{"kind": kind, "name": "musl", "version": "1"}, *system])["components"]

        assert any(one.get("purl", "").startswith(start) for one in components)

    @pytest.mark.parametrize(
        ("declared", "licenses"),
        [
            ("MIT", {"license": {"id": "MIT", "acknowledgement": "declared"}}),
            ("apache-2.0", {"license": {"id": "Apache-2.0", "acknowledgement": "declared"}}),
            ("MIT OR Apache-2.0", {"expression": "MIT OR Apache-2.0", "acknowledgement": "declared"}),
            ("GPL (>= 2)", {"license": {"name": "GPL (>= 2)", "acknowledgement": "declared"}}),
            ("(" * 450, {"license": {"name": "(" * 450, "acknowledgement": "declared"}}),
            ("x" * 1000, {"license": {"name": "x" * 500, "acknowledgement": "declared"}}),
        ],
    )
    def test_licenses_are_spdx_s_where_they_can_be(self, write: Write, declared: str, licenses: dict[str, Any]) -> None:
        [component] = write([{"kind": "pypi", "name": "one", "version": "1", "license": declared}])["components"]

        assert component["licenses"] == [licenses]

    def test_a_package_at_several_places_is_one_component(self, write: Write) -> None:
        same = {"kind": "pypi", "name": "six", "version": "1"}
        packages = [{**same, "place": "/c"}, {**same, "place": "/a", "license": "MIT"}, {**same, "place": "/b"}]

        [component] = write(packages)["components"]
        assert [one["location"] for one in component["evidence"]["occurrences"]] == ["/a", "/b", "/c"]
        assert component["licenses"][0]["license"]["id"] == "MIT"

    def test_the_image_holds_all_and_nothing_else_is_said_about_dependencies(self, write: Write) -> None:
        document = write(EVERYTHING)

        [dependency] = document["dependencies"]
        assert dependency["ref"] == document["metadata"]["component"]["bom-ref"]
        assert dependency["dependsOn"] == sorted(one["bom-ref"] for one in document["components"])

    def test_every_reference_is_unique(self, write: Write) -> None:
        document = write(EVERYTHING)

        found = [one["bom-ref"] for one in document["components"]]
        found += [
            place["bom-ref"]
            for one in document["components"]
            for place in one.get("evidence", {}).get("occurrences", [])
        ]
        assert len({*found}) == len(found)

    @pytest.mark.parametrize(
        "package",
        [
            {"kind": "pypi", "name": "/", "version": "1"},
            {"kind": "pypi", "name": "../../a b?c#d@e%", "version": "1 @/?#"},
            {"kind": "deb", "name": "a\ud800", "version": "1", "source": "((", "architecture": "&=?"},
            {"kind": "unheard-of", "name": "a", "version": "1"},
            {"kind": "conda", "name": "a\n\x1b", "version": "1" * 10_000, "channel": None},
        ],
    )
    def test_hostile_packages_stand_in_a_valid_document(self, write: Write, package: dict[str, str]) -> None:
        [component] = write([package, {"kind": "pypi", "name": "", "version": "1"}])["components"]

        assert all(character.isprintable() for character in json.dumps(component, ensure_ascii=False))
        if "purl" in component:
            assert PackageURL.from_string(component["purl"]).to_string() == component["purl"]


class TestDeterminism:
    def test_the_order_of_the_list_does_not_matter(self) -> None:
        texts = {
            text_of(list(order)) for order in itertools.islice(itertools.permutations(EVERYTHING), 0, 40_000, 2_500)
        }

        assert len(texts) == 1

    def test_the_same_image_gives_the_same_bytes_in_every_process(self) -> None:
        code = (
            "import sys; sys.path[:0] = ['tests/helpers', 'tests/documents']; "
            "from test_sbom import *; print(text_of(EVERYTHING), end='')"
        )
        texts = {
            subprocess.run(
                [sys.executable, "-c", code],
                env={**os.environ, "PYTHONHASHSEED": str(seed), "TZ": zone},
                cwd=here(),
                capture_output=True,
                text=True,
                check=True,
            ).stdout
            for seed, zone in ((1, "UTC"), (2, "Asia/Tokyo"), (3, "UTC"))
        }

        assert texts == {text_of(EVERYTHING)}


def test_the_library_is_imported_when_a_document_is_written_and_not_before() -> None:
    code = "import sys, generator.documents.sbom; print('cyclonedx' in sys.modules, 'packageurl' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=here())

    assert done.stdout.split() == ["False", "False"]
