"""The 25 cases of docs/c2pa.md: what an adversary does to a clip, and the verdict.

Cases that are about more than one file's verdict have a test elsewhere, named in `ELSEWHERE`.
"""

import concurrent.futures
import datetime as dt
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path

import av
import mp4_surgery as surgery
import numpy as np
import pytest
from authorities import Authority, sign_bare, time_stamping
from cli_process import run_clipproof
from conftest import moving_picture, remux, transcode, write_mp4
from flows_media import textured

from flows.home import Home
from flows.marking import Marked, mark_clip
from provenance.identity import Identity
from provenance.trust import TrustAnchors, TrustList
from provenance.verify import Verification, verify_clip
from provenance.watermark import mark_file

ELSEWHERE = {
    "17 a link to a manifest": "adversarial/test_no_network.py::test_the_whole_command_connects_to_nothing",
    "18 a setting with a typo": "adversarial/test_no_network.py::test_the_listeners_would_notice",
    "20 a claim that is not a number": "provenance/test_manifest.py::test_an_untrue_or_broken_claim_is_refused",
    "21 a signer that fails": (
        "provenance/test_signing.py::test_a_signer_that_fails_is_named_as_the_cause_and_logged_without_its_message"
    ),
    "21 source and destination are one": "provenance/test_signing.py::test_source_and_destination_must_differ",
    "25 segments dropped or reordered": (
        "adversarial/test_players.py::test_dropped_reordered_and_repeated_segments_are_found"
    ),
}


@pytest.fixture(scope="module")
def signed(plain: Path, reporter: Identity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sign_bare(plain, tmp_path_factory.mktemp("signed") / "signed.mp4", reporter)


def details(report: Verification, check: str = "manifest") -> dict[str, object]:
    return next((one.details for one in report.evidence if one.check == check), {})


def guard(report: Verification) -> set[object]:
    found = details(report).get("guard_findings", [])
    assert isinstance(found, list)
    return {one["code"] for one in found}


def in_home(home: Home, path: Path | str) -> Verification:
    return verify_clip(path, trust=home.trust, ledger=home.ledger, keys=home.keys)


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def flip_media(content: bytes) -> bytes:
    start, _ = surgery.find(content, b"mdat")
    return surgery.flip(content, start + 500)


def test_01_an_untouched_clip_of_a_trusted_signer_is_trusted(signed: Path, trust: TrustAnchors) -> None:
    report = verify_clip(signed, trust=trust)
    assert (report.verdict, details(report)["failure_codes"]) == ("trusted", [])


def test_02_without_anchors_it_is_valid_but_nobody_vouches(signed: Path) -> None:
    report = verify_clip(signed, trust=TrustAnchors.none())
    assert (report.verdict, details(report)["failure_codes"]) == (
        "valid_untrusted",
        ["signingCredential.untrusted"],
    )


def test_03_an_authority_of_the_same_name_is_not_trusted(
    plain: Path, trust: TrustAnchors, tmp_path: Path
) -> None:
    look_alike = Authority.named("Newsroom Root").signer(tmp_path, "Reporter")
    report = verify_clip(sign_bare(plain, tmp_path / "forged.mp4", look_alike), trust=trust)
    assert (report.verdict, report.signer) == ("valid_untrusted", "Reporter")


def test_04_one_flipped_byte_of_media_is_tampering(signed: Path, trust: TrustAnchors, tmp_path: Path) -> None:
    report = verify_clip(write(tmp_path / "x.mp4", flip_media(signed.read_bytes())), trust=trust)
    assert report.verdict == "tampered"
    assert "assertion.bmffHash.mismatch" in details(report)["failure_codes"]  # type: ignore[operator]


def test_05_an_edited_aigc_label_is_tampering(
    reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    source = tmp_path / "labelled.mp4"
    with av.open(str(source), "w", options={"movflags": "use_metadata_tags+faststart"}) as output:
        output.metadata["AIGC"] = '{"Label": "1"}'
        stream = output.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 320, 256, "yuv420p"
        for picture in moving_picture(4, 256, 320):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        output.mux(stream.encode())
    clip = sign_bare(source, tmp_path / "signed.mp4", reporter)
    assert verify_clip(clip, trust=trust).verdict == "trusted"
    content = clip.read_bytes()
    edited = content.replace(b'"Label": "1"', b'"Label": "3"')
    assert edited != content
    assert verify_clip(write(clip, edited), trust=trust).verdict == "tampered"


def test_06_fifty_megabytes_in_a_free_box_are_tampering(
    signed: Path, trust: TrustAnchors, tmp_path: Path
) -> None:
    path = write(tmp_path / "stuffed.mp4", signed.read_bytes())
    with path.open("ab") as file:
        file.write((8 + (50 << 20)).to_bytes(4, "big") + b"free")
        file.truncate(file.tell() + (50 << 20))
    report = verify_clip(path, trust=trust)
    assert (report.verdict, guard(report)) == ("tampered", {"excluded_payload"})


def test_07_frames_swapped_in_a_free_box_are_tampering(
    plain: Path, reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    hidden = write(tmp_path / "hidden.mp4", surgery.move_frames_to_free_box(plain.read_bytes()))
    clip = sign_bare(hidden, tmp_path / "trap.mp4", reporter)
    content = bytearray(clip.read_bytes())
    start, end = surgery.find(bytes(content), b"free")
    content[start + 2000 : end] = bytes(end - start - 2000)
    report = verify_clip(write(clip, bytes(content)), trust=trust)
    assert report.verdict == "tampered"
    assert "sample_offset_outside_mdat" in guard(report)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99, -1])
def test_08_a_cut_clip_is_never_trusted(
    signed: Path, trust: TrustAnchors, tmp_path: Path, share: float
) -> None:
    content = signed.read_bytes()
    cut = content[:-1] if share < 0 else content[: int(share * len(content))]
    assert verify_clip(write(tmp_path / "cut.mp4", cut), trust=trust).verdict in ("tampered", "malformed")


def test_09_stripped_by_a_lossless_copy_it_is_recovered_exactly(
    home: Home, marked: Marked, tmp_path: Path
) -> None:
    report = in_home(home, remux(Path(marked.path), tmp_path / "stripped.mp4"))
    assert (report.verdict, report.to_dict()["clip_id"]) == ("recovered_exact", marked.clip_id)


def test_10_re_encoded_and_resized_it_is_recovered_as_derived(
    home: Home, marked: Marked, tmp_path: Path
) -> None:
    report = in_home(home, transcode(Path(marked.path), tmp_path / "platform.mp4", crf=28, scale=0.75))
    assert (report.verdict, report.to_dict()["clip_id"]) == ("recovered_derived", marked.clip_id)


def test_11_a_manifest_of_another_clip_is_tampering_and_the_mark_says_whose(
    home: Home, marked: Marked, signed: Path, tmp_path: Path
) -> None:
    other = signed.read_bytes()
    start, end = surgery.find(other, b"uuid")
    stripped = remux(Path(marked.path), tmp_path / "stripped.mp4").read_bytes()
    report = in_home(home, write(tmp_path / "grafted.mp4", stripped + other[start:end]))
    assert report.verdict == "tampered"
    assert report.to_dict()["clip_id"] == marked.clip_id


def test_12_a_mark_on_other_pictures_is_a_conflict(home: Home, marked: Marked, tmp_path: Path) -> None:
    other = write_mp4(tmp_path / "other.mp4", textured(seed=9)[:, ::-1, ::-1], crf=16)
    mark_file(other, tmp_path / "moved.mp4", payload=int(marked.clip_id, 16), key=home.keys.mark_key)
    assert in_home(home, tmp_path / "moved.mp4").verdict == "watermark_conflict"


def test_13_signed_anew_without_its_past_it_is_suspect(
    home: Home, stranger: Home, marked: Marked, tmp_path: Path
) -> None:
    stripped = remux(Path(marked.path), tmp_path / "stripped.mp4")
    laundered = mark_clip(stranger, stripped, tmp_path / "laundered.mp4", source="camera")
    assert in_home(home, laundered.path).verdict == "substitution_suspected"


def test_14_two_manifest_boxes_are_malformed(signed: Path, trust: TrustAnchors, tmp_path: Path) -> None:
    content = signed.read_bytes()
    start, end = surgery.find(content, b"uuid")
    double = write(tmp_path / "double.mp4", content + content[start:end])
    assert verify_clip(double, trust=trust).verdict == "malformed"


def test_15_an_expired_signer_is_expired_unless_a_trusted_time_stamp_says_when(
    plain: Path, tmp_path: Path
) -> None:
    signers, stamps = Authority.named("Signers"), Authority.named("Stamps")
    brief = signers.signer(tmp_path, "Brief", validity=dt.timedelta(seconds=2))
    with time_stamping(stamps, tmp_path) as url:
        stamped = sign_bare(plain, tmp_path / "stamped.mp4", brief, tsa_url=url)
    bare = sign_bare(plain, tmp_path / "bare.mp4", brief)
    time.sleep(max(0.0, (brief.not_after - dt.datetime.now(dt.UTC)).total_seconds() + 1.1))
    trust = TrustAnchors.from_pem(signers.pem, source="signers").plus(
        [TrustList.from_pem(stamps.pem, source="stamps", purpose="tsa")]
    )
    without = verify_clip(bare, trust=trust)
    assert without.verdict == "expired"
    assert "expired" in without.to_dict()["meaning"]
    assert "changed" not in without.to_dict()["meaning"]
    assert verify_clip(stamped, trust=trust).verdict == "trusted"


def test_16_a_child_of_a_tampered_parent_is_not_trusted(
    signed: Path, plain: Path, reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    parent = write(tmp_path / "parent.mp4", flip_media(signed.read_bytes()))
    child = sign_bare(plain, tmp_path / "child.mp4", reporter, parent=parent)
    grandchild = sign_bare(plain, tmp_path / "grandchild.mp4", reporter, parent=child)
    for path in (child, grandchild):
        report = verify_clip(path, trust=trust)
        assert report.verdict == "tampered"
        ingredients = details(report)["ingredients"]
        assert isinstance(ingredients, list)
        assert "failed" in {one["status"] for one in ingredients}


HOSTILE = "\x1b[31m\u202e<script>alert(1)</script>'; DROP TABLE clips;--[bold red]" + "A" * 10_000


def test_19_a_hostile_title_reaches_neither_terminal_nor_ledger_as_more_than_text(
    plain: Path, reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    clip = sign_bare(plain, tmp_path / "x.mp4", reporter, change=lambda said: said.update(title=HOSTILE))
    (tmp_path / "anchors.pem").write_text(trust.pem)
    command = ("verify", clip, "--no-audit", "--anchors", tmp_path / "anchors.pem")
    done = run_clipproof(tmp_path / "home", *command, "--json")
    title = next(one["details"]["title"] for one in done.json["evidence"] if one["check"] == "manifest")
    assert (done.code, len(title), title.isprintable()) == (0, 300, True)
    for text in (run_clipproof(tmp_path / "home", *command).out, done.out):
        assert not set(text) & {"\x1b", "\u202e"}


def _read(path: Path, pem: str, results: "multiprocessing.SimpleQueue[str]") -> None:
    from provenance.reading import read_manifest

    results.put(read_manifest(path, TrustAnchors.from_pem(pem.encode(), source="x")).state)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_22_threads_and_forked_and_spawned_processes_agree(signed: Path, trust: TrustAnchors) -> None:
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        verdicts = list(pool.map(lambda _: verify_clip(signed, trust=trust).verdict, range(8)))
    assert set(verdicts) == {"trusted"}
    for method in ("fork", "fork", "spawn", "spawn"):
        context = multiprocessing.get_context(method)
        results = context.SimpleQueue()
        child = context.Process(target=_read, args=(signed, trust.pem, results))  # type: ignore[attr-defined]
        child.start()
        child.join(60)
        assert child.exitcode == 0
        assert results.get() == "trusted"


def nested_movies(content: bytes) -> bytes:
    bomb = b""
    for _ in range(5000):
        bomb = surgery.box(b"moov", bomb)
    return content + bomb


def malformed_cbor(content: bytes) -> bytes:
    """The claim begins with a map whose length runs past its end."""
    at = content.index(b"cbor", content.index(b"c2pa.claim")) + 4
    return content[:at] + b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff" + content[at + 9 :]


def malformed_assertion(content: bytes) -> bytes:
    at = content.index(b"cbor", content.index(b"c2pa.actions")) + 4
    return content[:at] + b"\x9f" * 40 + content[at + 40 :]


@pytest.mark.parametrize(
    ("change", "verdicts"),
    [
        (nested_movies, {"malformed"}),
        (malformed_cbor, {"malformed", "tampered"}),
        (malformed_assertion, {"malformed", "tampered"}),
    ],
)
def test_24_files_made_to_break_readers_have_a_verdict_soon(
    signed: Path,
    trust: TrustAnchors,
    tmp_path: Path,
    change: Callable[[bytes], bytes],
    verdicts: set[str],
) -> None:
    path = write(tmp_path / "x.mp4", change(signed.read_bytes()))
    assert verify_clip(path, trust=trust).verdict in verdicts


def fragmented(path: Path) -> Path:
    with av.open(
        str(path), "w", options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}
    ) as output:
        stream = output.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt, stream.options = 320, 256, "yuv420p", {"g": "6"}
        for picture in moving_picture(24, 256, 320):
            output.mux(
                stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24"))
            )
        output.mux(stream.encode())
    return path


def test_24_an_initialisation_segment_alone_is_not_trusted(
    reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    clip = sign_bare(fragmented(tmp_path / "f.mp4"), tmp_path / "signed.mp4", reporter)
    assert verify_clip(clip, trust=trust).verdict == "trusted"
    content = clip.read_bytes()
    start, _ = surgery.find(content, b"moof")
    verdict = verify_clip(write(clip, content[:start]), trust=trust).verdict
    assert verdict in ("tampered", "malformed")


def test_25_fragments_dropped_reordered_or_tampered_are_tampering(
    reporter: Identity, trust: TrustAnchors, tmp_path: Path
) -> None:
    content = sign_bare(fragmented(tmp_path / "f.mp4"), tmp_path / "signed.mp4", reporter).read_bytes()
    starts = [start for kind, start, _ in surgery.boxes(content) if kind == b"moof"]
    a, b, c = starts[:3]
    attacks = {
        "dropped": content[:b] + content[c:],
        "reordered": content[:a] + content[b:c] + content[a:b] + content[c:],
        "repeated": content[:b] + content[a:b] + content[b:],
        "tampered": surgery.flip(content, c - 10),
    }
    for name, changed in attacks.items():
        assert verify_clip(write(tmp_path / f"{name}.mp4", changed), trust=trust).verdict == "tampered", name


def test_the_cases_that_are_elsewhere_are_there() -> None:
    tests = Path(__file__).parent.parent
    for case, place in ELSEWHERE.items():
        file, name = place.split("::")
        assert f"def {name}(" in (tests / file).read_text(), case
