"""Signers and time stamps have lists of their own, and neither vouches for the other."""

import datetime as dt
import time
from pathlib import Path

import pytest
from authorities import Authority, sign_bare, time_stamping

from flows.home import trust_of
from flows.settings import Settings
from provenance.errors import TrustError
from provenance.identity import Identity
from provenance.reading import read_kept_manifest, read_manifest
from provenance.trust import TrustAnchors, TrustList


def lists(*, signers: Authority | None = None, stamps: Authority | None = None) -> TrustAnchors:
    found = [TrustList.from_pem(signers.pem, source="signers", purpose="signer")] if signers else []
    found += [TrustList.from_pem(stamps.pem, source="stamps", purpose="tsa")] if stamps else []
    return TrustAnchors.none().plus(found)


def test_an_authority_for_time_stamps_makes_no_signer_trusted(plain: Path, tmp_path: Path) -> None:
    tsa = Authority.named("Stamps Root")
    clip = sign_bare(plain, tmp_path / "signed.mp4", tsa.signer(tmp_path, "Mallory"))
    assert read_manifest(clip, lists(signers=tsa)).state == "trusted"
    reading = read_manifest(clip, lists(stamps=tsa))
    assert (reading.state, reading.signer_trusted) == ("valid_untrusted", False)
    assert "signingCredential.untrusted" in reading.failure_codes
    assert reading.trust.anchor == ""
    store = clip.read_bytes()
    kept = store[store.index(b"jumb") - 4 :]
    kept = kept[: int.from_bytes(kept[:4], "big")]
    assert read_kept_manifest(kept, lists(signers=tsa)).state == "trusted"
    assert read_kept_manifest(kept, lists(stamps=tsa)).state == "valid_untrusted"


@pytest.fixture(scope="module")
def expired(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Authority, Authority]:
    """A clip whose signer has expired since, with a time stamp; the signer's authority, and the stamp's."""
    folder = tmp_path_factory.mktemp("expired")
    signers, stamps = Authority.named("Newsroom"), Authority.named("Stamps")
    brief = signers.signer(folder, "Brief", validity=dt.timedelta(seconds=2))
    with time_stamping(stamps, folder) as url:
        clip = sign_bare(plain, folder / "signed.mp4", brief, tsa_url=url)
    time.sleep(max(0.0, (brief.not_after - dt.datetime.now(dt.UTC)).total_seconds() + 1.1))
    return clip, signers, stamps


def test_an_expired_signer_with_a_trusted_time_stamp_stays_trusted(
    expired: tuple[Path, Authority, Authority],
) -> None:
    clip, signers, stamps = expired
    reading = read_manifest(clip, lists(signers=signers, stamps=stamps))
    assert (reading.state, reading.failure_codes) == ("trusted", ())
    assert reading.has_timestamp
    assert reading.signed_at is not None
    assert reading.not_after is not None
    assert reading.signed_at < reading.not_after < dt.datetime.now(dt.UTC)


def test_an_expired_signer_with_a_time_stamp_of_an_unknown_authority_is_expired(
    expired: tuple[Path, Authority, Authority],
) -> None:
    clip, signers, _ = expired
    for trust in (lists(signers=signers), lists(signers=signers, stamps=Authority.named("Others"))):
        reading = read_manifest(clip, trust)
        assert (reading.state, reading.has_timestamp, reading.signed_at) == ("expired", False, None)


def test_an_authority_for_signers_makes_no_time_stamp_trusted(
    expired: tuple[Path, Authority, Authority],
) -> None:
    clip, signers, stamps = expired
    both_sign = TrustAnchors.from_pem(signers.pem + stamps.pem, source="signers")
    reading = read_manifest(clip, both_sign)
    assert (reading.state, reading.has_timestamp) == ("expired", False)


def test_a_stamped_signer_of_the_stamps_own_authority_is_nobody(
    expired: tuple[Path, Authority, Authority],
) -> None:
    clip, signers, stamps = expired
    both_stamp = TrustAnchors.none().plus(
        [TrustList.from_pem(signers.pem + stamps.pem, source="stamps", purpose="tsa")]
    )
    assert read_manifest(clip, both_stamp).state in ("valid_untrusted", "expired")
    assert not read_manifest(clip, both_stamp).signer_trusted


def test_a_living_signer_with_a_foreign_time_stamp_is_trusted_without_a_time(
    plain: Path, newsroom: Authority, reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    stamps = Authority.named("Stamps")
    with time_stamping(stamps, tmp_path) as url:
        clip = sign_bare(plain, tmp_path / "signed.mp4", reporter, tsa_url=url)
    with_stamps = trust.plus(lists(stamps=stamps).lists)
    assert read_manifest(clip, with_stamps).state == "trusted"
    assert read_manifest(clip, with_stamps).has_timestamp
    foreign = read_manifest(clip, trust)
    assert (foreign.state, foreign.has_timestamp) == ("trusted", False)


# Lists are files with versions


def test_a_list_is_known_by_its_certificates_and_says_its_version(tmp_path: Path) -> None:
    one, other = Authority.named("One"), Authority.named("Other")
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "a.pem").write_bytes(b"# version: 2026-03\n" + one.pem + other.pem + one.pem)
    (folder / "b.pem").write_bytes(b"# Date: 2026-04-01\nwords\n" + other.pem + b"\n\n" + one.pem)
    first, second = TrustList.from_path(folder)
    assert first.id == second.id
    assert (first.version, second.version) == ("2026-03", "2026-04-01")
    assert len(first.fingerprints) == 2
    assert TrustList.from_pem(one.pem, source="x", purpose="signer").id != first.id


def test_the_evidence_names_the_lists_and_the_anchor_that_vouched(
    plain: Path, newsroom: Authority, reporter: Identity, tmp_path: Path
) -> None:
    (tmp_path / "signers.pem").write_bytes(b"# version: 7\n" + newsroom.pem)
    (tmp_path / "tsa.pem").write_bytes(Authority.named("Stamps").pem)
    settings = Settings(
        home=tmp_path / "home", anchors=tmp_path / "signers.pem", tsa_anchors=tmp_path / "tsa.pem"
    )
    clip = sign_bare(plain, tmp_path / "signed.mp4", reporter)
    trust = trust_of(settings)
    reading = read_manifest(clip, trust)
    assert [(one.purpose, one.version) for one in reading.trust.lists] == [("signer", "7"), ("tsa", "")]
    assert reading.trust.anchor == trust.fingerprints[0]
    assert reading.trust.anchor_list == reading.trust.lists[0].id
    assert "Newsroom Root" in reading.trust.anchor_name
    assert reading.signer_sha256 == reporter.certificate_sha256


@pytest.mark.parametrize("setting", ["anchors", "tsa_anchors"])
def test_a_broken_list_is_one_error_at_the_start(setting: str, newsroom: Authority, tmp_path: Path) -> None:
    broken = tmp_path / "broken.pem"
    broken.write_bytes(newsroom.pem + b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n")
    with pytest.raises(TrustError, match=r"broken\.pem"):
        trust_of(Settings(home=tmp_path / "home", **{setting: broken}))  # type: ignore[arg-type]
    (tmp_path / "empty").mkdir()
    with pytest.raises(TrustError, match=r"no \*\.pem file"):
        trust_of(Settings(home=tmp_path / "home", **{setting: tmp_path / "empty"}))  # type: ignore[arg-type]
