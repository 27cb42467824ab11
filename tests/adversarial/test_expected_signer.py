"""`verify --expect-signer`: anybody can call a certificate by any name."""

from pathlib import Path

import pytest
from authorities import Authority, sign_bare
from cli_process import Done, run_clipproof

from provenance.expectation import is_expectation, signer_mismatch
from provenance.identity import Identity
from provenance.reading import read_manifest
from provenance.trust import TrustAnchors
from provenance.verify import verify_clip


@pytest.fixture(scope="module")
def genuine(plain: Path, reporter: Identity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sign_bare(plain, tmp_path_factory.mktemp("genuine") / "clip.mp4", reporter)


@pytest.fixture(scope="module")
def forged(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("forged")
    mallory = Authority.named("Newsroom Root").signer(folder, "Reporter")  # the same names
    return sign_bare(plain, folder / "clip.mp4", mallory)


def test_a_name_holds_where_an_anchor_vouches_for_it(genuine: Path, trust: TrustAnchors) -> None:
    report = verify_clip(genuine, trust=trust)
    assert signer_mismatch(report, "Reporter") is None
    assert signer_mismatch(report, "Reporter Ltd") is None  # the organisation
    assert "not Reuters" in (signer_mismatch(report, "Reuters") or "")


def test_the_same_name_on_a_certificate_of_ones_own_does_not(forged: Path, trust: TrustAnchors) -> None:
    report = verify_clip(forged, trust=trust)
    assert report.signer == "Reporter"
    assert "anybody can take a name" in (signer_mismatch(report, "Reporter") or "")


def test_a_fingerprint_names_one_certificate_without_anchors(
    genuine: Path, forged: Path, reporter: Identity
) -> None:
    expected = f"sha256:{reporter.certificate_sha256}"
    shown = "SHA256:" + ":".join(expected[7:][at : at + 2] for at in range(0, 64, 2)).upper()
    for spelling in (expected, shown):
        assert signer_mismatch(verify_clip(genuine, trust=TrustAnchors.none()), spelling) is None
        assert signer_mismatch(verify_clip(forged, trust=TrustAnchors.none()), spelling) is not None


def test_nobody_signed_what_has_no_signature(plain: Path, trust: TrustAnchors) -> None:
    assert "nobody signed" in (signer_mismatch(verify_clip(plain, trust=trust), "Reporter") or "")


def test_a_certificate_counts_for_nothing_where_its_signature_does_not_hold(
    genuine: Path, reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    content = bytearray(genuine.read_bytes())
    content[content.index(b"a lighthouse")] ^= 1
    broken = tmp_path / "broken.mp4"
    broken.write_bytes(content)
    assert read_manifest(broken, trust).signer_sha256 == ""
    for expected in ("Reporter", f"sha256:{reporter.certificate_sha256}"):
        assert signer_mismatch(verify_clip(broken, trust=trust), expected) is not None


@pytest.mark.parametrize("expected", ["", "  ", "sha256:", "sha256:12", "sha256:" + "g" * 64])
def test_what_is_neither_a_name_nor_a_fingerprint_is_refused(expected: str) -> None:
    assert not is_expectation(expected)


def test_the_command_line_says_why_in_words(
    forged: Path, genuine: Path, reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    (tmp_path / "anchors.pem").write_text(trust.pem)

    def verify(path: Path, *more: str) -> Done:
        home = tmp_path / "home"
        return run_clipproof(home, "verify", path, "--no-audit", "--anchors", tmp_path / "anchors.pem", *more)

    assert verify(genuine, "--expect-signer", "Reporter").code == 0
    wrong = verify(forged, "--expect-signer", "Reporter")
    assert wrong.code == 1
    assert "anybody can take a name" in " ".join(wrong.out.split())
    said = verify(forged, "--expect-signer", f"sha256:{reporter.certificate_sha256}", "--json")
    assert (said.code, said.json["signer_matches"]) == (1, False)
    assert verify(genuine, "--expect-signer", "sha256:12").code == 2
