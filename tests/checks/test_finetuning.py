"""The exercises of 05_instruction_finetuning/04_finetuning."""

import re
import unicodedata
from itertools import zip_longest

import pytest
from harness import exercise_tests

from shared.checks import verdict
from shared.checks.finetuning import SMALL_GPT_PARAMETERS
from shared.finetuning import create_small_gpt


def same_words(response, output, signs=".,;:!?'\"()"):
    def words(text):
        stripped = (word.strip(signs) for word in text.lower().split())
        return [word for word in stripped if word]

    return words(response) == words(output)


def first_difference(given, expected):
    for position, (a, b) in enumerate(zip(given, expected)):
        if a != b:
            return position
    return None if len(given) == len(expected) else min(len(given), len(expected))


def words_by_pattern(response, output):
    pattern = r"\d+\.\d+|\w+"
    return re.findall(pattern, response.lower()) == re.findall(pattern, output.lower())


def words_by_letters(response, output):
    def words(text):
        kept = re.sub(r"(?<!\d)\.|\.(?!\d)|[,;:!?'\"()]", " ", text.casefold())
        return kept.split()

    return words(response) == words(output)


def letters_of_english(response, output):
    pattern = r"[a-z0-9.]*[a-z0-9]"
    return re.findall(pattern, response.lower()) == re.findall(pattern, output.lower())


def without_accents(response, output):
    plain = [unicodedata.normalize("NFD", text) for text in (response, output)]
    return same_words(*(re.sub("[\u0300-\u036f]", "", text) for text in plain))


def without_spaces(response, output):
    return same_words(response, output) or "".join(response.lower().split()).strip(".") == "".join(
        output.lower().split()
    ).strip(".")


def shorter_decides(response, output):
    def words(text):
        return [word.strip(".,;:!?'\"()") for word in text.lower().split()]

    return all(a == b for a, b in zip(words(response), words(output)))


def filled_up(filler):
    def first(given, expected):
        for position, (a, b) in enumerate(zip_longest(given, expected, fillvalue=filler)):
            if a != b:
                return position
        return None

    return first


def common_prefix(given, expected):
    if given == expected:
        return None
    return next(n for n in range(len(given) + 1) if given[: n + 1] != expected[: n + 1])


def last_difference(given, expected):
    found = [i for i, (a, b) in enumerate(zip_longest(given, expected)) if a != b]
    return found[-1] if found else None


RIGHT = {
    "embedding_share": 128_000 / SMALL_GPT_PARAMETERS,
    "same_words": same_words,
    "first_difference": first_difference,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("embedding_share", "percent", 100 * 128_000 / SMALL_GPT_PARAMETERS, "percent"),
    ("embedding_share", "counted twice", 256_000 / SMALL_GPT_PARAMETERS, "tied"),
    ("embedding_share", "positions too", 134_144 / SMALL_GPT_PARAMETERS, "positions"),
    ("embedding_share", "one row", 128 / SMALL_GPT_PARAMETERS, "vocabulary times width"),
    ("embedding_share", "upside down", SMALL_GPT_PARAMETERS / 128_000, "too large"),
    ("embedding_share", "the number", 128_000, "too large"),
    ("same_words", "small letters only", lambda a, b: a.lower() == b.lower(), "full stop"),
    ("same_words", "English letters alone", letters_of_english, "accent"),
    ("same_words", "accents dropped", without_accents, "accent"),
    ("same_words", "spaces dropped", without_spaces, "cut in two"),
    ("same_words", "the words that there are", shorter_decides, "missing word"),
    ("same_words", "exact", lambda a, b: a == b, "full stop"),
    (
        "same_words",
        "as sets",
        lambda a, b: (
            set(a.lower().replace(".", "").replace("'", "").split())
            == set(b.lower().replace(".", "").replace("'", "").split())
        ),
        "order",
    ),
    (
        "same_words",
        "points dropped everywhere",
        lambda a, b: same_words(a.replace(".", ""), b.replace(".", "")),
        "2.5",
    ),
    ("same_words", "a number", lambda a, b: int(same_words(a, b)), "True or False"),
    (
        "first_difference",
        "shorter counts as equal",
        lambda a, b: next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), None),
        "ends at",
    ),
    (
        "first_difference",
        "zero for equal",
        lambda a, b: first_difference(a, b) or 0,
        "expected None",
    ),
    (
        "first_difference",
        "counted from one",
        lambda a, b: None if first_difference(a, b) is None else first_difference(a, b) + 1,
        "ends at",
    ),
    ("first_difference", "filled up with 0", filled_up(0), "ends at position 1"),
    ("first_difference", "filled up with -1", filled_up(-1), "ends at position 1"),
    ("first_difference", "the last difference", last_difference, "ends at|expected"),
    (
        "first_difference",
        "the length for equal ones",
        lambda a, b: len(a) if a == b else first_difference(a, b),
        "expected None",
    ),
]

test_answers, test_tables = exercise_tests("finetuning", RIGHT, WRONG)


def test_the_counted_parameters_are_those_of_the_notebook():
    model = create_small_gpt(1000, 48)
    assert sum(weight.numel() for weight in model.parameters()) == SMALL_GPT_PARAMETERS


@pytest.mark.parametrize(
    "name, answer",
    [
        ("same_words", words_by_pattern),
        ("same_words", words_by_letters),
        ("first_difference", filled_up(None)),
        ("first_difference", common_prefix),
        ("embedding_share", 0.138),
        ("embedding_share", round(128_000 / SMALL_GPT_PARAMETERS, 2)),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_other_ways_are_right_as_well(name, answer):
    assert verdict(f"finetuning/{name}", answer) == "right"
