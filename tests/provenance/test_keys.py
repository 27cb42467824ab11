"""The key store and the identities in it: whole or absent, private, never overwritten, never shown."""

import datetime
import logging
import os
import pickle
import shutil
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from provenance.development import new_development_chain
from provenance.errors import (
    CertificateExpired,
    IdentityError,
    KeysDamaged,
    KeysExist,
    KeysMissing,
    KeyStoreError,
    KeysUnsafe,
    ProvenanceError,
)
from provenance.identity import Identity
from provenance.keys import CHECKPOINT_KEY, IDENTITY_KEY, MARK_EPOCH, MARK_KEY, Keys, KeyStore
from provenance.manifest import Claim
from provenance.reading import read_manifest
from provenance.signing import sign_file
from provenance.watermark import MAX_EPOCH, BadEpoch

PRIVATE = (IDENTITY_KEY, MARK_KEY, CHECKPOINT_KEY)


def secrets_of(store: KeyStore) -> list[str]:
    """Every secret of a store in the forms in which it could leak."""
    mark = (store.folder / MARK_KEY).read_text().strip()
    pems = [(store.folder / name).read_text().splitlines()[1] for name in (IDENTITY_KEY, CHECKPOINT_KEY)]
    return [mark, repr(bytes.fromhex(mark)), *pems, "PRIVATE KEY"]


# The store


def test_a_new_store_is_private_and_complete(key_store: KeyStore) -> None:
    assert stat.S_IMODE(key_store.folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in key_store.folder.iterdir()} == {0o600}
    keys = key_store.load()
    assert len(keys.mark_key) == 32
    assert isinstance(keys.checkpoint_key, ed25519.Ed25519PrivateKey)
    assert keys.identity.kind == "development"
    assert "development identity" in keys.identity.common_name


def test_loading_makes_nothing(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "home" / "keys")
    for attempt in (store.load, store.describe, store.anchors, lambda: store.backup(tmp_path / "b.tar")):
        with pytest.raises(KeysMissing) as caught:
            attempt()
        assert caught.value.hint == "run clipproof keys init"
    assert list(tmp_path.iterdir()) == []


def test_keys_are_never_overwritten(key_store: KeyStore, home_keys: Keys) -> None:
    with pytest.raises(KeysExist):
        key_store.create()
    assert key_store.load().mark_key == home_keys.mark_key


def test_of_two_that_create_at_once_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    late, early = KeyStore(tmp_path / "keys"), KeyStore(tmp_path / "keys")
    publish = KeyStore._publish

    def overtaken(store: KeyStore, files: dict[str, bytes]) -> None:
        monkeypatch.setattr(KeyStore, "_publish", publish)
        early.create()
        publish(store, files)

    monkeypatch.setattr(KeyStore, "_publish", overtaken)
    with pytest.raises(KeysExist):
        late.create()
    assert late.load().mark_key == early.load().mark_key
    assert [path.name for path in tmp_path.iterdir()] == ["keys"]


@pytest.mark.parametrize("name", PRIVATE)
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_that_others_can_touch_is_refused(tmp_path: Path, name: str, mode: int) -> None:
    store = KeyStore(tmp_path / "keys")
    store.create()
    (store.folder / name).chmod(mode)
    with pytest.raises(KeysUnsafe, match=name) as caught:
        store.load()
    assert caught.value.hint.startswith("chmod 600")
    assert store.anchors().kind == "development"  # public: still good for verifying


@pytest.mark.parametrize(
    "content", [b"", b"zz", b"ab" * 31, b"\xff\xfe", b"-----BEGIN PRIVATE KEY-----\nAAAA\n"]
)
@pytest.mark.parametrize("name", PRIVATE)
def test_a_damaged_key_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    store = KeyStore(tmp_path / "keys")
    store.create()
    (store.folder / name).write_bytes(content)
    with pytest.raises((KeysDamaged, IdentityError), match=name):
        store.load()


def test_a_missing_file_of_the_store_is_named_and_nothing_is_remade(tmp_path: Path) -> None:
    store = KeyStore(tmp_path / "keys")
    store.create()
    (store.folder / MARK_KEY).unlink()
    with pytest.raises(KeysDamaged, match=r"mark\.key"):
        store.load()
    with pytest.raises(KeysExist):
        store.create()


@pytest.mark.parametrize("organization", ["", "A" * 65, "evil\u202eled", "two\nlines", "\udcff"])
def test_an_organisation_that_fits_no_certificate_is_refused(tmp_path: Path, organization: str) -> None:
    with pytest.raises(IdentityError, match="organisation"):
        KeyStore(tmp_path / "keys").create(organization=organization)
    assert list(tmp_path.iterdir()) == []


def test_an_organisation_may_have_any_script(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path / "keys").create(organization="北京某某公司")
    assert keys.identity.organization == "北京某某公司"


def test_an_unwritable_place_is_an_error_with_a_hint(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(KeyStoreError, match="cannot be written"):
        KeyStore(tmp_path / "file" / "keys").create()


# Secrets


def test_secrets_show_in_no_repr_description_or_log(
    key_store: KeyStore, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    keys = key_store.load()
    shown = "".join([repr(keys), str(keys), repr(keys.identity), repr(key_store.describe()), caplog.text])
    assert "development identity" in shown
    for secret in secrets_of(key_store):
        assert secret not in shown


def test_an_identity_cannot_be_pickled_into_a_task_queue(home_keys: Keys) -> None:
    with pytest.raises((AttributeError, TypeError, pickle.PicklingError)):
        pickle.dumps(home_keys.identity)


def test_the_description_identifies_without_revealing(key_store: KeyStore, tmp_path: Path) -> None:
    description = key_store.describe()
    assert description.kind == "development"
    assert description.not_after > datetime.datetime.now(datetime.UTC)
    other = KeyStore(tmp_path / "keys")
    other.create(organization="Another Studio")
    assert other.describe().mark_key_id != description.mark_key_id
    assert other.describe().organization == "Another Studio"


def test_the_authorities_keys_are_gone(key_store: KeyStore) -> None:
    found = b"".join(path.read_bytes() for path in key_store.folder.iterdir())
    assert found.count(b"BEGIN PRIVATE KEY") == 2  # leaf and checkpoint


# Backup


def test_a_backup_restores_the_same_keys(key_store: KeyStore, tmp_path: Path) -> None:
    backup = key_store.backup(tmp_path / "keys.tar")
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    restored = KeyStore(tmp_path / "new home" / "keys")
    keys = restored.restore(backup)
    assert restored.describe().mark_key_id == key_store.describe().mark_key_id
    assert keys.identity.certificate_sha256 == key_store.load().identity.certificate_sha256


def test_a_backup_overwrites_nothing_nor_does_a_restore(key_store: KeyStore, tmp_path: Path) -> None:
    backup = key_store.backup(tmp_path / "keys.tar")
    with pytest.raises(KeysExist):
        key_store.backup(backup)
    with pytest.raises(KeysExist):
        key_store.restore(backup)


def test_a_hostile_backup_writes_nothing_outside(key_store: KeyStore, tmp_path: Path) -> None:
    evil = tmp_path / "evil.tar"
    with tarfile.open(evil, "w") as archive:
        for name in ("../escaped.key", "/escaped.key"):
            archive.addfile(tarfile.TarInfo(name))
        link = tarfile.TarInfo(MARK_KEY)
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(KeysDamaged, match=r"mark\.key"):
        KeyStore(tmp_path / "deep" / "keys").restore(evil)
    assert {path.name for path in tmp_path.rglob("*")} == {"evil.tar"}


@pytest.mark.parametrize("content", [b"", b"not a tar", bytes(1024)])
def test_junk_is_not_a_backup(tmp_path: Path, content: bytes) -> None:
    junk = tmp_path / "junk.tar"
    junk.write_bytes(content)
    with pytest.raises(KeysDamaged):
        KeyStore(tmp_path / "keys").restore(junk)
    assert not (tmp_path / "keys").exists()


# Identities from outside


@pytest.fixture
def write_pair(tmp_path: Path) -> Callable[[bytes, bytes], tuple[Path, Path]]:
    def write(chain: bytes, key: bytes) -> tuple[Path, Path]:
        chain_path, key_path = tmp_path / "chain.pem", tmp_path / "signer.key"
        chain_path.write_bytes(chain)
        key_path.touch(0o600)
        key_path.write_bytes(key)
        return chain_path, key_path

    return write


WritePair = Callable[[bytes, bytes], tuple[Path, Path]]


def certificate(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey,
    *,
    purpose: str | None = "1.3.6.1.4.1.62558.2.1",
    authority: bool = False,
    key_id: bool = True,
    signs: bool = True,
) -> bytes:
    """A leaf certificate of an authority that is made on the spot, with one thing changed."""
    issuer_key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Newsroom")]))
        .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "Authority")]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(authority, None), critical=True)
        .add_extension(x509.KeyUsage(signs, not signs, *[False] * 7), critical=True)
    )
    if purpose:
        usage = x509.ExtendedKeyUsage([x509.ObjectIdentifier(purpose)])
        builder = builder.add_extension(usage, critical=False)
    if key_id:
        identifier = x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key())
        builder = builder.add_extension(identifier, critical=False)
    return builder.sign(issuer_key, hashes.SHA256()).public_bytes(Encoding.PEM)


def pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [
        (ec.generate_private_key(ec.SECP256R1()), "ES256"),
        (ec.generate_private_key(ec.SECP384R1()), "ES384"),
        (ed25519.Ed25519PrivateKey.generate(), "ED25519"),
    ],
)
def test_a_production_identity_of_each_kind_loads(
    write_pair: WritePair, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey, algorithm: str
) -> None:
    identity = Identity.from_pem(*write_pair(certificate(key), pem(key)))
    assert (identity.kind, identity.algorithm, identity.common_name) == ("production", algorithm, "Newsroom")
    assert len(identity.sign(b"message")) == (96 if algorithm == "ES384" else 64)


KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(65537, 2048)


@pytest.mark.parametrize(
    ("chain", "key", "fault"),
    [
        (certificate(KEY), pem(ec.generate_private_key(ec.SECP256R1())), "is not the key of"),
        (certificate(KEY, purpose="1.3.6.1.5.5.7.3.1"), pem(KEY), "not for signing claims"),
        (certificate(KEY, purpose=None), pem(KEY), "not for signing claims"),
        (certificate(KEY, authority=True), pem(KEY), "of an authority"),
        (certificate(KEY, key_id=False), pem(KEY), "no authority key identifier"),
        (certificate(KEY, signs=False), pem(KEY), "not for digital signatures"),
        (certificate(KEY) + certificate(KEY), pem(KEY), "was not issued by"),
        (certificate(RSA_KEY), pem(RSA_KEY), "P-256, P-384|neither"),
        (certificate(KEY), b"junk", "not a PEM private key"),
        (b"junk", pem(KEY), "not a PEM certificate chain"),
        (
            certificate(KEY),
            KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")),
            "is encrypted",
        ),
    ],
)
def test_an_unfit_identity_says_what_is_wrong(
    write_pair: WritePair, chain: bytes, key: bytes, fault: str
) -> None:
    with pytest.raises(IdentityError, match=fault) as caught:
        Identity.from_pem(*write_pair(chain, key))
    assert caught.value.hint


@pytest.mark.parametrize("days", [-30, 30])
def test_an_identity_out_of_its_time_is_refused(write_pair: WritePair, days: int) -> None:
    start = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=days)
    chain = new_development_chain("Studio", now=start, validity=datetime.timedelta(days=1))
    with pytest.raises(CertificateExpired):
        Identity.from_pem(*write_pair(chain.chain_pem, chain.key_pem))


def test_a_production_key_must_be_private_too(write_pair: WritePair) -> None:
    chain_path, key_path = write_pair(certificate(KEY), pem(KEY))
    key_path.chmod(0o644)
    with pytest.raises(KeysUnsafe):
        Identity.from_pem(chain_path, key_path)


def test_a_missing_identity_file_is_named(write_pair: WritePair, tmp_path: Path) -> None:
    chain_path, key_path = write_pair(certificate(KEY), pem(KEY))
    for pair in ((tmp_path / "none.pem", key_path), (chain_path, tmp_path / "none.pem")):
        with pytest.raises(IdentityError, match=r"none\.pem"):
            Identity.from_pem(*pair)


def test_every_error_of_the_tree_has_a_hint() -> None:
    pending, seen = [ProvenanceError], 0
    while pending:
        kind = pending.pop()
        pending += kind.__subclasses__()
        assert kind("what happened", hint="what to do").hint == "what to do"
        seen += 1
    assert seen > 10


def test_an_interrupted_creation_leaves_no_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, os.strerror(28))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(KeyStoreError, match="No space left"):
        KeyStore(tmp_path / "keys").create()
    assert list(tmp_path.iterdir()) == []


def test_rotation_keeps_the_past_trusted_and_travels_in_a_backup(
    plain_clip: Path, generated_claim: Claim, tmp_path: Path
) -> None:
    store = KeyStore(tmp_path / "keys")
    old = store.create()
    sign_file(plain_clip, tmp_path / "old.mp4", generated_claim, old.identity, old.anchors)
    new = store.rotate(organization="Newsroom")
    assert new.mark_key == old.mark_key
    assert new.identity.certificate_sha256 != old.identity.certificate_sha256
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".keys")] == []
    restored = KeyStore(tmp_path / "elsewhere")
    restored.restore(store.backup(tmp_path / "keys.tar"))
    for keys in (new, restored.load()):
        assert read_manifest(tmp_path / "old.mp4", keys.anchors).state == "trusted"
        assert keys.checkpoint_public_keys == (
            new.checkpoint_key.public_key().public_bytes_raw(),
            old.checkpoint_key.public_key().public_bytes_raw(),
        )
    (retired,) = restored.describe().retired
    assert retired.root_sha256 == old.anchors.fingerprints[0]
    assert restored.describe().chain[0].purposes == ("emailProtection",)


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_rotation_that_was_killed_between_its_renames_loses_no_key(
    tmp_path: Path,
) -> None:
    store = KeyStore(tmp_path / "keys")
    before = store.create()
    child = os.fork()
    if not child:  # dies where a power cut hurts most: the old store aside, the new one not yet in place
        rename = Path.rename

        def rename_and_die(path: Path, target: Path) -> Path:
            rename(path, target)
            os._exit(9)

        Path.rename = rename_and_die  # type: ignore[method-assign]
        store.rotate(organization="Newsroom")
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert not (tmp_path / "keys").exists()
    with pytest.raises(KeysExist):
        store.create()
    assert store.load().mark_key == before.mark_key
    assert store.anchors() == before.anchors


# Epochs of the mark key


@pytest.fixture
def own_store(key_store: KeyStore, tmp_path: Path) -> KeyStore:
    """A copy, to be changed."""
    shutil.copytree(key_store.folder, tmp_path / "keys")
    return KeyStore(tmp_path / "keys")


def test_a_store_without_an_epoch_is_at_the_first_one(own_store: KeyStore) -> None:
    assert not (own_store.folder / MARK_EPOCH).exists()
    assert own_store.load().mark_keys.epoch == 0


def test_a_new_epoch_marks_with_another_key_and_still_knows_the_former_one(own_store: KeyStore) -> None:
    before = own_store.load()
    after = own_store.new_epoch()
    assert (before.mark_keys.epoch, after.mark_keys.epoch) == (0, 1)
    assert after.mark_key != before.mark_key
    assert after.mark_keys.of(0) == before.mark_key
    assert after.mark_keys.newest() == (1, 0)
    assert after.identity.certificate_sha256 == before.identity.certificate_sha256
    assert stat.S_IMODE((own_store.folder / MARK_EPOCH).stat().st_mode) == 0o600


def test_no_file_of_the_store_holds_the_key_of_an_epoch(own_store: KeyStore) -> None:
    """Clips are marked with a key that is made from the file's, so that it may leak without the file's."""
    keys = own_store.new_epoch()
    content = b"".join(path.read_bytes() for path in own_store.folder.iterdir())
    for epoch in (0, 1):
        assert keys.mark_keys.of(epoch).hex().encode() not in content


def test_the_description_says_the_epoch_and_how_many_are_tried(own_store: KeyStore) -> None:
    made = own_store.describe()
    own_store.new_epoch(after=40)
    later = own_store.describe()
    assert (made.mark_epoch, made.mark_epochs_tried) == (0, 1)
    assert (later.mark_epoch, later.mark_epochs_tried) == (41, 4)
    assert later.mark_key_id == made.mark_key_id  # of the master, which is what a backup must hold
    assert not any(secret in repr(later) + repr(own_store.load()) for secret in secrets_of(own_store))


def test_the_epoch_travels_in_a_backup_and_outlives_a_rotation(own_store: KeyStore, tmp_path: Path) -> None:
    first = own_store.backup(tmp_path / "first.tar")
    third = [own_store.new_epoch() for _ in range(3)][-1]
    rotated = own_store.rotate(organization="Newsroom")
    assert rotated.mark_keys == third.mark_keys
    later = KeyStore(tmp_path / "later").restore(own_store.backup(tmp_path / "later.tar"))
    assert later.mark_keys == third.mark_keys
    # A backup from before there were epochs has the first one, and the keys of all that came.
    early = KeyStore(tmp_path / "early").restore(first)
    assert early.mark_keys.epoch == 0
    assert early.mark_keys.of(3) == third.mark_key


def test_a_store_behind_its_ledger_goes_past_the_epochs_that_were_used(own_store: KeyStore) -> None:
    own_store.new_epoch()
    assert own_store.new_epoch(after=7).mark_keys.epoch == 8
    assert own_store.new_epoch(after=3).mark_keys.epoch == 9


def test_past_the_last_epoch_nothing_is_written(own_store: KeyStore) -> None:
    with pytest.raises(BadEpoch):
        own_store.new_epoch(after=MAX_EPOCH)
    assert own_store.load().mark_keys.epoch == 0


@pytest.mark.parametrize("content", [b"", b"-1", b"1.5", b"0x10", "١".encode(), b"9" * 11, b"4294967296"])
def test_a_damaged_epoch_is_an_error_and_not_the_first_one(own_store: KeyStore, content: bytes) -> None:
    """Taken for 0, a home would go back to a key that may have leaked."""
    (own_store.folder / MARK_EPOCH).write_bytes(content)
    with pytest.raises(KeysDamaged, match=r"mark\.epoch"):
        own_store.load()


@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
@pytest.mark.parametrize(("dies", "epoch"), [("before the rename", 0), ("after the rename", 1)])
def test_a_new_epoch_that_is_killed_leaves_the_old_one_or_the_new(
    own_store: KeyStore, dies: str, epoch: int
) -> None:
    before = own_store.load()
    child = os.fork()
    if not child:
        replace = Path.replace

        def replace_and_die(path: Path, target: Path) -> Path:
            if dies == "after the rename":
                replace(path, target)
            os._exit(9)

        Path.replace = replace_and_die  # type: ignore[method-assign]
        own_store.new_epoch()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    keys = own_store.load()
    assert keys.mark_keys.epoch == epoch
    assert keys.mark_keys.master == before.mark_keys.master
    assert own_store.new_epoch().mark_keys.epoch == epoch + 1
