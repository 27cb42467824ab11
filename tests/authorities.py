"""Certificate authorities, signers and a time stamp authority of the tests' own, as an attacker makes them, too."""

import contextlib
import datetime as dt
import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import c2pa
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from provenance.identity import Identity, load_identity
from provenance.manifest import Claim, ContentDigests, Generation, PromptCommitment, manifest_definition


@dataclass(frozen=True)
class Authority:
    """A root that issues leaves: for claims, or for time stamps."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    @classmethod
    def named(cls, name: str) -> "Authority":
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(name)
        builder = _builder(subject, subject, key, dt.timedelta(days=3650)).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        builder = builder.add_extension(_usage(authority=True), critical=True)
        return cls(builder.sign(key, hashes.SHA256()), key)

    def issue(
        self,
        folder: Path,
        name: str,
        *,
        purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION,
        validity: dt.timedelta = dt.timedelta(days=365),
        url: str = "",
    ) -> tuple[Path, Path]:
        """PEM files of a leaf (chain with the root) and of its key. `url`: OCSP, issuer and revocation list."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(_name(name), self.certificate.subject, key, validity)
        critical = purpose == ExtendedKeyUsageOID.TIME_STAMPING
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=critical)
        builder = builder.add_extension(_usage(authority=False), critical=True)
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False
        )
        if url:
            where = x509.UniformResourceIdentifier(url)
            access = (AuthorityInformationAccessOID.OCSP, AuthorityInformationAccessOID.CA_ISSUERS)
            builder = builder.add_extension(
                x509.AuthorityInformationAccess([x509.AccessDescription(one, where) for one in access]), False
            ).add_extension(
                x509.CRLDistributionPoints([x509.DistributionPoint([where], None, None, None)]), False
            )
        leaf = builder.sign(self.key, hashes.SHA256())
        chain_path, key_path = folder / f"{name}.pem", folder / f"{name}.key"
        chain_path.write_bytes(leaf.public_bytes(Encoding.PEM) + self.pem)
        key_path.touch(0o600)
        key_path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return chain_path, key_path

    def signer(
        self, folder: Path, name: str, *, validity: dt.timedelta = dt.timedelta(days=365), url: str = ""
    ) -> Identity:
        return load_identity(*self.issue(folder, name, validity=validity, url=url), kind="production")


def _name(name: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, name),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{name} Ltd"),
        ]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, validity: dt.timedelta
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + validity)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False)


@contextlib.contextmanager
def time_stamping(authority: Authority, folder: Path) -> Iterator[str]:
    """The address of an RFC 3161 authority (`openssl ts`) whose leaf this authority issued."""
    chain, key = authority.issue(folder, "stamps", purpose=ExtendedKeyUsageOID.TIME_STAMPING)
    (folder / "root.pem").write_bytes(authority.pem)
    (folder / "serial").write_text("01\n")
    configuration = folder / "ts.cnf"
    configuration.write_text(
        f"[tsa]\ndefault_tsa=t\n[t]\nserial={folder}/serial\nsigner_cert={chain}\ncerts={folder}/root.pem\n"
        f"signer_key={key}\nsigner_digest=sha256\ndefault_policy=1.2.3.4.1\ndigests=sha256,sha384,sha512\n"
        "accuracy=secs:1\ness_cert_id_chain=no\ness_cert_id_alg=sha256\n"
    )

    class Stamp(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            (folder / "query").write_bytes(self.rfile.read(int(self.headers["Content-Length"])))
            command = ["openssl", "ts", "-reply", "-config", configuration, "-section", "t"]
            reply = subprocess.run(
                [*command, "-queryfile", folder / "query"], capture_output=True, check=True
            )
            self.send_response(200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.end_headers()
            self.wfile.write(reply.stdout)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stamp) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def claim(title: str = "a lighthouse") -> Claim:
    return Claim(
        title=title,
        origin="generated",
        created=dt.datetime(2026, 3, 1, tzinfo=dt.UTC),
        duration_s=1.0,
        clip_id=0x0123456789ABCDEF,
        content=ContentDigests(stream=bytes(32), frames=bytes(32)),
        software_version="0.1.0",
        generation=Generation(
            "m", bytes(32), 1, 20, 4.5, {}, PromptCommitment.of("x", salt=bytes(16)), "d", "1"
        ),
    )


def sign_bare(
    src: Path,
    dst: Path,
    identity: Identity,
    *,
    tsa_url: str | None = None,
    remote_url: str = "",
    embed: bool = True,
    merkle: bool = False,
    parent: Path | None = None,
    change: Callable[[dict[str, object]], None] | None = None,
) -> Path:
    """Signed by the SDK with its network on and none of our refusals, as an attacker with a certificate would."""
    said = claim()
    if parent is not None:
        said = replace(said, origin="camera", generation=None)
    definition = json.loads(manifest_definition(said, media_type="video/mp4"))
    if change is not None:
        change(definition)
    settings: dict[str, object] = {
        "version": 1,
        "verify": {"verify_after_sign": False, "verify_trust": False},
        "builder": {"thumbnail": {"enabled": False}},
    }
    if merkle:
        settings["core"] = {"merkle_tree_chunk_size_in_kb": 1}
    signer = c2pa.Signer.from_callback(
        identity.sign, c2pa.C2paSigningAlg[identity.algorithm], identity.chain_pem, tsa_url
    )
    context = c2pa.Context.from_dict(settings)
    with signer, c2pa.Builder.from_json(json.dumps(definition), context=context) as builder:
        if parent is not None:
            with parent.open("rb") as file:
                ingredient = {"title": parent.name, "relationship": "parentOf", "label": "parent"}
                builder.add_ingredient(ingredient, "video/mp4", file)
        if remote_url:
            builder.set_remote_url(remote_url)
        if not embed:
            builder.set_no_embed()
        with src.open("rb") as source, dst.open("w+b") as target:
            builder.sign(signer, "video/mp4", source, target)
    return dst
