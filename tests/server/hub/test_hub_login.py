"""People sign in to ``packmill-runner hub`` with JupyterHub, and no page of others acts for them."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from conftest import ADA, BOB, CARL, People
from waiting import wait_until

pytestmark = pytest.mark.group("hub")


@pytest.fixture(scope="module")
def browser(people: People) -> requests.Session:
    """A browser in which Ada has signed in to the service."""
    session = people.hub.browser(ADA)
    assert session.get(f"{people.hub.base}/", timeout=120).status_code == 200
    return session


def start(people: People, browser: requests.Session, **headers: str) -> int:
    """The status of a form that a page sends to run a notebook."""
    address = f"{people.hub.base}/user/{ADA}/notebooks/double.ipynb"
    return browser.post(address, data={"x": "3"}, headers=headers, timeout=120, allow_redirects=False).status_code


def test_a_browser_signs_in_by_the_hub_and_gets_to_the_page_that_it_asked_for(people: People) -> None:
    browser = people.hub.browser(ADA)

    page = browser.get(f"{people.hub.base}/user/{ADA}/notebooks/double.ipynb?x=7", timeout=120)

    assert page.status_code == 200
    assert page.url == f"{people.hub.base}/user/{ADA}/notebooks/double.ipynb?x=7"
    assert 'value="7"' in page.text
    assert [one.headers.get("Location", "").partition("?")[0].removeprefix(people.hub.url) for one in page.history] == [
        "/services/packmill/sign-in",
        "/hub/api/oauth2/authorize",
        "/services/packmill/oauth_callback",
        f"/services/packmill/user/{ADA}/notebooks/double.ipynb",
    ]
    query = parse_qs(urlsplit(page.history[2].request.url or "").query)
    assert query["code_challenge_method"] == ["S256"]


def test_the_cookie_of_a_session_is_for_the_service_alone_and_is_no_token(browser: requests.Session) -> None:
    (cookie,) = [one for one in browser.cookies if one.name == "packmill_hub_session"]

    assert cookie.path == "/services/packmill/"
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "lax"


def test_the_first_page_is_the_persons_own_server(people: People, browser: requests.Session) -> None:
    page = browser.get(f"{people.hub.base}/", timeout=120)
    docs = browser.get(f"{people.hub.base}/docs", timeout=120)

    assert page.url == f"{people.hub.base}/user/{ADA}/"
    assert "double.ipynb" in page.text
    assert docs.url == f"{people.hub.base}/user/{ADA}/docs"


def test_a_person_sees_no_page_of_another(people: People, browser: requests.Session) -> None:
    page = browser.get(f"{people.hub.base}/user/{BOB}/", timeout=120)

    assert page.status_code == 403
    assert "text/html" in page.headers["Content-Type"]
    assert "double.ipynb" not in page.text


def test_an_operator_sees_and_uses_the_pages_of_all(people: People) -> None:
    browser = people.hub.browser(CARL)
    own = f"{people.hub.base}/user/{ADA}/notebooks/double.ipynb"

    assert browser.get(own, timeout=120).status_code == 200
    assert start(people, browser, Referer=own) == 303
    assert start(people, browser, Referer=f"{people.hub.base}/user/{BOB}/") == 403, "a page of Bob's server"


def test_a_page_of_the_service_starts_runs(people: People, browser: requests.Session) -> None:
    own = f"{people.hub.base}/user/{ADA}/notebooks/double.ipynb"

    assert start(people, browser, **{"Sec-Fetch-Site": "same-origin", "Referer": own, "Origin": people.hub.url}) == 303


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://[::1"},
        {"Referer": "http://[::1"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin", "Referer": "{url}/user/bob/files/page.html"},
        {"Sec-Fetch-Site": "same-origin", "Referer": "{base}/user/bob/notebooks/x.ipynb"},
        {"Sec-Fetch-Site": "same-origin", "Referer": "{base}x/"},
    ],
)
def test_no_other_page_starts_runs(people: People, browser: requests.Session, headers: dict[str, str]) -> None:
    sent = {name: value.format(url=people.hub.url, base=people.hub.base) for name, value in headers.items()}

    assert start(people, browser, **sent) == 403


def test_no_other_page_runs_a_notebook_by_a_link(people: People, browser: requests.Session) -> None:
    """papermill-api runs notebooks by GET, which a browser sends with its cookies for a link of any page."""
    address = f"{people.hub.base}/user/{ADA}/run/double.ipynb?x=1"
    own = {"Sec-Fetch-Site": "same-origin", "Referer": f"{people.hub.base}/user/{ADA}/docs"}
    form = f"{people.hub.base}/user/{ADA}/notebooks/double.ipynb"

    by_link = browser.get(address, headers={"Sec-Fetch-Site": "cross-site"}, timeout=120)
    by_own_page = browser.get(address, headers=own, timeout=120)
    shown = browser.get(form, headers={"Sec-Fetch-Site": "cross-site"}, timeout=120)

    assert (by_link.status_code, by_own_page.status_code, shown.status_code) == (403, 200, 200)


def test_nobody_is_signed_in_with_the_login_of_another_browser(people: People) -> None:
    ada, other = people.hub.browser(ADA), people.hub.browser(BOB)
    first = ada.get(f"{people.hub.base}/sign-in", timeout=60, allow_redirects=False)
    back = ada.get(people.hub.url + first.headers["Location"], timeout=60, allow_redirects=False)
    address = people.hub.url + back.headers["Location"].removeprefix(people.hub.url)

    stolen = other.get(address, timeout=60, allow_redirects=False)

    assert "/oauth_callback?" in address
    assert stolen.status_code == 403
    assert "packmill_hub_session" not in other.cookies


@pytest.mark.parametrize("state", ["", ";;;", "\r\nSet-Cookie: a=b", "\u20ac", "x" * 1000])
def test_a_state_that_no_login_has_is_refused(people: People, state: str) -> None:
    answer = people.hub.ask("GET", "/oauth_callback", params={"code": "x", "state": state})

    assert answer.status_code == 403
    assert "Set-Cookie" not in answer.headers


@pytest.mark.parametrize(
    "target",
    [
        "https://elsewhere.example/",
        "//elsewhere.example/",
        "/hub/logout",
        "/services/x/",
        "/services/packmill/" + "x" * 3000,
    ],
)
def test_a_login_leads_to_a_page_of_the_service_only(people: People, target: str) -> None:
    browser = people.hub.browser(ADA)

    page = browser.get(f"{people.hub.base}/sign-in", params={"next": target}, timeout=120)

    assert page.url == f"{people.hub.base}/user/{ADA}/"


def test_signing_out_ends_the_session(people: People) -> None:
    browser = people.hub.browser(ADA)
    browser.get(f"{people.hub.base}/", timeout=120)
    cookie = browser.cookies["packmill_hub_session"]
    foreign = {"Sec-Fetch-Site": "cross-site"}
    address = f"{people.hub.base}/user/{ADA}/sign-out"
    assert browser.post(address, headers=foreign, timeout=60, allow_redirects=False).status_code == 403

    left = browser.post(address, timeout=60, allow_redirects=False)

    page = browser.get(people.hub.url + left.headers["Location"], timeout=60)
    assert 'href="/hub/home"' in page.text
    assert "Sign out" not in page.text
    again = people.hub.ask("GET", f"/user/{ADA}/notebooks", headers={"Cookie": f"packmill_hub_session={cookie}"})
    assert again.status_code == 401


def test_logging_out_of_the_hub_ends_the_session(people: People) -> None:
    browser = people.hub.browser(ADA)
    browser.get(f"{people.hub.base}/", timeout=120)
    cookie = {"Cookie": f"packmill_hub_session={browser.cookies['packmill_hub_session']}"}
    assert people.hub.ask("GET", f"/user/{ADA}/notebooks", headers=cookie).status_code == 200

    browser.get(f"{people.hub.url}/hub/logout", timeout=60)

    wait_until(
        lambda: people.hub.ask("GET", f"/user/{ADA}/notebooks", headers=cookie).status_code == 401,
        message="the session has ended",
    )
