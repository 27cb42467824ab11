"""What the cells of a mark say where they were put: here alone the benchmarks know the detector's inside."""

from collections.abc import Sequence
from functools import reduce
from operator import add

from media import Planes
from provenance.watermark import evidence
from provenance.watermark.carrier import GRIDS, carrier
from provenance.watermark.ecc import encode
from provenance.watermark.pose import IDENTITY
from provenance.watermark.response import Reader, Response


def response_of(pictures: Sequence[Planes]) -> Response:
    """The sum over pictures, as a detector keeps it."""
    height, width = pictures[0][0].shape
    reader = Reader(width, height)
    total: Response = reduce(add, (reader.read(planes) for planes in pictures))
    return total.clipped()


def layer_z(response: Response, payload: int, key: bytes) -> dict[str, float]:
    """Each layer's correlation with its pilot and with a payload, in standard deviations, at the identity."""
    layout = evidence.cells(carrier(key))
    pilots = evidence.pilot_chips(response, IDENTITY, layout)
    payloads = evidence.data_chips(response, IDENTITY, layout)
    z = {}
    for grid, layer, pilot, data in zip(GRIDS, layout, pilots, payloads, strict=True):
        z[f"{grid.name} pilot"] = evidence.correlation(pilot)
        z[f"{grid.name} payload"] = evidence.correlation(data * encode(payload)[layer.data_bits])
    return z
