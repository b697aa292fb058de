"""Byte pair encoding equals a plain version of itself, in work that grows with the length."""

import os
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shared.bpe
from shared.bpe import apply_merges, learn_merges, merge_pair, most_frequent_pair, split_pieces
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import gpt2_files
from shared.tokenizer import BPETokenizer

OURS = BPETokenizer.from_gpt2_files(*gpt2_files())
thorough = settings(deadline=None, max_examples=300, derandomize=True)


small_text = st.text("ab é", min_size=1, max_size=40)


def plain_merges(pieces, num_merges):
    """What learn_merges must find, by counting everything again after each merge."""
    words, token_bytes, merges = (
        [list(p.encode()) for p in pieces],
        [bytes([b]) for b in range(256)],
        [],
    )
    for new_id in range(256, 256 + num_merges):
        counts = Counter(pair for word in words for pair in zip(word, word[1:]))
        if not counts:
            break
        best = max(counts, key=lambda p: (counts[p], token_bytes[p[0]], token_bytes[p[1]]))
        words = [merge_pair(word, best, new_id) for word in words]
        token_bytes.append(token_bytes[best[0]] + token_bytes[best[1]])
        merges.append(best)
    return merges, words


def plain_apply(ids, merges):
    ids = list(ids)
    while possible := [
        (merges[pair], i) for i, pair in enumerate(zip(ids, ids[1:])) if pair in merges
    ]:
        new_id, i = min(possible)
        ids[i : i + 2] = [new_id]
    return ids


@pytest.mark.parametrize("pattern", ["a", "ab", "aab", "the", "abcdefghijklmnopqrstuvwxyz"])
def test_work_grows_in_step_with_the_length(pattern, monkeypatch):
    calls = Counter()
    for name in ("heappush", "heappop"):
        real = getattr(shared.bpe, name)
        monkeypatch.setattr(
            shared.bpe, name, lambda *a, real=real, name=name: (calls.update([name]), real(*a))[1]
        )
    pops = []
    for n in (2_000, 20_000):
        calls.clear()
        OURS.encode((pattern * n)[:n])
        pops.append(calls["heappop"])
        assert calls["heappop"] <= 3 * n and calls["heappush"] <= 2 * n
    assert pops[1] < 15 * pops[0], "ten times the length should be about ten times the work"


@thorough
@given(st.lists(small_text, min_size=1, max_size=6), st.integers(0, 12))
def test_learning_equals_the_plain_version(pieces, num_merges):
    merges, words = plain_merges(pieces, num_merges)
    assert learn_merges(pieces, len(merges)) == merges
    ranks = {pair: 256 + i for i, pair in enumerate(merges)}
    assert [apply_merges(piece.encode(), ranks) for piece in pieces] == words, (
        "encoding replays learning"
    )


def by_bytes(piece, id_of):
    """As 01_data/02 encodes: join the neighbours whose bytes are the token with the least id."""
    parts = [bytes([b]) for b in piece.encode()]
    while known := [
        (id_of[a + b], i) for i, (a, b) in enumerate(zip(parts, parts[1:])) if a + b in id_of
    ]:
        _, i = min(known)
        parts[i : i + 2] = [parts[i] + parts[i + 1]]
    return [id_of[part] for part in parts]


def ids_by_bytes(merges):
    tokens = [bytes([b]) for b in range(256)]
    for a, b in merges:
        tokens.append(tokens[a] + tokens[b])
    return {token: i for i, token in enumerate(tokens)}


@thorough
@given(st.lists(small_text, min_size=1, max_size=6), st.integers(0, 12))
def test_the_bytes_of_the_tokens_are_enough_to_encode_what_was_learned_from(pieces, num_merges):
    merges, words = plain_merges(pieces, num_merges)
    id_of = ids_by_bytes(merges)
    assert [by_bytes(piece, id_of) for piece in pieces] == words


def test_the_bytes_of_the_tokens_are_enough_to_encode_the_story():
    pieces = set(split_pieces(load_corpus("story")))
    merges = learn_merges(split_pieces(load_corpus("story")), 744)
    ranks, id_of = {pair: 256 + i for i, pair in enumerate(merges)}, ids_by_bytes(merges)
    for piece in pieces:
        assert by_bytes(piece, id_of) == apply_merges(piece.encode(), ranks)


def test_the_story_equals_the_plain_version():
    pieces = split_pieces(load_corpus("story"))[:1500]
    assert learn_merges(pieces, 120) == plain_merges(pieces, 120)[0]


def test_ties_go_to_the_greatest_pair():
    single = [bytes([b]) for b in range(256)]
    b, a, z = 98, 97, 122
    assert most_frequent_pair({(b, a): 2, (b, z): 2, (a, z): 2, (z, z): 1}, single) == (b, z)
    assert most_frequent_pair({(a, a): 2, (z, z): 1}, single) == (a, a)
    # the bytes decide, not the ids: token 300 is "aa", which comes before "b"
    assert most_frequent_pair({(b, b): 1, (300, z): 1}, single + [b""] * 44 + [b"aa"]) == (b, b)
    assert learn_merges(["ba", "zy"], 2) == [(122, 121), (98, 97)]


def test_the_worked_example_of_cs336():
    """Stanford CS336, assignment 1, the worked example: its pieces, its merges in their order."""
    pieces = 5 * ["low"] + 2 * ["lower"] + 3 * ["widest"] + 6 * ["newest"]
    merges = learn_merges(pieces, 12)
    tokens = [bytes([b]) for b in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    found = ", ".join(f"{tokens[a].decode()} {tokens[b].decode()}" for a, b in merges)
    assert found == ("s t, e st, o w, l ow, w est, n e, ne west, w i, wi d, wid est, low e, lowe r")
    assert merges == plain_merges(pieces, 12)[0]


DATA = Path(os.environ.get("LLM_COURSE_DATA", "."))
CORPUS, REFERENCE = DATA / "corpus.en", DATA / "train-bpe-reference-merges.txt"


@pytest.mark.skipif(
    not (CORPUS.is_file() and REFERENCE.is_file()),
    reason="LLM_COURSE_DATA names no folder with corpus.en and train-bpe-reference-merges.txt of "
    "github.com/stanford-cs336/assignment1-basics, tests/fixtures",
)
def test_the_merges_that_cs336_publishes():
    """Stanford CS336, assignment 1: vocabulary 500, a special token, so 243 merges."""
    lines = REFERENCE.read_text(encoding="utf-8").splitlines()
    merges = learn_merges(split_pieces(CORPUS.read_text(encoding="utf-8")), 500 - 256 - 1)
    tokens = [bytes([b]) for b in range(256)]
    for left, right in merges:
        tokens.append(tokens[left] + tokens[right])
    found = [f"{tokens[a].decode()} {tokens[b].decode()}" for a, b in merges]
    assert [name.replace(" ", "Ġ", 1) if name[0] == " " else name for name in found] == lines


@thorough
@given(st.lists(st.integers(0, 5), max_size=60), st.data())
def test_apply_merges_equals_the_plain_version(ids, data):
    merges = {}
    for new_id in range(6, 6 + data.draw(st.integers(0, 8))):
        pair = data.draw(st.tuples(st.integers(0, new_id - 1), st.integers(0, new_id - 1)))
        merges.setdefault(pair, new_id)
    assert apply_merges(ids, merges) == plain_apply(ids, merges)
