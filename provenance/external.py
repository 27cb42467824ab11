"""A signer whose key is elsewhere: a command that signs what it reads, for a smart card, an HSM or a cloud KMS."""

import contextlib
import os
import secrets
import shlex
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from provenance.errors import IdentityError, SignerFailed
from provenance.identity import Identity

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_MAX_SIGNATURE_BYTES: Final = 4096  # a P-384 signature in DER has 104
_HINT = "Run the command by hand on a file to see what it says; its own words are kept out of every log."


def external_identity(chain_path: Path | str, command: str, *, timeout_s: float = 30.0) -> Identity:
    """The identity of a PEM chain (leaf first) whose key is behind `command`.

    The command is split as a shell would, and run without one. It reads the bytes to be signed (raw, not their
    digest) from stdin and writes the signature to stdout: DER or r‖s for ECDSA over SHA-256 (P-256) or SHA-384
    (P-384), 64 bytes for Ed25519. A random challenge is signed here, so that a wrong key is found before a clip
    is made. Raises `IdentityError`, `SignerFailed` or `CertificateExpired`.
    """
    try:
        argv = shlex.split(command)
    except ValueError as error:
        raise IdentityError(
            f"the signer command does not parse ({error})", hint="Check its quotes."
        ) from None
    if not argv:
        raise IdentityError("the signer command is empty", hint="Name a program.")
    try:
        chain_pem = Path(chain_path).read_bytes()
    except OSError as error:
        raise IdentityError(
            f"{chain_path}: cannot be read ({error.strerror})", hint="Check the path."
        ) from None

    def unset(message: bytes) -> bytes:
        raise AssertionError(message)

    profile = Identity.from_chain(chain_pem, unset, source=str(chain_path))
    profile.require_valid()
    sign = _signing_function(argv, profile.leaf(), timeout_s)
    sign(b"clipproof signer check\0" + secrets.token_bytes(32))
    return Identity.from_chain(chain_pem, sign, source=str(chain_path))


def _signing_function(argv: Sequence[str], leaf: "Certificate", timeout_s: float) -> Callable[[bytes], bytes]:
    def sign(message: bytes) -> bytes:
        return _checked(_run(argv, message, timeout_s), message, leaf, argv[0])

    return sign


def _run(argv: Sequence[str], message: bytes, timeout_s: float) -> bytes:
    """What the command answers; it and its children are killed at the deadline or past the output limit."""
    program = argv[0]
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # may quote a PIN or a token
            start_new_session=True,
        )
    except OSError as error:
        raise SignerFailed(f"{program}: does not start ({error.strerror})", hint="Check the path.") from None
    late = threading.Event()

    def kill() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    def end() -> None:
        late.set()
        kill()

    deadline = threading.Timer(timeout_s, end)
    deadline.start()
    try:
        with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # type: ignore[union-attr]
            stdin.write(message)
        answer = process.stdout.read(_MAX_SIGNATURE_BYTES + 1)  # type: ignore[union-attr]
        if len(answer) > _MAX_SIGNATURE_BYTES:
            raise SignerFailed(f"{program}: answers with more than a signature", hint=_HINT)
        status = process.wait()
    finally:
        deadline.cancel()
        kill()
        process.stdout.close()  # type: ignore[union-attr]
        process.wait()
    if late.is_set():
        raise SignerFailed(f"{program}: no signature within {timeout_s:g} s", hint=_HINT)
    if status:
        raise SignerFailed(f"{program}: did not sign (exit status {status})", hint=_HINT)
    return answer


def _checked(answer: bytes, message: bytes, leaf: "Certificate", program: str) -> bytes:
    """The answer as a raw signature (r‖s for ECDSA) that the leaf's public key verifies."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

    key = leaf.public_key()
    try:
        if isinstance(key, ed25519.Ed25519PublicKey):
            key.verify(answer, message)
            return answer
        assert isinstance(key, ec.EllipticCurvePublicKey), "the profile allows no other"
        size = (key.key_size + 7) // 8
        if len(answer) == 2 * size:  # DER of two such numbers is longer, but for numbers nobody will meet
            r, s = int.from_bytes(answer[:size], "big"), int.from_bytes(answer[size:], "big")
        else:
            r, s = decode_dss_signature(answer)
        digest = hashes.SHA256() if size == 32 else hashes.SHA384()
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(digest))
        return r.to_bytes(size, "big") + s.to_bytes(size, "big")
    except ValueError:
        raise SignerFailed(
            f"{program}: its answer is not a signature", hint="Write DER or r‖s, and nothing else, to stdout."
        ) from None
    except InvalidSignature:
        raise SignerFailed(
            f"{program}: signs with another key than that of the first certificate, or another digest",
            hint="Sign the bytes of stdin with SHA-256 (P-256) or SHA-384 (P-384), and put the leaf first.",
        ) from None
