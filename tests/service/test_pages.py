"""The pages in a real browser, and what someone hostile could try on them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator

import pytest
import requests
from ci_service import ACCESS, TRIGGER, Service
from playwright.sync_api import Browser, Page, expect
from support import notebook

_EVIL = "<img src=x onerror=document.title='broken'><script>document.title='broken'</script>"
expect.set_options(timeout=60_000)  # milliseconds, for a busy machine


@pytest.fixture
def page(browser: Browser, service: Service) -> Iterator[Page]:
    """A page of someone who is signed in; an error of a script fails the test."""
    context = browser.new_context()
    opened = context.new_page()
    errors: list[str] = []
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(f"{service.url}/")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Pipelines")).to_be_visible()
    yield opened
    context.close()
    assert not errors


def _session(service: Service, token: str = ACCESS) -> requests.Session:
    session = requests.Session()
    session.post(f"{service.url}/-/sign-in", data={"token": token}, timeout=60)
    return session


@pytest.mark.parametrize(
    "path", ["/ada/toy/-/pipelines", "/ada/toy/-/pipelines/1", "/ada/toy/-/jobs/1", "/ada/toy/-/jobs/1/raw"]
)
def test_pages_are_for_those_who_are_signed_in(service: Service, path: str) -> None:
    answer = requests.get(service.url + path, timeout=60, allow_redirects=False)

    assert answer.status_code == 303
    assert answer.headers["Location"].startswith("/-/sign-in?next=%2Fada%2Ftoy")


@pytest.mark.parametrize("token", ["wrong", TRIGGER, ""])
def test_only_a_token_that_may_read_signs_in(service: Service, token: str) -> None:
    answer = requests.post(f"{service.url}/-/sign-in", data={"token": token}, timeout=60)

    assert answer.status_code == 401
    assert "access token" in answer.text
    assert not answer.cookies


@pytest.mark.parametrize("target", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_signing_in_leads_nowhere_else(service: Service, target: str) -> None:
    answer = requests.post(
        f"{service.url}/-/sign-in", data={"token": ACCESS, "next": target}, timeout=60, allow_redirects=False
    )

    assert answer.headers["Location"] == "/"


def test_the_cookie_holds_no_token_and_is_no_script_s_business(service: Service) -> None:
    answer = requests.post(f"{service.url}/-/sign-in", data={"token": ACCESS}, timeout=60, allow_redirects=False)
    cookie = answer.headers["Set-Cookie"]

    assert ACCESS not in cookie
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    name, _, value = cookie.partition(";")[0].partition("=")
    longer = re.sub(r"\.(\d+)\.", lambda end: f".{int(end[1]) + 9999}.", value)
    address = f"{service.url}/ada/toy/-/pipelines"
    assert requests.get(address, cookies={name: longer}, timeout=60, allow_redirects=False).status_code == 303
    assert requests.get(address, cookies={name: value}, timeout=60, allow_redirects=False).status_code == 200


def test_a_cookie_does_not_open_the_api(service: Service) -> None:
    assert _session(service).get(f"{service.root}/pipelines", timeout=60).status_code == 401


def test_every_page_forbids_what_it_does_not_need(service: Service) -> None:
    answer = _session(service).get(f"{service.url}/ada/toy/-/pipelines", timeout=60)
    policy = answer.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "<script>" not in answer.text
    assert " style=" not in answer.text


@pytest.mark.parametrize("change", [{"form_token": "wrong"}, {"form_token": None}])
def test_a_form_of_another_site_is_refused(service: Service, change: dict[str, str | None]) -> None:
    session = _session(service)
    before = service.get("/pipelines?per_page=1")[0]["id"] if service.get("/pipelines") else 0
    answer = session.post(f"{service.url}/ada/toy/-/pipelines/new", data={"repository": "x", **change}, timeout=60)

    assert answer.status_code == 403
    assert (service.get("/pipelines?per_page=1") or [{"id": 0}])[0]["id"] == before


def test_a_form_sent_from_another_origin_is_refused(service: Service) -> None:
    session = _session(service)
    form = session.get(f"{service.url}/ada/toy/-/pipelines/new", timeout=60).text
    word = re.findall(r'name="form_token" value="([0-9a-f]+)"', form)[0]
    answer = session.post(
        f"{service.url}/ada/toy/-/pipelines/new",
        data={"repository": "x", "form_token": word},
        headers={"Origin": "https://evil.example"},
        timeout=60,
    )

    assert answer.status_code == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null"])
def test_a_sign_in_sent_from_another_origin_is_refused(service: Service, origin: str) -> None:
    def sign_in(origin: str) -> requests.Response:
        address, given = f"{service.url}/-/sign-in", {"token": ACCESS}
        return requests.post(address, data=given, headers={"Origin": origin}, allow_redirects=False, timeout=60)

    refused = sign_in(origin)

    assert refused.status_code == 403
    assert not refused.cookies
    assert sign_in(service.url).cookies


def test_a_pipeline_is_started_by_a_form_and_followed_live(page: Page) -> None:
    page.get_by_role("link", name="New package").first.click()
    page.get_by_label("repository").fill("https://example.org/x.git")
    page.get_by_label("script").fill("for i in 1 2 3; do echo line $i; sleep 0.4; done")
    page.get_by_role("button", name="Build").click()
    expect(page.get_by_role("heading", name="Pipeline #")).to_be_visible()
    page.get_by_role("link", name=re.compile("^one")).click()

    expect(page.get_by_role("log")).to_contain_text("line 3")
    expect(page.get_by_role("log")).to_contain_text("Job succeeded")
    expect(page.locator("#job-status")).to_contain_text("passed")


def test_a_part_that_is_refreshed_stays_as_long_as_nothing_in_it_changes(page: Page, service: Service) -> None:
    """Replacing it would end a selection of text and close what is unfolded."""
    number = service.trigger(script="sleep 30")
    service.wait(number, "running")
    page.goto(f"{service.url}/ada/toy/-/pipelines/{number}")
    page.evaluate("document.getElementById('pipeline').title = 'the same'")
    for _ in range(2):
        with page.expect_response(f"**/pipelines/{number}"):
            pass
    page.wait_for_timeout(100)  # the page has taken the answer
    kept = page.evaluate("document.getElementById('pipeline').title")
    service.ask("DELETE", f"/pipelines/{number}")

    assert kept == "the same"


def test_what_a_log_or_a_variable_says_is_shown_and_not_run(page: Page, service: Service) -> None:
    number = service.trigger(script=f'echo "{_EVIL}"', repository=_EVIL)
    service.wait(number)
    page.goto(f"{service.url}/ada/toy/-/jobs/{service.jobs(number)['one']['id']}")
    expect(page.get_by_role("log")).to_contain_text("<img src=x onerror=")
    page.goto(f"{service.url}/ada/toy/-/pipelines/{number}")
    expect(page.get_by_text(_EVIL).first).to_be_visible()
    page.goto(f"{service.url}/ada/toy/-/pipelines")

    assert "broken" not in page.title()
    assert page.locator("main img").count() == 0


def test_a_hostile_notebook_has_no_rights(page: Page, service: Service) -> None:
    document = notebook("1")
    kinds = {"text/html": f"{_EVIL}<b>shown</b>", "application/javascript": "parent.document.title='broken'"}
    document["cells"][0]["outputs"] = [
        {"output_type": "display_data", "metadata": {}, "data": {kind: text}} for kind, text in kinds.items()
    ]
    text = base64.b64encode(json.dumps(document).encode()).decode()
    number = service.trigger(script=f"mkdir out; echo {text} | base64 -d > out/x.ipynb")
    assert service.wait(number) == "success"
    job = service.jobs(number)["one"]["id"]
    address = f"{service.url}/ada/toy/-/jobs/{job}/notebook/out/x.ipynb"
    answer = _session(service).get(address, timeout=60)

    assert answer.headers["Content-Security-Policy"].startswith("sandbox; default-src 'none'")
    page.goto(f"{service.url}/ada/toy/-/jobs/{job}")
    page.get_by_text("Executed notebook").click()
    expect(page.frame_locator("iframe").get_by_text("shown")).to_be_visible()
    assert "broken" not in page.title()


def test_files_with_odd_names_and_svg_with_scripts_do_no_harm(page: Page, service: Service) -> None:
    svg = "<svg xmlns='http://www.w3.org/2000/svg'><script>parent.document.title='broken'</script></svg>"
    number = service.trigger(script=f'mkdir out; echo "{svg}" > out/a.svg; echo x > \'out/<b>"x".txt\'')
    assert service.wait(number) == "success"
    job = service.jobs(number)["one"]["id"]
    page.goto(f"{service.url}/ada/toy/-/jobs/{job}")

    expect(page.get_by_role("link", name='out/<b>"x".txt', exact=True)).to_be_visible()
    answer = _session(service).get(f"{service.url}/ada/toy/-/jobs/{job}/files/out/a.svg", timeout=60)
    assert answer.headers["Content-Security-Policy"].startswith("sandbox")
    page.goto(f"{service.url}/ada/toy/-/jobs/{job}/files/out/a.svg")
    assert "broken" not in page.title()


def test_everything_is_reached_by_keyboard(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("main").get_by_role("link", name="New package")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_label("repository")).to_be_focused()
    page.keyboard.type("https://example.org/by-keyboard.git")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Pipeline #")).to_be_visible()
    expect(page.get_by_text("by-keyboard.git").first).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_fit_a_phone_in_light_and_dark(browser: Browser, service: Service, scheme: str) -> None:
    number = service.trigger(repository="https://example.org/" + "long" * 40)
    service.wait(number)
    job = service.jobs(number)["one"]["id"]
    context = browser.new_context(viewport={"width": 360, "height": 740}, color_scheme=scheme)  # type: ignore[arg-type]
    opened = context.new_page()
    opened.goto(f"{service.url}/")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.keyboard.press("Enter")
    expect(opened.get_by_role("heading", name="Pipelines")).to_be_visible()
    for path in ("pipelines", f"pipelines/{number}", f"jobs/{job}", "pipelines/new", "packages"):
        opened.goto(f"{service.url}/ada/toy/-/{path}")
        assert opened.evaluate("document.documentElement.scrollWidth") <= 360, path
    ground = opened.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    context.close()

    assert (sum(map(int, re.findall(r"\d+", ground)[:3])) < 150) is (scheme == "dark")


def test_the_pages_work_without_scripts(browser: Browser, service: Service) -> None:
    number = service.trigger(script="echo no script needed")
    service.wait(number)
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(f"{service.url}/ada/toy/-/jobs/{service.jobs(number)['one']['id']}")
    opened.get_by_label("Access token").fill(ACCESS)
    opened.get_by_role("button", name="Sign in").click()

    expect(opened.get_by_role("log")).to_contain_text("no script needed")
    context.close()
