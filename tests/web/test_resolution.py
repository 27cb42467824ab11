"""The C2PA Soft Binding Resolution API, 2.2: what its paths take and give."""

import base64
import io
from pathlib import Path

import av
import c2pa
import numpy as np
import pytest
from api_service import Api, Recorded
from conftest import remux, write_mp4
from flows_media import textured
from numpy.typing import NDArray

from provenance.ledger import Ledger, clip_id_hex
from provenance.manifest import SOFT_BINDING_ALG
from provenance.resolve import active_manifest, match_content


def pictures(path: Path) -> NDArray[np.uint8]:
    """A file's frames, uint8 [T,H,W,3]."""
    with av.open(str(path)) as reader:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in reader.decode(video=0)])


def binding(recorded: Recorded) -> dict[str, str]:
    """The clip's soft binding as its manifest states it."""
    text = clip_id_hex(recorded.row.clip_id)
    return {"alg": SOFT_BINDING_ALG, "value": base64.b64encode(text.encode()).decode()}


def test_a_binding_leads_to_its_manifest_by_get_and_by_post(api: Api, recorded: Recorded) -> None:
    client = api()
    got = client.get("/matches/byBinding", params=binding(recorded))
    posted = client.post("/matches/byBinding", json=binding(recorded))
    assert got.status_code == posted.status_code == 200
    assert got.json() == posted.json()
    (match,) = got.json()["matches"]
    assert match["manifestId"] == recorded.manifest_id
    assert match["similarityScore"] == 100


def test_a_binding_that_nobody_recorded_has_no_matches(api: Api) -> None:
    value = base64.b64encode(b"0123456789abcdef").decode()
    answer = api().get("/matches/byBinding", params={"alg": SOFT_BINDING_ALG, "value": value})
    assert (answer.status_code, answer.json()) == (200, {"matches": []})


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"alg": "com.example.other", "value": "MDEyMzQ1Njc4OWFiY2RlZg=="}, "unsupported_algorithm"),
        ({"alg": SOFT_BINDING_ALG, "value": "not base64"}, "invalid_binding"),
        ({"alg": SOFT_BINDING_ALG, "value": "MDEyMw=="}, "invalid_binding"),
        (
            {"alg": SOFT_BINDING_ALG, "value": base64.b64encode(b"0123456789ABCDEF").decode()},
            "invalid_binding",
        ),
        ({"alg": SOFT_BINDING_ALG, "value": "é"}, "invalid_binding"),
        ({"alg": SOFT_BINDING_ALG}, "invalid_parameter"),
        ({"alg": SOFT_BINDING_ALG, "value": "MDEyMw==", "maxResults": "0"}, "invalid_parameter"),
        ({"alg": SOFT_BINDING_ALG, "value": "MDEyMw==", "maxResults": "101"}, "invalid_parameter"),
        ({"alg": "a" * 201, "value": "MDEyMw=="}, "invalid_parameter"),
    ],
)
def test_a_bad_query_is_a_400_with_a_stable_code(api: Api, parameters: dict[str, str], code: str) -> None:
    answer = api().get("/matches/byBinding", params=parameters)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == code


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"alg": 1, "value": "x"}', b"\xff\xfe", b"[" * 50_000])
def test_a_body_that_is_not_the_document_is_a_400(api: Api, body: bytes) -> None:
    answer = api().post("/matches/byBinding", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_body")


def test_the_signed_file_is_found_by_its_streams(api: Api, recorded: Recorded) -> None:
    answer = api().post("/matches/byContent", content=recorded.signed.read_bytes())
    (match,) = answer.json()["matches"]
    assert (match["manifestId"], match["similarityScore"]) == (recorded.manifest_id, 100)
    assert match["org.clipproof.match"]["foundBy"] == "streams"


def test_a_slowed_remux_is_found_by_its_packets_and_scores_less(
    api: Api, recorded: Recorded, tmp_path: Path
) -> None:
    slowed = remux(recorded.signed, tmp_path / "slowed.mp4", slower=2)
    (match,) = api().post("/matches/byContent", content=slowed.read_bytes()).json()["matches"]
    assert match["manifestId"] == recorded.manifest_id
    assert match["org.clipproof.match"]["foundBy"] == "packets"
    assert match["similarityScore"] < 100


def test_a_re_encoded_copy_without_its_manifest_is_found_by_its_mark_with_where_and_what(
    api: Api, recorded: Recorded
) -> None:
    answer = api().post(
        "/matches/byContent", content=recorded.copy.read_bytes(), headers={"content-type": "video/mp4"}
    )
    (match,) = answer.json()["matches"]
    assert match["manifestId"] == recorded.manifest_id
    assert 50 <= match["similarityScore"] < 100
    detail = match["org.clipproof.match"]
    assert detail["foundBy"] == "mark"
    assert detail["spans"][0]["start"] == 0
    assert detail["spans"][-1]["end"] == pytest.approx(1.0, abs=0.2)
    assert detail["origin"]["clipId"] == clip_id_hex(recorded.row.clip_id)
    assert detail["origin"]["source"] == "ai"
    assert detail["origin"]["digitalSourceType"].endswith("/trainedAlgorithmicMedia")


def test_a_clip_inside_another_is_found_and_its_span_says_where(
    api: Api, recorded: Recorded, tmp_path: Path
) -> None:
    before = textured(72, seed=7)
    mixed = write_mp4(
        tmp_path / "mixed.mp4", np.concatenate([before, pictures(recorded.signed), before]), crf=18
    )
    (match,) = api().post("/matches/byContent", content=mixed.read_bytes()).json()["matches"]
    assert match["manifestId"] == recorded.manifest_id
    (span,) = match["org.clipproof.match"]["spans"]
    # The mark is read from seconds at a time: where in them it begins is known to about one.
    assert span["start"] == pytest.approx(3.0, abs=1.1)
    assert span["end"] == pytest.approx(4.0, abs=1.1)


def test_without_the_mark_key_a_copy_is_found_by_its_pictures(recorded: Recorded, ledger: Ledger) -> None:
    (match,) = match_content(recorded.copy, ledger=ledger)
    assert (match.manifest_id, match.found_by) == (recorded.manifest_id, "fingerprint")


def test_a_strangers_clip_has_no_matches_and_a_hint_conjures_none(api: Api, recorded: Recorded) -> None:
    hint = {"hintAlg": SOFT_BINDING_ALG, "hintValue": binding(recorded)["value"]}
    for parameters in ({}, hint, {"hintAlg": "com.example.other", "hintValue": "AA=="}):
        answer = api().post("/matches/byContent", params=parameters, content=recorded.stranger.read_bytes())
        assert (answer.status_code, answer.json()) == (200, {"matches": []})


def test_a_manifest_is_handed_out_byte_for_byte_and_another_reader_takes_it(
    api: Api, recorded: Recorded
) -> None:
    answer = api().get(f"/manifests/{recorded.manifest_id}")
    assert recorded.row.manifest is not None
    assert answer.content == recorded.row.manifest.store
    assert answer.headers["content-type"] == "application/c2pa"
    with c2pa.Reader("application/c2pa", io.BytesIO(answer.content)) as reader:
        assert recorded.manifest_id in reader.json()


def test_the_active_manifest_alone_leaves_the_ingredients_out(
    api: Api, recorded: Recorded, tmp_path: Path
) -> None:
    answer = api().get(f"/manifests/{recorded.manifest_id}", params={"returnActiveManifest": "true"})
    assert answer.status_code == 200
    assert answer.content == active_manifest(answer.content)  # nothing is left to leave out
    with c2pa.Reader("application/c2pa", io.BytesIO(answer.content)) as reader:
        assert recorded.manifest_id in reader.json()


@pytest.mark.parametrize(
    ("manifest_id", "status", "code"),
    [
        ("urn:c2pa:00000000-0000-0000-0000-000000000000", 404, "manifest_not_found"),
        ("urn:c2pa:' OR 1=1", 400, "invalid_manifest_id"),
        ("..%2f..%2fetc%2fpasswd", 404, "not_found"),
        ("%00", 400, "invalid_manifest_id"),
        ("urn:c2pa:" + "a" * 200, 400, "invalid_parameter"),
    ],
)
def test_an_unknown_manifest_is_a_404_and_an_ill_formed_one_a_400(
    api: Api, manifest_id: str, status: int, code: str
) -> None:
    answer = api().get(f"/manifests/{manifest_id}")
    assert (answer.status_code, answer.json()["code"]) == (status, code)


def test_the_service_says_what_it_is_and_that_its_algorithm_is_not_registered(api: Api) -> None:
    client = api()
    listed = client.get("/services/supportedAlgorithms").json()
    assert listed == {"watermarks": [{"alg": SOFT_BINDING_ALG}], "fingerprints": []}
    described = client.get("/.well-known/c2pa-soft-binding-resolution").json()
    assert described["provider"] == "Example Studio"
    assert described["registeredAlgorithms"] is False
    assert client.get("/healthz").json() == {"status": "ok"}
