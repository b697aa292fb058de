"""The exercises of 01_data/02_byte_pair_encoding."""

from collections import Counter

import pytest
from harness import exercise_tests

from shared.bpe import learn_merges, merge_pair, most_frequent_pair, split_pieces
from shared.checks import verdict


def learn(
    text, num_merges, choose=most_frequent_pair, recount=True, as_text=False, new_id=None, join=None
):
    ids = list(text if isinstance(text, bytes) else text.encode())
    token_bytes, merges = [bytes([b]) for b in range(256)], []
    counts = Counter(zip(ids, ids[1:]))
    for _ in range(num_merges):
        if recount:
            counts = Counter(zip(ids, ids[1:]))
        a, b = choose(counts, token_bytes)
        if not recount:
            del counts[a, b]
        ids = (join or merge_pair)(ids, (a, b), new_id or len(token_bytes))
        merges.append((token_bytes[a], token_bytes[b]))
        token_bytes.append(token_bytes[a] + token_bytes[b])
    return (
        [tuple(part.decode("latin-1") for part in pair) for pair in merges] if as_text else merges
    )


def learn_in_words(words, num_merges):
    token_bytes, merges = [bytes([b]) for b in range(256)], learn_merges(words, num_merges)
    for a, b in merges:
        token_bytes.append(token_bytes[a] + token_bytes[b])
    return [(token_bytes[a], token_bytes[b]) for a, b in merges]


def learn_characters(text, num_merges):
    letters, merges = list(text), []
    for _ in range(num_merges):
        counts = Counter(zip(letters, letters[1:]))
        pair = max(counts, key=lambda pair: (counts[pair], pair))
        merges.append((pair[0].encode(), pair[1].encode()))
        letters = merge_pair(letters, pair, "".join(pair))
    return merges


def greatest_joined(counts, token_bytes):
    return max(counts, key=lambda pair: (counts[pair], token_bytes[pair[0]] + token_bytes[pair[1]]))


def first_in_alphabet(counts, token_bytes):
    return min(counts, key=lambda pair: (-counts[pair], token_bytes[pair[0]], token_bytes[pair[1]]))


def rarest(counts, token_bytes):
    return min(counts, key=lambda pair: (counts[pair], pair))


def keep(ids, pair, new_id):
    return ids


def once(ids, pair, new_id):
    at = [*zip(ids, ids[1:])].index(pair)
    return [*ids[:at], new_id, *ids[at + 2 :]]


def keep_second(ids, pair, new_id):
    return [new_id if both == pair else both[0] for both in zip(ids, [*ids[1:], -1])]


def from_right(ids, pair, new_id):
    return merge_pair(ids[::-1], pair[::-1], new_id)[::-1]


RIGHT = {
    "number_of_merges": 742,
    "two_merges": ["ban", "an", "a", " ", "ban", "d", "an", "a"],
    "learn_merges": learn,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("number_of_merges", "one special token", 743, "one special token"),
    ("number_of_merges", "special tokens forgotten", 744, "special tokens"),
    ("number_of_merges", "bytes forgotten", 998, "256 bytes"),
    ("number_of_merges", "special tokens added", 746, "adds the special"),
    ("number_of_merges", "what is there", 258, "without any merge"),
    ("number_of_merges", "a guess", 740, "needs one merge"),
    ("number_of_merges", "nothing subtracted", 1000, "whole vocabulary"),
    (
        "two_merges",
        "one merge",
        ["b", "an", "an", "a", " ", "b", "an", "d", "an", "a"],
        "after one merge",
    ),
    ("two_merges", "the other of the tie", ["b", "an", "ana", " ", "b", "an", "d", "ana"], "tied"),
    ("two_merges", "both of the tie", ["ban", "ana", " ", "ban", "d", "ana"], "after three merges"),
    ("two_merges", "letters lost", ["b", "an", "ana"], "joined"),
    ("two_merges", "letters only", list("banana bandana"), "no pair is joined"),
    (
        "two_merges",
        "n and a first",
        ["ba", "na", "na", " ", "ba", "n", "d", "a", "na"],
        "'n' . 'a' occurs three times",
    ),
    (
        "two_merges",
        "joined in one word",
        ["ban", "an", "a", " ", "b", "an", "d", "an", "a"],
        "joined everywhere",
    ),
    ("two_merges", "a third", ["ban", "ana", " ban", "d", "ana"], "two merges leave eight"),
    ("two_merges", "across", ["b", "anan", "a", " ", "b", "and", "an", "a"], "pairs of tokens"),
    ("two_merges", "no list", 3, "list of strings"),
    (
        "learn_merges",
        "first of the tied",
        lambda t, n: learn(t, n, lambda c, _: max(c, key=c.get)),
        "tied",
    ),
    ("learn_merges", "counted once", lambda t, n: learn(t, n, recount=False), "counted again"),
    (
        "learn_merges",
        "text instead of bytes",
        lambda t, n: learn(t, n, as_text=True),
        "bytes objects",
    ),
    ("learn_merges", "joined", lambda t, n: [a + b for a, b in learn(t, n)], "not b'an'"),
    (
        "learn_merges",
        "cut at spaces",
        lambda t, n: learn_in_words(t.split(), n),
        "a space is a byte",
    ),
    (
        "learn_merges",
        "cut as GPT-2 does",
        lambda t, n: learn_in_words(split_pieces(t), n),
        "a space is a byte",
    ),
    ("learn_merges", "capitals made small", lambda t, n: learn(t.lower(), n), "ABAB ab"),
    ("learn_merges", "characters", learn_characters, "é is two bytes"),
    ("learn_merges", "latin-1", lambda t, n: learn(t.encode("latin-1"), n), "é is two bytes"),
    ("learn_merges", "never joined", lambda t, n: learn(t, n, join=keep), "join it everywhere"),
    ("learn_merges", "joined once", lambda t, n: learn(t, n, join=once), "join it everywhere"),
    (
        "learn_merges",
        "the second token kept",
        lambda t, n: learn(t, n, join=keep_second),
        "replaces both",
    ),
    ("learn_merges", "from the right", lambda t, n: learn(t, n, join=from_right), "counted again"),
    (
        "learn_merges",
        "the rarest",
        lambda t, n: learn(t, n, rarest),
        "counted most often is joined",
    ),
    ("learn_merges", "one id for all", lambda t, n: learn(t, n, new_id=256), "its own id"),
    (
        "learn_merges",
        "ties by the joined bytes",
        lambda t, n: learn(t, n, greatest_joined),
        "are tied",
    ),
    (
        "learn_merges",
        "the first of the alphabet",
        lambda t, n: learn(t, n, first_in_alphabet),
        "are tied",
    ),
    ("learn_merges", "nothing returned", lambda t, n: None, "must return a list"),
    ("learn_merges", "one too few", lambda t, n: learn(t, n)[1:], "merges were asked for"),
]

test_answers, test_tables = exercise_tests("byte_pair_encoding", RIGHT, WRONG)


def learn_in_bytes(text, num_merges):
    """Without the page's functions: tokens as byte strings, joined in place."""
    parts, merges = [bytes([b]) for b in text.encode()], []
    for _ in range(num_merges):
        counts = Counter(zip(parts, parts[1:]))
        pair = max(counts, key=lambda pair: (counts[pair], pair))
        i = 0
        while i < len(parts) - 1:
            if (parts[i], parts[i + 1]) == pair:
                parts[i : i + 2] = [pair[0] + pair[1]]
            i += 1
        merges.append(list(pair))
    return merges


@pytest.mark.parametrize(
    "name, answer",
    [
        ("two_merges", ("ban", "an", "a", " ", "ban", "d", "an", "a")),
        ("number_of_merges", 742.0),
        ("learn_merges", learn_in_bytes),
        ("learn_merges", lambda text, num_merges: tuple(learn(text, num_merges))),
        ("learn_merges", lambda text, num_merges: learn_in_words([text], num_merges)),
    ],
)
def test_other_ways_are_right_too(name, answer):
    assert verdict(f"byte_pair_encoding/{name}", answer) == "right"
