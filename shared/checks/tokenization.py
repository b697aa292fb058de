"""The exercises of 01_data/01_tokenization."""

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type


def judge_count_pieces(answer: Any) -> str | None:
    slips = {
        14: "14 counts the three spaces too: split_words drops them",
        9: "9 leaves out the double quotes: each of the two is a piece",
        12: "12 counts the double hyphen twice: it is one piece",
        5: "5 counts only what stands between spaces: signs are pieces of their own",
    }
    return wrong_number(answer, 11, slips)


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
    """Letters, digits, signs and white space, drawn one by one."""
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
                "single sign"
            )
    for left, right in zip(pieces, pieces[1:]):
        if re.fullmatch(r"\s+|\w+", left + right):
            return (
                f"in {text!r} the pieces {left!r} and {right!r} are one run: runs are as long "
                "as possible"
            )
    return None


EXERCISES = {
    "count_pieces": Exercise(
        judge_count_pieces,
        "Read from left to right and write each piece down: the first is a double quote.",
        "Signs: two quotes, one double hyphen, one question mark, one full stop.",
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
