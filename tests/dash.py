"""A signed DASH presentation, written from the specification: the SDK's Python interface signs whole files only."""

import hashlib
import struct
import uuid
from pathlib import Path

import mp4_surgery as surgery
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from provenance.bmff import C2PA_UUID
from provenance.identity import Identity

_EXCLUDED = (b"ftyp", b"mfra", b"free", b"skip")


def cbor(value: object) -> bytes:
    """RFC 8949, for what a manifest holds."""
    if value is None:
        return b"\xf6"
    if isinstance(value, int):
        return _head(0, value) if value >= 0 else _head(1, -1 - value)
    if isinstance(value, bytes):
        return _head(2, len(value)) + value
    if isinstance(value, str):
        return _head(3, len(value.encode())) + value.encode()
    if isinstance(value, list):
        return _head(4, len(value)) + b"".join(map(cbor, value))
    if isinstance(value, dict):
        return _head(5, len(value)) + b"".join(cbor(one) for pair in value.items() for one in pair)
    raise TypeError(type(value))


def _head(major: int, number: int) -> bytes:
    for low, width in ((24, 1), (25, 2), (26, 4), (27, 8)):
        if number < 24:
            return bytes([major << 5 | number])
        if number < 1 << 8 * width:
            return bytes([major << 5 | low]) + number.to_bytes(width, "big")
    raise ValueError(number)


def _superbox(kind: bytes, label: str, *children: bytes) -> bytes:
    described = kind + bytes.fromhex("00110010800000aa00389b71") + b"\3" + label.encode() + b"\0"
    return surgery.box(b"jumb", surgery.box(b"jumd", described) + b"".join(children))


def _hash(content: bytes) -> bytes:
    """`c2pa.hash.bmff` of version 2 and later: each top-level box that is not left out, after its offset."""
    digest = hashlib.sha256()
    offset = 0
    while offset < len(content):
        size, kind = struct.unpack_from(">I4s", content, offset)
        own = kind == b"uuid" and content[offset + 8 : offset + 24] == C2PA_UUID
        if kind not in _EXCLUDED and not own:
            digest.update(struct.pack(">Q", offset) + content[offset : offset + size])
        offset += size
    return digest.digest()


def _proof(location: int) -> bytes:
    said = cbor({"uniqueId": 1, "localId": 1, "location": location, "hashes": None})
    return surgery.box(b"uuid", C2PA_UUID + bytes(4) + b"merkle\0" + said)


def sign_segments(
    initialisation: bytes, media: list[bytes], identity: Identity, folder: Path
) -> tuple[Path, list[Path]]:
    """The signed initialisation segment, and the media segments, each with its place in the Merkle tree."""
    segments = [_proof(index) + piece for index, piece in enumerate(media)]
    _, ftyp_end = surgery.find(initialisation, b"ftyp")

    def whole(store: bytes) -> bytes:
        manifest = surgery.box(b"uuid", C2PA_UUID + bytes(4) + b"manifest\0" + bytes(8) + store)
        return initialisation[:ftyp_end] + manifest + initialisation[ftyp_end:]

    leaves = [_hash(segment) for segment in segments]
    size = len(whole(_store(identity, bytes(32), leaves)))
    shift = size - len(initialisation)
    placed = whole(bytes(shift - len(whole(b"")) + len(initialisation)))
    signed = whole(_store(identity, _hash(placed), leaves))
    assert len(signed) == size
    paths = [folder / "init.mp4", *(folder / f"{index}.m4s" for index in range(len(segments)))]
    for path, content in zip(paths, [signed, *segments], strict=True):
        path.write_bytes(content)
    return paths[0], paths[1:]


def _store(identity: Identity, init_hash: bytes, leaves: list[bytes]) -> bytes:
    label = f"urn:c2pa:{uuid.UUID(int=7)}"
    exclusions = [
        {
            "xpath": "/uuid",
            "length": None,
            "data": [{"offset": 8, "value": C2PA_UUID}],
            "subset": None,
            "version": None,
            "flags": None,
            "exact": None,
        },
        *(
            {
                "xpath": f"/{kind.decode()}",
                "length": None,
                "data": None,
                "subset": None,
                "version": None,
                "flags": None,
                "exact": None,
            }
            for kind in _EXCLUDED
        ),
    ]
    tree = {
        "uniqueId": 1,
        "localId": 1,
        "count": len(leaves),
        "alg": "sha256",
        "initHash": init_hash,
        "hashes": leaves,
    }
    created = {
        "action": "c2pa.created",
        "digitalSourceType": "http://cv.iptc.org/newscodes/digitalsourcetype/digitalCapture",
    }
    assertions = {
        "c2pa.hash.bmff.v3": {"exclusions": exclusions, "alg": "sha256", "name": "dash", "merkle": [tree]},
        "c2pa.actions.v2": {"actions": [created]},
    }
    boxes = {
        name: _superbox(b"cbor", name, surgery.box(b"cbor", cbor(said))) for name, said in assertions.items()
    }
    claim = cbor(
        {
            "instanceID": "xmp:iid:1",
            "claim_generator_info": {"name": "dash test", "version": "1"},
            "signature": f"self#jumbf=/c2pa/{label}/c2pa.signature",
            "created_assertions": [
                {"url": f"self#jumbf=c2pa.assertions/{name}", "hash": hashlib.sha256(one[8:]).digest()}
                for name, one in boxes.items()
            ],
            "alg": "sha256",
        }
    )
    chain = x509.load_pem_x509_certificates(identity.chain_pem.encode())
    protected = cbor({1: -7, 33: [one.public_bytes(Encoding.DER) for one in chain[:1]]})
    signature = identity.sign(cbor(["Signature1", protected, b"", claim]))
    cose = b"\xd2" + cbor([protected, {}, None, signature])
    manifest = _superbox(
        b"c2ma",
        label,
        _superbox(b"c2as", "c2pa.assertions", *boxes.values()),
        _superbox(b"c2cl", "c2pa.claim.v2", surgery.box(b"cbor", claim)),
        _superbox(b"c2cs", "c2pa.signature", surgery.box(b"cbor", cose)),
    )
    return _superbox(b"c2pa", "c2pa", manifest)
