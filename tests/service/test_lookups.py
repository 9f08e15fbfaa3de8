"""The form for a new package offers branches and notebooks, and shows the interface, before anything is built."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from ci_service import ACCESS, Service, make_project
from playwright.sync_api import Browser, Page, expect
from support import commit_all, git, here, write_notebook
from waiting import wait_until

from generator.service.jobs.environment import JobContext
from generator.service.jobs.isolation import Isolation
from generator.service.lookups import lookups as lookups_module
from generator.service.lookups.answer import read_answer
from generator.service.lookups.lookups import Lookups
from generator.service.project.project import Project
from generator.service.store import tokens
from generator.service.store.database import Database, sqlite_url
from generator.service.store.job_folders import DataFolder
from generator.subprocesses.commands import feed

_ODD = "more/<b>odd.ipynb"
expect.set_options(timeout=60_000)  # milliseconds, for a busy machine


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with packmill's own pipeline file."""
    folder = tmp_path_factory.mktemp("lookups")
    project = make_project(folder / "ada" / "toy", (here.parent / ".gitlab-ci.yml").read_text())
    running = Service(project, folder / "data").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("repository") / "ada" / "trees"
    write_notebook(folder / "process.ipynb", "count = 5  # type: int[1..9] m, how many\nkey = ''  # type: secret")
    write_notebook(folder / _ODD, "n = 1  # type: itn")
    commit_all(folder)
    git(folder, "tag", "v1")
    return folder


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def page(browser: Browser, service: Service, request: pytest.FixtureRequest) -> Iterator[Page]:
    context = browser.new_context(java_script_enabled=request.param)
    opened = context.new_page()
    opened.goto(f"{service.url}/ada/toy/-/pipelines/new")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.get_by_role("button", name="Sign in").click()
    yield opened
    context.close()


@pytest.fixture
def post(service: Service) -> Callable[..., requests.Response]:
    """Sends the form to a service, with a token that signs in."""

    def send(form: dict[str, str], *, on: Service = service, token: str = ACCESS) -> requests.Response:
        session = requests.Session()
        session.post(f"{on.url}/-/sign-in", data={"token": token}, timeout=60).raise_for_status()
        text = session.get(f"{on.url}/ada/toy/-/pipelines/new", timeout=60).text
        words = re.findall(r'name="form_token" value="([0-9a-f]+)"', text)
        return session.post(
            f"{on.url}/ada/toy/-/pipelines/new/look-up", data={"form_token": words[0], **form}, timeout=120
        )

    return send


def test_branches_notebooks_and_interfaces_are_offered(page: Page, service: Service, repository: Path) -> None:
    page.get_by_label("repository").first.fill(str(repository))
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Look up").press("Enter")

    table = page.get_by_role("region", name="Interface of process.ipynb")
    expect(table).to_contain_text("int, ≥ 1, ≤ 9, in m")
    assert page.locator("#offered-checkouts option").evaluate_all("all => all.map(one => one.value)") == ["main", "v1"]
    expect(page.get_by_role("checkbox", name="process.ipynb")).to_be_checked()
    page.get_by_role("checkbox", name=_ODD).press("Space")
    page.get_by_role("button", name="Look up").press("Enter")
    expect(page.get_by_role("region", name=f"Interface of {_ODD}")).to_contain_text("'itn' is not a type")
    page.get_by_role("checkbox", name=_ODD).press("Space")
    page.get_by_role("button", name="Build").last.press("Enter")

    expect(page.get_by_role("heading", name="Pipeline #")).to_be_visible()
    number = int(page.url.rpartition("/")[2])
    variables = {one["key"]: one["value"] for one in service.get(f"/pipelines/{number}/variables")}
    service.ask("POST", f"/pipelines/{number}/cancel")
    assert variables == {"repository": str(repository), "process": "process.ipynb"}


def test_the_offers_are_accessible_and_fit_a_phone(browser: Browser, service: Service, repository: Path) -> None:
    for width, scheme in ((390, "dark"), (1280, "light")):
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)  # type: ignore[arg-type]
        opened = context.new_page()
        opened.goto(f"{service.url}/ada/toy/-/pipelines/new?repository={repository}&process=process.ipynb%0A{_ODD}")
        opened.get_by_label("Access token").fill(ACCESS)
        opened.keyboard.press("Enter")
        expect(opened.get_by_role("region", name=_ODD)).to_be_visible()
        found = Axe().run(opened)
        assert found.violations_count == 0, found.generate_report()
        assert opened.evaluate("document.documentElement.scrollWidth") <= width
        context.close()


def test_the_fields_stay_when_a_lookup_fails(post: Callable[..., requests.Response]) -> None:
    answer = post({"repository": "/nowhere/ada/trees", "checkout": "v7", "process": "a.ipynb", "cores": "4"})

    assert answer.status_code == 200
    assert "/nowhere/ada/trees: folder not found" in answer.text
    assert "all the same" in answer.text
    for value in ("/nowhere/ada/trees", "v7", "4"):
        assert f'value="{value}"' in answer.text
    assert ">a.ipynb</textarea>" in answer.text


def test_names_of_a_repository_are_text(post: Callable[..., requests.Response], repository: Path) -> None:
    text = post({"repository": str(repository), "offered[]": _ODD}).text

    assert "more/&lt;b&gt;odd.ipynb" in text
    assert "<b>odd" not in text


def test_only_a_token_that_may_build_looks_up(service: Service, post: Callable[..., requests.Response]) -> None:
    database = Database(sqlite_url(service.data / "packmill.sqlite3"))
    reader = tokens.create(database, name="reader", scopes=("read_api",))
    database.close()

    assert post({"repository": "/"}, token=reader).status_code == 403
    assert post({"repository": "/", "form_token": "wrong"}).status_code == 403


def test_a_service_for_others_reaches_only_public_addresses(
    post: Callable[..., requests.Response], repository: Path, tmp_path: Path
) -> None:
    project = make_project(tmp_path / "ada" / "toy", (here.parent / ".gitlab-ci.yml").read_text())
    public = Service(project, tmp_path / "data", "--no-local-repositories").start()
    try:
        assert "local repositories are not allowed here" in post({"repository": str(repository)}, on=public).text
        with socket.create_server(("127.0.0.1", 0)) as private:
            private.settimeout(0)
            address = f"https://127.0.0.1:{private.getsockname()[1]}/ada/trees"
            assert "PACKMILL_REPOSITORIES" in post({"repository": address}, on=public).text
            with pytest.raises(BlockingIOError):
                private.accept()
    finally:
        public.stop()


def test_lookups_that_wait_keep_no_other_request_waiting(service: Service) -> None:
    """There are more of them than threads that answer requests."""
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60).raise_for_status()
    text = session.get(f"{service.url}/ada/toy/-/pipelines/new", timeout=60).text
    form = {"form_token": re.findall(r'name="form_token" value="([0-9a-f]+)"', text)[0]}

    def look_up(port: int) -> requests.Response:
        given = {**form, "repository": f"https://127.0.0.1:{port}/ada/trees"}
        place = f"{service.url}/ada/toy/-/pipelines/new/look-up"
        return requests.post(place, data=given, cookies=session.cookies, timeout=300)

    with ThreadPoolExecutor(45) as threads, socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        waiting = [threads.submit(look_up, silent.getsockname()[1]) for _ in range(45)]
        asked, _ = silent.accept()
        with asked:
            answer = requests.get(f"{service.url}/-/sign-in", timeout=120)
            assert not any(one.done() for one in waiting)
    assert answer.status_code == 200
    assert {one.result().status_code for one in waiting} == {200}


def test_an_error_of_the_machine_is_not_remembered_as_the_answer(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [RuntimeError("can't start new thread")]

    def fail_first(*_: object, output: Path, **__: object) -> int:
        if errors:
            raise errors.pop()
        output.touch()
        return 1

    monkeypatch.setattr(lookups_module, "feed", fail_first)
    checkout = Project(project, number=1, path="ada/toy", timeout=60.0, snapshots=tmp_path / "snapshots")
    context = JobContext(project=checkout, address="", inside="", own={}, local_repositories=True)
    lookups = Lookups(context, DataFolder(tmp_path), Isolation())
    with pytest.raises(RuntimeError):
        lookups.look_up({"repository": "x"})

    assert lookups.look_up({"repository": "x"}).problem
    lookups.stop()


def test_a_program_that_takes_too_long_leaves_no_process(tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    script = f"sleep 600 & echo $! > {mark}; wait"
    code = feed(
        ("bash", "-c", script),
        content=b"",
        output=tmp_path / "out",
        cwd=tmp_path,
        environment={"PATH": "/usr/bin:/bin"},
        timeout=1,
    )

    assert code == 124
    wait_until(lambda: not _runs(int(mark.read_text())), seconds=10, message="the program's own program has ended")


def _runs(number: int) -> bool:
    try:
        return bool(Path(f"/proc/{number}/cmdline").read_bytes())  # a zombie has none
    except FileNotFoundError:
        return False


@pytest.mark.parametrize(
    "text", [b"", b"[1]", b'{"interfaces": [{"process": 1}]}', b"[" * 100_000], ids=["empty", "list", "other", "deep"]
)
def test_an_answer_of_another_form_is_a_failed_lookup(text: bytes) -> None:
    assert "could not be looked up" in read_answer(text).problem
