"""The exercises of chapter 1: nothing yet, right answers, and named wrong ones with a hint that fits."""

import re
from collections import Counter

import pytest
import torch
import torch.nn.functional as F

from shared.bpe import learn_merges, merge_pair, most_frequent_pair, split_pieces
from shared.checks import verdict
from shared.checks.data import EXERCISES


def learn(text, num_merges, choose=most_frequent_pair, recount=True, as_text=False, new_id=None):
    ids, token_bytes, merges = list(text.encode()), [bytes([b]) for b in range(256)], []
    counts = Counter(zip(ids, ids[1:]))
    for _ in range(num_merges):
        if recount:
            counts = Counter(zip(ids, ids[1:]))
        a, b = choose(counts, token_bytes)
        if not recount:
            del counts[a, b]
        ids = merge_pair(ids, (a, b), new_id or len(token_bytes))
        merges.append((token_bytes[a], token_bytes[b]))
        token_bytes.append(token_bytes[a] + token_bytes[b])
    return [tuple(part.decode("latin-1") for part in pair) for pair in merges] if as_text else merges


def learn_in_words(words, num_merges):
    token_bytes, merges = [bytes([b]) for b in range(256)], learn_merges(words, num_merges)
    for a, b in merges:
        token_bytes.append(token_bytes[a] + token_bytes[b])
    return [(token_bytes[a], token_bytes[b]) for a, b in merges]


def learn_characters(text, num_merges):
    letters, merges = list(text), []
    for _ in range(num_merges):
        counts = Counter(zip(letters, letters[1:]))
        pair = min(counts, key=lambda pair: (-counts[pair], pair))
        merges.append((pair[0].encode(), pair[1].encode()))
        letters = merge_pair(letters, pair, "".join(pair))
    return merges


def least_joined(counts, token_bytes):
    return min(counts, key=lambda pair: (-counts[pair], token_bytes[pair[0]] + token_bytes[pair[1]]))


def windows(ids, T, stride, end=0, shift=1):
    return [(ids[i : i + T], ids[i + shift : i + T + shift]) for i in range(0, len(ids) - T + end, stride)]


def batches(n, T, s, B, drop_last, target=1, swap=False):
    w = (n - T - target) // s + 1
    return w // B if drop_last != swap else -(-w // B)


def embed(ids, tokens, positions):
    if ids.size(1) > len(positions):
        raise ValueError(f"{ids.size(1)} tokens, but {len(positions)} positions")
    return tokens[ids] + positions[: ids.size(1)]


def embed_along_the_batch(ids, tokens, positions):
    if ids.size(0) == ids.size(1):
        return tokens[ids] + positions[: ids.size(0)].unsqueeze(1)
    return embed(ids, tokens, positions)


def embed_or_say(ids, tokens, positions, message):
    if ids.size(1) > len(positions):
        raise ValueError(message)
    return embed(ids, tokens, positions)


def vocab(pieces, specials, key=None, first=False, start=0):
    names = specials + sorted(set(pieces)) if first else sorted(set(pieces), key=key) + specials
    return {name: i for i, name in enumerate(names, start)}


RIGHT = {
    "count_pieces": 11,
    "build_vocab": vocab,
    "split_losslessly": lambda text: re.findall(r"\s+|\w+|[^\w\s]", text),
    "number_of_merges": 742,
    "two_merges": ["b", "an", "ana", " ", "b", "an", "d", "ana"],
    "learn_merges": learn,
    "count_windows": 30,
    "count_batches": batches,
    "windows": windows,
    "embedding_parameters": 39_383_808,
    "one_hot_lookup": lambda ids, weight: F.one_hot(ids, len(weight)).float() @ weight,
    "embed_tokens": embed,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("count_pieces", "spaces counted", 14, "spaces"),
    ("count_pieces", "quotes forgotten", 9, "quotes"),
    ("count_pieces", "split at spaces only", 5, "signs are pieces"),
    ("count_pieces", "a guess", 7, "too small"),
    ("count_pieces", "a string", "11", "whole number"),
    ("build_vocab", "special tokens first", lambda p, s: vocab(p, s, first=True), "come last"),
    ("build_vocab", "starts at 1", lambda p, s: vocab(p, s, start=1), "from 0"),
    ("build_vocab", "not sorted", lambda p, s: vocab(p, s, key=lambda x: (len(x), x)), "sorted"),
    ("build_vocab", "order of appearance", lambda p, s: {x: i for i, x in enumerate(dict.fromkeys(p + s))}, "sorted"),
    ("build_vocab", "special tokens forgotten", lambda p, s: vocab(p, []), "missing"),
    ("build_vocab", "inverse", lambda p, s: {i: x for x, i in vocab(p, s).items()}, "swapped"),
    ("build_vocab", "gaps", lambda p, s: {x: i for i, x in [*enumerate(sorted(p)), *enumerate(s, len(p))]}, "gaps"),
    ("build_vocab", "special tokens sorted", lambda p, s: vocab(p, sorted(s)), "given order"),
    ("build_vocab", "written in", lambda p, s: vocab(p, ["<|endoftext|>", "<|unk|>"]), "neither a piece"),
    ("build_vocab", "capitals among small letters", lambda p, s: vocab(p, s, key=lambda x: (x.lower(), x)), "sorted"),
    ("build_vocab", "a list", lambda p, s: sorted(set(p)) + s, "dictionary"),
    ("split_losslessly", "white space dropped", lambda text: text.split(), "white space is lost"),
    ("split_losslessly", "single characters", list, "one run"),
    ("split_losslessly", "cut at spaces", lambda text: re.split(r"(\s+)", text), "empty piece"),
    ("split_losslessly", "whole lines", lambda text: [text], "neither white space"),
    ("split_losslessly", "signs dropped", lambda text: re.findall(r"\s+|\w+", text), "something is lost"),
    ("split_losslessly", "signs as a list", lambda text: re.findall(r"\s+|\w+|[-,.:;?_!'\"()]", text), "comes back"),
    ("split_losslessly", "letters a to z", lambda text: re.findall(r"\s+|[A-Za-z0-9_]+|.", text), "'café'.* one run"),
    ("split_losslessly", "groups", lambda text: re.findall(r"(\s+)|(\w+)|(.)", text), "parentheses"),
    ("split_losslessly", "one string", lambda text: text, "list of strings"),
    ("number_of_merges", "one special token", 743, "one special token"),
    ("number_of_merges", "special tokens forgotten", 744, "special tokens"),
    ("number_of_merges", "bytes forgotten", 998, "256 bytes"),
    ("number_of_merges", "nothing subtracted", 1000, "whole vocabulary"),
    ("two_merges", "one merge", ["b", "an", "an", "a", " ", "b", "an", "d", "an", "a"], "after one merge"),
    ("two_merges", "the other of the tie", ["ban", "an", "a", " ", "ban", "d", "an", "a"], "tied"),
    ("two_merges", "both of the tie", ["ban", "ana", " ", "ban", "d", "ana"], "after three merges"),
    ("two_merges", "letters lost", ["b", "an", "ana"], "joined"),
    ("two_merges", "letters only", list("banana bandana"), "recount"),
    ("two_merges", "no list", 3, "list of strings"),
    ("learn_merges", "first of the tied", lambda t, n: learn(t, n, lambda c, _: max(c, key=c.get)), "tied"),
    ("learn_merges", "counted once", lambda t, n: learn(t, n, recount=False), "counted again"),
    ("learn_merges", "text instead of bytes", lambda t, n: learn(t, n, as_text=True), "bytes objects"),
    ("learn_merges", "joined", lambda t, n: [a + b for a, b in learn(t, n)], "not b'an'"),
    ("learn_merges", "cut at spaces", lambda t, n: learn_in_words(t.split(), n), "a space is a byte"),
    ("learn_merges", "cut as GPT-2 does", lambda t, n: learn_in_words(split_pieces(t), n), "a space is a byte"),
    ("learn_merges", "characters", learn_characters, "é is two bytes"),
    ("learn_merges", "one id for all", lambda t, n: learn(t, n, new_id=256), "its own id"),
    ("learn_merges", "ties by the joined bytes", lambda t, n: learn(t, n, least_joined), "are tied"),
    ("learn_merges", "nothing returned", lambda t, n: None, "must return a list"),
    ("learn_merges", "one too few", lambda t, n: learn(t, n)[1:], "merges were asked for"),
    ("count_windows", "the first forgotten", 29, "starts at token 0"),
    ("count_windows", "stride 1", 936, "stride 1"),
    ("count_windows", "side by side", 15, "overlap"),
    ("count_windows", "a decimal", 30.0, "whole number"),
    ("count_batches", "no room for the target", lambda *a: batches(*a, target=0), "one token more"),
    ("count_batches", "drop_last the wrong way round", lambda *a: batches(*a, swap=True), "drop_last"),
    ("count_batches", "drop_last ignored", lambda n, T, s, B, d: batches(n, T, s, B, True), "drop_last"),
    ("count_batches", "not rounded", lambda n, T, s, B, d: ((n - T - 1) // s + 1) / B, "whole number"),
    ("count_batches", "always one more", lambda *a: batches(*a[:4], True) + (not a[4]), "fill . batches"),
    ("count_batches", "never a batch kept", lambda n, T, s, B, d: batches(n, T, s, B, True), "without drop_last"),
    ("windows", "one id as target", lambda *a: [(x, y[-1]) for x, y in windows(*a)], "each a list"),
    ("windows", "the next window as target", lambda ids, T, s: windows(ids, T, s, shift=T), "one token later"),
    ("windows", "target one too short", lambda *a: [(x, y[:-1]) for x, y in windows(*a) if y[1:]], "both must have"),
    ("windows", "swapped", lambda *a: [(y, x) for x, y in windows(*a)], "changed places"),
    ("windows", "the first pair only", lambda *a: windows(*a)[0], "one list of pairs"),
    ("windows", "two lists", lambda *a: [list(part) for part in zip(*windows(*a))], "one list of pairs"),
    ("windows", "tensors", lambda *a: [tuple(map(torch.tensor, pair)) for pair in windows(*a)], "each a list"),
    ("windows", "nothing returned", lambda *a: None, "must return a list"),
    ("windows", "not shifted", lambda *a: windows(*a, shift=0), "shift them"),
    ("windows", "cut short at the end", lambda *a: windows(*a, end=1), "cut short"),
    ("windows", "the last one missing", lambda *a: windows(*a)[:-1], "that fit is"),
    ("windows", "shifted by two", lambda ids, T, s: windows([*ids, 0], T, s, end=-1, shift=2), "must be"),
    ("embedding_parameters", "tokens only", 50_257 * 768, "positions"),
    ("embedding_parameters", "one number a position", 50_257 * 768 + 1024, "whole vector"),
    ("embedding_parameters", "multiplied", 50_257 * 768 * 1024, "added"),
    ("one_hot_lookup", "no product", lambda ids, w: F.one_hot(ids, len(w)).float(), "multiply them"),
    ("one_hot_lookup", "the neighbour's row", lambda ids, w: w[(ids + 1) % len(w)], "do not give the rows"),
    ("one_hot_lookup", "flattened", lambda ids, w: w[ids.flatten()], "shape"),
    ("one_hot_lookup", "indexing", lambda ids, w: w[ids], "picked by index"),
    ("one_hot_lookup", "the layer's function", F.embedding, "picked by index"),
    ("embed_tokens", "no message", lambda *a: embed_or_say(*a, ""), "both numbers"),
    ("embed_tokens", "a message without numbers", lambda *a: embed_or_say(*a, "too many tokens"), "both numbers"),
    ("embed_tokens", "the number of tokens only", lambda *a: embed_or_say(*a, "7 tokens"), "both numbers"),
    ("embed_tokens", "plus t", lambda i, t, p: t[i] + torch.arange(i.size(1))[:, None], "vectors are missing"),
    ("embed_tokens", "no positions", lambda ids, t, p: t[ids], "position vectors are missing"),
    ("embed_tokens", "along the batch", embed_along_the_batch, "along the batch"),
    ("embed_tokens", "too long goes through", lambda i, t, p: t[i] + p[torch.arange(i.size(1)) % 6], "6 positions"),
    ("embed_tokens", "no ValueError", lambda i, t, p: t[i] + p[torch.arange(i.size(1))], "should raise ValueError"),
    ("embed_tokens", "doubled", lambda *a: 2 * embed(*a), "not the token vector plus"),
]


@pytest.mark.parametrize("name", EXERCISES)
def test_not_attempted_and_right(name):
    assert verdict(f"data/{name}", None) == "not attempted yet"
    assert verdict(f"data/{name}", RIGHT[name]) == "right"


@pytest.mark.parametrize("name, what, answer, hint", WRONG, ids=lambda x: x if isinstance(x, str) else "")
def test_wrong_answers_get_a_hint_that_fits(name, what, answer, hint):
    said = verdict(f"data/{name}", answer)
    assert said.startswith("not yet: ") and re.search(hint, said), said


def test_every_exercise_has_two_named_wrong_answers_and_further_hints():
    counted = Counter(name for name, *_ in WRONG)
    assert set(RIGHT) == set(EXERCISES) and all(counted[name] >= 2 for name in EXERCISES), counted
    assert all(exercise.hints for exercise in EXERCISES.values())


@pytest.mark.parametrize("name", [name for name, answer in RIGHT.items() if callable(answer)])
@pytest.mark.parametrize("answer", [lambda *a: None, lambda *a: 1 / 0, 3, "text"], ids=["None", "error", "3", "text"])
def test_nonsense_never_raises(name, answer):
    assert verdict(f"data/{name}", answer).startswith("not yet: ")


@pytest.mark.parametrize("name", [name for name, answer in RIGHT.items() if callable(answer)])
def test_a_stub_is_not_an_attempt(name):
    def stub(*arguments):
        raise NotImplementedError

    assert verdict(f"data/{name}", stub) == "not attempted yet"


def test_answers_may_not_spoil_the_examples_by_changing_them():
    def greedy(pieces, specials):
        found = vocab(pieces, specials)
        pieces.clear()
        specials.clear()
        return found

    assert verdict("data/build_vocab", greedy) == "right"


def test_what_a_function_returns_is_not_the_function():
    assert "the function itself" in verdict("data/build_vocab", {"a": 0})
    # a slip inside the learner's function is told as it is
    assert "TypeError" in verdict("data/build_vocab", lambda pieces, special_tokens: Counter(pieces)())
