"""Blind detection: is there a mark of this key, what does it say, where in the clip."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from math import degrees, floor, log
from operator import add
from pathlib import Path

import numpy as np

from media import Limits, Planes, open_clip
from provenance.watermark.carrier import SCHEME, carrier
from provenance.watermark.evidence import cells, pilot_chips, probability, weights
from provenance.watermark.pose import IDENTITY, Pose
from provenance.watermark.response import Reader, Response
from provenance.watermark.search import search
from provenance.watermark.segments import (
    Segment,
    State,
    payloads_by_window,
    seconds_by_payload,
    segments,
    strip,
)

READ_RATE = 12
MIN_READ_SHORT_SIDE = 64

_HOP_S = 0.5
_WINDOW_HOPS = 2
_MOST_HOPS = 256


@dataclass(frozen=True)
class Detection:
    """What is known of a clip's mark.

    state: "marked": the payload is proven, p_value bounds the chance of such a reading without a mark of
    this key; "present_unreadable": a mark of this key is proven, its payload is not; "not_found". payload:
    unsigned 64 bit, that of most of the time where parts differ (`segments` has them all). key_index: which
    of the keys that were tried; None where none was found. scale, angle_deg, mirrored, stretch: the geometry
    under which the mark was found, relative to the frame that was marked (scale 2: cropped to half).
    """

    state: State
    payload: int | None
    p_value: float
    segments: tuple[Segment, ...] = ()
    scheme: str = SCHEME
    key_index: int | None = None
    scale: float = 1.0
    angle_deg: float = 0.0
    mirrored: bool = False
    stretch: float = 1.0
    frames_read: int = 0


class Detector:
    """Reads marks from yuv420p pictures that come in order of time.

    For callers that decode a clip once and feed several readers. Memory is bounded: past 128 s the grain of
    the segments coarsens by doubling. What is kept does not depend on a key: keys are chosen at the end.
    """

    def __init__(self) -> None:
        self._shape: tuple[int, int] | None = None
        self._reader: Reader | None = None
        self._hops: list[Response] = []
        self._hop_s = Fraction(_HOP_S)
        self._open: Response | None = None
        self._slot = -1
        self._start = self._last = Fraction(0)
        self._frames = 0

    def update(self, planes: Planes, time: Fraction | float) -> None:
        """Takes a yuv420p picture, uint8, shown from `time` (seconds); skips past READ_RATE a second."""
        y = planes[0]
        if self._shape is None:
            self._shape, self._start = (y.shape[0], y.shape[1]), Fraction(time)
            if min(y.shape) >= MIN_READ_SHORT_SIDE:
                self._reader = Reader(y.shape[1], y.shape[0])
        elif y.shape != self._shape:
            raise ValueError(f"a plane of {y.shape} in a clip of {self._shape}")
        since = Fraction(time) - self._start
        self._last = max(self._last, since)
        slot = floor(since * READ_RATE + Fraction(1, 1000))
        if self._reader is None or slot == self._slot:
            return
        self._slot = slot
        while since >= (len(self._hops) + 1) * self._hop_s:
            self._close_hop(self._reader)
        response = self._reader.read(planes)
        self._open = response if self._open is None else self._open + response
        self._frames += 1

    def _close_hop(self, reader: Reader) -> None:
        hop = reader.silence() if self._open is None else self._open.clipped()
        self._hops.append(hop.astype(np.float16))
        self._open = None
        if len(self._hops) == _MOST_HOPS:
            halves = [hop.astype(np.float32) for hop in self._hops]
            pairs = zip(halves[::2], halves[1::2], strict=True)
            self._hops = [(first + second).astype(np.float16) for first, second in pairs]
            self._hop_s *= 2

    def finish(self, keys: Sequence[bytes]) -> Detection:
        """The verdict on all pictures so far, for the likeliest of a few keys. Raises BadKey."""
        carriers = [carrier(key) for key in keys]
        if self._open is not None and self._reader is not None:
            self._close_hop(self._reader)
        if not self._hops or not carriers:
            return Detection("not_found", None, 1.0)
        hops = [hop.astype(np.float32) for hop in self._hops]
        whole = reduce(add, hops).clipped()
        finding, likeliest = search(whole, carriers)
        tried = [likeliest] if finding.is_present else range(len(carriers))
        pose = finding.pose if finding.is_present else IDENTITY
        edges_s = [float(index * self._hop_s) for index in range(len(hops))]
        edges_s.append(max(edges_s[-1], float(self._last)))
        for index in tried:
            layout = cells(carriers[index])
            worth = weights(pilot_chips(whole, pose, layout))
            of_hops = strip(hops, pose, layout, worth)
            found = payloads_by_window(of_hops, min(_WINDOW_HOPS, len(hops)))
            found = {payload: log_p + log(len(carriers)) for payload, log_p in found.items()}
            if finding.is_read and finding.payload is not None:
                found[finding.payload] = min(finding.log_p, found.get(finding.payload, 0.0))
            if found:
                parts = segments(of_hops, list(found), edges_s)
                # Windows and whole clip are two ways to the same claim: the better of two bounds counts for
                # both.
                seconds = seconds_by_payload(parts)
                payload = max(found, key=lambda one: (seconds.get(one, 0.0), -found[one]))
                return self._detection("marked", payload, log(2) + found[payload], parts, pose, index)
            if finding.is_present:
                parts = segments(of_hops, [], edges_s)
                return self._detection("present_unreadable", None, finding.log_p, parts, pose, index)
        nothing = Segment(0.0, edges_s[-1], "not_found", None, 1.0)
        return self._detection("not_found", None, finding.log_p, (nothing,), IDENTITY, None)

    def _detection(
        self,
        state: State,
        payload: int | None,
        log_p: float,
        parts: tuple[Segment, ...],
        pose: Pose,
        key_index: int | None,
    ) -> Detection:
        return Detection(
            state,
            payload,
            probability(log_p),
            parts,
            key_index=key_index,
            scale=pose.scale,
            angle_deg=degrees(pose.angle),
            mirrored=pose.mirrored,
            stretch=pose.stretch,
            frames_read=self._frames,
        )


def detect_file(path: Path | str, *, key: bytes | Sequence[bytes], limits: Limits | None = None) -> Detection:
    """What the mark of `key`, or of the likeliest of a few keys, says in a video file, read at no more than
    READ_RATE frames a second.

    Raises BadKey, and media.MediaError for a file that cannot be read.
    """
    keys = [key] if isinstance(key, bytes) else key
    detector = Detector()
    with open_clip(path, pixel_format="yuv420p", rate=READ_RATE, limits=limits) as clip:
        for frame in clip:
            detector.update(frame.yuv, frame.time)
    return detector.finish(keys)
