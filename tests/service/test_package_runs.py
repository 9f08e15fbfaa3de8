"""Runs of packages on the pages: values that are read again, secrets that are not, files, two runs side by side."""

from __future__ import annotations

import asyncio
import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from ci_service import ACCESS, Service, make_project
from fastapi import Request
from playwright.sync_api import Browser, Page, expect
from test_hooks import Receiver, receiver  # noqa: F401 - a fixture
from waiting import wait_until

from generator.service.http_errors import HttpError
from generator.service.pages import run_uploads

expect.set_options(timeout=60_000)
_RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
_PLACE = "packages/ada/trees/main"
_INPUTS = [
    {"name": "n", "type": "int", "default": 2, "doc": "how many"},
    {"name": "names", "type": "string", "array": True, "default": ["oak"]},
    {"name": "word", "type": "string", "secret": True, "optional": True},
    {"name": "scene", "type": "File", "optional": True, "doc": "a table"},
    {"name": "tiles", "type": "File", "array": True, "optional": True},
    {"name": "options", "type": "Any", "optional": True},
]
_PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
_PROGRAM = """\
import base64, hashlib, json, os, pathlib
given = json.loads(os.environ["inputs"] or "{}")
out = pathlib.Path("results/output")
out.mkdir(parents=True)
n = given.get("n", 2)
if n == 13:
    reason = "cell 2 failed: ValueError: 13 brings bad luck"
    raise SystemExit(f"packmill: {reason} (exit code 20: run of the package failed)")
print(os.environ["inputs"])
files = {"table.csv": f"a,b\\n{n},1\\n".encode(), "same.txt": b"x", "plot.png": base64.b64decode("PIXEL")}
files |= {f"found-{one.parent.name}-{one.name}": one.read_bytes() for one in sorted(pathlib.Path().glob("uploads/*/*"))}
listed = []
for name, content in files.items():
    (out / name).write_bytes(content)
    listed.append({"path": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
record = {"state": "succeeded", "duration": 2.5 * n, "peak_memory": 50_000_000 * n, "outputs": listed}
(out / "result.json").write_text(json.dumps(record))
(out / "scraps.json").write_text(json.dumps({"total": 10.0 * n, "kind": "trees"}))
""".replace("PIXEL", _PIXEL)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run does instead of a container: it writes results that depend on its values."""
    file = tmp_path_factory.mktemp("program") / "run.py"
    file.write_text(_PROGRAM)
    return file


@pytest.fixture(scope="module")
def service(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    run = f"""
build:
  stage: first
  rules:
    - if: $package
      when: never
    - when: on_success
  script: ['bash -c "$script"']
  artifacts:
    paths: [packages/]
    expire_in: 1 day
    reports: {{dotenv: made.env}}
run:
  stage: first
  rules:
    - if: $package
  script: ['python3 {program} || exit 20']
  artifacts:
    paths: [results/]
    when: always
"""
    variables = 'variables:\n  package: ""\n  package_process: ""\n  inputs: ""\n  script: "true"\n  repository: ""\n'
    folder = tmp_path_factory.mktemp("runs")
    project = make_project(folder / "ada" / "toy", f"stages: [first]\n{variables}{run}")
    running = Service(project, folder / "data", "--jobs", "2").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def built(service: Service) -> int:
    """The job that built a package."""
    about = {
        "repository": {"address": "https://example.org/ada/trees.git", "owner": "ada", "name": "trees"},
        "checkout": "main",
        "commit": {"id": "0" * 40},
        "process": {"path": "trees.ipynb"},
        "image": {"reference": "ada.trees:main"},
        "interface": {"inputs": _INPUTS, "outputs": []},
        "documents": ["package.json", "process.cwl"],
    }
    steps = [
        f"mkdir -p {_PLACE}",
        f"echo {shlex.quote(json.dumps(about))} > {_PLACE}/package.json",
        f"echo 'class: CommandLineTool' > {_PLACE}/process.cwl",
        f"echo PACKMILL_PACKAGE={_PLACE} > made.env",
    ]
    number = service.trigger(script="; ".join(steps))
    assert service.wait(number) == "success"
    return int(service.jobs(number)["build"]["id"])


@pytest.fixture(scope="module")
def session(service: Service) -> requests.Session:
    signed_in = requests.Session()
    signed_in.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60)
    return signed_in


@pytest.fixture(scope="module")
def submit(service: Service, session: requests.Session, built: int) -> Callable[..., requests.Response]:
    """Submits the form of the package's page."""
    address = f"{service.url}/ada/toy/-/jobs/{built}/package/{_PLACE}"

    def send(files: Any = None, **texts: Any) -> requests.Response:
        token = re.findall(r'name="form_token" value="([0-9a-f]+)"', session.get(address, timeout=60).text)[0]
        texts = {"form_token": token, **texts}
        return session.post(address, data=texts, files=files or {"none": ("", b"")}, timeout=120)

    return send


def _number(answer: requests.Response) -> int:
    assert answer.status_code == 200, answer.text
    return int(answer.url.rpartition("/")[2])


@pytest.fixture(scope="module")
def run(service: Service, submit: Callable[..., requests.Response]) -> Callable[..., int]:
    """Runs the package with values of the form, waits, and returns the run's number."""

    def start(files: Any = None, **values: str) -> int:
        number = _number(submit(files, **{f"input-{name}": value for name, value in values.items()}))
        assert service.wait(number) in ("success", "failed")
        return number

    return start


def _page(service: Service, session: requests.Session, path: str) -> str:
    answer = session.get(f"{service.url}/ada/toy/-/{path}", timeout=60)
    assert answer.status_code == 200
    return answer.text


def test_a_secret_reaches_the_run_and_is_nowhere_when_it_has_ended(
    service: Service, session: requests.Session, built: int, run: Callable[..., int], submit: Callable[..., Any]
) -> None:
    number = run(n="3", word="sesame-open-41")
    job = service.jobs(number)["run"]["id"]

    trace = service.trace(job)
    assert "sesame-open-41" not in trace
    assert '"word"' in trace, "the run got it"
    for file in service.data.rglob("*"):
        if file.is_file() and "builds" not in file.parts:
            assert b"sesame-open-41" not in file.read_bytes(), file
    shown = _page(service, session, f"runs/{number}")
    assert "given, not shown" in shown
    again = _page(service, session, f"jobs/{built}/package/{_PLACE}?repeat={number}")
    assert "Enter again" in again
    assert "sesame" not in shown + again
    without = submit(repeated=str(number), **{"input-n": "3"})
    assert (without.status_code, "that of the repeated run could not be shown" in without.text) == (400, True)


def test_a_run_with_a_secret_is_repeated_not_retried(service: Service, run: Callable[..., int]) -> None:
    number = run(n="13", word="once-only-42")
    service.ask("POST", f"/pipelines/{number}/retry")
    service.wait(number)

    job = max(one["id"] for one in service.get(f"/pipelines/{number}/jobs"))
    assert "the values are no longer stored" in service.trace(job)


def test_a_run_is_repeated_from_its_own_values(
    service: Service, session: requests.Session, built: int, run: Callable[..., int]
) -> None:
    number = run(n="5", names="elm\nbirch", options='{"deep": [1, 2]}')

    form = _page(service, session, f"jobs/{built}/package/{_PLACE}?repeat={number}")

    assert re.search(r'name="input-n"[^>]*value="5"', form)
    assert ">\nelm\nbirch</textarea>" in form
    assert "{&#34;deep&#34;: [1, 2]}" in form
    assert f"Repeat run #{number}" in form
    pipeline = _page(service, session, f"pipelines/{number}")
    assert f"package/{_PLACE}?repeat={number}#run" in pipeline


def test_values_that_look_secret_are_not_kept_readable(
    service: Service, session: requests.Session, built: int, run: Callable[..., int]
) -> None:
    number = run(options='{"api_key": "abc-def-ghi"}', scene="https://example.org/a.csv?sig=private-signature")

    stored = b"".join(file.read_bytes() for file in service.data.glob("packmill.sqlite3*"))
    assert b"abc-def-ghi" not in stored
    assert b"private-signature" not in stored
    assert "abc-def-ghi" not in _page(service, session, f"runs/{number}")


def test_uploaded_files_reach_the_run_and_go_with_it(
    service: Service, session: requests.Session, run: Callable[..., int]
) -> None:
    given = [
        ("file-scene", ("my trees (1).csv", b"height\n12\n")),
        ("file-tiles", ("a.tif", b"one")),
        ("file-tiles", ("../../b.tif", b"two")),
    ]
    number = run(given, tiles="https://example.org/c.tif")
    job = service.jobs(number)["run"]["id"]

    found = service.ask("GET", f"/jobs/{job}/artifacts/results/output/found-scene-my_trees__1_.csv")
    assert found.text == "height\n12\n"
    assert service.ask("GET", f"/jobs/{job}/artifacts/results/output/found-tiles-b.tif").text == "two"
    assert '"path": "uploads/scene/my_trees__1_.csv"' in service.trace(job)
    assert "https://example.org/c.tif" in service.trace(job)
    assert 'data-preview="geotiff" data-name="results/output/found-tiles-b.tif"' in _page(
        service, session, f"runs/{number}"
    )

    assert service.ask("DELETE", f"/pipelines/{number}").status_code == 204
    assert not (service.data / "run-files" / str(number)).exists()


def test_a_repeated_run_has_the_files_of_the_earlier_one(
    service: Service, session: requests.Session, built: int, run: Callable[..., int], submit: Callable[..., Any]
) -> None:
    first = run([("file-scene", ("trees.csv", b"height\n"))])
    form = _page(service, session, f"jobs/{built}/package/{_PLACE}?repeat={first}")
    kept = re.findall(r'name="keep-scene" value="([^"]+)" checked', form)

    gone = submit(repeated=str(first), **{"keep-scene": "uploads/scene/gone.csv"})
    assert (gone.status_code, "is not stored; upload it" in gone.text) == (400, True)
    second = _number(submit(repeated=str(first), **{"keep-scene": kept[0]}))

    assert service.ask("DELETE", f"/pipelines/{first}").status_code == 204
    service.wait(second)
    job = service.jobs(second)["run"]["id"]
    assert service.ask("GET", f"/jobs/{job}/artifacts/results/output/found-scene-trees.csv").text == "height\n"


def test_a_form_that_is_submitted_twice_starts_one_run(
    service: Service, session: requests.Session, submit: Callable[..., requests.Response], built: int
) -> None:
    address = f"{service.url}/ada/toy/-/jobs/{built}/package/{_PLACE}"
    one, other = (
        re.findall(r'name="submission" value="([^"]+)"', session.get(address, timeout=60).text)[0] for _ in range(2)
    )
    form: dict[str, Any] = {"input-n": "5", "files": {"file-scene": ("a.csv", b"a")}}
    first, second = (_number(submit(submission=one, **form)) for _ in range(2))

    assert first == second
    assert _number(submit(submission=other, **form)) > first
    assert _number(submit(submission=one, **{**form, "input-n": "6"})) > first


@pytest.mark.parametrize(
    ("files", "texts", "message"),
    [
        ([("file-scene", ("a", b"1")), ("file-scene", ("b", b"2"))], {}, "give one file"),
        ([("file-scene", ("a", b"1"))], {"input-scene": "https://example.org/b"}, "give one file"),
        ([("file-tiles", ("a b", b"1")), ("file-tiles", ("a_b", b"2"))], {}, "two files have the name a_b"),
        (None, {"notify_url": "ftp://example.org"}, "The address to notify is invalid"),
        (None, {"action": "schedule", "cron": "never"}, "The schedule is invalid"),
        ([("file-scene", ("a", b"1"))], {"action": "schedule", "cron": "0 0 * * *"}, "cannot keep uploaded files"),
    ],
)
def test_a_form_with_mistakes_starts_nothing(
    files: Any, texts: dict[str, str], message: str, service: Service, submit: Callable[..., requests.Response]
) -> None:
    before = service.get("/pipelines?per_page=1")[0]["id"]
    answer = submit(files, **texts)

    assert answer.status_code == 400
    assert message in answer.text
    assert service.get("/pipelines?per_page=1")[0]["id"] == before
    assert not list((service.data / "run-files").glob("new-*"))


@pytest.mark.parametrize("announced", [True, False])
def test_files_are_limited(announced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_uploads, "LARGEST", 1 << 20)
    chunks = [b'--x\r\nContent-Disposition: form-data; name="file-a"; filename="a"\r\n\r\n', b"x" * (1 << 20)]
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]
    headers += [(b"content-length", str(sum(map(len, chunks))).encode())] if announced else []

    async def receive() -> dict[str, Any]:
        assert not announced, "the body of a request that announces too much is not read"
        return {"type": "http.request", "body": chunks.pop(0), "more_body": True}

    request = Request({"type": "http", "method": "POST", "headers": headers}, receive)
    with pytest.raises(HttpError, match="The files are larger than 1 MiB") as caught:
        asyncio.run(run_uploads.read_run_form(request))

    assert caught.value.status == 413


def test_the_end_of_a_run_is_sent_to_the_address_of_its_form(
    service: Service,
    submit: Callable[..., requests.Response],
    receiver: Receiver,  # noqa: F811
) -> None:
    texts = {"input-n": "13", "notify_url": receiver.url, "notify_token": "from-packmill"}
    number = _number(submit(**texts))
    service.wait(number)

    wait_until(lambda: receiver.received, message="the notification")
    headers, body = receiver.received[0]
    assert headers["X-Gitlab-Token"] == "from-packmill"
    assert headers["X-Gitlab-Event"] == "Pipeline Hook"
    assert body["object_attributes"]["status"] == "failed"
    assert body["run"]["reason"].startswith("cell 2 failed: ValueError: 13 brings bad luck")
    assert body["run"]["url"] == f"{service.url}/ada/toy/-/runs/{number}"
    assert body["run"]["package"]["process"] == "trees.ipynb"
    assert service.get("/hooks") == []
    assert len(receiver.received) == 1


def test_a_schedule_of_the_form_runs_the_package_and_notifies(
    service: Service,
    session: requests.Session,
    built: int,
    submit: Callable[..., Any],
    receiver: Receiver,  # noqa: F811
) -> None:
    texts = {"action": "schedule", "cron": "0 6 * * *", "cron_timezone": "Europe/Berlin", "input-n": "4"}
    answer = submit(**texts, **{"input-word": "kept-for-later", "notify_url": receiver.url})
    made = _number(answer)
    assert service.get(f"/jobs/{built}")["artifacts_expire_at"] is None

    token = re.findall(r'name="form_token" value="([0-9a-f]+)"', answer.text)[0]
    address = f"{service.url}/ada/toy/-/schedules/{made}"
    number = _number(session.post(f"{address}/run", data={"form_token": token}, timeout=60))
    service.wait(number)

    assert '"n": 4' in service.trace(service.jobs(number)["run"]["id"])
    wait_until(lambda: receiver.received, message="the notification")
    assert receiver.received[0][1]["run"]["schedule_id"] == made
    stored = b"".join(file.read_bytes() for file in service.data.glob("packmill.sqlite3*"))
    assert b"kept-for-later" not in stored
    for action, seen in (("pause", "Paused."), ("resume", "Next"), ("delete", "No schedules yet.")):
        shown = session.post(f"{address}/{action}", data={"form_token": token}, timeout=60)
        assert seen in shown.text, action


def test_a_link_shows_a_run_to_people_who_cannot_sign_in(
    service: Service, session: requests.Session, run: Callable[..., int]
) -> None:
    number = run(n="3", word="not-for-others")
    address = f"{service.url}/ada/toy/-/runs/{number}"
    token = re.findall(r'name="form_token" value="([0-9a-f]+)"', session.get(address, timeout=60).text)[0]
    made = session.post(f"{address}/share", data={"form_token": token, "days": "7"}, timeout=60).text
    link = re.findall(r'value="([^"]+/-/shared/[^"]+)"', made)[0]

    shown = requests.get(link, timeout=60)
    assert shown.status_code == 200
    assert "plot.png" in shown.text
    assert "not-for-others" not in shown.text
    assert "form_token" not in shown.text
    assert "/preview/" not in shown.text, (
        "previews of files that need an address of their own are for those who sign in"
    )
    assert shown.headers["Referrer-Policy"] == "no-referrer"
    assert requests.get(f"{link}/files/results/output/table.csv", timeout=60).text == "a,b\n3,1\n"
    for path in ("/files/report.xml", "/files/results/../report.xml", "x", "/files/results/missing"):
        assert requests.get(link + path, timeout=60).status_code == 404, path
    assert link.rpartition("/")[2] not in session.get(address, timeout=60).text, "it is shown once"
    stored = b"".join(file.read_bytes() for file in service.data.glob("packmill.sqlite3*"))
    assert link.rpartition("/")[2].encode() not in stored

    session.post(f"{address}/unshare", data={"form_token": token}, timeout=60)

    assert requests.get(link, timeout=60).status_code == 404


def test_a_form_that_is_submitted_twice_creates_one_link_and_restores_no_removed_one(
    service: Service, session: requests.Session, run: Callable[..., int]
) -> None:
    address = f"{service.url}/ada/toy/-/runs/{run()}"
    text = session.get(address, timeout=60).text
    names = ("form_token", "submission")
    form = {name: re.findall(rf'name="{name}" value="([^"]+)"', text)[0] for name in names}

    def share() -> tuple[list[str], int]:
        shown = session.post(f"{address}/share", data={**form, "days": "7"}, timeout=60).text
        return re.findall(r'value="([^"]+/-/shared/[^"]+)"', shown), shown.count("<li>by ")

    link, count = share()
    assert (len(link), count) == (1, 1)
    assert share() == (link, 1)
    form["submission"] += "of another page"
    other, count = share()
    assert (link != other, count) == (True, 2)
    session.post(f"{address}/unshare", data=form, timeout=60)
    assert share() == ([], 0)
    assert requests.get(link[0], timeout=60).status_code == 404


@pytest.mark.parametrize("form", [{}, {"form_token": "wrong", "days": "7"}])
def test_a_link_is_made_by_the_form_alone(
    form: dict[str, str], service: Service, session: requests.Session, run: Callable[..., int]
) -> None:
    number = run()
    answer = session.post(f"{service.url}/ada/toy/-/runs/{number}/share", data=form, timeout=60)

    assert answer.status_code == 403


def test_two_runs_are_compared(service: Service, browser: Browser, run: Callable[..., int]) -> None:
    first, second = run(n="2", word="first-secret"), run(n="4", names="elm")
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page = context.new_page()
    _sign_in(page, service)
    page.goto(f"{service.url}/ada/toy/-/runs")
    for number in (first, second):
        page.get_by_label(f"Compare run {number}", exact=True).check()
    page.get_by_role("button", name="Compare").click()

    def row(name: str) -> Any:
        return page.get_by_role("row").filter(has=page.get_by_role("rowheader", name=name, exact=True))

    expect(page.get_by_role("heading", name=f"Runs #{first} and #{second}")).to_be_visible()
    assert f"run={first}&run={second}" in page.url or f"run={second}&run={first}" in page.url
    expect(row("n")).to_contain_text("+2 (+100 %)")
    expect(row("total")).to_contain_text("+20 (+100 %)")
    expect(row("names")).to_contain_text("differs")
    expect(row("word")).to_contain_text(f"only in #{first}")
    expect(row("table.csv")).to_contain_text("differs")
    expect(row("same.txt")).not_to_contain_text("differs")
    expect(row("Peak memory")).to_contain_text("+100 %")
    assert page.get_by_role("img", name=re.compile("plot.png of run")).count() == 2
    context.close()


def _sign_in(page: Page, service: Service) -> None:
    page.goto(f"{service.url}/")
    page.get_by_label("Access token").fill(ACCESS)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pipelines")).to_be_visible()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_the_pages_of_runs_have_no_barriers_and_fit(
    width: int, scheme: Any, service: Service, browser: Browser, built: int, run: Callable[..., int],
    submit: Callable[..., requests.Response],
) -> None:  # fmt: skip
    numbers = [run([("file-scene", ("trees.csv", b"height\n"))], n="2"), run(n="13")]
    made = _number(submit(action="schedule", cron="0 6 * * *", cron_timezone="UTC", notify_url="https://example.org/x"))
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    page = context.new_page()
    _sign_in(page, service)
    paths = {
        "runs": "runs",
        "run": f"runs/{numbers[0]}",
        "failed": f"runs/{numbers[1]}",
        "compare": f"runs/compare?run={numbers[0]}&run={numbers[1]}",
        "form": f"jobs/{built}/package/{_PLACE}?repeat={numbers[0]}",
        "schedules": "schedules",
        "schedule": f"schedules/{made}",
        "new": "schedules/new",
    }
    for name, path in paths.items():
        page.goto(f"{service.url}/ada/toy/-/{path}")
        page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
        if scheme == "dark" or name in ("compare", "form"):
            found = Axe().run(page, options={"runOnly": _RULES}).response["violations"]
            assert not found, (name, [(one["id"], [node["html"] for node in one["nodes"]]) for one in found])
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
    context.close()


def test_a_package_is_run_and_repeated_by_keyboard_alone(service: Service, browser: Browser, built: int) -> None:
    context = browser.new_context()
    page = context.new_page()
    _sign_in(page, service)
    page.goto(f"{service.url}/ada/toy/-/jobs/{built}/package/{_PLACE}")
    _tab_to(page, "Run")
    page.keyboard.press("Enter")
    _tab_to(page, "n int")
    page.keyboard.press("Control+A")
    page.keyboard.type("6")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile(r"Run #\d+"))).to_contain_text("passed")
    first = page.url
    _tab_to(page, "Repeat with other values")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Repeat run")).to_be_visible()
    _tab_to(page, "n int")
    assert page.evaluate("document.activeElement.value") == "6"
    page.keyboard.press("Control+A")
    page.keyboard.type("7")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=re.compile(r"Run #\d+"))).to_contain_text("passed")
    assert page.url != first
    expect(page.get_by_role("row", name="n 7", exact=True)).to_be_visible()
    context.close()


_NAME = """() => {
  const one = document.activeElement;
  return (one.labels && one.labels.length ? one.labels[0].textContent : one.textContent).trim().replace(/\\s+/g, ' ');
}"""


def _tab_to(page: Page, name: str) -> None:
    for _ in range(80):
        page.keyboard.press("Tab")
        if page.evaluate(_NAME) == name:
            return
    raise AssertionError(f"no {name!r} is reached by Tab")
