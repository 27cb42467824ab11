"""A real RFC 3161 authority on loopback: `openssl ts` behind `http.server`, and ways for it to lie."""

import contextlib
import datetime
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from provenance.development import private_pem

_CONFIG = """
[ tsa ]
default_tsa = ours
[ ours ]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/root.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""

Lie = Callable[[BaseHTTPRequestHandler, bytes], None]


def _name(common_name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(x509.NameOID.ORGANIZATION_NAME, "Time"),
            x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name),
        ]
    )


@dataclass
class TimeAuthority:
    """The running authority. `answer` replaces an honest reply; `requests` counts what came in."""

    folder: Path
    root_pem: bytes
    url: str = ""
    requests: int = 0
    answer: Lie | None = None
    down: bool = field(default=False)

    def reply(self, query: bytes) -> bytes:
        """What an honest authority answers: a TimeStampResp in DER."""
        name = f"{time.monotonic_ns()}"
        asked, told = self.folder / f"{name}.tsq", self.folder / f"{name}.tsr"
        asked.write_bytes(query)
        subprocess.run(
            [
                shutil.which("openssl") or "openssl",
                "ts",
                "-reply",
                "-config",
                "openssl.cnf",
                "-queryfile",
                asked,
                "-out",
                told,
            ],
            cwd=self.folder,
            check=True,
            capture_output=True,
        )
        return told.read_bytes()


def make_authority(folder: Path, *, purpose: str = "1.3.6.1.5.5.7.3.8") -> TimeAuthority:
    """Root and leaf (EKU `purpose`, critical) and the configuration of `openssl ts`."""
    root_key, leaf_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    now = datetime.datetime.now(datetime.UTC)

    def issue(name: str, key: ec.EllipticCurvePrivateKey, *, authority: bool) -> x509.Certificate:
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name("Time root"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=365))
            .add_extension(x509.BasicConstraints(authority, None), critical=True)
            .add_extension(
                x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False),
                critical=True,
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(root_key.public_key()), critical=False
            )
        )
        if not authority:
            builder = builder.add_extension(
                x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)]), critical=True
            )
        return builder.sign(root_key, hashes.SHA256())

    root_pem = issue("Time root", root_key, authority=True).public_bytes(Encoding.PEM)
    (folder / "root.pem").write_bytes(root_pem)
    (folder / "tsa.pem").write_bytes(issue("Time leaf", leaf_key, authority=False).public_bytes(Encoding.PEM))
    (folder / "tsa.key").write_bytes(private_pem(leaf_key))
    (folder / "serial").write_text("01\n")
    (folder / "openssl.cnf").write_text(_CONFIG.format(folder=folder))
    return TimeAuthority(folder, root_pem)


@contextlib.contextmanager
def serving(authority: TimeAuthority) -> Iterator[TimeAuthority]:
    """The authority, answering on a free port of loopback."""
    assert shutil.which("openssl"), "these tests need the openssl command"

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            query = self.rfile.read(int(self.headers["Content-Length"]))
            authority.requests += 1
            if authority.down:
                self.send_error(503)
                return
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                if authority.answer is not None:
                    authority.answer(self, query)
                else:
                    send(self, authority.reply(query))

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    authority.url = f"http://127.0.0.1:{server.server_port}/tsa"
    try:
        yield authority
    finally:
        server.shutdown()
        server.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, *, status: int = 200) -> None:
    """Answer with these bytes as a time-stamp reply."""
    handler.send_response(status)
    handler.send_header("Content-Type", "application/timestamp-reply")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body)
