"""The exercises of 05_instruction_finetuning/07_evaluation."""

from harness import exercise_tests


def forgiving(response, expected):
    normal = [
        " ".join(text.lower().split()).removesuffix(".").rstrip() for text in (response, expected)
    ]
    return normal[0] == normal[1]


def fair(judge):
    def both(entry, first, second):
        opposite = {"first": "second", "second": "first", "tie": "tie"}[judge(entry, second, first)]
        return opposite if judge(entry, first, second) == opposite else "tie"

    return both


def unfair_tie(judge):
    """Takes a tie in one order for no objection."""

    def both(entry, first, second):
        verdict = judge(entry, first, second)
        opposite = {"first": "second", "second": "first", "tie": "tie"}[judge(entry, second, first)]
        return verdict if opposite in (verdict, "tie") else opposite if verdict == "tie" else "tie"

    return both


RIGHT = {"forgiving_match": forgiving, "answers_needed": 382, "fair_judge": fair}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("forgiving_match", "exact", lambda a, b: a.strip() == b.strip(), "capitals"),
    (
        "forgiving_match",
        "capitals only",
        lambda a, b: a.lower().strip() == b.lower().strip(),
        "full stop",
    ),
    (
        "forgiving_match",
        "no spaces",
        lambda a, b: (
            "".join(a.lower().split()).rstrip(".") == "".join(b.lower().split()).rstrip(".")
        ),
        "missing space",
    ),
    (
        "forgiving_match",
        "no signs at all",
        lambda a, b: (
            "".join(c for c in a.lower() if c.isalnum() or c.isspace()).split()
            == "".join(c for c in b.lower() if c.isalnum() or c.isspace()).split()
        ),
        "point inside a number",
    ),
    (
        "forgiving_match",
        "contained",
        lambda a, b: b.lower().rstrip(".") in " ".join(a.lower().split()),
        "full stop|whole response",
    ),
    ("answers_needed", "half the width", 96, "0.20"),
    ("answers_needed", "plain interval", 385, "plain interval"),
    ("answers_needed", "two too few", 380, "wider"),
    ("fair_judge", "the judge itself", lambda judge: judge, "always says 'first'"),
    ("fair_judge", "always a tie", lambda judge: lambda *_: "tie", "keep its verdicts"),
    ("fair_judge", "a tie is no objection", unfair_tie, "contradiction too"),
    ("fair_judge", "a verdict", lambda judge: "tie", "should return a judge"),
]

test_answers, test_tables = exercise_tests("evaluation", RIGHT, WRONG)
