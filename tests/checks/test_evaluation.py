"""The exercises of 05_instruction_finetuning/07_evaluation."""

import difflib
import re
import unicodedata

import pytest
from harness import exercise_tests

from shared.checks import ATTEMPTS, verdict
from shared.evaluation import wilson_interval

OPPOSITE = {"first": "second", "second": "first", "tie": "tie"}


def words(text):
    """Lower case, single spaces, without the full stop: most answers begin so."""
    return " ".join(text.lower().split()).removesuffix(".").rstrip()


def same(change):
    """The match of two texts after a change."""
    return lambda response, expected: change(response) == change(expected)


def without_signs(text, put=""):
    return " ".join(re.sub(r"[^\w\s]", put, text.lower()).split())


def without_accents(text):
    return unicodedata.normalize("NFKD", words(text)).encode("ascii", "ignore")


def on_both(decide):
    """A judge that asks in both orders and decides by the verdict and the turned one."""
    return lambda judge: lambda e, a, b: decide(judge(e, a, b), OPPOSITE[judge(e, b, a)])


def width(n):
    low, high = wilson_interval(n // 2, n)
    return high - low


def without_record(judge):
    return fair(lambda entry, first, second: judge({}, first, second))


def swapped_unturned(judge):
    return lambda e, a, b: judge(e, a, b) if judge(e, a, b) == judge(e, b, a) else "tie"


fair = on_both(lambda verdict, turned: verdict if verdict == turned else "tie")
RIGHT = {"forgiving_match": same(words), "answers_needed": 382, "fair_judge": fair}
ALSO_RIGHT = [
    ("forgiving_match", same(lambda text: re.sub(r"\s*\.\s*$", "", text.lower()).split())),
    ("forgiving_match", same(lambda text: text.casefold().strip().rstrip(".").split())),
    ("answers_needed", next(n for n in range(2, 999, 2) if width(n) <= 0.1)),
    (
        "fair_judge",
        on_both(lambda verdict, turned: {verdict, turned}.pop() if verdict == turned else "tie"),
    ),
    (
        "fair_judge",
        lambda judge: (
            lambda e, a, b: next(
                (
                    v
                    for v in ("first", "second")
                    if judge(e, a, b) == v and judge(e, b, a) == OPPOSITE[v]
                ),
                "tie",
            )
        ),
    ),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("forgiving_match", "exact", same(str.strip), "capitals"),
    ("forgiving_match", "capitals only", same(lambda text: text.lower().strip()), "full stop"),
    (
        "forgiving_match",
        "no spaces",
        same(lambda text: words(text).replace(" ", "")),
        "missing space",
    ),
    ("forgiving_match", "signs dropped", same(without_signs), "point inside a number"),
    (
        "forgiving_match",
        "signs as spaces",
        same(lambda text: without_signs(text, " ")),
        "point inside a number",
    ),
    (
        "forgiving_match",
        "all stops dropped",
        same(lambda text: words(text).replace(".", "")),
        "point inside a number",
    ),
    (
        "forgiving_match",
        "letters and digits",
        same(lambda text: re.findall(r"[\w.]+(?<!\.)", text.lower())),
        "sign before|question mark|comma",
    ),
    (
        "forgiving_match",
        "the last sign dropped",
        same(lambda text: words(text).rstrip(".?!")),
        "question mark",
    ),
    ("forgiving_match", "accents dropped", same(without_accents), "accent"),
    (
        "forgiving_match",
        "only a-z lowered",
        same(
            lambda text: re.sub(
                "[A-Z]", lambda m: m[0].lower(), " ".join(text.split()).removesuffix(".")
            )
        ),
        "any letter",
    ),
    (
        "forgiving_match",
        "any order",
        same(lambda text: sorted(words(text).replace(",", " ,").split())),
        "order",
    ),
    (
        "forgiving_match",
        "a set of words",
        same(lambda text: set(words(text).replace(",", " ,").split())),
        "order",
    ),
    (
        "forgiving_match",
        "spaces, not line breaks",
        same(lambda text: re.sub(" +", " ", text.lower()).strip().removesuffix(".")),
        "line break",
    ),
    (
        "forgiving_match",
        "nearly equal",
        lambda a, b: difflib.SequenceMatcher(None, words(a), words(b)).ratio() > 0.8,
        "missing letter",
    ),
    ("forgiving_match", "contained", lambda a, b: words(b) in words(a), "whole response"),
    (
        "forgiving_match",
        "a pattern",
        lambda a, b: re.fullmatch(words(b), words(a)) is not None,
        "point inside",
    ),
    ("forgiving_match", "the response alone", lambda a, b: words(a) == b.lower(), "equal texts"),
    ("answers_needed", "half the width", 96, "0.20"),
    ("answers_needed", "plain interval", 385, "plain interval"),
    ("answers_needed", "two too few", 380, "wider"),
    ("answers_needed", "not even", 381, "even number"),
    ("answers_needed", "90%", 268, "90%"),
    ("answers_needed", "99%", 658, "99%"),
    ("answers_needed", "the right ones", 191, "half of it"),
    ("answers_needed", "half a width of 0.10", 1534, "too large"),
    ("fair_judge", "the judge itself", lambda judge: judge, "'first' in both orders"),
    ("fair_judge", "always a tie", lambda judge: lambda *_: "tie", "verdict stands"),
    ("fair_judge", "a verdict", lambda judge: "tie", "should return a judge"),
    ("fair_judge", "not turned", swapped_unturned, "verdict stands|contradicts itself"),
    (
        "fair_judge",
        "a tie is no objection",
        on_both(lambda v, t: v if t in (v, "tie") else t if v == "tie" else "tie"),
        "contradiction too",
    ),
    (
        "fair_judge",
        "a tie first is no objection",
        on_both(lambda v, t: t if v in (t, "tie") else "tie"),
        "contradiction too",
    ),
    (
        "fair_judge",
        "a tie then is no objection",
        on_both(lambda v, t: v if t in (v, "tie") else "tie"),
        "contradiction too",
    ),
    (
        "fair_judge",
        "only against the first",
        on_both(lambda v, t: "tie" if v == "first" != t else v),
        "'second' in both orders",
    ),
    (
        "fair_judge",
        "only against the second",
        on_both(lambda v, t: "tie" if v == "second" != t else v),
        "'first' in both orders",
    ),
    ("fair_judge", "the second order alone", on_both(lambda v, t: t), "in both orders"),
    ("fair_judge", "without the record", without_record, "given the record"),
]

test_answers, test_tables = exercise_tests("evaluation", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", ALSO_RIGHT)
def test_other_right_answers(name, answer):
    ATTEMPTS.clear()
    assert verdict(f"evaluation/{name}", answer) == "right"
