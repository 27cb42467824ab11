"""Clips that we sign are read by the C2PA JavaScript SDK, as web pages use it, in a real browser."""

import datetime
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

from media import stream_digest
from provenance.keys import KeyStore
from provenance.manifest import Claim, ContentDigests, Generation, PromptCommitment
from provenance.signing import Signed, sign_file

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
    done = subprocess.run(
        [NPM, "install", *options, PACKAGE], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    (folder / "page.html").write_text(f'<script type="importmap">{json.dumps({"imports": IMPORTS})}</script>')
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(_Pages, directory=str(folder))) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield folder, f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


@pytest.fixture(scope="module")
def signed(site: tuple[Path, str], tmp_path_factory: pytest.TempPathFactory) -> tuple[Signed, str]:
    """A generated clip that we signed, in the served folder, and our trust anchors."""
    folder = tmp_path_factory.mktemp("signed")
    source = write_mp4(folder / "source.mp4", textured(24))
    store = KeyStore(folder / "keys")
    store.create(organization="Example Studio")
    keys = store.load()
    claim = Claim(
        title="a lighthouse at dusk",
        origin="generated",
        created=datetime.datetime.now(datetime.UTC),
        duration_s=1.0,
        clip_id=0x0123456789ABCDEF,
        content=ContentDigests(stream=stream_digest(source).digest),
        software_version="0.1.0",
        generation=Generation(
            model_id="clipproof/spacetime",
            weights_sha256=bytes(range(32)),
            seed=2**63 + 1,
            steps=20,
            guidance_scale=4.5,
            libraries={"torch": "2.13.0"},
            prompt=PromptCommitment.of("a lighthouse at dusk"),
            decision_id="d-1",
            policy_version="2026.1",
        ),
    )
    return sign_file(source, site[0] / "signed.mp4", claim, keys.identity, keys.anchors), keys.anchors.pem


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
    read: Any, signed: tuple[Signed, str]
) -> None:
    found = read("/signed.mp4")
    assert found["active"] == found["store"]["active_manifest"] == signed[0].label
    assert found["store"]["validation_state"] == "Valid"
    failures = found["store"]["validation_results"]["activeManifest"]["failure"]
    assert {one["code"] for one in failures} == {"signingCredential.untrusted"}


def test_with_our_anchors_the_reader_trusts_it(read: Any, signed: tuple[Signed, str]) -> None:
    assert read("/signed.mp4", signed[1])["store"]["validation_state"] == "Trusted"


def test_one_changed_byte_of_the_pictures_makes_it_invalid(
    read: Any, site: tuple[Path, str], signed: tuple[Signed, str]
) -> None:
    changed = bytearray((site[0] / "signed.mp4").read_bytes())
    changed[changed.rindex(b"mdat") + 2000] ^= 1
    (site[0] / "changed.mp4").write_bytes(changed)
    found = read("/changed.mp4", signed[1])
    assert found["store"]["validation_state"] == "Invalid"
    failures = found["store"]["validation_results"]["activeManifest"]["failure"]
    assert "assertion.bmffHash.mismatch" in {one["code"] for one in failures}


def test_the_reader_shows_how_it_was_generated_and_the_seed_keeps_every_digit(
    read: Any, signed: tuple[Signed, str]
) -> None:
    found = read("/signed.mp4")
    manifest = found["store"]["manifests"][signed[0].label]
    assertions = {one["label"]: one["data"] for one in manifest["assertions"]}
    assert assertions["org.clipproof.generation"]["model_id"] == "clipproof/spacetime"
    assert assertions["org.clipproof.generation"]["seed"] == str(2**63 + 1)
    assert assertions["c2pa.soft-binding"]["blocks"][0]["value"] == "0123456789abcdef"
    source = assertions["c2pa.actions.v2"]["actions"][0]["digitalSourceType"]
    assert source.endswith("/trainedAlgorithmicMedia")
