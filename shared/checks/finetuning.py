"""The exercises of 05_instruction_finetuning/04_finetuning."""

import random
from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type

SMALL_GPT_PARAMETERS = 925_952


def judge_embedding_share(answer: Any) -> str | None:
    share = 128 / SMALL_GPT_PARAMETERS  # of one row of an embedding
    slips = {
        100 * 1000 * share: "as a share between 0 and 1, not in percent",
        (1000 + 48) * share: "token embeddings only: the positions have a matrix of their own",
        2 * 1000 * share: "embedding and head are tied: one matrix, counted once",
    }
    how = "vocabulary times width, over all parameters"
    return wrong_number(answer, 1000 * share, slips, tolerance=0.02, how=how)


@asks_for_function
def judge_same_words(answer: Callable[[str, str], bool]) -> str | None:
    lima = "The capital city of Peru is Lima."
    cases = [
        ("The capital city of Peru is Lima", lima, True, "a missing full stop"),
        ("the capital city of peru is lima.", lima, True, "small letters"),
        ("  As  white as\nsnow. ", "As white as snow.", True, "other white space"),
        (
            "An antonym of hot is cold.",
            "An antonym of 'hot' is 'cold'.",
            True,
            "missing quotation marks",
        ),
        ("The capital city of Peru is Quito.", lima, False, "another city"),
        ("snow as white as", "As white as snow", False, "the words in another order"),
        ("As white as", "As white as snow.", False, "a missing word"),
        ("As white as snow, snow.", "As white as snow.", False, "a repeated word"),
        (
            "25 feet is equal to 30 inches.",
            "2.5 feet is equal to 30 inches.",
            False,
            "25 in place of 2.5",
        ),
        ("2 5 feet", "2.5 feet", False, "'2 5' in place of 2.5"),
        ("ZOË left", "Zoë left.", True, "a capital letter with an accent"),
        ("Zo left.", "Zoë left.", False, "a missing letter with an accent"),
        ("Zoe left.", "Zoë left.", False, "another letter, without the accent"),
        ("Every one left.", "Everyone left.", False, "a word cut in two"),
        ("Yes.", "", False, "an answer where none was wanted"),
        ("", "Yes.", False, "an empty answer"),
    ]
    for response, output, expected, what in cases:
        given = answer(response, output)
        if hint := wrong_type(given, bool, "True or False"):
            return hint
        if given != expected:
            should = "the same" if expected else "different"
            return f"{what} should count as {should}: {response!r} and {output!r}"
    return None


@asks_for_function
def judge_first_difference(answer: Callable[[list[int], list[int]], int | None]) -> str | None:
    rng = random.Random(3)
    cases = [
        ([1, 2, 3], [1, 2, 3]),
        ([1, 2], [1, 2, 3]),
        ([1, 2, 3], [1, 2]),
        ([], [5]),
        ([5], [5, 0]),
        ([5, 0], [5]),
        ([5], [5, -1]),
        ([], []),
        ([9], [5]),
    ]
    for _ in range(60):
        one, other = (rng.choices([1, 2], k=rng.randint(0, 6)) for _ in range(2))
        cases.append((one, other))
    for given, expected in cases:
        result = answer(list(given), list(expected))
        if given == expected:
            if result is not None:
                return f"{given} and {expected} are equal: expected None, got {result!r}"
            continue
        pairs = [*zip(given, expected)]
        right = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
        hint = wrong_number(result, right, how="positions count from 0")
        if hint and right == len(pairs):
            return (
                f"of {given} and {expected} one ends at position {right}: there they differ; "
                f"got {result!r}"
            )
        if hint:
            return f"for {given} and {expected} expected {right}: {hint}"
    return None


EXERCISES = {
    "embedding_share": Exercise(
        judge_embedding_share,
        "1,000 tokens, width 128; the number of all parameters is printed where the model is made.",
    ),
    "same_words": Exercise(
        judge_same_words,
        "text.lower().split() cuts at any white space.",
        "word.strip(\".,'\") takes signs off a word's ends and leaves the point inside 2.5.",
    ),
    "first_difference": Exercise(
        judge_first_difference,
        "Go through zip(given, expected) with enumerate; then compare the lengths.",
    ),
}
