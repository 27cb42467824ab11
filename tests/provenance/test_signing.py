"""Signing: a whole, verified file or none, and never a past dropped in silence."""

import datetime
import hashlib
import logging
import os
import resource
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import c2pa
import mp4_surgery as surgery
import numpy as np
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from media import OutputError, file_digest, stream_digest
from provenance.development import private_pem
from provenance.errors import AlreadySigned, CertificateExpired, ClaimError, SigningError, UnreadableFile
from provenance.identity import Identity
from provenance.keys import Keys
from provenance.manifest import Claim, Edit
from provenance.reading import read_manifest
from provenance.signing import Ingredient, Signed, sign_file
from provenance.trust import TrustAnchors, sdk_context

OtherIdentity = Callable[..., tuple[Identity, TrustAnchors]]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "out.mp4"


def assert_nothing_published(target: Path, source: Path, source_digest: bytes) -> None:
    assert not target.exists()
    assert [path.name for path in target.parent.iterdir() if ".tmp" in path.name] == []
    assert file_digest(source) == source_digest


def test_signing_leaves_the_source_and_what_plays_as_they_were(
    plain_clip: Path, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    before = file_digest(plain_clip)
    signed = sign_file(plain_clip, target, generated_claim, home_keys.identity, anchors)
    assert file_digest(plain_clip) == before
    assert signed.path == target
    assert signed.state == "trusted"
    assert stream_digest(target).digest == stream_digest(plain_clip).digest


def test_the_manifest_bytes_are_those_in_the_file_and_verify_beside_it(
    signed: Signed, anchors: TrustAnchors
) -> None:
    content = signed.path.read_bytes()
    assert signed.manifest_bytes in content
    assert hashlib.sha256(signed.manifest_bytes).hexdigest() not in repr(signed)
    with (
        signed.path.open("rb") as file,
        c2pa.Reader("video/mp4", file, signed.manifest_bytes, context=sdk_context(anchors)) as reader,
    ):
        assert reader.get_validation_state() == "Trusted"


def test_source_and_destination_must_differ(
    plain_clip: Path, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, tmp_path: Path
) -> None:
    copy = tmp_path / "clip.mp4"
    copy.write_bytes(plain_clip.read_bytes())
    link = tmp_path / "link.mp4"
    os.link(copy, link)
    for same in (copy, tmp_path / "." / "clip.mp4", link):
        with pytest.raises(SigningError, match="same file"):
            sign_file(copy, same, generated_claim, home_keys.identity, anchors)
    assert file_digest(copy) == file_digest(plain_clip)


def test_an_unsigned_clip_is_opened_with_itself_as_parent(
    plain_clip: Path, opened_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    parents = [Ingredient(plain_clip, title="original.mp4")]
    sign_file(plain_clip, target, opened_claim, home_keys.identity, anchors, ingredients=parents)
    reading = read_manifest(target, anchors)
    assert reading.state == "trusted"
    assert [action.action for action in reading.actions] == ["c2pa.opened", "c2pa.watermarked.bound"]
    assert reading.digital_source_types == ("http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",)
    (parent,) = reading.ingredients
    assert (parent.title, parent.status) == ("original.mp4", "unsigned")


@pytest.mark.parametrize("container", ["matroska", "mpegts", "avi"])
def test_a_parent_of_another_container_is_carried_as_an_ingredient(
    container: str,
    plain_clip: Path,
    opened_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    target: Path,
    tmp_path: Path,
) -> None:
    parent = tmp_path / "parent.bin"
    with av.open(str(parent), "w", format=container) as output:
        stream = output.add_stream("mpeg2video", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for index in range(8):
            frame = av.VideoFrame.from_ndarray(np.full((96, 64), 10 * index, np.uint8), format="yuv420p")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            output.mux(stream.encode(frame))
        output.mux(stream.encode())
    sign_file(plain_clip, target, opened_claim, home_keys.identity, anchors, ingredients=[Ingredient(parent)])
    reading = read_manifest(target, anchors)
    assert reading.state == "trusted"
    assert [entry.status for entry in reading.ingredients] == ["unsigned"]


def test_threads_may_sign_and_read_at_once(
    plain_clip: Path, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, tmp_path: Path
) -> None:
    def work(number: int) -> str:
        target = tmp_path / f"{number}.mp4"
        sign_file(plain_clip, target, generated_claim, home_keys.identity, anchors)
        return read_manifest(target, anchors).state

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(work, range(8))) == {"trusted"}


def test_every_byte_of_a_large_clip_counts_though_it_is_hashed_in_pieces(
    plain_clip: Path,
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    target: Path,
    tmp_path: Path,
) -> None:
    content = plain_clip.read_bytes()
    start, end = surgery.find(content, b"mdat")
    assert end == len(content)
    large = tmp_path / "large.mp4"
    large.write_bytes(content[:start] + surgery.box(b"mdat", content[start + 8 :] + bytes(12 << 20)))
    sign_file(large, target, generated_claim, home_keys.identity, anchors)
    signed = target.read_bytes()
    assert signed.count(b"merkle\0\xa4") > 10  # the SDK's boxes with Merkle proofs are no finding
    assert read_manifest(target, anchors).state == "trusted"
    target.write_bytes(surgery.flip(signed, len(signed) // 2))
    reading = read_manifest(target, anchors)
    assert (reading.state, reading.failure_codes) == ("invalid", ("assertion.bmffHash.mismatch",))


# A past is never dropped


def test_a_signed_source_without_its_past_is_refused(
    signed: Signed, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    before = file_digest(signed.path)
    with pytest.raises(AlreadySigned) as caught:
        sign_file(signed.path, target, generated_claim, home_keys.identity, anchors)
    assert "parent" in caught.value.hint
    assert_nothing_published(target, signed.path, before)


def test_another_files_past_does_not_stand_in_for_it(
    signed: Signed,
    plain_clip: Path,
    opened_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    target: Path,
) -> None:
    with pytest.raises(AlreadySigned):
        sign_file(
            signed.path,
            target,
            opened_claim,
            home_keys.identity,
            anchors,
            ingredients=[Ingredient(plain_clip)],
        )


def test_a_source_that_links_to_a_manifest_is_refused(
    plain_clip: Path,
    sdk_sign: Callable[..., Path],
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    target: Path,
    tmp_path: Path,
) -> None:
    linked = sdk_sign(plain_clip, tmp_path / "linked.mp4", remote_url="http://127.0.0.1:9/clip.c2pa")
    with pytest.raises(AlreadySigned, match="remote_only"):
        sign_file(linked, target, generated_claim, home_keys.identity, anchors)


def test_a_signed_source_that_is_its_own_parent_keeps_its_past(
    signed: Signed, opened_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    claim = replace(opened_claim, origin="ai")
    parent = Ingredient(signed.path)
    sign_file(signed.path, target, claim, home_keys.identity, anchors, ingredients=[parent])
    reading = read_manifest(target, anchors)
    assert reading.state == "trusted"
    assert [(entry.label, entry.status) for entry in reading.ingredients] == [(signed.label, "trusted")]


def test_a_tampered_parent_is_refused(
    signed: Signed,
    plain_clip: Path,
    opened_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    target: Path,
    tmp_path: Path,
) -> None:
    content = signed.path.read_bytes()
    parent = tmp_path / "parent.mp4"
    parent.write_bytes(surgery.flip(content, len(content) - 100))
    with pytest.raises(SigningError, match="does not verify"):
        sign_file(
            plain_clip, target, opened_claim, home_keys.identity, anchors, ingredients=[Ingredient(parent)]
        )
    assert_nothing_published(target, plain_clip, file_digest(plain_clip))


@pytest.mark.parametrize("parents", [0, 2])
def test_an_opened_clip_has_exactly_one_parent(
    parents: int, plain_clip: Path, opened_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    ingredients = [Ingredient(plain_clip)] * parents
    with pytest.raises(ClaimError):
        sign_file(plain_clip, target, opened_claim, home_keys.identity, anchors, ingredients=ingredients)


# Whole or not at all


def test_an_expired_certificate_is_refused_before_signing(
    plain_clip: Path,
    generated_claim: Claim,
    other_identity: OtherIdentity,
    anchors: TrustAnchors,
    target: Path,
) -> None:
    past = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=30)
    identity, _ = other_identity(now=past, validity=datetime.timedelta(days=1))
    with pytest.raises(CertificateExpired, match="expired on"):
        sign_file(plain_clip, target, generated_claim, identity, anchors)
    assert_nothing_published(target, plain_clip, file_digest(plain_clip))


def test_a_signer_that_fails_is_named_as_the_cause_and_logged_without_its_message(
    plain_clip: Path,
    generated_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    target: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    def broken(message: bytes) -> bytes:
        raise ConnectionError("pin=1234")

    identity = replace(home_keys.identity, sign=broken)
    with pytest.raises(SigningError, match="did not sign") as caught:
        sign_file(plain_clip, target, generated_claim, identity, anchors)
    assert isinstance(caught.value.__cause__, ConnectionError)
    assert "pin=1234" not in caplog.text
    assert "pin=1234" not in str(caught.value)
    assert_nothing_published(target, plain_clip, file_digest(plain_clip))


def test_a_signature_by_another_key_is_refused(
    plain_clip: Path,
    generated_claim: Claim,
    home_keys: Keys,
    other_identity: OtherIdentity,
    anchors: TrustAnchors,
    target: Path,
) -> None:
    identity = replace(home_keys.identity, sign=other_identity()[0].sign)
    with pytest.raises(SigningError):
        sign_file(plain_clip, target, generated_claim, identity, anchors)
    assert_nothing_published(target, plain_clip, file_digest(plain_clip))


def test_a_clip_whose_frames_lie_outside_the_hash_is_refused(
    plain_clip: Path, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, tmp_path: Path
) -> None:
    trap = tmp_path / "trap.mp4"
    trap.write_bytes(surgery.move_frames_to_free_box(plain_clip.read_bytes()))
    with pytest.raises(SigningError, match="sample_offset_outside_mdat"):
        sign_file(trap, tmp_path / "out.mp4", generated_claim, home_keys.identity, anchors)
    assert_nothing_published(tmp_path / "out.mp4", trap, file_digest(trap))


@pytest.mark.parametrize("content", [b"", b"junk" * 100, b"GIF89a" + bytes(100)])
def test_what_is_not_an_mp4_is_refused(
    content: bytes, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, tmp_path: Path
) -> None:
    junk = tmp_path / "junk.mp4"
    junk.write_bytes(content)
    with pytest.raises(SigningError, match=r"junk\.mp4"):
        sign_file(junk, tmp_path / "out.mp4", generated_claim, home_keys.identity, anchors)
    assert_nothing_published(tmp_path / "out.mp4", junk, file_digest(junk))


def test_a_missing_folder_or_ingredient_is_named(
    plain_clip: Path, opened_claim: Claim, home_keys: Keys, anchors: TrustAnchors, tmp_path: Path
) -> None:
    identity = home_keys.identity
    with pytest.raises(OutputError, match="nowhere"):
        sign_file(
            plain_clip,
            tmp_path / "nowhere" / "out.mp4",
            opened_claim,
            identity,
            anchors,
            ingredients=[Ingredient(plain_clip)],
        )
    with pytest.raises(UnreadableFile, match="gone"):
        sign_file(
            plain_clip,
            tmp_path / "out.mp4",
            opened_claim,
            identity,
            anchors,
            ingredients=[Ingredient(tmp_path / "gone.mp4")],
        )


def test_a_failure_leaves_an_older_destination_alone(
    plain_clip: Path, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    target.write_bytes(b"older")

    def broken(message: bytes) -> bytes:
        raise RuntimeError

    with pytest.raises(SigningError):
        sign_file(plain_clip, target, generated_claim, replace(home_keys.identity, sign=broken), anchors)
    assert target.read_bytes() == b"older"


# Certificates of the real world


@pytest.mark.parametrize("purpose", ["1.3.6.1.4.1.62558.2.1", "1.3.6.1.5.5.7.3.36"])
@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1()])
def test_certificates_for_claim_signing_and_document_signing_sign_and_verify(
    purpose: str,
    curve: ec.EllipticCurve,
    plain_clip: Path,
    generated_claim: Claim,
    target: Path,
    tmp_path: Path,
) -> None:
    root_key, leaf_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(curve)
    now = datetime.datetime.now(datetime.UTC)

    def certificate(name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(
                x509.Name(
                    [
                        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, name),
                        x509.NameAttribute(x509.NameOID.COMMON_NAME, name),
                    ]
                )
            )
            .issuer_name(
                x509.Name(
                    [
                        x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Authority"),
                        x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority"),
                    ]
                )
            )
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False),
                critical=True,
            )
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        if not authority:
            usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)])
            builder = builder.add_extension(usage, critical=False)
        return builder.sign(root_key, hashes.SHA256())

    root = certificate("Authority", root_key, authority=True)
    leaf = certificate("Newsroom", leaf_key, authority=False)
    (tmp_path / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    key_path = tmp_path / "leaf.key"
    key_path.touch(0o600)
    key_path.write_bytes(private_pem(leaf_key))
    anchors = TrustAnchors.from_pem(root.public_bytes(Encoding.PEM), source="authority")
    identity = Identity.from_pem(tmp_path / "leaf.pem", key_path)
    assert sign_file(plain_clip, target, generated_claim, identity, anchors).state == "trusted"
    reading = read_manifest(target, anchors)
    assert (reading.signer, reading.issuer, reading.development) == ("Newsroom", "Authority", False)


def test_a_full_disk_leaves_no_file_and_the_source_as_it_was(
    plain_clip: Path, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    before = file_digest(plain_clip)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
    try:
        with pytest.raises((SigningError, OutputError)):
            sign_file(plain_clip, target, generated_claim, home_keys.identity, anchors)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert_nothing_published(target, plain_clip, before)


@pytest.mark.parametrize("edit", ["trimmed", "edited", "transcoded", "addedText"])
def test_an_edit_names_what_was_done_and_rolls_up_its_ingredients(
    edit: str,
    signed: Signed,
    make_mp4: Callable[..., Path],
    opened_claim: Claim,
    home_keys: Keys,
    anchors: TrustAnchors,
    target: Path,
    tmp_path: Path,
) -> None:
    """Trim, concatenation, re-encode and overlay: the first and the third have one ingredient, the others two."""
    result = make_mp4(tmp_path / "result.mp4", seed=5)
    ingredients = [Ingredient(signed.path)]
    if edit in ("edited", "addedText"):
        ingredients.append(Ingredient(signed.path, "componentOf", title="second"))
    claim = replace(opened_claim, marked=False, edits=(Edit.parse(f"{edit}=by hand"),))
    sign_file(result, target, claim, home_keys.identity, anchors, ingredients=ingredients)
    reading = read_manifest(target, anchors)
    assert reading.state == "trusted"
    placed = ["c2pa.placed"] * (len(ingredients) - 1)
    assert [one.action for one in reading.actions] == ["c2pa.opened", *placed, f"c2pa.{edit}"]
    assert {one.status for one in reading.ingredients} == {"trusted"}
    assert (reading.clip_ids, reading.content_clip_id) == ((), opened_claim.clip_id)


def test_a_checkpoint_of_the_log_is_signed_along_and_nothing_else_passes_for_one(
    plain_clip: Path, generated_claim: Claim, home_keys: Keys, anchors: TrustAnchors, target: Path
) -> None:
    checkpoint = f"clipproof.org/log\n7\n{'A' * 43}=\n\n\u2014 clipproof.org/log AAAA\n"
    claim = replace(generated_claim, log_checkpoint=checkpoint)
    sign_file(plain_clip, target, claim, home_keys.identity, anchors)
    assert read_manifest(target, anchors).log_checkpoint == checkpoint
    for wrong in ("", "banana", checkpoint[:-1], checkpoint * 200, checkpoint.replace("7", "07")):
        with pytest.raises(ClaimError):
            sign_file(plain_clip, target, replace(claim, log_checkpoint=wrong), home_keys.identity, anchors)
