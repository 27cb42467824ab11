"""The detector that the settings name: which head, and which encoder it looks with."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

from flows.settings import Settings

if TYPE_CHECKING:
    from detector import Detector


def detector_of(settings: Settings) -> "Detector":
    """Loaded once a process. Raises `DetectorError` where head and encoder do not belong together or are missing."""
    return _load(settings.head, settings.encoder, settings.encoder_weights, settings.encoder_device)


def detector_cache(settings: Settings) -> Path:
    """Where what was measured of clips is kept; may be deleted at any time."""
    return settings.cache_folder / "detector"


@functools.cache
def _load(head: str | None, encoder: str | None, weights: str | None, device: str) -> "Detector":
    from detector import Detector, OpenClipEncoder

    own = OpenClipEncoder(encoder, weights, device) if encoder else None
    return Detector.load(head, own)
