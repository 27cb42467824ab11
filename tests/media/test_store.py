"""The store: atomic, repeatable, honest about what it holds."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from media import OutputError, Store


def test_an_asset_is_named_by_its_sha256_and_read_only(tmp_path: Path) -> None:
    source = tmp_path / "clip"
    source.write_bytes(b"frames")
    store = Store(tmp_path / "store")
    digest = store.put(source)
    assert digest == hashlib.sha256(b"frames").digest()
    assert store.path(digest).read_bytes() == b"frames"
    assert store.path(digest).stat().st_mode & 0o222 == 0


def test_putting_twice_is_putting_once(tmp_path: Path) -> None:
    source = tmp_path / "clip"
    source.write_bytes(b"frames")
    store = Store(tmp_path / "store")
    assert store.put(source) == store.put(source)
    assert len(list(store.digests())) == 1


def test_damage_is_noticed(tmp_path: Path) -> None:
    source = tmp_path / "clip"
    source.write_bytes(b"frames")
    store = Store(tmp_path / "store")
    digest = store.put(source)
    assert store.intact(digest)
    store.path(digest).chmod(0o644)
    store.path(digest).write_bytes(b"framed")
    assert not store.intact(digest)
    assert not store.intact(bytes(32))


def test_sweep_removes_old_orphans_and_leftovers_and_nothing_else(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    digests = []
    for content in (b"known", b"old orphan", b"young orphan"):
        source = tmp_path / "clip"
        source.write_bytes(content)
        digests.append(store.put(source))
    leftover = tmp_path / "store" / "tmp" / "killed"
    leftover.write_bytes(b"half")
    for path in (store.path(digests[0]), store.path(digests[1]), leftover):
        os.utime(path, (time.time() - 7200,) * 2)
    assert set(store.sweep({digests[0]})) == {store.path(digests[1]), leftover}
    assert set(store.digests()) == {digests[0], digests[2]}


def test_a_store_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    source = tmp_path / "clip"
    source.write_bytes(b"frames")
    (tmp_path / "store").write_text("a file where the folder should be")
    with pytest.raises(OutputError, match="cannot be stored"):
        Store(tmp_path / "store").put(source)
