"""The page of an audit, used in a real browser."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from audit_rows import failed, judged, still

from detector import load_head
from flows.reporting import card_of, write_report

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("default")]

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]

ROWS = [
    judged("in/b 10.mp4", 0.5, stills=[still()], given={"uploader": "王芳"}),
    judged("in/b 9.mp4", 0.95, provenance="trusted"),
    judged("in/</script><img src=x onerror=alert(1)>.mp4", 0.05),
    failed("in/broken.mp4", "in/broken.mp4: cut off"),
    judged("in/烟花.mp4", 0.7),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it (apt-get install chromium) to run this")
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="run `make test-external`, which installs it"
    )
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield started
        started.close()


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("report")
    write_report(folder, ROWS, head_card=card_of(load_head()), before=ROWS[:2])
    return (folder / "report.html").as_uri()


@pytest.fixture
def page(browser: Any, report: str) -> Iterator[Any]:
    """The page, opened; whatever the console says, a blocked style or script above all, fails the test."""
    said: list[str] = []
    asked: list[str] = []
    opened = browser.new_page(viewport={"width": 1200, "height": 900})
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("dialog", lambda dialog: said.append(dialog.message))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(report)
    yield opened
    opened.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report]


def names(page: Any) -> list[str]:
    return page.locator(".clips tbody tr:not([hidden]) .file").all_text_contents()


def test_it_is_styled_and_its_stills_are_decoded(page: Any) -> None:
    assert page.locator(".clips tbody tr").first.evaluate("row => getComputedStyle(row).display") == "grid"
    picture = page.locator(".stills img").first
    picture.scroll_into_view_if_needed()
    assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") == 128


def test_every_column_sorts_both_ways_by_keyboard(page: Any) -> None:
    audited = names(page)
    for column in page.locator(".clips th button").all():
        column.focus()
        page.keyboard.press("Enter")
        once = names(page)
        page.keyboard.press("Enter")
        assert sorted(names(page)) == sorted(once) == sorted(audited)
        assert page.locator(".clips th[aria-sort]").count() == 1
    page.get_by_role("button", name="p_ai").click()
    assert names(page)[0] == "b 9.mp4"
    assert names(page)[-1] == "broken.mp4"  # what has no value comes last, both ways
    page.get_by_role("button", name="p_ai").click()
    assert names(page)[-1] == "broken.mp4"
    page.get_by_role("button", name="Clip").click()
    assert names(page).index("b 9.mp4") < names(page).index("b 10.mp4")


def test_filters_by_verdict_provenance_and_text_work_together(page: Any) -> None:
    assert page.locator("#count").inner_text() == "5 of 5 shown"
    page.locator("[value=inconclusive]").uncheck(force=True)
    assert len(names(page)) == 3
    page.locator("#provenance").select_option("trusted")
    assert names(page) == ["b 9.mp4"]
    page.locator("#provenance").select_option("*")
    page.locator("[value=inconclusive]").check(force=True)
    page.locator("#find").fill("王芳")  # a column of the manifest
    page.get_by_text("1 of 5 shown").wait_for()
    assert names(page) == ["b 10.mp4"]
    page.locator("#find").fill("nothing like it")
    page.locator("#none").wait_for(state="visible")


def test_without_script_it_shows_all_clips_and_no_controls(browser: Any, report: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    opened = context.new_page()
    opened.goto(report)
    assert opened.locator(".clips tbody tr").count() == len(ROWS)
    assert not opened.locator("#tools").is_visible()
    opened.locator(".why summary").first.click()
    assert "王芳" in opened.locator(".why dl").first.inner_text()
    context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(browser: Any, report: str, scheme: str) -> None:
    opened = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme)
    opened.goto(report)
    assert opened.evaluate("document.documentElement.scrollWidth") <= 360
    opened.locator("#order").select_option("p down")
    assert names(opened)[0] == "b 9.mp4"
    opened.close()
