"""A clip's pictures, decoded once for both who look at them: the mark's detector and the fingerprint.

A home has a key for every epoch, and each key is a search of its own. So only some are tried: those of the newest
epochs, and those under which the clips that look like this one were marked.
"""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from media import Limits, open_clip
from provenance.agreement import GOOD_QUALITY
from provenance.fingerprint import QUERY_RATE_HZ, ClipFingerprint, Fingerprinter
from provenance.ledger import Ledger
from provenance.pdq import dihedral_hashes
from provenance.watermark import MAX_EPOCH, SCHEME, Detection, Detector, MarkKeys
from provenance.watermark.detect import READ_RATE
from provenance.watermark.segments import seconds_by_payload

_SHORT_SIDE_PX: Final = 1080  # neither loses anything by it, and a 4K clip takes a quarter of the time
_LOOKALIKES: Final = 16  # copies and edits of a clip look like it, too, and an edit has no mark of its own
_LED_EPOCHS: Final = 4
_QUERIES: Final = 64  # pictures that are looked up, each in its eight attitudes: a bound for long clips


@dataclass(frozen=True, slots=True)
class Seen:
    """What a clip's pictures show.

    `detection` is None where there were no keys to look with. `epochs`: those whose keys were tried, in that order.
    `forged`: payloads that were read with the key of another epoch than the clip of that name was marked in. Who
    made them has a leaked key and not that clip's; they are not in `detection`, which then cannot be read there.
    """

    fingerprint: ClipFingerprint
    detection: Detection | None = None
    epochs: tuple[int, ...] = ()
    forged: tuple[int, ...] = ()


def look(
    path: Path,
    keys: MarkKeys | None = None,
    ledger: Ledger | None = None,
    limits: Limits | None = None,
) -> Seen:
    """The query fingerprint, and with keys what the mark's detector finds. Raises `media.MediaError`."""
    detector = Detector() if keys is not None else None
    fingerprinter = Fingerprinter(QUERY_RATE_HZ)
    with open_clip(
        path, pixel_format="yuv420p", rate=READ_RATE, short_side=_SHORT_SIDE_PX, limits=limits
    ) as clip:
        for frame in clip:
            if detector is not None:
                detector.update(frame.yuv, frame.time)
            fingerprinter.update(frame.planes[0], float(frame.time))
    fingerprint = fingerprinter.finish()
    if detector is None or keys is None:
        return Seen(fingerprint)
    epochs = epochs_to_try(keys, fingerprint, ledger)
    detection = detector.finish([keys.of(epoch) for epoch in epochs])
    seen = Seen(fingerprint, detection, epochs)
    return seen if ledger is None else without_forged(seen, ledger)


def epochs_to_try(keys: MarkKeys, fingerprint: ClipFingerprint, ledger: Ledger | None) -> tuple[int, ...]:
    """The likeliest first: of recorded clips that look like this one, then the newest; at most 8."""
    if ledger is None:
        return keys.newest()
    # The ledger is ahead of keys that came back from an old backup, or were loaded before the last new epoch.
    every = replace(keys, epoch=max(keys.epoch, ledger.latest_mark_epoch())).newest()
    if every[-1] == 0:
        return every  # no lead is needed, and the index of a large ledger not loaded
    return tuple(dict.fromkeys((*_led_to(fingerprint, ledger), *keys.newest())))


def without_forged(seen: Seen, ledger: Ledger) -> Seen:
    """The same without payloads of clips that were marked in another epoch than that of the key that read them."""
    found = seen.detection
    if found is None or found.key_index is None:
        return seen
    epoch = seen.epochs[found.key_index]
    said = dict.fromkeys(
        one for one in (found.payload, *(s.payload for s in found.segments)) if one is not None
    )
    recorded = ledger.mark_epochs(found.scheme, list(said))
    forged = tuple(payload for payload in said if recorded.get(payload, epoch) != epoch)
    if not forged:
        return seen
    segments = tuple(
        replace(one, state="present_unreadable", payload=None) if one.payload in forged else one
        for one in found.segments
    )
    seconds = seconds_by_payload(segments)
    payload = max(seconds, key=lambda one: seconds[one]) if seconds else None
    state = found.state if payload is not None else "present_unreadable"
    return replace(
        seen, detection=replace(found, state=state, payload=payload, segments=segments), forged=forged
    )


def _led_to(fingerprint: ClipFingerprint, ledger: Ledger) -> tuple[int, ...]:
    """The epochs of the recorded clips that look most like this one, or like its mirror image, or turned."""
    detailed = np.flatnonzero(fingerprint.qualities >= GOOD_QUALITY)
    if not len(detailed):
        return ()
    # An odd step: of eight pictures a second each phase comes, and with it what was recorded, two a second.
    some = detailed[:: len(detailed) // _QUERIES | 1]
    turned = [dihedral_hashes(one.astype(np.float32))[1:] for one in fingerprint.thumbnails[some]]
    near = ledger.nearest_fingerprints(np.concatenate([fingerprint.hashes[some], *turned]))
    votes = Counter(clip_id for clip_id, _ in {(one.clip_id, one.query_index) for one in near})
    lookalikes = [clip_id for clip_id, _ in votes.most_common(_LOOKALIKES)]
    recorded = ledger.mark_epochs(SCHEME, lookalikes)
    led = dict.fromkeys(recorded[one] for one in lookalikes if recorded.get(one, MAX_EPOCH + 1) <= MAX_EPOCH)
    return tuple(led)[:_LED_EPOCHS]
