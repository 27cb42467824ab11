"""The tree and its proofs against the recursive definitions of RFC 6962 §2.1, and its published example."""

import hashlib
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provenance.ledger import merkle

leaves_lists = st.lists(st.binary(max_size=8), min_size=1, max_size=70)


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


class Tree:
    """The complete subtrees, as the ledger keeps them."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.nodes: dict[tuple[int, int], bytes] = {}
        for seq, leaf in enumerate(leaves):
            for level, position, digest in merkle.completed(seq, merkle.leaf_hash(leaf), self.node):
                assert (level, position) not in self.nodes
                self.nodes[level, position] = digest

    def node(self, level: int, position: int) -> bytes:
        return self.nodes[level, position]


# The inputs and roots of the Certificate Transparency test vectors (merkle_tree_test of the reference implementation).
CT_LEAVES = [bytes.fromhex(x) for x in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
CT_ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
}


@pytest.mark.parametrize("size", CT_ROOTS)
def test_roots_are_those_of_certificate_transparency(size: int) -> None:
    assert merkle.root(size, Tree(CT_LEAVES[:size]).node).hex() == CT_ROOTS[size]


def test_no_leaves_have_the_hash_of_nothing() -> None:
    assert merkle.root(0, Tree([]).node) == naive_root([])


@given(leaves_lists)
def test_every_prefix_has_the_root_of_the_definition(leaves: list[bytes]) -> None:
    tree = Tree(leaves)
    for size in range(len(leaves) + 1):
        assert merkle.root(size, tree.node) == naive_root(leaves[:size])


@given(leaves_lists, st.data())
def test_an_inclusion_proof_leads_to_the_root_and_no_other_leaf_place_or_path_does(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree, size = Tree(leaves), len(leaves)
    seq = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion_proof(seq, size, tree.node)
    leaf, root = merkle.leaf_hash(leaves[seq]), naive_root(leaves)
    assert len(path) <= (size - 1).bit_length()
    assert merkle.root_of_inclusion(seq, size, leaf, path) == root
    assert merkle.root_of_inclusion(seq, size, merkle.leaf_hash(b"another leaf"), path) != root
    assert merkle.root_of_inclusion(seq, size, leaf, [*path, bytes(32)]) != root
    if path:
        assert merkle.root_of_inclusion(seq, size, leaf, path[:-1]) != root
        bent = [bytes(32) if i == data.draw(st.integers(0, len(path) - 1)) else p for i, p in enumerate(path)]
        assert bent == path or merkle.root_of_inclusion(seq, size, leaf, bent) != root


@given(leaves_lists, st.data())
def test_a_consistency_proof_holds_for_what_grew_and_for_nothing_else(
    leaves: list[bytes], data: st.DataObject
) -> None:
    tree, new = Tree(leaves), len(leaves)
    old = data.draw(st.integers(1, new))
    path = merkle.consistency_proof(old, new, tree.node)
    before, after = naive_root(leaves[:old]), naive_root(leaves)
    assert merkle.is_consistent(old, before, new, after, path)
    rewritten = naive_root([b"rewritten", *leaves[1:old]])
    assert not merkle.is_consistent(old, rewritten, new, after, path)
    assert not merkle.is_consistent(old, before, new, bytes(32), path)
    assert not merkle.is_consistent(old, before, new, after, [*path, bytes(32)])
    if path:
        assert not merkle.is_consistent(old, before, new, after, path[:-1])


@pytest.mark.parametrize(("seq", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_proof_for_what_is_not_there(seq: int, size: int) -> None:
    node = Tree([b"a", b"b", b"c"]).node
    with pytest.raises(ValueError, match="not in a log"):
        merkle.inclusion_proof(seq, size, node)
    assert merkle.root_of_inclusion(seq, size, bytes(32), []) is None


@pytest.mark.parametrize(("old", "new"), [(0, 3), (4, 3), (-1, 3)])
def test_a_log_does_not_shrink_or_grow_from_nothing(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="cannot be shown"):
        merkle.consistency_proof(old, new, Tree([b"a", b"b", b"c"]).node)
    assert not merkle.is_consistent(old, bytes(32), new, bytes(32), [])
