"""One home, opened: its keys, its ledger, its store, and whose signatures it trusts."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.settings import Settings
from media import Store
from provenance.errors import KeysExist, KeysMissing
from provenance.identity import Identity
from provenance.keys import Keys, KeyStore
from provenance.ledger import Ledger, LedgerMissing, connect
from provenance.trust import TrustAnchors, TrustList

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Home:
    """What producing and marking need. `identity` signs: the production one where the settings name it."""

    settings: Settings
    keys: Keys
    identity: Identity
    trust: TrustAnchors
    ledger: Ledger
    store: Store


@contextlib.contextmanager
def open_home(settings: Settings, *, say: "Callable[[str], None]" = lambda _: None) -> Iterator[Home]:
    """The home for writing; makes what is missing: a development identity, the ledger, the store.

    Raises the errors of `provenance.keys` and `provenance.ledger`.
    """
    settings.home.mkdir(parents=True, exist_ok=True)
    store_of_keys = KeyStore(settings.keys_folder)
    if not store_of_keys.exists():
        with contextlib.suppress(KeysExist):  # another process was faster
            store_of_keys.create(organization=settings.organisation)
            say(f"made a development identity and a mark key in {settings.keys_folder}")
            say("whoever loses the mark key loses every clip: run `clipproof keys backup FILE`")
    keys = store_of_keys.load()
    identity = keys.identity
    if settings.signing_chain and settings.signing_key:
        identity = Identity.from_pem(settings.signing_chain, settings.signing_key)
    with connect(settings.ledger_url, create=True) as ledger:
        yield Home(settings, keys, identity, trust_of(settings), ledger, Store(settings.store_folder))


def trust_of(settings: Settings, anchors: str | None = None) -> TrustAnchors:
    """Whose signatures count: `anchors` (a PEM file, or `none`), else those of the settings and the development
    root of this home, if it has one. Time stamps: the settings' list, unless nobody is trusted. Makes nothing. Raises
    `TrustError`.
    """
    if anchors == "none":
        return TrustAnchors.none()
    if anchors is not None:
        trust = TrustAnchors.from_file(Path(anchors))
    else:
        trust = TrustAnchors.none()
        with contextlib.suppress(KeysMissing):
            trust = KeyStore(settings.keys_folder).anchors()
        if settings.anchors is not None:
            trust = trust.plus(TrustList.from_path(settings.anchors))
    if settings.tsa_anchors is not None:
        trust = trust.plus(TrustList.from_path(settings.tsa_anchors, purpose="tsa"))
    return trust


def keys_if_any(settings: Settings) -> Keys | None:
    """The keys of this home, or None; for verifying, which makes nothing."""
    try:
        return KeyStore(settings.keys_folder).load()
    except KeysMissing:
        return None


def ledger_if_any(settings: Settings) -> Ledger | None:
    """The ledger of this home, or None; for verifying, which makes nothing. The caller closes it."""
    try:
        return connect(settings.ledger_url)
    except LedgerMissing:
        return None
