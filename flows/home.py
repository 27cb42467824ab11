"""One home, opened: its keys, its ledger, its store, and whose signatures it trusts."""

import contextlib
import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flows.settings import Settings
from media import Store
from provenance.errors import DevelopmentRefused, IdentityError, KeysExist, KeysMissing
from provenance.external import external_identity
from provenance.identity import Identity
from provenance.keys import Keys, KeyStore
from provenance.ledger import Ledger, LedgerMissing, connect
from provenance.timestamps import TimeStampAuthority
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
    identity = identity_of(settings, keys)
    warn_of_expiry(identity, settings, say)
    with connect(settings.ledger_url, create=True) as ledger:
        yield Home(settings, keys, identity, trust_of(settings), ledger, Store(settings.store_folder))


def identity_of(settings: Settings, keys: Keys) -> Identity:
    """Who signs: the external signer or the PEM files of the settings, else the development identity.

    Raises `IdentityError`, `KeysUnsafe`, or `DevelopmentRefused` where production was asked for.
    """
    if settings.signer_command and settings.signing_key:
        raise IdentityError(
            "CLIPPROOF_SIGNER_COMMAND and CLIPPROOF_SIGNING_KEY are both set", hint="Unset one of them."
        )
    if settings.signer_command or settings.signing_key or settings.signing_chain:
        if settings.signing_chain is None or not (settings.signer_command or settings.signing_key):
            raise IdentityError(
                "a production identity is only half set",
                hint="Set CLIPPROOF_SIGNING_CHAIN, and CLIPPROOF_SIGNING_KEY or CLIPPROOF_SIGNER_COMMAND.",
            )
        if settings.signer_command:
            return external_identity(settings.signing_chain, settings.signer_command)
        assert settings.signing_key is not None
        return Identity.from_pem(settings.signing_chain, settings.signing_key)
    if settings.production:
        raise _development_refused()
    return keys.identity


def warn_of_expiry(identity: Identity, settings: Settings, say: "Callable[[str], None]") -> None:
    """Say so where the signing chain ends soon. Raises `CertificateExpired` where it has ended."""
    identity.require_valid()
    if identity.ends_within(dt.timedelta(days=settings.expiry_warning_days)):
        lasting = "" if settings.tsa_url else ", and every clip without a time stamp with it"
        say(
            f"the signing certificate of {identity.common_name} ends on {identity.not_after:%Y-%m-%d}{lasting}"
        )


def check_signer(settings: Settings, say: "Callable[[str], None]") -> None:
    """Whether signing will work, before anything costly is done. Makes nothing. Raises as `identity_of` does."""
    with contextlib.suppress(KeysMissing):
        keys = KeyStore(settings.keys_folder).load()
        return warn_of_expiry(identity_of(settings, keys), settings, say)
    if settings.production and settings.signing_chain is None:
        raise _development_refused()


def _development_refused() -> DevelopmentRefused:
    return DevelopmentRefused(
        "production was asked for, and there is only a development identity, which nobody else trusts",
        hint="Set CLIPPROOF_SIGNING_CHAIN, and CLIPPROOF_SIGNING_KEY or CLIPPROOF_SIGNER_COMMAND; "
        "see docs/signing.md.",
    )


def authority_of(settings: Settings) -> TimeStampAuthority | None:
    """The time-stamp authority of the settings, if any. Raises `TimeStampError`, `TrustError`."""
    return TimeStampAuthority(settings.tsa_url, trust_of(settings)) if settings.tsa_url else None


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
