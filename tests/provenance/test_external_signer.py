"""A key behind a command: a real process signs; one that hangs, fails, babbles or has another key does not."""

import shutil
import sys
import time
from pathlib import Path

import pytest

from media import file_digest
from provenance.development import new_development_chain
from provenance.errors import IdentityError, SignerFailed
from provenance.external import external_identity
from provenance.manifest import Claim
from provenance.signing import sign_file
from provenance.trust import TrustAnchors

_PROGRAM = """
import sys, time
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
key = serialization.load_pem_private_key(open(sys.argv[1], "rb").read(), None)
how, message = sys.argv[2], sys.stdin.buffer.read()
signature = key.sign(message, ec.ECDSA(hashes.SHA256()))
r, s = decode_dss_signature(signature)
if how == "hang": time.sleep(30)
if how == "fail": sys.exit("pin=1234")
if how == "junk": signature = b"no signature"
if how == "babble": signature = bytes(100_000)
if how == "raw": signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
sys.stdout.buffer.write(signature)
"""


@pytest.fixture
def smart_card(tmp_path: Path) -> tuple[Path, str, TrustAnchors]:
    """A chain, the command that has its key (without its last word), and the anchors."""
    chain = new_development_chain("Newsroom")
    (tmp_path / "chain.pem").write_bytes(chain.chain_pem)
    (tmp_path / "card.key").write_bytes(chain.key_pem)
    (tmp_path / "card.py").write_text(_PROGRAM)
    command = f"'{sys.executable}' '{tmp_path / 'card.py'}' '{tmp_path / 'card.key'}'"
    return tmp_path / "chain.pem", command, TrustAnchors.from_pem(chain.root_pem, source="authority")


@pytest.mark.parametrize("form", ["der", "raw"])
def test_a_command_that_holds_the_key_signs_a_trusted_clip(
    form: str,
    smart_card: tuple[Path, str, TrustAnchors],
    plain_clip: Path,
    generated_claim: Claim,
    tmp_path: Path,
) -> None:
    chain, command, anchors = smart_card
    identity = external_identity(chain, f"{command} {form}")
    assert (identity.kind, identity.organization) == ("production", "Newsroom")
    assert sign_file(plain_clip, tmp_path / "out.mp4", generated_claim, identity, anchors).state == "trusted"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")
@pytest.mark.parametrize("wrapper", ["dgst", "pkeyutl"])
def test_the_openssl_commands_of_the_documentation_sign_a_trusted_clip(
    wrapper: str,
    smart_card: tuple[Path, str, TrustAnchors],
    plain_clip: Path,
    generated_claim: Claim,
    tmp_path: Path,
) -> None:
    chain, _, anchors = smart_card
    page = (Path(__file__).parents[2] / "docs" / "signing.md").read_text(encoding="utf-8")
    script = tmp_path / "sign"
    if wrapper == "dgst":
        command = page.split('CLIPPROOF_SIGNER_COMMAND="')[1].split('"')[0]
        script.write_text(f"#!/bin/sh\nexec {command}\n")
    else:
        script.write_text(page.split("`sign-pkeyutl`:\n\n```sh\n")[1].split("```")[0])
    script.write_text(script.read_text().replace("/secure/leaf.key", str(tmp_path / "card.key")))
    script.chmod(0o700)
    identity = external_identity(chain, str(script))
    assert sign_file(plain_clip, tmp_path / "out.mp4", generated_claim, identity, anchors).state == "trusted"


@pytest.mark.parametrize(
    ("form", "said"),
    [
        ("hang", "no signature within 1 s"),
        ("fail", "exit status 1"),
        ("junk", "not a signature"),
        ("babble", "more than a signature"),
    ],
)
def test_a_command_that_does_not_sign_is_found_at_load_and_its_words_are_kept_out(
    form: str, said: str, smart_card: tuple[Path, str, TrustAnchors], capfd: pytest.CaptureFixture[str]
) -> None:
    chain, command, _ = smart_card
    started = time.monotonic()
    with pytest.raises(SignerFailed, match=said) as caught:
        external_identity(chain, f"{command} {form}", timeout_s=1 if form == "hang" else 30)
    assert time.monotonic() - started < 20
    assert "1234" not in str(caught.value) + "".join(capfd.readouterr())


def test_a_command_with_another_key_is_found_at_load(
    smart_card: tuple[Path, str, TrustAnchors], tmp_path: Path
) -> None:
    chain, command, _ = smart_card
    (tmp_path / "card.key").write_bytes(new_development_chain("Newsroom").key_pem)
    with pytest.raises(SignerFailed, match="another key"):
        external_identity(chain, f"{command} der")


def test_a_card_that_is_pulled_out_leaves_no_file(
    smart_card: tuple[Path, str, TrustAnchors], plain_clip: Path, generated_claim: Claim, tmp_path: Path
) -> None:
    chain, command, anchors = smart_card
    identity = external_identity(chain, f"{command} der")
    (tmp_path / "card.key").unlink()
    before = file_digest(plain_clip)
    with pytest.raises(SignerFailed, match="exit status 1"):
        sign_file(plain_clip, tmp_path / "out.mp4", generated_claim, identity, anchors)
    assert not (tmp_path / "out.mp4").exists()
    assert file_digest(plain_clip) == before


@pytest.mark.parametrize("command", ["", "'", "/no/such/program"])
def test_a_command_that_cannot_be_run_is_named(
    command: str, smart_card: tuple[Path, str, TrustAnchors]
) -> None:
    with pytest.raises(IdentityError):
        external_identity(smart_card[0], command)
