"""The exercises of 01_data/01_tokenization."""

import math
import random
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type
from shared.checks.judging_pairs import wrong_counts


def judge_pair_chance(answer: Any) -> str | None:
    slips = {
        1 / 4: "that is 1 of 4: the tenth that is added to each count is missing",
        3.1 / 4.2: "that is the chance of a after a",
        1.1 / 4: "the count of b grew by a tenth, and so did that of a: the sum grows too",
        1.1 / 4.1: "the sum grows by a tenth for each of the two characters, not once",
        1 / 4.2: "the sum is right; the count of b above it grows by a tenth too",
        0.35: "a tenth is added to the count, not to the chance",
        1.1 / 3.1: "divide by the sum of both counts, not by the count of a",
        1.1 / 3: "divide by the sum of both counts, not by the count of a",
        1 / 3: "divide by the sum of both counts, and add a tenth to each count",
        3 / 4: "that is the chance of a after a, without the tenths",
        math.log(1.1 / 4.2): "that is its logarithm: here the chance itself is asked for",
        math.log(4.2 / 1.1): "that is the surprise: here the chance itself is asked for",
        1.1: "that is the count with its tenth: divide it by the sum of both",
    }
    how = "divide what belongs to b by the sum of what belongs to a and b"
    return wrong_number(answer, 1.1 / 4.2, slips, 0.01, how)


@asks_for_function
def judge_count_after(count: Callable[[str, int], Mapping[str, Mapping[str, int]]]) -> str | None:
    rng = random.Random(0)
    examples = [
        ("banana", 1),
        ("banana", 2),
        ("aaaa", 2),
        ("abcabd", 3),
        ("\n\n a\n\n b", 2),
        ("Aa aA", 1),
    ]
    examples += [("".join(rng.choices("abA c\n", k=30)), rng.randint(1, 4)) for _ in range(50)]
    for text, length in examples:
        found = count(text, length)
        what = "a dictionary from stretch to counts"
        if hint := wrong_type(found, Mapping, what) or wrong_counts(found, text, length):
            return f"for the text {text!r} and length {length}: {hint}"
    return None


def judge_count_pieces(answer: Any) -> str | None:
    slips = {
        15: "15 counts the four spaces too: split_words drops them",
        19: "19 counts the spaces and the empty strings too: split_words drops both",
        9: "9 leaves out the double quotes: each of the two is a piece",
        12: "12 counts the double hyphen twice: it is one piece",
        6: "6 counts the words alone: punctuation marks are pieces too",
        5: "5 counts only what stands between spaces: punctuation marks are pieces too",
    }
    how = "each word and each punctuation mark is a piece, and nothing else is"
    return wrong_number(answer, 11, slips, how=how)


@asks_for_function
def judge_build_vocab(build: Callable[[list[str], list[str]], dict[str, int]]) -> str | None:
    rng = random.Random(0)
    examples = (
        (1, ["<|unk|>"]),
        (5, ["<|unk|>", "<|endoftext|>"]),
        (60, ["<|endoftext|>", "<|unk|>"]),
    )
    for size, specials in examples:
        pieces = [rng.choice("abcdeABCDE,!") * rng.randint(1, 3) for _ in range(size)]
        found = build(list(pieces), list(specials))
        if hint := wrong_type(found, dict, "a dictionary") or wrong_vocab(found, pieces, specials):
            return hint
    return None


def wrong_vocab(found: dict, pieces: list[str], specials: list[str]) -> str | None:
    """What is wrong with the ids given to pieces and special tokens, if anything."""
    distinct = sorted(set(pieces))
    if found and all(isinstance(key, int) for key in found):
        return "keys and values are swapped: the pieces are the keys, the ids the values"
    if missing := {*distinct, *specials} - set(found):
        return (
            f"for the pieces {pieces[:5]} and the special tokens {specials} the key "
            f"{min(missing)!r} is missing"
        )
    if surplus := set(found) - {*distinct, *specials}:
        return (
            f"a key is neither a piece nor a special token of this call: {min(surplus, key=str)!r}"
        )
    if len(set(found.values())) < len(found):
        return f"two keys have the same id: the ids are {list(found.values())[-8:]}"
    if sorted(found.values()) != list(range(len(found))):
        return (
            f"the ids must run from 0 to {len(found) - 1} without gaps, but are "
            f"{sorted(found.values())[:8]}"
        )
    if [found[name] for name in specials] != list(range(len(distinct), len(found))):
        return "the special tokens come last, in the given order"
    if [found[piece] for piece in distinct] != list(range(len(distinct))):
        return "the pieces are not numbered in the order in which sorted() puts them"
    return None


def random_text(rng: random.Random, length: int = 40) -> str:
    """Letters, digits, punctuation marks and white space, drawn one by one."""
    return "".join(rng.choice("abcXYZ019_é .,;!?-£[\n\t'") for _ in range(length))


@asks_for_function
def judge_split_losslessly(split: Callable[[str], list[str]]) -> str | None:
    rng = random.Random(0)
    short = ["a b", "  two  spaces ", "one--two", "£3 [sic]", "café", "my_name", "one \n two"]
    for text in [*short, *(random_text(rng) for _ in range(200))]:
        found = split(text)
        if isinstance(found, str) or not isinstance(found, Iterable):
            return wrong_type(found, list, "a list of strings")
        if hint := wrong_pieces(text, list(found)):
            return hint
    return None


def wrong_pieces(text: str, pieces: list) -> str | None:
    """What is wrong with the pieces of a text, if anything."""
    if not all(isinstance(piece, str) for piece in pieces):
        return (
            f"each piece is a string, not {pieces[0]!r} (findall gives tuples if the pattern "
            "holds parentheses)"
        )
    if "" in pieces:
        return f"{text!r} gives an empty piece"
    joined = "".join(pieces)
    if joined != text:
        lost = "white space" if re.sub(r"\s", "", text) == joined else "something"
        return f"{lost} is lost: {text!r} comes back as {joined!r}"
    for piece in pieces:
        if not re.fullmatch(r"\s+|\w+|[^\w\s]", piece):
            return (
                f"in {text!r} the piece {piece!r} is neither white space, nor a word, nor one "
                "single other character"
            )
    for left, right in zip(pieces, pieces[1:]):
        if re.fullmatch(r"\s+|\w+", left + right):
            return (
                f"in {text!r} the pieces {left!r} and {right!r} are one run: runs are as long "
                "as possible"
            )
    return None


EXERCISES = {
    "pair_chance": Exercise(
        judge_pair_chance,
        "With the tenths the counts are 3.1 for a and 1.1 for b.",
        "The chance is one of the two counts, divided by their sum.",
    ),
    "count_after": Exercise(
        judge_count_after,
        "The character at place i follows the stretch text[i - length : i].",
        "defaultdict(Counter) makes an empty Counter for each new key; places run from length on.",
    ),
    "count_pieces": Exercise(
        judge_count_pieces,
        "Read from left to right and write each piece down: the first is a double quote.",
        "Punctuation marks: two quotes, one double hyphen, one question mark, one full stop.",
    ),
    "build_vocab": Exercise(
        judge_build_vocab,
        "sorted(set(pieces)) is a list, and special_tokens is a list: lists can be added.",
        "enumerate gives (0, first), (1, second), ...; a dictionary comprehension swaps them.",
    ),
    "split_losslessly": Exercise(
        judge_split_losslessly,
        "re.findall takes alternatives, parted by |, and returns all matches in order.",
        r"Three alternatives: \s+ and \w+ and one character that is neither: [^\w\s].",
    ),
}
