"""The exercises of 05_instruction_finetuning/07_evaluation."""

import itertools
from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, kind, wrong_number, wrong_type


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
        ("2 5 meters.", "2.5 meters.", False, "a point inside a number does make a difference"),
        ("It is 8.", "It is 7.", False, "another number does make a difference"),
        ("It is -7.", "It is 7.", False, "a sign before a number does make a difference"),
        ("Is it a lion?", "Is it a lion.", False, "a question mark is no full stop"),
        ("A lion, an owl.", "A lion an owl.", False, "a comma does make a difference"),
        ("An owl, a lion.", "A lion, an owl.", False, "the order of the words counts"),
        ("Malaga.", "Málaga.", False, "a letter without its accent is another letter"),
        ("MÁLAGA.", "Málaga", True, "capitals should make no difference, on any letter"),
        ("A\n lion.", "A lion.", True, "a line break is a space as well"),
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
    other = "that is for a confidence of {}%; the exercise asks for 95%"
    slips = {
        96: half,
        94: half,
        92: half,
        386: plain,
        385: plain,
        384: plain,
        270: other.format(90),
        268: other.format(90),
        660: other.format(99),
        658: other.format(99),
        191: "that is half of it, the right answers; how many answers are there?",
        381: "an even number, so that half of it is a number of answers",
        380: "at 380 the interval is still a little wider than 0.10",
    }
    return wrong_number(answer, 382, slips, how="raise the number until high - low <= 0.10")


OPPOSITE = {"first": "second", "second": "first", "tie": "tie"}


def told_judge(verdict: str, swapped: str, asked: list) -> Callable[[dict, str, str], str]:
    """A judge that gives one verdict on ("a", "b") and another on ("b", "a"); notes its records."""

    def judge(entry: dict, first: str, second: str) -> str:
        asked.append(entry)
        return {("a", "b"): verdict, ("b", "a"): swapped}.get((first, second), "tie")

    return judge


def why_not(verdict: str, swapped: str) -> str:
    """What a fair judge makes of two verdicts, in words."""
    if OPPOSITE[verdict] == swapped:
        return "the two orders agree, so the verdict stands"
    if verdict == swapped:
        return f"a judge that says {verdict!r} in both orders contradicts itself"
    return "'tie' in one order and a winner in the other is a contradiction too"


@asks_for_function
def judge_fair_judge(answer: Callable[[Callable], Callable]) -> str | None:
    if not callable(answer(told_judge("tie", "tie", []))):
        return "fair(judge) should return a judge, a function of record, first and second response"
    for verdict, swapped in itertools.product(OPPOSITE, repeat=2):
        asked: list[dict] = []
        record = {"instruction": f"{verdict} and {swapped}"}
        expected = verdict if OPPOSITE[verdict] == swapped else "tie"
        found = answer(told_judge(verdict, swapped, asked))(record, "a", "b")
        if found != expected:
            return (
                f"{why_not(verdict, swapped)}: the judge said {verdict!r}, and {swapped!r} of the "
                f"swapped pair; expected {expected!r}, got {kind(found)}"
            )
        if any(entry != record for entry in asked):
            return f"the judge should be given the record, it got {kind(asked[0])}"
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
