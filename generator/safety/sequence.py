"""What lies in the order of frames: flashing that can harm, and single frames that were slipped in.

Flashing follows the definition of "general flash and red flash thresholds" of WCAG 2.2 (success criterion 2.3.1),
which was taken from the broadcasters' rules (Ofcom; ITU-R BT.1702). Two choices follow the broadcasters: the area is
a quarter of the picture, as nobody knows the size of the screen, and seven transitions within a second are "more than
three flashes". Pixels are averaged over cells before, so that fine balanced patterns do not count, as the rule says.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CELL_ROWS: Final = 24
CELL_COLUMNS: Final = 32
_MIN_LUMINANCE_CHANGE: Final = 0.1
_DARKER_BELOW: Final = 0.8
_MIN_RED_SHARE: Final = 0.8
_MIN_CHROMA_CHANGE: Final = 0.2
_MIN_AREA: Final = 0.25
_FAILS_AT: Final = 7  # transitions within one second: three flashes are six
_READ_SIDE: Final = 256

# Of an inserted frame, in levels of 8 bits, on the cells.
_STRANGE: Final = 30.0
_ALIKE: Final = 8.0
_OWN_PICTURE: Final = 12.0  # a blank or flash-lit frame holds no message
_MAX_LIKENESS: Final = 0.5
_MAX_INSERT_S: Final = 0.07

Kind = Literal["flash", "red_flash", "inserted_frame"]


@dataclass(frozen=True, slots=True)
class SequenceFinding:
    """Something in frames `first` to `last` (inclusive); `share` is the share of the picture, in [0, 1]."""

    kind: Kind
    first: int
    last: int
    share: float


def cells_of(frames: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Linear-light RGB in [0, 1], averaged over cells: float32 [T, 24, 32, 3] of uint8 [T, H, W, 3]."""
    import cv2
    import numpy as np

    level = np.arange(256) / 255
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)
    step = max(1, min(frames.shape[1:3]) // _READ_SIDE)
    cells = np.empty((len(frames), CELL_ROWS, CELL_COLUMNS, 3), np.float32)
    for index, frame in enumerate(frames):
        seen = linear[frame[::step, ::step]]
        cells[index] = cv2.resize(seen, (CELL_COLUMNS, CELL_ROWS), interpolation=cv2.INTER_AREA)
    return cells


def flashes(cells: "NDArray[np.float32]", fps: float) -> list[SequenceFinding]:
    """General and red flashes above the threshold, one finding per unbroken stretch and kind."""
    import numpy as np

    luminance = cells @ np.array([0.2126, 0.7152, 0.0722], np.float32)
    found = _stretches("flash", _transitions(luminance), fps)
    total = cells.sum(axis=3)
    red = np.where(total > 0, cells[..., 0] / np.maximum(total, 1e-6), 0) >= _MIN_RED_SHARE
    return found + _stretches("red_flash", _red_transitions(cells, red), fps)


def _transitions(luminance: "NDArray[np.float32]") -> "NDArray[np.bool_]":
    """Where a change of a tenth of full luminance from the last peak or valley is completed, its darker side under 0.8.

    A transition runs from extreme to extreme, so a slow ramp counts once, and a small wiggle not at all.
    """
    import numpy as np

    marks = np.zeros(luminance.shape, bool)
    extreme = luminance[0].copy()
    direction = np.zeros(extreme.shape, np.int8)
    for index in range(1, len(luminance)):
        value = luminance[index]
        for sign in (1, -1):
            further = (direction == sign) & (sign * (value - extreme) > 0)
            extreme[further] = value[further]
            turned = (direction != sign) & (sign * (value - extreme) >= _MIN_LUMINANCE_CHANGE)
            turned &= np.minimum(value, extreme) < _DARKER_BELOW
            marks[index] |= turned
            extreme[turned] = value[turned]
            direction[turned] = sign
    return marks


def _red_transitions(cells: "NDArray[np.float32]", red: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
    """Where a cell goes to or from saturated red by more than 0.2 in the CIE 1976 chromaticity diagram."""
    import numpy as np

    to_xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]], np.float32
    )
    x, y, z = np.moveaxis(cells @ to_xyz.T, 3, 0)
    weight = np.maximum(x + 15 * y + 3 * z, 1e-6)
    # Black has no chromaticity: it is read as white's.
    dark = y < 0.001
    u, v = np.where(dark, 0.1978, 4 * x / weight), np.where(dark, 0.4683, 9 * y / weight)
    marks = np.zeros(red.shape, bool)
    held_u, held_v, held_red = u[0].copy(), v[0].copy(), red[0].copy()
    for index in range(1, len(cells)):
        far = np.hypot(u[index] - held_u, v[index] - held_v) > _MIN_CHROMA_CHANGE
        turned = far & (red[index] != held_red)
        marks[index] = turned
        held_u[turned], held_v[turned] = u[index][turned], v[index][turned]
        held_red[turned] = red[index][turned]
    return marks


def _stretches(kind: Kind, marks: "NDArray[np.bool_]", fps: float) -> list[SequenceFinding]:
    """Stretches of frames at whose end more than a quarter of the cells had seven transitions within a second."""
    import numpy as np

    window = max(1, round(fps))
    counted = np.cumsum(marks, axis=0, dtype=np.int32)
    counted[window:] -= counted[:-window].copy()
    shares = (counted >= _FAILS_AT).mean(axis=(1, 2))
    failing = np.flatnonzero(shares > _MIN_AREA)
    found: list[SequenceFinding] = []
    for run in np.split(failing, np.flatnonzero(np.diff(failing) > 1) + 1):
        if len(run):
            first = max(0, int(run[0]) - window + 1)
            found.append(SequenceFinding(kind, first, int(run[-1]), float(shares[run].max())))
    return found


def inserted_frames(cells: "NDArray[np.float32]", fps: float) -> list[SequenceFinding]:
    """Pictures of at most 0.07 s (at least one frame) that differ from what stands, unchanged, before and after them.

    A blank frame or a flash of light over the same scene is none.
    """
    import numpy as np

    pictures = 255 * np.clip(cells, 0, 1) ** (1 / 2.2)
    longest = max(1, int(_MAX_INSERT_S * fps))
    found: list[SequenceFinding] = []
    index = 1
    while index < len(pictures) - 1:
        for length in range(1, min(longest, len(pictures) - 1 - index) + 1):
            before, inside, after = (
                pictures[index - 1],
                pictures[index : index + length],
                pictures[index + length],
            )
            strange = np.abs(inside - before).mean(axis=(1, 2, 3))
            if np.abs(before - after).mean() > _ALIKE or strange.min() < _STRANGE:
                continue
            if inside[0].std() < _OWN_PICTURE or _likeness(inside[0], before) > _MAX_LIKENESS:
                continue
            share = float((np.abs(inside[0] - before).mean(axis=2) > _STRANGE).mean())
            found.append(SequenceFinding("inserted_frame", index, index + length - 1, share))
            index += length
            break
        index += 1
    # Frames that keep changing places are a flicker, which the flash check judges, not something slipped in.
    return found if len(found) <= max(3, len(pictures) // 12) else []


def _likeness(one: "NDArray[np.float32]", other: "NDArray[np.float32]") -> float:
    """Correlation of two pictures' brightness, in [-1, 1]; 0 where one is flat."""
    import numpy as np

    a, b = one.mean(axis=2), other.mean(axis=2)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 1e-6 else 0.0


def frames_to_look_at(cells: "NDArray[np.float32]", fps: float, *, at_least: int, at_most: int) -> list[int]:
    """Sorted indices of `at_least` frames, or as many as the clip has seconds, up to `at_most`.

    Half are spread evenly, with the first and last; the others are those that differ most from all taken so far
    (farthest point first), so that no scene is missed and none is looked at twice without need.
    """
    import numpy as np

    length = len(cells)
    count = min(length, at_most, max(at_least, int(np.ceil(length / fps))))
    even = max(1, (count + 1) // 2)
    taken = sorted({int(index) for index in np.linspace(0, length - 1, even).round()})
    pictures = np.clip(cells, 0, 1).reshape(length, -1) ** (1 / 2.2)
    nearest = np.full(length, np.inf)
    for index in taken:
        nearest = np.minimum(nearest, np.abs(pictures - pictures[index]).mean(axis=1))
    while len(taken) < count:
        nearest[taken] = -1
        index = int(nearest.argmax())
        taken.append(index)
        nearest = np.minimum(nearest, np.abs(pictures - pictures[index]).mean(axis=1))
    return sorted(taken)
