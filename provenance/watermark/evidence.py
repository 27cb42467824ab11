"""How sure: reading pilot and payload under a pose, and bounds on being wrong.

For who has no key, the cells' signs are independent of any picture a: z = Σ sᵢaᵢ / ‖a‖ then obeys P(z ≥ t)
≤ exp(-t²/2) whatever the picture (Hoeffding 1963), so the false-positive bounds need no model of video.
Poses are chosen by the pilot cells alone. The payload's cells have signs of their own, so the payload's
bound counts only payloads and attempts, however many poses were tried before. The pilot's bound counts
every pose.
"""

from dataclasses import dataclass
from functools import lru_cache
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from provenance.watermark import ecc
from provenance.watermark.carrier import CANVAS, Carrier
from provenance.watermark.pose import Points, Pose, sample
from provenance.watermark.response import Response

FALSE_ALARM = 1e-6
LOG_PAYLOADS = ecc.PAYLOAD_BITS * log(2)

Signal = NDArray[np.float32]


def log_tail(z: float) -> float:
    """ln of the bound on P(Z ≥ z) for one hypothesis fixed beforehand."""
    return -0.5 * max(0.0, z) ** 2


def probability(log_p: float) -> float:
    """exp(log_p), at most 1."""
    return exp(min(0.0, log_p))


@dataclass(frozen=True, eq=False)
class Cells:
    """The canvas as lists: positions (x, y from its centre, in cells), signs and coded bits; pilot and
    payload apart.
    """

    pilot: Points
    pilot_signs: Signal
    data: Points
    data_signs: Signal
    data_bits: NDArray[np.int32]

    def pilot_z(self, values: Signal) -> float:
        """Correlation with the pilot of values sampled at `pilot`, in standard deviations."""
        return _ratio(float(self.pilot_signs @ values), float(values @ values))

    def soft_bits(self, values: Signal) -> Signal:
        """float32[..., ecc.CODED_BITS] of values sampled at `data`, float32[..., n]; positive for bit 0."""
        chips = np.atleast_2d(values * self.data_signs)
        sums = [np.bincount(self.data_bits, row, ecc.CODED_BITS) for row in chips]
        return np.array(sums, dtype=np.float32)


def _ratio(correlation: float, energy: float) -> float:
    return correlation / energy**0.5 if energy > 0 else 0.0


@lru_cache(maxsize=16)
def cells(carrier: Carrier) -> Cells:
    row, column = np.mgrid[:CANVAS, :CANVAS]
    places = (np.stack([column, row], axis=-1) - (CANVAS - 1) / 2).astype(np.float32)
    pilot = carrier.is_pilot
    return Cells(
        places[pilot], carrier.signs[pilot], places[~pilot], carrier.signs[~pilot], carrier.coded_bit[~pilot]
    )


@dataclass(frozen=True)
class Finding:
    """What one pose gives. `payload` is None where the CRC fails. Both log_p are natural logarithms of
    bounds.
    """

    pose: Pose
    pilot_z: float
    data_z: float
    payload: int | None
    log_p_present: float
    log_p_payload: float

    @property
    def is_read(self) -> bool:
        return self.payload is not None and self.log_p_payload < log(FALSE_ALARM)

    @property
    def is_present(self) -> bool:
        return self.log_p_present < log(FALSE_ALARM) or self.is_read

    @property
    def log_p(self) -> float:
        return min(0.0, self.log_p_present, self.log_p_payload if self.payload is not None else 0.0)


def read(response: Response, pose: Pose, layout: Cells, *, log_poses: float, log_attempts: float) -> Finding:
    """Pilot and payload under a pose.

    log_poses: ln of the number of poses that the pilot's bound has to answer for; log_attempts: ln of the
    number of payload readings. Either includes its share of the false-alarm budget.
    """
    pilot_z = layout.pilot_z(sample(response, pose, layout.pilot))
    values = sample(response, pose, layout.data)
    soft = layout.soft_bits(values)
    (payload,), (valid,) = ecc.decode(soft)
    data_z = _ratio(float(soft[0] @ ecc.encode(payload)), float(values @ values))
    return Finding(
        pose,
        pilot_z,
        data_z,
        payload if valid else None,
        log_poses + log_tail(pilot_z),
        log_attempts + LOG_PAYLOADS + log_tail(data_z),
    )
