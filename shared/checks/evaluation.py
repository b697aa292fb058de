"""The exercises of 05_instruction_finetuning/07_evaluation."""

from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type


@asks_for_function
def judge_forgiving_match(answer: Callable[[str, str], bool]) -> str | None:
    stop = "a full stop at the end should make no difference, on either side"
    cases = [
        ("A lion.", "A lion.", True, "equal texts match"),
        ("a LION.", "A lion.", True, "capitals should make no difference"),
        ("A lion", "A lion.", True, stop),
        ("A lion.", "A lion", True, stop),
        (" A  lion. \n", "A lion.", True, "the number of spaces should make no difference"),
        ("A lio.", "A lion.", False, "a missing letter does make a difference"),
        ("An owl.", "A lion.", False, "other words do make a difference"),
        (
            "Alion.",
            "A lion.",
            False,
            "a missing space makes one word of two; that does make a difference",
        ),
        ("", "A lion.", False, "an empty response is not right"),
        ("A lion. Or not.", "A lion.", False, "the whole response counts, not its start"),
        ("1.5 meters.", "15 meters.", False, "a point inside a number does make a difference"),
    ]
    for response, expected, right, what in cases:
        found = answer(response, expected)
        if hint := wrong_type(found, bool, "True or False"):
            return hint
        if found != right:
            return f"{response!r} for {expected!r} gave {found}: {what}"
    return None


def judge_answers_needed(answer: Any) -> str | None:
    half = "that is for a width of 0.20: 0.10 to each side; the whole width should be 0.10"
    plain = "that is the plain interval; Wilson's needs a few less"
    slips = {
        96: half,
        94: half,
        386: plain,
        385: plain,
        384: plain,
        381: "an even number, so that half of it is a number of answers",
        380: "at 380 the interval is still a little wider than 0.10",
    }
    return wrong_number(answer, 382, slips, how="raise the number until high - low <= 0.10")


def longer(entry: dict, first: str, second: str) -> str:
    """A judge without habits: the longer response wins."""
    if len(first) == len(second):
        return "tie"
    return "first" if len(first) > len(second) else "second"


@asks_for_function
def judge_fair_judge(answer: Callable[[Callable], Callable]) -> str | None:
    if not callable(answer(longer)):
        return "fair(judge) should return a judge, a function of record, first and second response"
    pairs = [("aa", "b"), ("a", "bb"), ("a", "b")]
    cases = (
        (longer, ["first", "second", "tie"], "a judge without habits should keep its verdicts"),
        (
            lambda entry, first, second: "first",
            ["tie"] * 3,
            "a judge that always says 'first' contradicts itself",
        ),
        (
            lambda entry, first, second: "second",
            ["tie"] * 3,
            "a judge that always says 'second' contradicts itself",
        ),
        (
            lambda entry, first, second: "tie" if first == "aa" else "second",
            ["tie"] * 3,
            "'tie' in one order and a winner in the other is a contradiction too",
        ),
    )
    for judge, expected, what in cases:
        found = [answer(judge)({}, first, second) for first, second in pairs]
        if found != expected:
            return f"{what}: expected {expected}, got {found}"
    return None


EXERCISES = {
    "forgiving_match": Exercise(
        judge_forgiving_match,
        "Bring both texts into one form first: lower case, single spaces, no full stop at the end.",
    ),
    "answers_needed": Exercise(
        judge_answers_needed, "wilson_interval(n // 2, n) for n = 2, 4, 6, ..."
    ),
    "fair_judge": Exercise(
        judge_fair_judge,
        "If the swapped pair gets 'first', that is a vote for the second response.",
    ),
}
