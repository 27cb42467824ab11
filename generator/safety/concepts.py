"""The concept bank: what a policy knows from a handful of examples, without training.

A concept is a reason code with a few example prompts, in any language of the encoder. A prompt that is nearer
to one of them than `threshold` (cosine), and not nearer still to a counterexample (`not`), has met the
concept. After Latent Guard (Liu et al., ECCV 2024), whose list of concepts can be edited at run time.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from generator.safety.decision import Action

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DECIMALS = 3


class Concept(BaseModel):
    """One concept as written; `action`, `explain` and `change` replace what the code says by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^concept\.[a-z0-9_]+$")
    code: str
    action: Action | None = None
    examples: tuple[str, ...] = Field(min_length=1, max_length=50)
    counterexamples: tuple[str, ...] = Field(default=(), alias="not", max_length=50)
    threshold: float = Field(default=0.75, ge=0.3, le=1)
    explain: str | None = None
    change: str | None = None


class ConceptFile(BaseModel):
    """`concepts.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    concepts: tuple[Concept, ...] = ()


@dataclass(frozen=True, slots=True)
class ConceptHit:
    """A concept that a prompt met, with its cosine similarity in [-1, 1]."""

    concept: Concept
    similarity: float


@dataclass(frozen=True, slots=True)
class ConceptBank:
    """Concepts with their examples embedded: `vectors` float32 [N, 512], row n of concept `owners[n]`."""

    concepts: tuple[Concept, ...]
    vectors: "NDArray[np.float32]"
    owners: "NDArray[np.intp]"
    is_example: "NDArray[np.bool_]"

    def hits(self, embeddings: "NDArray[np.float32]") -> list[ConceptHit]:
        """The concepts that any row of `embeddings`, float32 [N, 512], has met."""
        import numpy as np

        if not self.concepts:
            return []
        similarity = np.round((embeddings @ self.vectors.T).astype(np.float64), DECIMALS)
        found = []
        for number, concept in enumerate(self.concepts):
            own = self.owners == number
            near = similarity[:, own & self.is_example].max(axis=1)
            against = similarity[:, own & ~self.is_example].max(axis=1, initial=-1.0)
            met = (near >= concept.threshold) & (near > against)
            if met.any():
                found.append(ConceptHit(concept, float(near[met].max())))
        return found


def embed_concepts(concepts: tuple[Concept, ...], *, encoder_sha256: str) -> ConceptBank:
    """The bank of `concepts`; raises EncoderError as `embed` does."""
    import numpy as np

    from generator.safety.encoder import embed

    texts: list[str] = []
    owners: list[int] = []
    is_example: list[bool] = []
    for number, concept in enumerate(concepts):
        written = concept.examples + concept.counterexamples
        texts += written
        owners += [number] * len(written)
        is_example += [place < len(concept.examples) for place in range(len(written))]
    return ConceptBank(
        concepts=concepts,
        vectors=embed(texts, expected_sha256=encoder_sha256),
        owners=np.array(owners, dtype=np.intp),
        is_example=np.array(is_example, dtype=bool),
    )
