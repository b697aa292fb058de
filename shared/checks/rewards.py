"""The exercises of 05_instruction_finetuning/10_rewards."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, kind, wrong_number


def judge_advantages(answer: Any) -> str | None:
    if isinstance(answer, Tensor):  # also as group_advantages gives them, (1, 4)
        answer = answer.flatten().tolist()
    try:
        found = [float(value) for value in answer]
    except (TypeError, ValueError):
        return f"a list of four numbers is asked for, this is {kind(answer)}"
    if len(found) != 4:
        return f"four answers have four advantages, these are {len(found)}"
    if not all(math.isfinite(value) for value in found):
        return "not all of these are finite: the standard deviation is not 0 here"
    slips = {
        (3.0, 1.0, 1.0, 3.0): "these are the rewards themselves; subtract their mean, 2",
        (-1.0, 1.0, 1.0, -1.0): "the signs are turned: a reward above the mean has a positive one",
        (2.0, 0.0, 0.0, 2.0): "subtract the mean of the group, not its smallest reward",
        (1.0, 0.33, 0.33, 1.0): "subtract the mean; divide by the standard deviation",
        (1.5, 0.5, 0.5, 1.5): "subtract the mean, 2, instead of dividing by it",
        (0.5, -0.5, -0.5, 0.5): "divide by the standard deviation, 1, not by the range",
    }
    rounded = tuple(round(value, 2) for value in found)
    if rounded in slips:
        return slips[rounded]
    if rounded == (0.87, -0.87, -0.87, 0.87):
        return "divide by the standard deviation of these four (the mean of the squares is 1)"
    if not all(abs(value - right) < 0.01 for value, right in zip(found, (1, -1, -1, 1))):
        return "the mean is 2; each reward is 1 away from it; divide by the standard deviation"
    return None


@asks_for_function
def judge_verifier(answer: Callable[[str, str], float]) -> str | None:
    cases = [
        ("12 + 7", "19", 1, "the number alone is right"),
        ("12 + 7", "19.", 1, "a full stop at the end should make no difference"),
        ("12 + 7", " 19 \n", 1, "outer spaces should make no difference"),
        ("12 + 7", "12 + 7 = 19", 1, "the whole equation is right"),
        ("12 + 7", "12 + 7 = 19.", 1, "the whole equation with a full stop is right"),
        ("3 + 4", "7", 1, "another sum: compute it from the prompt"),
        ("12 + 7", "18", 0, "the sum is another"),
        ("12 + 7", "", 0, "an empty answer is not right"),
        ("12 + 7", "190", 0, "19 only begins this number"),
        ("12 + 7", "119", 0, "19 only ends this number"),
        ("12 + 7", "19 20", 0, "two guesses are not an answer"),
        ("12 + 7", "18 19", 0, "two guesses are not an answer"),
        ("12 + 7", "1 9", 0, "a space inside makes two numbers"),
        ("12 + 7", "-19", 0, "the sign counts"),
        ("12 + 7", "11 + 8 = 19", 0, "that is the equation of another prompt"),
        ("12 + 7", "12 + 7 = 18", 0, "the equation must be true"),
        ("12 + 7", "12 + 7", 0, "the prompt, repeated, is not its answer"),
        ("12 + 7", "12 + 7 =", 0, "the number is missing"),
        ("12 + 7", "7 + 12 = 19", 0, "that is true, but another equation than the prompt's"),
        ("12 + 7", "12 + 7 = 119", 0, "19 only ends this number"),
        ("12 + 7", "12 + 7 = 18 or 19", 0, "two guesses are not an answer"),
        ("12 + 7", "19..", 0, "one full stop is allowed, not two"),
        ("12 + 7", ".19", 0, "a full stop is allowed at the end alone"),
        ("12 + 7", "019", 0, "int() reads more than the number alone: compare texts"),
        ("12 + 7", "19.0", 0, "float() reads more than the number alone: compare texts"),
    ]
    for prompt, text, right, what in cases:
        found = answer(prompt, text)
        if not isinstance(found, (bool, int, float)):
            return f"the reward of {text!r} is {found!r}: it must be a number, 1.0 or 0.0"
        if found != right:
            return f"verify({prompt!r}, {text!r}) gave {found}, not {right}: {what}"
    return None


def judge_hack_seen(answer: Any) -> str | None:
    late = "it can be seen earlier: compare the row with the one before it"
    slips = {
        60: "up to here reward and held-out score rise together",
        100: late,
        120: late,
        4: "the step is asked for, not the number of the row",
        3: "the step is asked for, not the number of the row",
        0.71: "that is the reward at this step: the step is asked for",
        0.51: "that is the score at this step: the step is asked for",
    }
    return wrong_number(answer, 80, slips, how="look where reward and right part")


def judge_kept_model(answer: Any) -> str | None:
    slips = {
        120: "it has the best reward, and answers 12 in 100 questions",
        80: "its reward is higher, but it is right less often than the one before",
        100: "its reward is high, but it is right less often than earlier ones",
        3: "the step is asked for, not the number of the row",
        2: "the step is asked for, not the number of the row",
        0.55: "that is its score: the step is asked for",
    }
    return wrong_number(answer, 60, slips, how="the best score that is not the reward")


EXERCISES = {
    "advantages": Exercise(
        judge_advantages, "Mean 2; differences 1, -1, -1, 1; their standard deviation is 1."
    ),
    "verifier": Exercise(
        judge_verifier,
        "a, b = prompt.split(' + '); build the texts that are allowed, and compare with them.",
    ),
    "hack_seen": Exercise(judge_hack_seen, "The reward rises on; which column turns first?"),
    "kept_model": Exercise(judge_kept_model, "The row with the largest share of right answers."),
}
