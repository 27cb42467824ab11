"""Finding the pose of a mark: likely poses first, each stage with its own share of the false-alarm
budget.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import log, pi, prod

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from provenance.watermark.carrier import CANVAS, GRIDS, Carrier
from provenance.watermark.evidence import Cells, Finding, cells, correlation, read
from provenance.watermark.pose import ENLARGED, IDENTITY, Pose, map_under, read_map
from provenance.watermark.response import Map, Response

_PER_CELL = 1.5  # samples a cell of the correlation surfaces
_CHROMA = 1  # index of the layer
_CHROMA_SHARE = 0.7  # in the surface of both layers: a mark in luma alone keeps four fifths of its height
_CANDIDATES = 4
_WORTH_A_LOOK = 4.5  # a peak, in standard deviations of its correlation surface

# The hill climb moves on a lattice laid down beforehand, so that the poses that it could reach are counted.
_STEPS = {"x": 1 / 8, "y": 1 / 8, "log_scale": 0.001, "angle": 0.001, "stretch": 0.001}
_REACH = {"x": 20, "y": 20, "log_scale": 40, "angle": 40, "stretch": 40}
_LATTICE = prod(2 * reach + 1 for reach in _REACH.values())
_TWO_TESTS = log(2)  # pilot and payload each get half of the budget

Shape = tuple[float, float, float]  # scale, angle, stretch
Turn = tuple[int, bool]  # quarter turns, mirrored
_MIRRORS: tuple[Turn, ...] = ((0, False), (0, True))
_ALL_TURNS: tuple[Turn, ...] = tuple(
    (quarter, mirrored) for quarter in range(4) for mirrored in (False, True)
)


@dataclass(frozen=True)
class Stage:
    """Poses that are tried together, on coarse chroma alone or on both layers.

    share: of the false-alarm budget.
    """

    share: float
    shapes: tuple[Shape, ...]
    turns: tuple[Turn, ...]
    chroma_alone: bool = False

    @property
    def side(self) -> int:
        """Samples along a side of the correlation surface."""
        return int(GRIDS[_CHROMA if self.chroma_alone else 0].canvas * _PER_CELL)

    def log_poses(self, keys: int) -> float:
        """ln of the poses that the pilot's bound answers for, over the stage's share of the budget."""
        tried = log(len(self.shapes) * len(self.turns) * keys) + 2 * log(self.side) + log(_LATTICE)
        return tried - log(self.share) + _TWO_TESTS

    def log_attempts(self, keys: int) -> float:
        """ln of the readings of a payload, over the stage's share of the budget."""
        return log(_CANDIDATES * keys) - log(self.share) + _TWO_TESTS


def _ladder(low: float, high: float, step: float) -> tuple[float, ...]:
    return tuple(np.exp(np.arange(log(low), log(high) + step / 2, step)).tolist())


def _tilts(most: float, step: float) -> tuple[float, ...]:
    """Radians, up to `most` degrees either way, without zero."""
    steps = range(1, int(most / step) + 1)
    return tuple(sign * count * step * pi / 180 for count in steps for sign in (1, -1))


# Screens and films of other shapes, and 16:15 and 32:27: pixels of DVDs made square.
_WIDER = (16 / 15, 10 / 9, 32 / 27, 5 / 4, 4 / 3, 3 / 2, 5 / 3, 16 / 9)
_STRETCHES = (*_WIDER, *(1 / wider for wider in _WIDER))
# Stretching changes which side is the short one, and with it the scale.
_STRETCHED = tuple((scale, 0.0, stretch) for stretch in _STRETCHES for scale in (1.0, 1 / stretch))

IDENTITY_SHARE = 0.5
STAGES = (
    Stage(1 / 16, ((1.0, 0.0, 1.0),), _ALL_TURNS, chroma_alone=True),
    Stage(1 / 16, ((1.0, 0.0, 1.0),), _ALL_TURNS),
    # Three luma cells to a chroma cell: a third of the steps finds as much.
    Stage(
        1 / 16,
        tuple((scale, 0.0, 1.0) for scale in _ladder(0.33, 3.4, 0.05))
        + tuple((scale, tilt, 1.0) for tilt in _tilts(13, 2.0) for scale in _ladder(0.6, 2.2, 0.05))
        + tuple(
            (scale * more, 0.0, stretch) for scale, _, stretch in _STRETCHED for more in (0.8, 1.0, 1.25, 1.6)
        ),
        _MIRRORS,
        chroma_alone=True,
    ),
    Stage(
        1 / 16,
        tuple((scale, 0.0, 1.0) for scale in _ladder(0.57, 2.2, 0.05)),
        _ALL_TURNS[2:],
        chroma_alone=True,
    ),
    Stage(1 / 8, tuple((scale, 0.0, 1.0) for scale in _ladder(0.57, 2.95, 0.02)), _MIRRORS),
    Stage(1 / 32, tuple((1.0, tilt, 1.0) for tilt in _tilts(12.4, 0.8)) + _STRETCHED, _MIRRORS),
    Stage(
        1 / 32,
        tuple((scale, tilt, 1.0) for tilt in _tilts(6, 1.5) for scale in _ladder(0.72, 2.0, 0.03)),
        _MIRRORS,
    ),
    Stage(1 / 32, tuple((scale, 0.0, 1.0) for scale in _ladder(0.57, 2.0, 0.02)), _ALL_TURNS[2:]),
)


def search(response: Response, carriers: Sequence[Carrier]) -> tuple[Finding, int]:
    """The best finding over all stages and carriers, and the index of its carrier; the first readable one
    if there is any.

    Costs some ten milliseconds where the picture was not cropped or turned, and the whole ladder where there
    is no mark.
    """
    layouts = [cells(carrier) for carrier in carriers]
    fixed = _TWO_TESTS - log(IDENTITY_SHARE) + log(len(carriers))
    found = [
        (read(response, IDENTITY, layout, log_poses=fixed, log_attempts=fixed), index)
        for index, layout in enumerate(layouts)
    ]
    for stage in STAGES:
        for finding, index in found:
            if finding.is_read:
                return finding, index
        peaks = _peaks(stage, response, carriers)
        found = [min(found, key=lambda one: one[0].log_p_present)]
        for index, layout in enumerate(layouts):
            of_one = sorted((peak for peak in peaks if peak[1] == index), key=lambda peak: -peak[0])
            for _, _, pose in of_one[:_CANDIDATES]:
                climbed = _climb(response, pose, layout)
                log_poses, log_attempts = stage.log_poses(len(carriers)), stage.log_attempts(len(carriers))
                finding = read(response, climbed, layout, log_poses=log_poses, log_attempts=log_attempts)
                found.append((finding, index))
                if finding.is_read:
                    break
    return min(found, key=lambda one: (not one[0].is_read, one[0].log_p_present))


def _peaks(stage: Stage, response: Response, carriers: Sequence[Carrier]) -> list[tuple[float, int, Pose]]:
    """Height, carrier's index and pose of the peaks that are worth a look."""
    correlators = [_correlator(carrier) for carrier in carriers]
    found = []
    for shape, spectrum in _laid(stage, response):
        for index, correlator in enumerate(correlators):
            for height, pose in correlator.peaks(spectrum, shape, stage):
                if height > _WORTH_A_LOOK:
                    found.append((height, index, pose))
    return found


Spectrum = NDArray[np.complex64]


def _laid(stage: Stage, response: Response) -> Iterator[tuple[Shape, tuple[Spectrum | None, Spectrum]]]:
    """The spectra (luma, chroma) of the response laid on the canvas, centre on centre, under each shape."""
    # Blurred to what the surface's sampling can hold.
    soft = [[np.asarray(cv2.GaussianBlur(one, (0, 0), 0.75)) for one in maps] for maps in response.maps]
    for shape in stage.shapes:
        enlarged = shape[0] > ENLARGED
        spectra: list[Spectrum | None] = [None, None]
        for layer in (_CHROMA,) if stage.chroma_alone else range(len(GRIDS)):
            pitch = response.geometry.layers[layer][enlarged].pitch
            laid = _lay(soft[layer][enlarged], pitch, shape, GRIDS[layer].canvas)
            spread = float(laid.std())
            spectra[layer] = fft.rfft2(laid / spread if spread > 0 else laid, workers=1)
        luma, chroma = spectra
        assert chroma is not None
        yield shape, (luma, chroma)


def _lay(values: Map, pitch: tuple[float, float], shape: Shape, canvas: int) -> Map:
    """A map on the canvas's correlation grid: the sample of each canvas position under the shape."""
    side = int(canvas * _PER_CELL)
    unit = CANVAS / side
    rows, columns = values.shape
    scale, angle, stretch = shape
    matrix = np.diag(pitch) @ Pose(scale=scale, angle=angle, stretch=stretch).matrix * unit
    middle = (side - 1) / 2
    offset = np.array([(columns - 1) / 2, (rows - 1) / 2]) - matrix @ (middle, middle)
    laid = cv2.warpAffine(
        values,
        np.column_stack([matrix, offset]),
        (side, side),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
        borderValue=0,
    )
    return np.asarray(laid, dtype=np.float32)


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
    """The pilot's spectra, one for each layer and turn: one transform of a picture serves every turn and
    every shift.
    """

    def __init__(self, layout: tuple[Cells, ...]) -> None:
        self._spectra: dict[tuple[int, Turn], Spectrum] = {}
        self._layout = layout

    def _spectrum(self, layer: int, turn: Turn) -> Spectrum:
        if (layer, turn) not in self._spectra:
            side = int(GRIDS[layer].canvas * _PER_CELL)
            template = np.zeros((side, side), dtype=np.float32)
            place = _unturned(self._layout[layer].pilot, turn) * (side / CANVAS) + (side - 1) / 2
            corner = np.floor(place).astype(np.int64)
            right, low = (place - corner).T
            for dy, wy in ((0, 1 - low), (1, low)):
                for dx, wx in ((0, 1 - right), (1, right)):
                    np.add.at(
                        template,
                        ((corner[:, 1] + dy) % side, (corner[:, 0] + dx) % side),
                        self._layout[layer].pilot_signs * wx * wy,
                    )
            spectrum = np.conj(fft.rfft2(template / template.std(), workers=1))
            spectrum[0, 0] = 0
            self._spectra[layer, turn] = spectrum
        return self._spectra[layer, turn]

    def peaks(
        self, laid: tuple[Spectrum | None, Spectrum], shape: Shape, stage: Stage
    ) -> Iterator[tuple[float, Pose]]:
        """The highest correlation over all shifts, in standard deviations, and its pose, for each turn."""
        luma, chroma = laid
        for turn in stage.turns:
            product = chroma * self._spectrum(_CHROMA, turn)
            if luma is not None:
                product = _with_low_frequencies(luma * self._spectrum(0, turn), product)
            surface = fft.irfft2(product, s=(stage.side, stage.side), workers=1)
            yield self._highest(surface, turn, shape)

    def _highest(self, surface: Map, turn: Turn, shape: Shape) -> tuple[float, Pose]:
        side = len(surface)
        scale, angle, stretch = shape
        quarter, mirrored = turn
        top = int(surface.argmax())
        height = float(surface.ravel()[top]) / max(1e-12, float(surface[::4].std()))
        row, column = ((at + side // 2) % side - side // 2 for at in divmod(top, side))
        shift = _turned(np.array([[column, row]], dtype=np.float32) * (CANVAS / side), turn)[0]
        return height, Pose(
            scale=scale,
            angle=quarter * pi / 2 + (-angle if mirrored else angle),
            mirrored=mirrored,
            stretch=stretch,
            x=-float(shift[0]),
            y=-float(shift[1]),
        )


def _with_low_frequencies(fine: Spectrum, coarse: Spectrum) -> Spectrum:
    """The sum of two correlations over one field of shifts, sampled finely and coarsely."""
    size, half = len(coarse), coarse.shape[1] - 1
    # Each at unit spread, so that neither layer drowns the other.
    power_fine, power_coarse = (float(np.vdot(one, one).real) ** 0.5 for one in (fine, coarse))
    scale = np.float32(_CHROMA_SHARE * power_fine / power_coarse) if power_coarse > 0 else np.float32(0)
    fine[: size // 2, :half] += scale * coarse[: size // 2, :half]
    fine[-(size // 2 - 1) :, :half] += scale * coarse[-(size // 2 - 1) :, :half]
    return fine


@lru_cache(maxsize=8)
def _correlator(carrier: Carrier) -> _Correlator:
    return _Correlator(cells(carrier))


def _climb(response: Response, start: Pose, layout: tuple[Cells, ...]) -> Pose:
    """The best pose near `start` on the lattice, by the pilot's correlations: the sum of their squares."""
    near = []
    for index, layer in enumerate(layout):
        values, frame = map_under(response, index, start.scale)
        inside = read_map(values, frame, start.locate(layer.pilot)) != 0
        near.append((values, frame, layer.pilot[inside], layer.pilot_signs[inside]))

    def height(at: dict[str, int]) -> tuple[float, Pose]:
        pose = start.moved(**{name: count * _STEPS[name] for name, count in at.items()})
        reached = (
            max(0.0, correlation(read_map(values, frame, pose.locate(places)) * signs))
            for values, frame, places, signs in near
        )
        return sum(one * one for one in reached), pose

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
