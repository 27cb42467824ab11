"""What an audit says of one clip: deterministic, blind to the container, and silent where it should be."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import remux
from moving_textures import redrawn, travelling

import detector
from detector import AuditReport, HeadNotFound, audit_clip
from detector.head import ENCODER_HEAD
from media import CorruptMedia, MediaError, UnsupportedMedia


@pytest.fixture(scope="module")
def report(travelling_clip: Path) -> AuditReport:
    return audit_clip(travelling_clip)


def texts(report: AuditReport, kind: str) -> str:
    return "\n".join(e.text for e in report.evidence if e.kind == kind)


def test_the_same_file_gives_the_same_report(report: AuditReport, travelling_clip: Path) -> None:
    assert audit_clip(travelling_clip).to_json() == report.to_json()


def test_another_container_gives_the_same_probability(
    report: AuditReport, travelling_clip: Path, tmp_path: Path
) -> None:
    other = audit_clip(remux(travelling_clip, tmp_path / "same.mkv"))
    assert other.p_ai == report.p_ai
    assert [s.p_ai for s in other.segments] == [s.p_ai for s in report.segments]


def test_a_lossless_copy_with_a_bar_of_black_keeps_its_side(
    make_clip: Callable[..., Path], report: AuditReport
) -> None:
    boxed = (np.pad(frame, ((24, 24), (0, 0)), constant_values=16) for frame in travelling(1, 34))
    assert audit_clip(make_clip("boxed.mp4", boxed)).p_ai == pytest.approx(report.p_ai, abs=0.15)


def test_segments_cover_the_clip_in_overlapping_windows(report: AuditReport) -> None:
    assert [(s.start_s, s.end_s) for s in report.segments] == [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0)]
    assert all(0 < s.p_ai < 1 for s in report.segments)


def test_a_report_says_what_it_saw_what_it_lacks_and_how_often_it_errs(report: AuditReport) -> None:
    assert "3 windows of 16 frames at 8.0 a second" in texts(report, "looked_at")
    assert "sound, metadata" in texts(report, "missing")
    assert "leans to" in texts(report, "reason")
    rates = report.error_rates["report_split_unseen_sources"]["camera_called_ai"]
    assert {"average_over_sources", "worst_source", "natural_footage"} <= set(rates)
    assert report.head_id == ENCODER_HEAD
    assert len(report.head_digest) == 64


def test_json_round_trips_and_holds_plain_numbers(report: AuditReport) -> None:
    read = json.loads(report.to_json())
    assert read["verdict"] == report.verdict
    assert read["segments"][0]["p_ai"] == report.segments[0].p_ai
    assert "NaN" not in report.to_json()


def test_a_texture_unlike_any_training_clip_is_inconclusive(
    make_clip: Callable[..., Path],
) -> None:
    report = audit_clip(make_clip("noise.mp4", white_noise(20)))
    assert report.ood_score is not None
    assert report.ood_score > 1
    assert report.verdict == "inconclusive"
    assert "unlike the material" in texts(report, "limit")


def white_noise(count: int) -> object:
    rng = np.random.default_rng(0)
    for _ in range(count):
        yield rng.uniform(16, 235, (160, 192))


def still(count: int) -> object:
    frame = next(travelling(1, 1))
    yield from [frame] * count


def black(count: int) -> object:
    for k in range(count):
        frame = np.full((160, 192), 16.0)
        frame[70:90, 80 + k : 100 + k] = 200
        yield frame


SILENT = {
    "still": (lambda: still(20), 8, "nothing moves"),
    "black": (lambda: black(20), 8, "plain black or white"),
    "short": (lambda: redrawn(1, 12), 8, "too short: 12 frames"),
    "three frames": (lambda: redrawn(1, 3), 8, "too short: 3 frames"),
    "tiny": (lambda: redrawn(1, 20, 96, 96), 8, "too small"),
    "slow": (lambda: redrawn(1, 20), 2, "frame rate: sampled at 2.0"),
}


@pytest.mark.parametrize("name", SILENT)
def test_where_nothing_can_be_told_the_verdict_is_inconclusive_with_the_reason(
    name: str, make_clip: Callable[..., Path]
) -> None:
    frames, rate, reason = SILENT[name]
    report = audit_clip(make_clip(f"{name}.mp4", frames(), rate))
    assert report.verdict == "inconclusive"
    assert reason in texts(report, "limit")
    assert all(s.verdict == "inconclusive" for s in report.segments)
    assert 0 <= report.p_ai <= 1


def test_clips_without_any_usable_window_get_the_neutral_probability(
    make_clip: Callable[..., Path],
) -> None:
    report = audit_clip(make_clip("standing.mp4", still(20)))
    assert report.p_ai == 0.5
    assert report.ood_score is None


def test_a_long_clip_is_sampled_not_refused(make_clip: Callable[..., Path]) -> None:
    clip = make_clip("long.mp4", travelling(4, 120))
    report = audit_clip(clip, max_windows=4)
    assert 3 <= len(report.segments) <= 5
    assert report.segments[-1].end_s > 10


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", CorruptMedia),
        (b"ffconcat version 1.0\nfile other.mp4\n", UnsupportedMedia),
        (b"\0\0\0\x18ftypmp42" + b"\0" * 60, CorruptMedia),
    ],
)
def test_a_file_that_is_no_clip_raises_a_typed_error(
    content: bytes, error: type[MediaError], tmp_path: Path
) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(MediaError) as caught:
        audit_clip(tmp_path / "clip.mp4")
    assert isinstance(caught.value, error)


def test_a_head_that_does_not_exist_is_named(travelling_clip: Path, tmp_path: Path) -> None:
    with pytest.raises(HeadNotFound):
        audit_clip(travelling_clip, head=tmp_path / "nothing")


def test_importing_the_detector_loads_nothing_heavy() -> None:
    code = (
        "import sys, detector; detector.audit_clip, detector.OpenClipEncoder\n"
        "print(sorted({'torch', 'open_clip', 'onnxruntime', 'scipy', 'cv2', 'av'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=root)
    assert set(json.loads(done.stdout.replace("'", '"'))) <= {"av"}


def test_every_exported_name_exists() -> None:
    assert all(hasattr(detector, name) for name in detector.__all__)
    with pytest.raises(AttributeError, match="no attribute 'audit_many'"):
        _ = detector.audit_many
