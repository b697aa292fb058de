"""The exercises of 01_data/01_tokenization."""

import math
import re
from collections import Counter, defaultdict

from harness import exercise_tests

from shared.checks import verdict
from shared.checks.judging_pairs import counts_after


def vocab(pieces, specials, key=None, first=False, start=0):
    names = specials + sorted(set(pieces)) if first else sorted(set(pieces), key=key) + specials
    return {name: i for i, name in enumerate(names, start)}


def count_after(text, length, start=0, end=0, step=1):
    found = defaultdict(Counter)
    for i in range(start, len(text) - length + end, step):
        found[text[i : i + length]][text[i + length : i + length + 1]] += 1
    return found


def stretches_after(text, length):
    found = defaultdict(Counter)
    for i in range(len(text) - length):
        found[text[i : i + length]][text[i + length : i + 2 * length]] += 1
    return found


def shorter_after(text, length):
    return {t[:length]: Counter(t[length]) for t in (text[i:] for i in range(len(text) - length))}


def count_by_keys(text, length):
    """The same, written with plain dictionaries and findable places."""
    starts = range(len(text) - length)
    found = {text[i : i + length]: {} for i in starts}
    for i in starts:
        counts = found[text[i : i + length]]
        counts[text[i + length]] = counts.get(text[i + length], 0) + 1
    return found


def count_by_zip(text, length):
    stretches = ["".join(parts) for parts in zip(*(text[k:] for k in range(length)))]
    found = {stretch: Counter() for stretch in stretches}
    for stretch, following in zip(stretches, text[length:]):
        found[stretch][following] += 1
    return found


RIGHT = {
    "pair_chance": 1.1 / 4.2,
    "count_after": count_after,
    "count_pieces": 11,
    "build_vocab": vocab,
    "split_losslessly": lambda text: re.findall(r"\s+|\w+|[^\w\s]", text),
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("pair_chance", "no tenth", 0.25, "tenth .* missing"),
    ("pair_chance", "the other character", 3.1 / 4.2, "chance of a after a"),
    ("pair_chance", "the sum left as it was", 1.1 / 4, "sum grows too"),
    ("pair_chance", "one tenth in the sum", 1.1 / 4.1, "not once"),
    ("pair_chance", "tenth only in the sum", 1 / 4.2, "above it"),
    ("pair_chance", "tenth on the chance", 0.35, "not to the chance"),
    ("pair_chance", "b against a", 1.1 / 3.1, "sum of both counts"),
    ("pair_chance", "the surprise", math.log(4.2 / 1.1), "surprise"),
    ("pair_chance", "b against a, no tenth", 1.1 / 3, "sum of both counts"),
    ("pair_chance", "counts against each other", 1 / 3, "add a tenth to each"),
    ("pair_chance", "a, no tenth", 3 / 4, "chance of a after a, without"),
    ("pair_chance", "the logarithm", math.log(1.1 / 4.2), "its logarithm"),
    ("pair_chance", "the count", 1.1, "divide it"),
    ("pair_chance", "a guess", 0.5, "too large: divide"),
    ("pair_chance", "as percent", 26.19, "too large"),
    ("count_after", "the end counted", lambda t, n: count_after(t, n, end=1), "nothing follows"),
    ("count_after", "stops early", lambda t, n: count_after(t, n, end=-1), "missing|come"),
    ("count_after", "starts late", lambda t, n: count_after(t, n, start=1), "missing|come"),
    ("count_after", "no overlap", lambda t, n: count_after(t, n, step=n), "overlap"),
    ("count_after", "pairs only", lambda t, n: count_after(t, 1), "1 characters instead of 2"),
    (
        "count_after",
        "str.count, which does not overlap",
        lambda t, n: {
            k: {c: t.count(k + c) for c in set(t)}
            for k in {t[i : i + n] for i in range(len(t) - n)}
        },
        "str.count leaves out",
    ),
    (
        "count_after",
        "tuples",
        lambda t, n: {(a, b): 1 for a, b in zip(t, t[1:])},
        "stretch of text",
    ),
    (
        "count_after",
        "lists of characters",
        lambda t, n: {k: list(v) for k, v in count_after(t, n).items()},
        "must be counts",
    ),
    (
        "count_after",
        "each once",
        lambda t, n: {k: dict.fromkeys(v, 1) for k, v in count_after(t, n).items()},
        "grows by 1",
    ),
    (
        "count_after",
        "what stands before",
        lambda t, n: {k[::-1]: v for k, v in count_after(t[::-1], n).items()},
        "before each stretch",
    ),
    (
        "count_after",
        "stretches after stretches",
        lambda t, n: stretches_after(t, n),
        "single characters",
    ),
    (
        "count_after",
        "the stretch's own count",
        lambda t, n: Counter(t[i : i + n] for i in range(len(t) - n)),
        "must be counts",
    ),
    ("count_after", "the last replaces the others", shorter_after, "grows by 1"),
    (
        "count_after",
        "line breaks dropped",
        lambda t, n: counts_after(t.replace("\n", ""), n),
        "is a character like",
    ),
    (
        "count_after",
        "chances",
        lambda t, n: {
            k: {c: x / sum(v.values()) for c, x in v.items()} for k, v in counts_after(t, n).items()
        },
        "whole numbers",
    ),
    (
        "count_after",
        "a tenth added",
        lambda t, n: {k: {c: x + 0.1 for c, x in v.items()} for k, v in counts_after(t, n).items()},
        "whole numbers",
    ),
    ("count_after", "capitals made small", lambda text, n: counts_after(text.lower(), n), "'A' is"),
    ("count_pieces", "spaces counted", 15, "spaces"),
    ("count_pieces", "empty strings counted", 19, "empty strings"),
    ("count_pieces", "quotes forgotten", 9, "quotes"),
    ("count_pieces", "split at spaces only", 5, "punctuation marks are pieces"),
    ("count_pieces", "words alone", 6, "punctuation marks are pieces"),
    ("count_pieces", "a guess", 7, "too small: each word"),
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
    (
        "build_vocab",
        "special tokens numbered from 0",
        lambda p, s: vocab(p, []) | {x: i for i, x in enumerate(s)},
        "the same id",
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
        "marks dropped",
        lambda text: re.findall(r"\s+|\w+", text),
        "something is lost",
    ),
    (
        "split_losslessly",
        "marks as a list",
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


def test_counts_may_be_written_in_other_ways():
    for count in (count_by_keys, count_by_zip):
        assert verdict("tokenization/count_after", count) == "right", count.__name__
    for chance in (0.26, 0.262, 0.2619, 11 / 42):
        assert verdict("tokenization/pair_chance", chance) == "right", chance


def test_vocabularies_and_pieces_may_be_made_in_other_ways():
    def numbered(pieces, specials):
        found = {}
        for name in [*sorted(set(pieces)), *specials]:
            found[name] = len(found)
        return found

    def zipped(pieces, specials):
        names = sorted({*pieces}) + list(specials)
        return dict(zip(names, range(len(names))))

    for build in (numbered, zipped):
        assert verdict("tokenization/build_vocab", build) == "right", build.__name__

    def parted(text):
        return [piece for piece in re.split(r"(\s+|[^\w\s])", text) if piece]

    def found_one_by_one(text):
        return (match.group() for match in re.finditer(r"\w+|\s+|.", text))

    for split in (parted, found_one_by_one, lambda text: re.findall(r"(\s+|\w+|[^\w\s])", text)):
        assert verdict("tokenization/split_losslessly", split) == "right"
