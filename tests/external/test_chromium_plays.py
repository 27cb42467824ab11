"""Delivered clips play in a real browser, picture and sound."""

import shutil
from pathlib import Path

import pytest
from conftest import write_mp4
from flows_media import textured

from flows.home import open_home
from flows.marking import mark_clip
from flows.settings import Settings

pytestmark = pytest.mark.external

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]
FLAGS += ["--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"]

PAGE = """<video id="clip" src="marked.mp4" muted></video>"""
PLAY = """async () => {
  const video = document.getElementById("clip");
  await video.play();
  await new Promise((resolve, reject) => { video.onended = resolve; video.onerror = reject; });
  return {width: video.videoWidth, height: video.videoHeight, seconds: video.currentTime,
          frames: video.getVideoPlaybackQuality().totalVideoFrames,
          sound: video.webkitAudioDecodedByteCount};
}"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: install it (apt-get install chromium) to run this")
@pytest.mark.filterwarnings("default")
def test_a_marked_and_signed_clip_plays_to_its_end_with_sound(tmp_path: Path) -> None:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="run `make test-external`, which installs it"
    )
    source = write_mp4(tmp_path / "source.mp4", textured(24), sound=True, crf=16)
    with open_home(Settings(home=tmp_path / "home")) as home:
        mark_clip(home, source, tmp_path / "marked.mp4", source="camera")
    (tmp_path / "page.html").write_text(PAGE)
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_page()
        page.goto((tmp_path / "page.html").as_uri())
        played = page.evaluate(PLAY)
        browser.close()
    assert (played["width"], played["height"]) == (640, 512)
    assert played["seconds"] == pytest.approx(1.0, abs=0.1)
    assert played["frames"] >= 12  # a loaded machine may drop some
    assert played["sound"] > 0
