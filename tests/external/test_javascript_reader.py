"""Clips that we sign are read by the C2PA JavaScript SDK, as web pages use it, in a real browser."""

import http.server
import json
import shutil
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from conftest import write_mp4
from flows_media import textured

from flows.home import open_home
from flows.marking import mark_clip
from flows.settings import Settings
from provenance.ledger import ClipRow

pytestmark = [pytest.mark.external, pytest.mark.filterwarnings("default")]

PACKAGE = "@contentauth/c2pa-web@0.13.1"  # exact: what it says of a file may change
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NPM = shutil.which("npm")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update"]

IMPORTS = {
    "highgain": "/node_modules/highgain/dist/index.js",
    "ts-deepmerge": "/node_modules/ts-deepmerge/esm/index.js",
}
READ = """async ({file, anchors}) => {
  const {createC2pa} = await import("/node_modules/@contentauth/c2pa-web/dist/index.js");
  const trust = anchors ? {userAnchors: anchors} : {};
  const c2pa = await createC2pa({
    wasmSrc: "/node_modules/@contentauth/c2pa-web/dist/resources/c2pa_bg.wasm",
    settings: {verify: {verifyTrust: true}, trust},
  });
  const blob = await (await fetch(file)).blob();
  const reader = await c2pa.reader.fromBlob("video/mp4", blob);
  const read = {store: await reader.manifestStore(), active: await reader.activeLabel()};
  await reader.free();
  c2pa.dispose();
  return read;
}"""


class _Pages(http.server.SimpleHTTPRequestHandler):
    extensions_map = {**http.server.SimpleHTTPRequestHandler.extensions_map, ".wasm": "application/wasm"}  # noqa: RUF012

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, str]]:
    """A folder served on loopback, with the reader installed from npm in it."""
    if NPM is None:
        pytest.skip("no npm: install Node.js to run this")
    if CHROMIUM is None:
        pytest.skip("no Chromium: install it (apt-get install chromium) to run this")
    folder = tmp_path_factory.mktemp("site")
    options = ["--ignore-scripts", "--no-package-lock", "--no-audit", "--no-fund", "--prefix", str(folder)]
    subprocess.run([NPM, "install", *options, PACKAGE], check=True, capture_output=True, timeout=300)
    (folder / "page.html").write_text(f'<script type="importmap">{json.dumps({"imports": IMPORTS})}</script>')
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def signed(site: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[ClipRow, str]:
    """A clip that we signed, in the served folder, and our trust anchors."""
    folder = tmp_path_factory.mktemp("signed")
    source = write_mp4(folder / "source.mp4", textured(24), crf=16)
    with open_home(Settings(home=folder / "home")) as home:
        marked = mark_clip(home, source, site[0] / "signed.mp4", source="ai")
        row = home.ledger.clip(int(marked.clip_id, 16))
        assert row is not None
        return row, home.trust.pem


@pytest.fixture(scope="module")
def read(site: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="run `make test-external`, which installs it"
    )
    profile = tmp_path_factory.mktemp("profile")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch_persistent_context(
            profile, executable_path=CHROMIUM, args=FLAGS, headless=True
        )
        page = browser.new_page()
        page.goto(f"{site[1]}/page.html")
        yield lambda file, anchors=None: page.evaluate(READ, {"file": file, "anchors": anchors})
        browser.close()


def test_the_reader_finds_our_manifest_valid_and_knows_nobody_who_vouches_for_it(
    read: Any, signed: tuple[ClipRow, str]
) -> None:
    row, _ = signed
    assert row.manifest is not None
    found = read("/signed.mp4")
    assert found["active"] == found["store"]["active_manifest"] == row.manifest.label
    assert found["store"]["validation_state"] == "Valid"


def test_with_our_anchors_the_reader_trusts_it(read: Any, signed: tuple[ClipRow, str]) -> None:
    assert read("/signed.mp4", signed[1])["store"]["validation_state"] == "Trusted"


def test_one_changed_byte_of_the_pictures_makes_it_invalid(
    read: Any, site: tuple[Path, str], signed: tuple[ClipRow, str]
) -> None:
    changed = bytearray((site[0] / "signed.mp4").read_bytes())
    changed[changed.rindex(b"mdat") + 2000] ^= 1
    (site[0] / "changed.mp4").write_bytes(changed)
    found = read("/changed.mp4", signed[1])
    assert found["store"]["validation_state"] == "Invalid"
    failures = found["store"]["validation_results"]["activeManifest"]["failure"]
    assert "assertion.bmffHash.mismatch" in {one["code"] for one in failures}


def test_the_reader_shows_our_assertions(read: Any, signed: tuple[ClipRow, str]) -> None:
    row, _ = signed
    found = read("/signed.mp4")
    manifest = found["store"]["manifests"][found["active"]]
    assertions = {one["label"]: one["data"] for one in manifest["assertions"]}
    assert "stream_sha256" in assertions["org.clipproof.content"]
    assert assertions["c2pa.soft-binding"]["blocks"][0]["value"] == f"{row.clip_id:016x}"
