"""What is said of a manifest: intact, altered, foreign, expired, hidden, hostile."""

import datetime
import http.server
import json
import multiprocessing
import threading
import time
from collections.abc import Callable
from pathlib import Path

import av
import c2pa
import mp4_surgery as surgery
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from media import file_digest
from provenance.boxes import Finding
from provenance.errors import UnreadableFile
from provenance.identity import Identity
from provenance.interpretation import interpret
from provenance.keys import Keys, KeyStore
from provenance.manifest import Claim
from provenance.manifest_reading import Credentials
from provenance.reading import read_kept_manifest, read_manifest
from provenance.signing import Ingredient, Signed, sign_file
from provenance.trust import TrustAnchors, sdk_context

SdkSign = Callable[..., Path]
LABEL = "urn:c2pa:00000000-0000-4000-8000-000000000001"
OtherIdentity = Callable[..., tuple[Identity, TrustAnchors]]


@pytest.fixture
def credentials(signed: Signed, anchors: TrustAnchors) -> Credentials:
    """The signer of this home, for decoded stores whose active manifest is `LABEL`."""
    store = signed.manifest_bytes.replace(signed.label.encode(), LABEL.encode())
    return Credentials(anchors, store=store, stamp_trusted=lambda: True)


def sdk_verdict(path: Path, anchors: TrustAnchors) -> str:
    with path.open("rb") as file, c2pa.Reader("video/mp4", file, context=sdk_context(anchors)) as reader:
        return str(reader.get_validation_state())


def altered(signed: Signed, tmp_path: Path, change: Callable[[bytes], bytes]) -> Path:
    path = tmp_path / "altered.mp4"
    path.write_bytes(change(signed.path.read_bytes()))
    return path


# What holds


def test_a_clip_of_this_home_is_trusted_and_tells_its_story(signed: Signed, anchors: TrustAnchors) -> None:
    reading = read_manifest(signed.path, anchors)
    assert reading.state == "trusted"
    assert reading.failure_codes == ()
    assert reading.guard_findings == ()
    assert reading.label == signed.label
    assert reading.label.startswith("urn:c2pa:")
    assert reading.title == "a lighthouse at dusk"
    assert reading.claim_generator == "Clipproof 0.1.0"
    assert reading.clip_ids == (0x0123456789ABCDEF,)
    assert [action.action for action in reading.actions] == ["c2pa.created", "c2pa.watermarked.bound"]
    assert reading.digital_source_types == (
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    )
    assert reading.content["frames"] == bytes(32)
    assert reading.generation["seed"] == str(2**63 + 1)
    assert "prompt_sha256" in reading.generation
    assert "lighthouse" not in str(dict(reading.generation))


def test_the_signer_is_shown_as_a_development_identity_with_its_certificate(
    signed: Signed, home_keys: Keys, anchors: TrustAnchors
) -> None:
    reading = read_manifest(signed.path, anchors)
    assert reading.signer == "Clipproof development identity"
    assert reading.development
    assert reading.organization == "Clipproof development"
    assert reading.issuer == "Clipproof development identity intermediate"
    assert reading.serial_number == str(home_keys.identity.serial_number)
    assert reading.not_after == home_keys.identity.not_after
    assert not reading.has_timestamp
    assert reading.signed_at is None


def test_every_assertion_is_stated_by_the_signer_and_none_merely_gathered(
    signed: Signed, anchors: TrustAnchors
) -> None:
    with (
        signed.path.open("rb") as file,
        c2pa.Reader("video/mp4", file, context=sdk_context(anchors)) as reader,
    ):
        (manifest,) = json.loads(reader.crjson())["manifests"]
    assert not manifest["claim.v2"].get("gathered_assertions")
    assert len(manifest["claim.v2"]["created_assertions"]) == 6


def test_another_name_or_none_changes_nothing(signed: Signed, anchors: TrustAnchors, tmp_path: Path) -> None:
    for name in ("clip.jpg", "clip"):
        path = tmp_path / name
        path.write_bytes(signed.path.read_bytes())
        assert read_manifest(path, anchors).state == "trusted"


def test_an_unsigned_clip_has_no_manifest(plain_clip: Path, anchors: TrustAnchors) -> None:
    assert read_manifest(plain_clip, anchors).state == "absent"


# Whom it holds for


def test_without_anchors_an_intact_clip_is_valid_with_an_unknown_signer(signed: Signed) -> None:
    reading = read_manifest(signed.path, TrustAnchors.none())
    assert reading.state == "valid_untrusted"
    assert reading.failure_codes == ("signingCredential.untrusted",)


def test_another_home_does_not_trust_this_one(signed: Signed, tmp_path: Path) -> None:
    stranger = KeyStore(tmp_path / "other").create()
    assert read_manifest(signed.path, stranger.anchors).state == "valid_untrusted"


def test_an_authority_with_the_same_names_is_not_trusted(
    signed: Signed,
    plain_clip: Path,
    generated_claim: Claim,
    other_identity: OtherIdentity,
    anchors: TrustAnchors,
    tmp_path: Path,
) -> None:
    look_alike, its_anchors = other_identity()
    forged = sign_file(plain_clip, tmp_path / "forged.mp4", generated_claim, look_alike, its_anchors)
    assert forged.state == "trusted"
    ours, theirs = read_manifest(signed.path, anchors), read_manifest(forged.path, anchors)
    assert theirs.signer == ours.signer
    assert theirs.issuer == ours.issuer
    assert theirs.state == "valid_untrusted"


def test_a_clip_expires_with_its_certificate_and_is_not_called_altered(
    plain_clip: Path, generated_claim: Claim, other_identity: OtherIdentity, tmp_path: Path
) -> None:
    identity, its_anchors = other_identity(validity=datetime.timedelta(seconds=1))
    clip = sign_file(plain_clip, tmp_path / "brief.mp4", generated_claim, identity, its_anchors)
    assert clip.state == "trusted"
    deadline = time.monotonic() + 10
    while (reading := read_manifest(clip.path, its_anchors)).state == "trusted":
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert reading.state == "expired"
    assert "signingCredential.expired" in reading.failure_codes
    changed = tmp_path / "changed.mp4"
    content = clip.path.read_bytes()
    changed.write_bytes(surgery.flip(content, len(content) - 100))
    assert read_manifest(changed, its_anchors).state == "invalid"


# What does not hold


def flip_media(content: bytes) -> bytes:
    start, _ = surgery.find(content, b"mdat")
    return surgery.flip(content, start + 500)


def flip_movie(content: bytes) -> bytes:
    start, _ = surgery.find(content, b"mvhd")
    return surgery.flip(content, start + 20)


def append_a_byte(content: bytes) -> bytes:
    return content + b"\0"


def append_media(content: bytes) -> bytes:
    return content + surgery.box(b"mdat", bytes(100))


def edit_the_aigc_label(content: bytes) -> bytes:
    return content.replace(b'"Label": "1"', b'"Label": "3"')


@pytest.mark.parametrize("change", [flip_media, flip_movie, append_a_byte, append_media])
def test_a_change_of_what_is_hashed_is_invalid(
    signed: Signed, anchors: TrustAnchors, tmp_path: Path, change: Callable[[bytes], bytes]
) -> None:
    reading = read_manifest(altered(signed, tmp_path, change), anchors)
    assert reading.state == "invalid"
    assert "assertion.bmffHash.mismatch" in reading.failure_codes


def test_an_edited_aigc_label_is_invalid(
    make_mp4: Callable[..., Path],
    home_keys: Keys,
    generated_claim: Claim,
    anchors: TrustAnchors,
    tmp_path: Path,
) -> None:
    labelled = make_mp4(tmp_path / "labelled.mp4", metadata={"AIGC": '{"Label": "1"}'})
    clip = sign_file(labelled, tmp_path / "signed.mp4", generated_claim, home_keys.identity, anchors)
    edited = edit_the_aigc_label(clip.path.read_bytes())
    assert edited != clip.path.read_bytes()
    assert read_manifest(altered(clip, tmp_path, edit_the_aigc_label), anchors).state == "invalid"


def test_a_manifest_grafted_onto_another_clip_is_invalid(
    signed: Signed, make_mp4: Callable[..., Path], anchors: TrustAnchors, tmp_path: Path
) -> None:
    content = signed.path.read_bytes()
    start, end = surgery.find(content, b"uuid")
    other = make_mp4(tmp_path / "other.mp4", seed=1).read_bytes()
    _, ftyp_end = surgery.find(other, b"ftyp")
    grafted = tmp_path / "grafted.mp4"
    grafted.write_bytes(other[:ftyp_end] + content[start:end] + other[ftyp_end:])
    assert read_manifest(grafted, anchors).state == "invalid"


def test_frames_swapped_in_a_free_box_are_found_though_the_sdk_trusts_them(
    plain_clip: Path, sdk_sign: SdkSign, anchors: TrustAnchors, tmp_path: Path
) -> None:
    hidden = tmp_path / "hidden.mp4"
    hidden.write_bytes(surgery.move_frames_to_free_box(plain_clip.read_bytes()))
    with av.open(str(hidden)) as container:  # it plays: the attack is real
        assert sum(1 for _ in container.decode(video=0)) == 24
    trap = sdk_sign(hidden, tmp_path / "trap.mp4")
    content = bytearray(trap.read_bytes())
    start, end = surgery.find(bytes(content), b"free")
    content[start + 2000 : end] = bytes(end - start - 2000)  # other frames, after signing
    trap.write_bytes(content)

    assert sdk_verdict(trap, anchors) == "Trusted"
    reading = read_manifest(trap, anchors)
    assert reading.state == "invalid"
    assert Finding.SAMPLE_OFFSET_OUTSIDE_MDAT in {finding.code for finding in reading.guard_findings}


def test_fifty_megabytes_appended_in_a_free_box_are_found_though_the_sdk_trusts_them(
    signed: Signed, anchors: TrustAnchors, tmp_path: Path
) -> None:
    stuffed = tmp_path / "stuffed.mp4"
    stuffed.write_bytes(signed.path.read_bytes())
    size = 50 << 20
    with stuffed.open("ab") as file:
        file.write((8 + size).to_bytes(4, "big") + b"free")
        file.truncate(file.tell() + size)
    assert sdk_verdict(stuffed, anchors) == "Trusted"
    reading = read_manifest(stuffed, anchors)
    assert reading.state == "invalid"
    assert [finding.code for finding in reading.guard_findings] == [Finding.EXCLUDED_PAYLOAD]


def test_a_child_of_a_tampered_parent_is_not_trusted_nor_is_its_own_child(
    signed: Signed, plain_clip: Path, sdk_sign: SdkSign, anchors: TrustAnchors, tmp_path: Path
) -> None:
    parent = altered(signed, tmp_path, flip_media)
    child = sdk_sign(plain_clip, tmp_path / "child.mp4", parent=parent)
    grandchild = sdk_sign(plain_clip, tmp_path / "grandchild.mp4", parent=child)
    for path, depth in ((child, 1), (grandchild, 2)):
        assert sdk_verdict(path, anchors) == "Trusted"
        reading = read_manifest(path, anchors)
        assert reading.state == "invalid"
        failed = [ingredient for ingredient in reading.ingredients if ingredient.status == "failed"]
        assert [ingredient.depth for ingredient in failed] == [depth]
        assert "assertion.bmffHash.mismatch" in failed[0].failure_codes


def test_a_child_of_a_sound_parent_carries_its_past(
    signed: Signed,
    plain_clip: Path,
    home_keys: Keys,
    opened_claim: Claim,
    anchors: TrustAnchors,
    tmp_path: Path,
) -> None:
    child = sign_file(
        plain_clip,
        tmp_path / "child.mp4",
        opened_claim,
        home_keys.identity,
        anchors,
        ingredients=[Ingredient(signed.path)],
    )
    reading = read_manifest(child.path, anchors)
    assert reading.state == "trusted"
    (parent,) = reading.ingredients
    assert (parent.status, parent.relationship, parent.label) == ("trusted", "parentOf", signed.label)
    (stranger_parent,) = read_manifest(child.path, TrustAnchors.none()).ingredients
    assert stranger_parent.status == "valid_untrusted"


def test_a_manifest_that_leaves_the_movie_out_of_its_hash_is_found(credentials: Credentials) -> None:
    exclusions = [
        {"xpath": "/moov", "data": None},
        {"xpath": "/ftyp"},
        {"xpath": "/mdat"},
        {"xpath": "/uuid"},
    ]
    store = {
        "active_manifest": LABEL,
        "manifests": {
            LABEL: {"assertions": [{"label": "c2pa.hash.bmff.v3", "data": {"exclusions": exclusions}}]}
        },
        "validation_results": {"activeManifest": {"success": [], "failure": []}},
        "validation_state": "Trusted",
    }
    reading = interpret(store, credentials, (), guarded=True)
    assert reading.state == "invalid"
    assert [finding.message for finding in reading.guard_findings] == [
        "not hashed: '/moov'",
        "not hashed: '/mdat'",
        "not hashed: '/uuid'",
    ]


GOOD = [{"code": "signingCredential.trusted"}, {"code": "claimSignature.validated"}]


def store_of(**changes: object) -> dict[str, object]:
    """A decoded manifest store that says Trusted, with parts of it replaced."""
    manifest = {"assertions": [{"label": "c2pa.hash.bmff.v3", "data": {"exclusions": []}}]}
    results = {"activeManifest": {"success": GOOD, "failure": []}}
    store = {"active_manifest": LABEL, "manifests": {LABEL: manifest}}
    return store | {"validation_results": results, "validation_state": "Trusted"} | changes


def failing(*codes: str) -> dict[str, object]:
    return {"activeManifest": {"failure": [{"code": code} for code in codes]}}


def delta(code: str) -> dict[str, object]:
    return {
        "activeManifest": {"success": GOOD},
        "ingredientDeltas": [{"validationDeltas": {"failure": [{"code": code}]}}],
    }


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "trusted"),
        ({"validation_state": "Valid"}, "valid_untrusted"),
        ({"validation_state": "Invalid"}, "invalid"),
        ({"validation_state": None}, "invalid"),
        ({"validation_state": "Trusted", "validation_results": delta("claimSignature.mismatch")}, "invalid"),
        ({"validation_state": "Invalid", "validation_results": delta("claimSignature.mismatch")}, "invalid"),
        ({"validation_results": delta("signingCredential.untrusted")}, "trusted"),
        (
            {
                "validation_state": "Invalid",
                "validation_results": failing("signingCredential.untrusted", "signingCredential.expired"),
            },
            "expired",
        ),
        (
            {
                "validation_state": "Invalid",
                "validation_results": failing("signingCredential.expired", "assertion.bmffHash.mismatch"),
            },
            "invalid",
        ),
        (
            {"validation_state": "Invalid", "validation_results": failing("signingCredential.invalid")},
            "invalid",
        ),
        ({"manifests": {}}, "malformed"),
        ({"active_manifest": None}, "malformed"),
        ({"manifests": {LABEL: {"assertions": []}}}, "invalid"),
        ({"manifests": {LABEL: {"title": "no hash at all"}}}, "invalid"),
    ],
)
def test_the_state_that_follows_from_what_the_sdk_found(
    credentials: Credentials, changes: dict[str, object], state: str
) -> None:
    assert interpret(store_of(**changes), credentials, (), guarded=True).state == state


def test_more_ingredients_than_are_looked_at_are_not_vouched_for(credentials: Credentials) -> None:
    manifest = {"title": "busy", "ingredients": [{"title": str(index)} for index in range(300)]}
    reading = interpret(store_of(manifests={LABEL: manifest}), credentials, (), guarded=False)
    assert reading.state == "invalid"
    assert reading.ingredients[-1].failure_codes == ("clipproof.ingredients.tooMany",)


def test_a_time_counts_only_with_a_trusted_time_stamp(credentials: Credentials) -> None:
    manifest = {"title": "x", "signature_info": {"time": "2026-03-01T12:00:00+00:00"}}
    for code, expected in (("timeStamp.trusted", 2026), ("timeStamp.untrusted", None)):
        results = {"activeManifest": {"success": [{"code": code}], "failure": []}}
        store = store_of(manifests={LABEL: manifest}, validation_results=results)
        reading = interpret(store, credentials, (), guarded=False)
        assert reading.has_timestamp == (expected is not None)
        assert (reading.signed_at and reading.signed_at.year) == expected


# A manifest that was kept apart


def test_a_kept_manifest_tells_whose_it_is_without_its_file(signed: Signed, anchors: TrustAnchors) -> None:
    kept = read_kept_manifest(signed.manifest_bytes, anchors)
    embedded = read_manifest(signed.path, anchors)
    assert (kept.state, kept.failure_codes) == ("trusted", ())
    assert (kept.label, kept.signer, kept.content) == (embedded.label, embedded.signer, embedded.content)
    assert read_kept_manifest(signed.manifest_bytes, TrustAnchors.none()).state == "valid_untrusted"


def test_a_changed_kept_manifest_is_not_valid(signed: Signed, anchors: TrustAnchors) -> None:
    at = signed.manifest_bytes.index(b"a lighthouse at dusk")
    changed = surgery.flip(signed.manifest_bytes, at)
    reading = read_kept_manifest(changed, anchors)
    assert (reading.state, reading.failure_codes) == ("invalid", ("claimSignature.mismatch",))
    assert not reading.signer_trusted
    assert read_kept_manifest(b"junk", anchors).state == "malformed"
    assert read_kept_manifest(b"", anchors).state == "absent"


def test_an_altered_clip_still_names_its_signer(
    signed: Signed, anchors: TrustAnchors, tmp_path: Path
) -> None:
    reading = read_manifest(altered(signed, tmp_path, flip_media), anchors)
    assert (reading.state, reading.signer_trusted) == ("invalid", True)
    assert not read_manifest(signed.path, TrustAnchors.none()).signer_trusted


# What cannot be read


def test_two_manifest_stores_are_malformed(signed: Signed, anchors: TrustAnchors, tmp_path: Path) -> None:
    def double(content: bytes) -> bytes:
        start, end = surgery.find(content, b"uuid")
        return content + content[start:end]

    reading = read_manifest(altered(signed, tmp_path, double), anchors)
    assert reading.state == "malformed"
    assert Finding.MULTIPLE_MANIFESTS in {finding.code for finding in reading.guard_findings}


@pytest.mark.parametrize("junk", [b"", b"\0", b"ftyp", b"hello, world" * 50, b"\0\0\0\x08ftyp", bytes(4096)])
def test_junk_is_never_trusted_and_never_raises(junk: bytes, anchors: TrustAnchors, tmp_path: Path) -> None:
    path = tmp_path / "junk.mp4"
    path.write_bytes(junk)
    assert read_manifest(path, anchors).state in ("malformed", "absent")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99, -1])
def test_a_cut_clip_is_never_trusted(
    signed: Signed, anchors: TrustAnchors, tmp_path: Path, share: float
) -> None:
    def cut(content: bytes) -> bytes:
        return content[:-1] if share < 0 else content[: int(share * len(content))]

    assert read_manifest(altered(signed, tmp_path, cut), anchors).state in ("invalid", "malformed")


def test_a_missing_file_is_an_error_of_its_own(anchors: TrustAnchors, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFile, match=r"nothing\.mp4"):
        read_manifest(tmp_path / "nothing.mp4", anchors)


def test_a_bomb_of_nested_boxes_is_malformed_before_the_sdk_sees_it(
    signed: Signed, anchors: TrustAnchors, tmp_path: Path
) -> None:
    bomb = b""
    for _ in range(5000):
        bomb = surgery.box(b"moov", bomb)
    started = time.monotonic()
    reading = read_manifest(altered(signed, tmp_path, lambda content: content + bomb), anchors)
    assert reading.state == "malformed"
    assert "nested" in reading.detail
    assert time.monotonic() - started < 2


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255), data=st.data())
def test_a_changed_byte_of_the_manifest_changes_the_state_or_nothing_that_is_shown(
    signed: Signed, anchors: TrustAnchors, tmp_path: Path, share: float, mask: int, data: st.DataObject
) -> None:
    content = bytearray(signed.path.read_bytes())
    start, _ = surgery.find(bytes(content), b"uuid")
    content[start + 8 + int(share * 5000)] ^= mask  # the padding follows after some 5 kB
    path = tmp_path / "changed.mp4"
    path.write_bytes(content)
    reading = read_manifest(path, anchors)
    if reading.state == "trusted":
        assert reading == read_manifest(signed.path, anchors)


def test_hostile_texts_are_cut_and_cleaned(
    plain_clip: Path, sdk_sign: SdkSign, anchors: TrustAnchors, tmp_path: Path
) -> None:
    hostile = "\x1b[31m\u202eevil\u2066\n\t<script>alert(1)</script>" + "A" * 10_000

    def change(definition: dict[str, object]) -> None:
        definition["title"] = hostile
        definition["assertions"][1]["data"]["alg"] = hostile  # type: ignore[index]

    reading = read_manifest(sdk_sign(plain_clip, tmp_path / "hostile.mp4", change=change), anchors)
    assert reading.state == "trusted"
    assert reading.title.startswith("[31mevil <script>")
    assert len(reading.title) == 300
    assert reading.title.isprintable()
    assert reading.soft_bindings[0].alg.isprintable()
    assert reading.clip_ids == ()  # another algorithm's value is not our clip id


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "active_manifest",
                        "manifests",
                        "a",
                        "assertions",
                        "label",
                        "data",
                        "ingredients",
                        "actions",
                        "validation_results",
                        "activeManifest",
                        "failure",
                        "code",
                        "ingredientDeltas",
                        "blocks",
                        "validation_state",
                        "signature_info",
                        "time",
                        "claim_generator_info",
                        "exclusions",
                        "xpath",
                    ]
                ),
                inner,
                max_size=6,
            )
        ),
        max_leaves=40,
    )
)
def test_a_store_of_any_shape_gives_a_reading(value: object) -> None:
    store = {"active_manifest": "a", "manifests": {"a": value}, "validation_results": value}
    assert interpret(store, Credentials(TrustAnchors.none()), (), guarded=True).state in (
        "malformed",
        "invalid",
    )
    assert (
        interpret(
            value if isinstance(value, dict) else {}, Credentials(TrustAnchors.none()), (), guarded=False
        ).state
        != "trusted"
    )


def test_an_ingredient_that_is_its_own_ancestor_ends() -> None:
    ingredient = {"active_manifest": "b", "relationship": "parentOf"}
    manifests = {name: {"title": name, "ingredients": [ingredient]} for name in "ab"}
    reading = interpret(
        {"active_manifest": "a", "manifests": manifests}, Credentials(TrustAnchors.none()), (), guarded=True
    )
    assert [entry.depth for entry in reading.ingredients] == [1, 2]


# No network, any process


def test_a_link_to_a_manifest_is_reported_and_not_followed(
    plain_clip: Path, sdk_sign: SdkSign, anchors: TrustAnchors, tmp_path: Path
) -> None:
    hits: list[str] = []

    class Listener(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            hits.append(self.path)
            self.send_error(404)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Listener) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}/clip.c2pa"
        linked = sdk_sign(plain_clip, tmp_path / "linked.mp4", remote_url=url)
        reading = read_manifest(linked, anchors)
        with linked.open("rb") as file, pytest.raises(c2pa.C2paError):
            c2pa.Reader("video/mp4", file)  # the SDK's defaults do follow it: the listener works
        server.shutdown()
    assert (reading.state, reading.remote_url) == ("remote_only", url)
    assert hits == ["/clip.c2pa"]


def read_in_child(path: Path, trust: TrustAnchors, results: "multiprocessing.SimpleQueue[str]") -> None:
    results.put(read_manifest(path, trust).state)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_process_reads_as_well_as_its_parent(signed: Signed, anchors: TrustAnchors) -> None:
    assert read_manifest(signed.path, anchors).state == "trusted"
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=read_in_child, args=(signed.path, anchors, results))
    child.start()
    child.join(20)
    assert child.exitcode == 0
    assert results.get() == "trusted"


def test_reading_leaves_the_file_as_it_was(signed: Signed, anchors: TrustAnchors) -> None:
    before = file_digest(signed.path)
    read_manifest(signed.path, anchors)
    assert file_digest(signed.path) == before
