"""Trust anchors: checked before they can spoil every verdict."""

from pathlib import Path

import pytest

from provenance.errors import TrustError
from provenance.keys import Keys, KeyStore
from provenance.reading import read_manifest
from provenance.signing import Signed
from provenance.trust import TrustAnchors, sdk_context


def test_the_root_of_this_home_is_a_development_anchor(key_store: KeyStore) -> None:
    anchors = key_store.anchors()
    assert anchors.kind == "development"
    assert anchors.fingerprints == (key_store.describe().root_sha256,)


def test_a_file_of_anchors_may_hold_comments_and_several_roots(
    signed: Signed, anchors: TrustAnchors, tmp_path: Path
) -> None:
    stranger = KeyStore(tmp_path / "other").create().anchors
    listed = tmp_path / "list.pem"
    listed.write_text(f"# Example Authority\n{stranger.pem}\nsome text\n{anchors.pem}")
    both = TrustAnchors.from_file(listed)
    assert both.kind == "file"
    assert len(both.fingerprints) == 2
    assert read_manifest(signed.path, both).state == "trusted"


def test_an_intermediate_may_be_the_anchor(signed: Signed, home_keys: Keys) -> None:
    intermediate = home_keys.identity.chain_pem.split("-----END CERTIFICATE-----\n", 1)[1]
    anchors = TrustAnchors.from_pem(intermediate.encode(), source="intermediate")
    assert read_manifest(signed.path, anchors).state == "trusted"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"none",
        b"-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\n",
        b"\xff\xfe\x00",
        b"A" * (5 << 20),
    ],
)
def test_what_is_not_certificates_is_refused_with_its_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "anchors.pem"
    path.write_bytes(content)
    with pytest.raises(TrustError, match=r"anchors\.pem") as caught:
        TrustAnchors.from_file(path)
    assert caught.value.hint


def test_one_broken_certificate_among_good_ones_is_refused(anchors: TrustAnchors) -> None:
    broken = anchors.pem + "-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----\n"
    with pytest.raises(TrustError):
        TrustAnchors.from_pem(broken.encode(), source="list")


def test_a_signers_own_certificate_is_no_anchor(home_keys: Keys) -> None:
    with pytest.raises(TrustError, match="not a certificate authority"):
        TrustAnchors.from_pem(home_keys.identity.chain_pem.encode(), source="chain")


def test_a_missing_file_of_anchors_is_named(tmp_path: Path) -> None:
    with pytest.raises(TrustError, match=r"none\.pem"):
        TrustAnchors.from_file(tmp_path / "none.pem")


def test_one_context_a_process_and_a_set_of_anchors(anchors: TrustAnchors) -> None:
    assert sdk_context(anchors) is sdk_context(anchors)
    assert sdk_context(anchors) is not sdk_context(TrustAnchors.none())
