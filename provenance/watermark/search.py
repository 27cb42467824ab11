"""Finding the pose of a mark: likely poses first, each stage with its own share of the false-alarm
budget.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from math import log, pi, prod

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

from provenance.watermark import axis
from provenance.watermark.carrier import CANVAS, Carrier
from provenance.watermark.evidence import Cells, Finding, cells, read
from provenance.watermark.pose import ENLARGED, IDENTITY, Pose, sample
from provenance.watermark.response import CELL_PX, COARSE, Map, Response

_PER_CELL = 1.5  # samples a cell of the correlation grid
_SIDE = int(CANVAS * _PER_CELL)
_SHIFTS = _SIDE * _SIDE
_CANDIDATES = 4
_WORTH_A_LOOK = 4.5  # a peak, in standard deviations of its correlation surface

# The hill climb moves on a lattice laid down beforehand, so that the poses that it could reach are counted.
_STEPS = {"x": 1 / 16, "y": 1 / 16, "log_scale": 0.001, "angle": 0.001, "stretch": 0.001}
_REACH = {"x": 12, "y": 12, "log_scale": 14, "angle": 14, "stretch": 14}
_LATTICE = prod(2 * reach + 1 for reach in _REACH.values())
_TWO_TESTS = log(2)  # pilot and payload each get half of the budget

Turn = tuple[int, bool]  # quarter turns, mirrored
_MIRRORS: tuple[Turn, ...] = ((0, False), (0, True))
_ALL_TURNS: tuple[Turn, ...] = tuple(
    (quarter, mirrored) for quarter in range(4) for mirrored in (False, True)
)


@dataclass(frozen=True)
class Stage:
    """Poses that are tried together. share: of the false-alarm budget; shapes: (scale, angle, stretch)."""

    share: float
    shapes: tuple[tuple[float, float, float], ...]
    turns: tuple[Turn, ...]

    @property
    def log_poses(self) -> float:
        return (
            log(len(self.shapes) * len(self.turns))
            + log(_SHIFTS)
            + log(_LATTICE)
            - log(self.share)
            + _TWO_TESTS
        )

    @property
    def log_attempts(self) -> float:
        return log(_CANDIDATES) - log(self.share) + _TWO_TESTS


def _ladder(low: float, high: float, step: float) -> tuple[float, ...]:
    return tuple(np.exp(np.arange(log(low), log(high) + step / 2, step)).tolist())


_SCALES = _ladder(0.57, 2.95, 0.02)
_TILTS = tuple(degrees * pi / 180 for degrees in np.arange(-12, 12.1, 0.8).tolist() if abs(degrees) > 0.1)
_FEW_TILTS = tuple(degrees * pi / 180 for degrees in (-6, -4.5, -3, -1.5, 1.5, 3, 4.5, 6))
_STRETCHES = (9 / 16, 0.6, 2 / 3, 3 / 4, 0.8, 0.9, 10 / 9, 5 / 4, 4 / 3, 3 / 2, 5 / 3, 16 / 9)

IDENTITY_SHARE = 0.5
STAGES = (
    Stage(1 / 8, ((1.0, 0.0, 1.0),), _ALL_TURNS),
    Stage(1 / 8, tuple((scale, 0.0, 1.0) for scale in _SCALES), _MIRRORS),
    Stage(
        1 / 16,
        tuple((1.0, tilt, 1.0) for tilt in _TILTS)
        # Stretching changes which side is the short one, and with it the scale.
        + tuple((scale, 0.0, stretch) for stretch in _STRETCHES for scale in (1.0, 1 / stretch)),
        _MIRRORS,
    ),
    Stage(
        1 / 16,
        tuple((scale, tilt, 1.0) for tilt in _FEW_TILTS for scale in _ladder(0.72, 2.0, 0.03)),
        _MIRRORS,
    ),
    Stage(1 / 16, tuple((scale, 0.0, 1.0) for scale in _ladder(0.57, 2.0, 0.02)), _ALL_TURNS[2:]),
)


def search(response: Response, carrier: Carrier) -> Finding:
    """The best finding over all stages, the first readable one if there is any.

    Costs some ten milliseconds where the picture was not cropped or turned, about two CPU seconds where
    there is no mark.
    """
    layout = cells(carrier)
    fixed = _TWO_TESTS - log(IDENTITY_SHARE)
    best = read(response, IDENTITY, layout, log_poses=fixed, log_attempts=fixed)
    if best.is_read:
        return best
    correlator = _correlator(carrier)
    for stage in STAGES:
        for pose in _candidates(stage, response, correlator):
            climbed = _climb(response, pose, layout)
            found = read(
                response, climbed, layout, log_poses=stage.log_poses, log_attempts=stage.log_attempts
            )
            if found.is_read:
                return found
            best = min(best, found, key=lambda finding: finding.log_p_present)
    return best


def _candidates(stage: Stage, response: Response, correlator: "_Correlator") -> Iterable[Pose]:
    peaks = [
        peak
        for shape, laid in _lay(stage.shapes, response)
        for peak in correlator.peaks(laid, stage.turns, shape)
        if peak[0] > _WORTH_A_LOOK
    ]
    peaks.sort(key=lambda peak: -peak[0])
    return [pose for _, pose in peaks[:_CANDIDATES]]


def _lay(
    shapes: Iterable[tuple[float, float, float]], response: Response
) -> Iterator[tuple[tuple[float, float, float], Map]]:
    """The response laid on the canvas, centre on centre, under each shape."""
    tilted: dict[tuple[float, bool], Map] = {(0.0, False): response.fine, (0.0, True): response.coarse}
    for scale, angle, stretch in shapes:
        enlarged = scale > ENLARGED
        if (angle, enlarged) not in tilted:
            tilted[angle, enlarged] = _tilt(response.coarse if enlarged else response.fine, angle)
        values = tilted[angle, enlarged]
        step = CELL_PX * (COARSE if enlarged else 1.0) * scale / _PER_CELL
        rows = _laying(values.shape[0], step)
        columns = _laying(values.shape[1], step * stretch)
        yield (scale, angle, stretch), axis.apply((rows, columns), values)


@lru_cache(maxsize=2048)
def _laying(source: int, step: float) -> axis.Operator:
    return axis.resampling(_SIDE, source, step, extend=False)


def _tilt(values: Map, angle: float) -> Map:
    """The map turned about its centre, so that a mark tilted by `angle` stands upright."""
    cos, sin = np.cos(angle), np.sin(angle)
    turn = np.array([[cos, -sin], [sin, cos]])  # on (row, column)
    centre = (np.array(values.shape) - 1) / 2
    tilted: Map = ndimage.affine_transform(values, turn, centre - turn @ centre, order=1, output=np.float32)
    return tilted


def _turned(points: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
    """Canvas points (x, y) mirrored, then turned by quarters."""
    quarter, mirrored = turn
    x, y = (-points[:, 0] if mirrored else points[:, 0]), points[:, 1]
    for _ in range(quarter):
        x, y = -y, x
    return np.stack([x, y], axis=1)


def _unturned(points: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
    quarter, mirrored = turn
    return _turned(_turned(points, (-quarter % 4, False)), (0, mirrored))


class _Correlator:
    """The pilot's spectra, one for each turn: one transform of a picture serves every turn and every
    shift.
    """

    def __init__(self, layout: Cells) -> None:
        self._spectra: dict[Turn, NDArray[np.complex64]] = {}
        self._layout = layout

    def _spectrum(self, turn: Turn) -> NDArray[np.complex64]:
        if turn not in self._spectra:
            template = np.zeros((_SIDE, _SIDE), dtype=np.float32)
            place = _unturned(self._layout.pilot, turn) * _PER_CELL + (_SIDE - 1) / 2
            corner = np.floor(place).astype(np.int64)
            right, low = (place - corner).T
            for dy, wy in ((0, 1 - low), (1, low)):
                for dx, wx in ((0, 1 - right), (1, right)):
                    np.add.at(
                        template,
                        ((corner[:, 1] + dy) % _SIDE, (corner[:, 0] + dx) % _SIDE),
                        self._layout.pilot_signs * wx * wy,
                    )
            spectrum = np.conj(fft.rfft2(template, workers=1))
            spectrum[0, 0] = 0
            self._spectra[turn] = spectrum
        return self._spectra[turn]

    def peaks(
        self, laid: Map, turns: Iterable[Turn], shape: tuple[float, float, float]
    ) -> Iterator[tuple[float, Pose]]:
        """The highest correlation over all shifts, in standard deviations, and its pose, for each turn."""
        scale, angle, stretch = shape
        spectrum = fft.rfft2(laid, workers=1)
        for turn in turns:
            surface = fft.irfft2(spectrum * self._spectrum(turn), s=laid.shape, workers=1)
            top = int(surface.argmax())
            height = float(surface.ravel()[top]) / max(1e-12, float(surface[::4].std()))
            row, column = ((at + _SIDE // 2) % _SIDE - _SIDE // 2 for at in divmod(top, _SIDE))
            shift = _turned(np.array([[column, row]], dtype=np.float32) / _PER_CELL, turn)[0]
            quarter, mirrored = turn
            yield (
                height,
                Pose(
                    scale=scale,
                    angle=quarter * pi / 2 + (-angle if mirrored else angle),
                    mirrored=mirrored,
                    stretch=stretch,
                    x=-float(shift[0]),
                    y=-float(shift[1]),
                ),
            )


@lru_cache(maxsize=4)
def _correlator(carrier: Carrier) -> _Correlator:
    return _Correlator(cells(carrier))


def _climb(response: Response, start: Pose, layout: Cells) -> Pose:
    """The best pose near `start` on the lattice, by the pilot's correlation."""
    near = sample(response, start, layout.pilot) != 0
    places, signs = layout.pilot[near], layout.pilot_signs[near]

    def height(at: dict[str, int]) -> tuple[float, Pose]:
        pose = start.moved(**{name: count * _STEPS[name] for name, count in at.items()})
        values = sample(response, pose, places)
        return float(signs @ values) / max(1e-12, float(values @ values)) ** 0.5, pose

    at = dict.fromkeys(_STEPS, 0)
    best, pose = height(at)
    for stride in (8, 4, 2, 1):
        improved = True
        while improved:
            improved = False
            for name in _STEPS:
                for step in (stride, -stride):
                    tried = at | {name: at[name] + step}
                    if abs(tried[name]) > _REACH[name]:
                        continue
                    tried_height, tried_pose = height(tried)
                    if tried_height > best:
                        at, best, pose, improved = tried, tried_height, tried_pose, True
                        break
    return pose
