"""What a reading of a manifest says: frozen records, with every text cleaned for one line of display."""

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

from provenance.boxes import GuardFinding
from provenance.manifest import SOFT_BINDING_ALG
from provenance.trust import TrustAnchors

State = Literal["absent", "remote_only", "malformed", "invalid", "expired", "valid_untrusted", "trusted"]
IngredientStatus = Literal["unsigned", "failed", "expired", "valid_untrusted", "trusted"]
HEX_ID: Final = re.compile(r"[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class ActionReading:
    """One action of the active manifest; `when` is what the signer says, not a time stamp."""

    action: str
    digital_source_type: str
    agent: str
    when: str


@dataclass(frozen=True, slots=True)
class SoftBinding:
    alg: str
    value: str


@dataclass(frozen=True, slots=True)
class IngredientReading:
    """One ingredient, however deep (`depth` 1 is a direct one), with the state of its own manifest."""

    title: str
    relationship: str
    label: str
    status: IngredientStatus
    failure_codes: tuple[str, ...]
    depth: int
    clip_ids: tuple[int, ...] = ()  # those that its own manifest binds to our mark


@dataclass(frozen=True, slots=True)
class ListReading:
    """One trust list that was asked."""

    purpose: str  # `signer` or `tsa`
    source: str
    version: str
    id: str
    certificates: int


@dataclass(frozen=True, slots=True)
class TrustReading:
    """Which lists were asked, and the anchor that vouches for the signer (SHA-256 of its certificate), if one does."""

    lists: tuple[ListReading, ...] = ()
    anchor: str = ""
    anchor_name: str = ""
    anchor_list: str = ""  # id of the list that it stands in


@dataclass(frozen=True, slots=True)
class Credentials:
    """What stands beside the SDK's word: whose anchors are asked, the store itself, and the time stamp's trust.

    Without a store (a decoded one in a test, one that the SDK does not give) nobody is vouched for.
    """

    trust: TrustAnchors
    store: bytes = b""
    stamp_trusted: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class ManifestReading:
    """One file's embedded manifest. Texts are cleaned for one line of display, not for markup.

    `trusted` never stands beside a guard finding or a failed ingredient: then the state is `invalid`.
    `signed_at` is set only by a time stamp whose authority is trusted (`has_timestamp`).
    """

    state: State
    detail: str = ""  # why it is malformed, or not read
    label: str = ""
    title: str = ""
    claim_generator: str = ""
    signer: str = ""  # common name
    organization: str = ""
    issuer: str = ""
    serial_number: str = ""
    signer_sha256: str = ""  # of the signer's certificate; empty where its signature does not hold
    signer_trusted: bool = False  # by the anchors; says nothing of the content
    trust: TrustReading = TrustReading()
    development: bool = False
    not_after: datetime.datetime | None = None  # of the signer's certificate
    signed_at: datetime.datetime | None = None
    has_timestamp: bool = False
    actions: tuple[ActionReading, ...] = ()
    soft_bindings: tuple[SoftBinding, ...] = ()
    content_clip_id: int | None = None  # the clip's own id, as its signer states it
    log_checkpoint: str = ""  # the signed head of the signer's log, unchecked here
    content: Mapping[str, bytes] = field(default_factory=dict)  # stream, frames, fingerprint: 32 bytes each
    generation: Mapping[str, str] = field(default_factory=dict)
    ingredients: tuple[IngredientReading, ...] = ()
    failure_codes: tuple[str, ...] = ()
    guard_findings: tuple[GuardFinding, ...] = ()
    remote_url: str = ""

    @property
    def digital_source_types(self) -> tuple[str, ...]:
        """The source types that the actions state, in order, each once."""
        return tuple(dict.fromkeys(a.digital_source_type for a in self.actions if a.digital_source_type))

    @property
    def clip_ids(self) -> tuple[int, ...]:
        """The 64-bit clip ids that the manifest binds to our mark, each once."""
        return clip_ids_of(self.soft_bindings)


def clip_ids_of(bindings: Iterable[SoftBinding]) -> tuple[int, ...]:
    """The clip ids among soft bindings: those of our own algorithm, each once."""
    ours = (one.value for one in bindings if one.alg == SOFT_BINDING_ALG and HEX_ID.fullmatch(one.value))
    return tuple(dict.fromkeys(int(value, 16) for value in ours))
