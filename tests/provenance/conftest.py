"""Real clips, real keys and really signed files, made once and copied by the tests that change them."""

import datetime
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import av
import c2pa
import numpy as np
import pytest

from media import file_digest
from provenance.development import new_development_chain
from provenance.identity import Identity, load_identity
from provenance.keys import Keys, KeyStore
from provenance.manifest import Claim, ContentDigests, Generation, PromptCommitment, manifest_definition
from provenance.signing import Signed, sign_file
from provenance.trust import TrustAnchors, sdk_context

CLIP_ID = 0x0123456789ABCDEF


def write_clip(path: Path, *, seed: int = 0, metadata: Mapping[str, str] | None = None) -> Path:
    """A second of H.264, 320 by 256: a window that slides over smooth noise."""
    rng = np.random.default_rng(seed)
    scene = np.kron(rng.integers(30, 220, (17, 30), dtype=np.uint8), np.ones((16, 16), np.uint8))
    with av.open(str(path), "w", format="mp4", options={"movflags": "use_metadata_tags+faststart"}) as output:
        output.metadata.update(metadata or {})
        stream = output.add_stream("libx264", rate=24, options={"preset": "ultrafast", "threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p"
        for index in range(24):
            window = np.ascontiguousarray(scene[:256, 4 * index : 4 * index + 320])
            frame = av.VideoFrame.from_ndarray(window, format="gray").reformat(format="yuv420p")
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def make_mp4() -> Callable[..., Path]:
    return write_clip


@pytest.fixture(scope="session")
def plain_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An unsigned clip."""
    return write_clip(tmp_path_factory.mktemp("clips") / "plain.mp4")


@pytest.fixture(scope="session")
def key_store(tmp_path_factory: pytest.TempPathFactory) -> KeyStore:
    store = KeyStore(tmp_path_factory.mktemp("home") / "keys")
    store.create()
    return store


@pytest.fixture(scope="session")
def home_keys(key_store: KeyStore) -> Keys:
    return key_store.load()


@pytest.fixture(scope="session")
def anchors(home_keys: Keys) -> TrustAnchors:
    return home_keys.anchors


@pytest.fixture(scope="session")
def generated_claim(plain_clip: Path) -> Claim:
    return Claim(
        title="a lighthouse at dusk",
        origin="generated",
        created=datetime.datetime(2026, 3, 1, 12, 0, tzinfo=datetime.UTC),
        duration_s=1.0,
        clip_id=CLIP_ID,
        content=ContentDigests(stream=file_digest(plain_clip), frames=bytes(32)),
        software_version="0.1.0",
        generation=Generation(
            model_id="clipproof/spacetime",
            weights_sha256=bytes(range(32)),
            seed=2**63 + 1,
            steps=20,
            guidance_scale=4.5,
            libraries={"torch": "2.13.0", "diffusers": "0.42.1"},
            prompt=PromptCommitment.of("a lighthouse at dusk", salt=b"sixteen salt byt"),
            decision_id="d-1",
            policy_version="2026.1",
        ),
    )


@pytest.fixture(scope="session")
def opened_claim(generated_claim: Claim) -> Claim:
    """A claim about somebody's own camera clip."""
    return replace(generated_claim, origin="camera", generation=None, title="my clip")


@pytest.fixture(scope="session")
def signed(
    plain_clip: Path,
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    tmp_path_factory: pytest.TempPathFactory,
) -> Signed:
    """A generated clip, signed by the home's own identity."""
    target = tmp_path_factory.mktemp("signed") / "signed.mp4"
    return sign_file(plain_clip, target, generated_claim, home_keys.identity, anchors)


@pytest.fixture
def other_identity(tmp_path: Path) -> Callable[..., tuple[Identity, TrustAnchors]]:
    """Makes an identity with exactly the names of the home's own, and its root as anchors."""

    def make(**times: object) -> tuple[Identity, TrustAnchors]:
        chain = new_development_chain("Clipproof development", **times)  # type: ignore[arg-type]
        (tmp_path / "chain.pem").write_bytes(chain.chain_pem)
        key = tmp_path / "chain.key"
        key.touch(0o600)
        key.write_bytes(chain.key_pem)
        return (
            load_identity(tmp_path / "chain.pem", key, kind="development"),
            TrustAnchors.from_pem(chain.root_pem, source="other home"),
        )

    return make


@pytest.fixture(scope="session")
def sdk_sign(
    home_keys: Keys, anchors: TrustAnchors, generated_claim: Claim, opened_claim: Claim
) -> Callable[..., Path]:
    """Signs with the bare SDK, as an attacker with a good certificate would: none of our refusals apply."""

    def sign(
        src: Path,
        dst: Path,
        *,
        identity: Identity = home_keys.identity,
        parent: Path | None = None,
        remote_url: str = "",
        change: Callable[[dict[str, object]], None] | None = None,
    ) -> Path:
        claim = opened_claim if parent else generated_claim
        definition = json.loads(manifest_definition(claim, media_type="video/mp4"))
        if change:
            change(definition)
        signer = c2pa.Signer.from_callback(
            identity.sign, c2pa.C2paSigningAlg[identity.algorithm], identity.chain_pem
        )
        with signer, c2pa.Builder.from_json(json.dumps(definition), context=sdk_context(anchors)) as builder:
            if parent:
                with parent.open("rb") as file:
                    builder.add_ingredient(
                        {"title": parent.name, "relationship": "parentOf", "label": "parent"},
                        "video/mp4",
                        file,
                    )
            if remote_url:
                builder.set_no_embed()
                builder.set_remote_url(remote_url)
            with src.open("rb") as source, dst.open("w+b") as target:
                builder.sign(signer, "video/mp4", source, target)
        return dst

    return sign
