"""Whatever the SDK raises or says, a reading comes of it: never a traceback, and never trust."""

import json
from pathlib import Path

import c2pa
import pytest
from authorities import sign_bare

from provenance.identity import Identity
from provenance.reading import read_manifest
from provenance.trust import TrustAnchors

# What each class of the SDK's errors becomes. A class that is not here fails the first test: decide, then add it.
STATES = {
    "Assertion": "malformed",
    "AssertionNotFound": "malformed",
    "Decoding": "malformed",
    "Encoding": "malformed",
    "FileNotFound": "malformed",
    "Io": "malformed",
    "Json": "malformed",
    "Manifest": "malformed",
    "ManifestNotFound": "malformed",  # there is a manifest box in the clip
    "NotSupported": "malformed",
    "Other": "malformed",
    "RemoteManifest": "malformed",
    "ResourceNotFound": "malformed",
    "Signature": "malformed",
    "UntrackedPointer": "malformed",
    "Verify": "malformed",
    "WrongPointerType": "malformed",
}
OTHERS = [
    KeyError,
    json.JSONDecodeError,
    UnicodeError,
    RecursionError,
    MemoryError,
    ValueError,
    OSError,
    TypeError,
]


@pytest.fixture(scope="module")
def signed(plain: Path, reporter: Identity, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return sign_bare(plain, tmp_path_factory.mktemp("signed") / "clip.mp4", reporter)


def test_every_error_class_of_the_sdk_is_known() -> None:
    found = {name for name, one in vars(c2pa.C2paError).items() if isinstance(one, type)}
    assert found == set(STATES)


def error_of(kind: type[Exception]) -> Exception:
    return (
        json.JSONDecodeError("bad", "{", 0) if kind is json.JSONDecodeError else kind("hostile \x1b[31m text")
    )


@pytest.mark.parametrize(
    "kind", [*(getattr(c2pa.C2paError, name) for name in STATES), c2pa.C2paError, *OTHERS]
)
@pytest.mark.parametrize("where", ["__init__", "json", "resource_to_stream"])
def test_an_error_of_the_sdk_is_a_malformed_manifest(
    signed: Path, trust: TrustAnchors, kind: type[Exception], where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error_of(kind)

    monkeypatch.setattr(c2pa.Reader, where, fail)
    reading = read_manifest(signed, trust)
    assert reading.state == "malformed"
    assert reading.detail.isprintable()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"active_manifest": 1}', '{"manifests": []}', "[" * 100_000]
)
def test_json_of_another_shape_is_a_malformed_manifest(
    signed: Path, trust: TrustAnchors, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(c2pa.Reader, "json", lambda _: text)
    assert read_manifest(signed, trust).state == "malformed"


def test_without_the_store_itself_nobody_is_vouched_for(
    signed: Path, trust: TrustAnchors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The SDK gives the whole store for any address in it; a version that does not must not be believed."""
    monkeypatch.setattr(c2pa.Reader, "resource_to_stream", lambda *_: 0)
    reading = read_manifest(signed, trust)
    assert (reading.state, reading.signer_trusted, reading.signer_sha256) == ("valid_untrusted", False, "")
