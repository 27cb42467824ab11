"""`verify` opens no connection, whatever addresses a file carries: every one leads to a port that counts."""

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import c2pa
import pytest
from authorities import Authority, sign_bare
from cli_process import run_clipproof

from provenance.trust import TrustAnchors
from provenance.verify import verify_clip


class Ports:
    """Listening sockets, each with the number of connections that it took."""

    def __init__(self) -> None:
        self.hits: dict[str, int] = {}
        self._sockets: list[socket.socket] = []

    def open(self, name: str, scheme: str = "http") -> str:
        listener = socket.create_server(("127.0.0.1", 0))
        self._sockets.append(listener)
        self.hits[name] = 0
        threading.Thread(target=self._count, args=(name, listener), daemon=True).start()
        return f"{scheme}://127.0.0.1:{listener.getsockname()[1]}/{name}"

    def _count(self, name: str, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                self.hits[name] += 1
                connection.close()

    def close(self) -> None:
        for one in self._sockets:
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()


@pytest.fixture
def ports() -> Iterator[Ports]:
    opened = Ports()
    yield opened
    opened.close()


def linked(ports: Ports, plain: Path, folder: Path, trust: Authority) -> Path:
    """Only a link to a manifest, in XMP."""
    signer = trust.signer(folder, "linked")
    return sign_bare(plain, folder / "linked.mp4", signer, remote_url=ports.open("xmp"), embed=False)


def embedded_and_linked(ports: Ports, plain: Path, folder: Path, trust: Authority) -> Path:
    signer = trust.signer(folder, "both")
    return sign_bare(plain, folder / "both.mp4", signer, remote_url=ports.open("claim"))


def certificate_addresses(ports: Ports, plain: Path, folder: Path, trust: Authority) -> Path:
    """OCSP, issuer and revocation list of the signer."""
    return sign_bare(plain, folder / "ocsp.mp4", trust.signer(folder, "ocsp", url=ports.open("ocsp")))


def addresses_in_assertions(ports: Ports, plain: Path, folder: Path, trust: Authority) -> Path:
    url = ports.open("assertion")

    def change(definition: dict[str, object]) -> None:
        definition["assertions"] += [  # type: ignore[operator]
            {
                "label": "stds.schema-org.CreativeWork",
                "data": {"@context": url, "@type": "CreativeWork", "url": url},
            },
            {"label": "c2pa.metadata", "data": {"@context": {"dc": url}, "dc:source": url}},
        ]
        definition["ingredients"] = [
            {"title": "far", "relationship": "inputTo", "format": "image/png", "informational_URI": url}
        ]

    return sign_bare(plain, folder / "assertions.mp4", trust.signer(folder, "assertion"), change=change)


def frames_elsewhere(ports: Ports, plain: Path, folder: Path, trust: Authority) -> Path:
    """The data reference of the track names an address instead of the file itself."""
    content = plain.read_bytes()
    old = struct.pack(">I4sI", 12, b"url ", 1)
    at = content.index(old)
    address = ports.open("dref").encode() + b"\0"
    content = bytearray(
        content[:at] + struct.pack(">I4sI", 12 + len(address), b"url ", 0) + address + content[at + 12 :]
    )
    for kind in (b"dref", b"dinf", b"minf", b"mdia", b"trak", b"moov"):
        place = content.index(kind) - 4
        size = int.from_bytes(content[place : place + 4], "big") + len(address)
        content[place : place + 4] = size.to_bytes(4, "big")
    path = folder / "dref.mp4"
    path.write_bytes(content)
    return path


def playlist(ports: Ports, plain: Path, folder: Path, trust: Authority) -> Path:
    path = folder / "playlist.mp4"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{ports.open('hls')}\n#EXT-X-ENDLIST\n")
    return path


FILES: list[Callable[[Ports, Path, Path, Authority], Path]] = [
    linked,
    embedded_and_linked,
    certificate_addresses,
    addresses_in_assertions,
    frames_elsewhere,
    playlist,
]


@pytest.mark.parametrize("make", FILES)
def test_verifying_connects_to_nothing(
    make: Callable[[Ports, Path, Path, Authority], Path],
    plain: Path,
    newsroom: Authority,
    trust: TrustAnchors,
    ports: Ports,
    tmp_path: Path,
) -> None:
    path = make(ports, plain, tmp_path, newsroom)
    before = dict(ports.hits)
    assert before
    assert verify_clip(path, trust=trust).verdict
    assert ports.hits == before


def test_the_whole_command_connects_to_nothing(
    plain: Path, newsroom: Authority, trust: TrustAnchors, ports: Ports, tmp_path: Path
) -> None:
    """The process with the proxies of its environment set to a counting port, too."""
    (tmp_path / "anchors.pem").write_text(trust.pem)
    proxy = ports.open("proxy")
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), proxy)
    for make in (embedded_and_linked, linked, certificate_addresses):
        path = make(ports, plain, tmp_path, newsroom)
        done = run_clipproof(
            tmp_path / "home", "verify", path, "--no-audit", "--anchors", tmp_path / "anchors.pem", **proxies
        )
        assert done.code in (0, 3), done.err
    assert set(ports.hits.values()) == {0}


def test_the_listeners_would_notice(plain: Path, newsroom: Authority, ports: Ports, tmp_path: Path) -> None:
    """The SDK as it comes follows the link: had our settings a typo, the tests above would fail."""
    path = linked(ports, plain, tmp_path, newsroom)
    typo = c2pa.Context.from_dict({"version": 1, "verify": {"remote_manifest_ftch": False}, "cor": {}})
    with path.open("rb") as file, pytest.raises(c2pa.C2paError):
        c2pa.Reader("video/mp4", file, context=typo)
    assert ports.hits["xmp"] == 1
