"""The exercises of 05_instruction_finetuning/04_finetuning."""

from harness import exercise_tests

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


RIGHT = {
    "embedding_share": 128_000 / SMALL_GPT_PARAMETERS,
    "same_words": same_words,
    "first_difference": first_difference,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("embedding_share", "percent", 100 * 128_000 / SMALL_GPT_PARAMETERS, "percent"),
    ("embedding_share", "counted twice", 256_000 / SMALL_GPT_PARAMETERS, "tied"),
    ("embedding_share", "positions too", 134_144 / SMALL_GPT_PARAMETERS, "positions"),
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
]

test_answers, test_tables = exercise_tests("finetuning", RIGHT, WRONG)


def test_the_counted_parameters_are_those_of_the_notebook():
    model = create_small_gpt(1000, 48)
    assert sum(weight.numel() for weight in model.parameters()) == SMALL_GPT_PARAMETERS
