"""The learned layers of a policy: the head and the concept bank, on one reading of the encoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from generator.safety.concepts import Concept, ConceptBank, ConceptHit, embed_concepts
from generator.safety.encoder import embed
from generator.safety.head import Head, stretches


@dataclass(frozen=True, slots=True)
class LearnedReading:
    """`scores` in [0, 1] by code, empty without a head; `concepts` that the text met."""

    scores: Mapping[str, float] = field(default_factory=dict)
    concepts: tuple[ConceptHit, ...] = ()


class LearnedLayers:
    """Reads a prompt; the encoder is loaded, and the concepts are embedded, at the first reading."""

    def __init__(self, *, encoder_sha256: str, head: Head | None, concepts: tuple[Concept, ...]) -> None:
        self.encoder_sha256 = encoder_sha256
        self._head = head
        self._concepts = concepts

    def read(self, text: str) -> LearnedReading:
        """Scores and concepts of `text`; where it is long, of its strongest stretch. Raises EncoderError."""
        if self._head is None and not self._concepts:
            return LearnedReading()
        embeddings = embed(stretches(text), expected_sha256=self.encoder_sha256)
        return LearnedReading(
            scores=self._head.scores(embeddings) if self._head else {},
            concepts=tuple(self._bank.hits(embeddings)),
        )

    @cached_property
    def _bank(self) -> ConceptBank:
        return embed_concepts(self._concepts, encoder_sha256=self.encoder_sha256)
