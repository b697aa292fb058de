"""The exercises of 05_instruction_finetuning/10_rewards."""

import re

import pytest
import torch
from harness import exercise_tests

from shared.checks.rewards import EXERCISES
from shared.rewards import group_advantages


def verify(prompt, answer):
    a, b = prompt.split(" + ")
    total = str(int(a) + int(b))
    return float(answer.strip().removesuffix(".") in (total, f"{prompt} = {total}"))


def total(prompt):
    return str(sum(map(int, prompt.split(" + "))))


def whole(prompt):
    return total(prompt), f"{prompt} = {total(prompt)}"


def stop_off(answer):
    return answer.strip().removesuffix(".")


def as_int(text):
    try:
        return int(text)
    except ValueError:
        return None


def true_equation(text):
    found = re.fullmatch(r"(\d+) \+ (\d+) = (\d+)", text)
    return found is not None and int(found[1]) + int(found[2]) == int(found[3])


def by_pattern(prompt, answer):
    """Another right way: a pattern over the whole answer."""
    return re.fullmatch(rf"\s*({re.escape(prompt)} = )?{total(prompt)}\.?\s*", answer) is not None


def by_list(prompt, answer):
    """And a third: all texts that are allowed."""
    ends = [total(prompt), f"{prompt} = {total(prompt)}"]
    return 1 if answer.strip() in [*ends, *(f"{end}." for end in ends)] else 0


RIGHT = {"advantages": [1, -1, -1, 1], "verifier": verify, "hack_seen": 80, "kept_model": 60}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("advantages", "the rewards", [3, 1, 1, 3], "rewards themselves"),
    ("advantages", "signs", [-1, 1, 1, -1], "signs"),
    ("advantages", "the sample's deviation", [0.866, -0.866, -0.866, 0.866], "of these four"),
    ("advantages", "three numbers", [1, -1, 1], "four"),
    ("advantages", "a word", "high", "list of four"),
    ("advantages", "something else", [1, 0, 0, 1], "mean is 2"),
    ("advantages", "all nan", [float("nan")] * 4, "finite"),
    ("advantages", "one infinite", [1, -1, -1, float("inf")], "finite"),
    ("advantages", "divided by the mean", [1.5, 0.5, 0.5, 1.5], "instead of dividing"),
    ("advantages", "divided by the range", [0.5, -0.5, -0.5, 0.5], "not by the range"),
    ("advantages", "above the smallest", [2, 0, 0, 2], "not its smallest"),
    ("verifier", "contained", lambda p, a: float(total(p) in a), "190|119|begins"),
    ("verifier", "starts", lambda p, a: float(a.strip().startswith(total(p))), "equation|begins"),
    (
        "verifier",
        "last number",
        lambda p, a: float((re.findall(r"\d+", a) or [""])[-1] == total(p)),
        "guesses|sign",
    ),
    ("verifier", "exact only", lambda p, a: float(a == total(p)), "full stop"),
    ("verifier", "one sum only", lambda p, a: float("19" in a), "another sum"),
    ("verifier", "all is right", lambda p, a: 1.0, "sum is another"),
    (
        "verifier",
        "whole number",
        lambda p, a: float(stop_off(a) in whole(p) or as_int(stop_off(a)) == int(total(p))),
        "int",
    ),
    ("verifier", "any stops", lambda p, a: float(a.strip(" .\n") in whole(p)), "not two"),
    ("verifier", "both ends", lambda p, a: float(a.strip().rstrip(".") in whole(p)), "not two"),
    (
        "verifier",
        "prompt first, number last",
        lambda p, a: float(
            stop_off(a) == total(p) or (a.startswith(p) and stop_off(a).endswith(total(p)))
        ),
        "ends this number",
    ),
    (
        "verifier",
        "the same numbers",
        lambda p, a: float(
            stop_off(a) == total(p)
            or sorted(re.findall(r"\S+", stop_off(a))) == sorted([*p.split(), "=", total(p)])
        ),
        "another equation",
    ),
    (
        "verifier",
        "a true equation",
        lambda p, a: float(stop_off(a) == total(p) or true_equation(stop_off(a))),
        "another prompt",
    ),
    ("verifier", "no spaces", lambda p, a: float(stop_off(a).replace(" ", "") == total(p)), "equ"),
    ("verifier", "forgets to return", lambda p, a: None, "must be a number"),
    ("hack_seen", "too late", 100, "earlier"),
    ("hack_seen", "too early", 60, "rise together"),
    ("hack_seen", "the last", 120, "earlier"),
    ("hack_seen", "the first", 20, "part"),
    ("hack_seen", "the row", 4, "number of the row"),
    ("hack_seen", "the row, from 0", 3, "number of the row"),
    ("hack_seen", "the reward", 0.71, "step is asked"),
    ("hack_seen", "the score", 0.51, "step is asked"),
    ("kept_model", "best reward", 120, "12 in 100"),
    ("kept_model", "a row later", 80, "less often"),
    ("kept_model", "high reward", 100, "less often"),
    ("kept_model", "an early one", 20, "best score"),
    ("kept_model", "the row", 3, "number of the row"),
    ("kept_model", "the row, from 0", 2, "number of the row"),
    ("kept_model", "the score", 0.55, "step is asked"),
]

test_answers, test_tables = exercise_tests("rewards", RIGHT, WRONG)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("advantages", group_advantages(torch.tensor([[3.0, 1.0, 1.0, 3.0]]))),
        ("advantages", torch.tensor([1.0, -1.0, -1.0, 1.0])),
        ("advantages", (1, -1, -1, 1)),
        ("verifier", by_pattern),
        ("verifier", by_list),
    ],
)
def test_other_right_answers(name, answer):
    assert EXERCISES[name].judge(answer) is None
