"""What a manifest's hard binding leaves out of its hash, as the signer wrote it, and whether it may.

C2PA 2.2 §A.5.2 names the boxes that `c2pa.hash.bmff` may skip. The list stands in the assertion itself, so a signer
can write another one.
"""

import base64
from collections.abc import Mapping, Sequence
from typing import Final

from provenance.bmff import C2PA_UUID, Proof
from provenance.boxes import Finding, GuardFinding

_ALLOWED: Final = frozenset({"/ftyp", "/mfra", "/free", "/skip", "/emsg", "/moov/pssh", "/moov[1]/pssh"})


def unexpected_exclusions(
    hard_binding: Mapping[str, object], media_sizes: Sequence[int] | None = None
) -> tuple[GuardFinding, ...]:
    """Findings for a decoded `c2pa.hash.bmff` assertion that leaves out what may not be left out.

    `mdat` may be left out only where Merkle trees cover it instead: one tree for each of `media_sizes`, over all of its
    bytes; None where the media lie in fragments, whose trees the SDK checks one by one. The other fields of an
    exclusion (`length`, `version`, `flags`, `exact`, `subset`, more `data`) only make it narrower.
    """
    exclusions = hard_binding.get("exclusions")
    findings = []
    for exclusion in exclusions if isinstance(exclusions, Sequence) else ():
        xpath = exclusion.get("xpath") if isinstance(exclusion, Mapping) else None
        if xpath == "/uuid":
            covered = _names_c2pa_box(exclusion.get("data"))
        elif xpath == "/mdat":
            covered = _trees_cover(hard_binding.get("merkle"), media_sizes)
        else:
            covered = isinstance(xpath, str) and xpath in _ALLOWED
        if not covered:
            findings.append(GuardFinding(Finding.UNEXPECTED_EXCLUSION, f"not hashed: {str(xpath)[:60]!r}"))
    return tuple(findings[:100])


def missing_fragments(
    hard_binding: Mapping[str, object], proofs: Sequence[Proof]
) -> tuple[GuardFinding, ...]:
    """Whether the segments of an initialisation segment are all there, in order, each once.

    The SDK checks one segment at a time: dropped and reordered ones each hold by themselves.
    """
    trees = hard_binding.get("merkle")
    expected: list[tuple[object, ...]] = []
    for tree in trees if isinstance(trees, Sequence) else ():
        count = tree.get("count") if isinstance(tree, Mapping) else None
        if isinstance(count, int) and 0 < count <= len(proofs):
            expected += [(tree["uniqueId"], tree["localId"], place) for place in range(count)]
        else:
            return (GuardFinding(Finding.FRAGMENTS_MISSING, f"{len(proofs)} of {count} fragments"),)
    # Tracks may take turns; within each the order is fixed.
    if (
        sorted(proofs, key=lambda one: str(one[:2])) == sorted(expected, key=lambda one: str(one[:2]))
        and expected
    ):
        return ()
    return (
        GuardFinding(Finding.FRAGMENTS_MISSING, "the fragments are not those that were signed, in order"),
    )


def _trees_cover(trees: object, media_sizes: Sequence[int] | None) -> bool:
    """Whether there is a Merkle tree for every `mdat`, with blocks enough for it (C2PA 2.2 §A.5.3)."""
    if not isinstance(trees, Sequence) or isinstance(trees, str) or not trees:
        return False
    if media_sizes is None:
        return True
    if len(trees) != len(media_sizes):
        return False
    return all(_blocks(tree) >= size - 8 for tree, size in zip(trees, media_sizes, strict=True))


def _blocks(tree: object) -> int:
    """How many bytes the leaves of a tree stand for."""
    if not isinstance(tree, Mapping):
        return -1
    count, fixed, sizes = (tree.get(name) for name in ("count", "fixedBlockSize", "variableBlockSizes"))
    if isinstance(sizes, Sequence) and not isinstance(sizes, str):
        return sum(size for size in sizes if isinstance(size, int))
    return count * fixed if isinstance(count, int) and isinstance(fixed, int) else -1


def _names_c2pa_box(conditions: object) -> bool:
    """Whether an exclusion of `uuid` boxes is limited to C2PA's own: offset 8 must hold its UUID."""
    expected = (base64.b64encode(C2PA_UUID).decode(), list(C2PA_UUID))
    return isinstance(conditions, Sequence) and any(
        isinstance(condition, Mapping) and condition.get("offset") == 8 and condition.get("value") in expected
        for condition in conditions
    )
