"""Base images made of Debian's packages, under names of their own, and looked into."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator

import pytest
from local_images import service_base
from session import was_present

from generator.containers.engine import Image, inspect, run_in, tag, untag
from generator.containers.registry import push
from generator.containers.registry_session import Login
from generator.image.base import debian as debian_base
from generator.image.base.find import find_base
from generator.shared.errors import EnvironmentSpecError

pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
]


@pytest.fixture(scope="module", params=debian_base.releases, ids=lambda release: release.suite)
def made(base_image: str, request: pytest.FixtureRequest) -> Iterator[tuple[debian_base.Release, str]]:
    """A release of Debian, and an image that this run made of it."""
    if not debian_base.can_make():
        pytest.skip("base images are made by root on Debian")
    reference = f"packmill/test-base:{request.param.suite}"
    present = service_base() if request.param.suite == "trixie" else base_image
    if present == request.param.reference and not was_present(present):
        tag(present, reference)
    else:
        debian_base.make(request.param, reference)
    yield request.param, reference
    untag(reference)


def _present(reference: str) -> Image:
    image = inspect(reference)
    assert image is not None
    return image


def test_a_base_has_its_releases_python_and_nothing_to_compile_with(made: tuple[debian_base.Release, str]) -> None:
    release, reference = made
    look = "for word in bash useradd tr python3 gcc git perldoc; do command -v $word; done; python3 -V"

    code, out, err = run_in(reference, ("sh", "-c", look))

    *found, _, version = out.split()
    assert (code, err) == (0, "")
    assert [path.rpartition("/")[2] for path in found] == ["bash", "useradd", "tr", "python3"]
    assert version.startswith(f"{release.python}.")
    assert _present(reference).size < 150e6
    assert _present(reference).labels[debian_base.recipe_label] == debian_base.recipe(release)


def test_packages_of_a_base_are_installed_without_flushes_and_translations(
    made: tuple[debian_base.Release, str],
) -> None:
    look = "apt-config dump Acquire::Languages; grep -rhx force-unsafe-io /etc/dpkg/dpkg.cfg.d"

    code, out, _ = run_in(made[1], ("sh", "-c", look))

    assert (code, out.split()[-3:]) == (0, ["Acquire::Languages::", '"none";', "force-unsafe-io"])


def test_a_base_trusts_what_the_host_trusts(made: tuple[debian_base.Release, str]) -> None:
    bundle = debian_base.host_ca_bundle()
    assert bundle is not None

    _, out, _ = run_in(made[1], ("sh", "-c", 'cat "$SSL_CERT_FILE"'))

    assert out == bundle.read_text()


@pytest.mark.parametrize(
    "made",
    [
        pytest.param(release, id=release.suite, marks=pytest.mark.exhaustive if number else ())
        for number, release in enumerate(debian_base.releases)
    ],
    indirect=True,
)
def test_the_same_packages_make_the_same_image(made: tuple[debian_base.Release, str]) -> None:
    """The first release has a step of its own; the other one's steps are the same otherwise."""
    release, reference = made
    before = _present(reference)

    debian_base.make(release, reference)

    assert (_present(reference).id, _present(reference).layers) == (before.id, before.layers)


def test_its_pythons_are_found(made: tuple[debian_base.Release, str]) -> None:
    release, reference = made

    assert find_base(reference, python=f"=={release.python}.*", say=print).python == "python3"
    with pytest.raises(
        EnvironmentSpecError, match=rf"Python ==3\.9\.\* is not available(.|\n)*available: {release.python}\."
    ):
        find_base(reference, python="==3.9.*", python_from="runtime.txt", say=print)


def test_pythons_outside_of_path_are_found_too(made: tuple[debian_base.Release, str]) -> None:
    release, reference = made
    name = f"packmill/test-base:{release.suite}-path"
    dockerfile = f"FROM {reference}\nRUN mv /usr/bin/python3* /usr/local/bin/\nENV PATH=/usr/bin:/bin\n"
    build = ("docker", "build", "--quiet", "--tag", name, "-")
    subprocess.run(build, input=dockerfile, text=True, check=True, capture_output=True)
    try:
        assert find_base(name, python=">=3.10", say=print).python == "/usr/local/bin/python3"
    finally:
        untag(name)


@pytest.mark.skipif(shutil.which("docker-registry") is None, reason="Debian's docker-registry is not installed")
def test_a_base_is_pinned_by_its_own_registry_s_digest_and_by_no_other(
    base_image: str, registry: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed = f"{registry}/base/python:3"
    digest = push(base_image, pushed, login=Login(user="ada", password="open sesame"), on_line=lambda _: None)
    try:
        assert find_base(pushed, say=print).pinned == f"{registry}/base/python@{digest}"
        assert find_base(base_image, say=print).pinned == base_image
    finally:
        subprocess.run(["docker", "rmi", pushed], capture_output=True, check=True)
