"""A clip's pictures, decoded once for both who look at them: the mark's detector and the fingerprint."""

from pathlib import Path
from typing import Final

from media import Limits, open_clip
from provenance.fingerprint import QUERY_RATE_HZ, ClipFingerprint, Fingerprinter
from provenance.watermark import Detection, Detector
from provenance.watermark.detect import READ_RATE

_SHORT_SIDE_PX: Final = 1080  # neither loses anything by it, and a 4K clip takes a quarter of the time


def look(
    path: Path, mark_key: bytes | None, limits: Limits | None = None
) -> tuple[Detection | None, ClipFingerprint]:
    """What the mark's detector finds (None without a key), and the query fingerprint. Raises `media.MediaError`."""
    detector = Detector() if mark_key is not None else None
    fingerprinter = Fingerprinter(QUERY_RATE_HZ)
    with open_clip(
        path, pixel_format="yuv420p", rate=READ_RATE, short_side=_SHORT_SIDE_PX, limits=limits
    ) as clip:
        for frame in clip:
            if detector is not None:
                detector.update(frame.yuv, frame.time)
            fingerprinter.update(frame.planes[0], float(frame.time))
    if detector is None or mark_key is None:
        return None, fingerprinter.finish()
    return detector.finish([mark_key]), fingerprinter.finish()
