"""The exercises of 01_data/01_tokenization."""

import re
from collections import Counter

from harness import exercise_tests

from shared.checks import verdict


def vocab(pieces, specials, key=None, first=False, start=0):
    names = specials + sorted(set(pieces)) if first else sorted(set(pieces), key=key) + specials
    return {name: i for i, name in enumerate(names, start)}


RIGHT = {
    "count_pieces": 11,
    "build_vocab": vocab,
    "split_losslessly": lambda text: re.findall(r"\s+|\w+|[^\w\s]", text),
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("count_pieces", "spaces counted", 14, "spaces"),
    ("count_pieces", "quotes forgotten", 9, "quotes"),
    ("count_pieces", "split at spaces only", 5, "signs are pieces"),
    ("count_pieces", "a guess", 7, "too small"),
    ("build_vocab", "special tokens first", lambda p, s: vocab(p, s, first=True), "come last"),
    ("build_vocab", "starts at 1", lambda p, s: vocab(p, s, start=1), "from 0"),
    ("build_vocab", "not sorted", lambda p, s: vocab(p, s, key=lambda x: (len(x), x)), "sorted"),
    (
        "build_vocab",
        "order of appearance",
        lambda p, s: {x: i for i, x in enumerate(dict.fromkeys(p + s))},
        "sorted",
    ),
    ("build_vocab", "special tokens forgotten", lambda p, s: vocab(p, []), "missing"),
    ("build_vocab", "inverse", lambda p, s: {i: x for x, i in vocab(p, s).items()}, "swapped"),
    (
        "build_vocab",
        "gaps",
        lambda p, s: {x: i for i, x in [*enumerate(sorted(p)), *enumerate(s, len(p))]},
        "gaps",
    ),
    ("build_vocab", "special tokens sorted", lambda p, s: vocab(p, sorted(s)), "given order"),
    (
        "build_vocab",
        "written in",
        lambda p, s: vocab(p, ["<|endoftext|>", "<|unk|>"]),
        "neither a piece",
    ),
    (
        "build_vocab",
        "capitals among small letters",
        lambda p, s: vocab(p, s, key=lambda x: (x.lower(), x)),
        "sorted",
    ),
    ("build_vocab", "a list", lambda p, s: sorted(set(p)) + s, "dictionary"),
    ("split_losslessly", "white space dropped", lambda text: text.split(), "white space is lost"),
    ("split_losslessly", "single characters", list, "one run"),
    ("split_losslessly", "cut at spaces", lambda text: re.split(r"(\s+)", text), "empty piece"),
    ("split_losslessly", "whole lines", lambda text: [text], "neither white space"),
    (
        "split_losslessly",
        "signs dropped",
        lambda text: re.findall(r"\s+|\w+", text),
        "something is lost",
    ),
    (
        "split_losslessly",
        "signs as a list",
        lambda text: re.findall(r"\s+|\w+|[-,.:;?_!'\"()]", text),
        "comes back",
    ),
    (
        "split_losslessly",
        "letters a to z",
        lambda text: re.findall(r"\s+|[A-Za-z0-9_]+|.", text),
        "'café'.* one run",
    ),
    (
        "split_losslessly",
        "groups",
        lambda text: re.findall(r"(\s+)|(\w+)|(.)", text),
        "parentheses",
    ),
    ("split_losslessly", "one string", lambda text: text, "list of strings"),
]

test_answers, test_tables = exercise_tests("tokenization", RIGHT, WRONG)


def test_answers_may_not_spoil_the_examples_by_changing_them():
    def greedy(pieces, specials):
        found = vocab(pieces, specials)
        pieces.clear()
        specials.clear()
        return found

    assert verdict("tokenization/build_vocab", greedy) == "right"


def test_a_slip_inside_a_function_is_told_as_it_is():
    said = verdict("tokenization/build_vocab", lambda pieces, special_tokens: Counter(pieces)())
    assert "TypeError" in said
