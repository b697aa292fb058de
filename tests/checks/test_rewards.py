"""The exercises of 05_instruction_finetuning/10_rewards."""

import re

from harness import exercise_tests


def verify(prompt, answer):
    a, b = prompt.split(" + ")
    total = str(int(a) + int(b))
    return float(answer.strip().removesuffix(".") in (total, f"{prompt} = {total}"))


def total(prompt):
    return str(sum(map(int, prompt.split(" + "))))


RIGHT = {"advantages": [1, -1, -1, 1], "verifier": verify, "hack_seen": 80, "kept_model": 60}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("advantages", "the rewards", [3, 1, 1, 3], "rewards themselves"),
    ("advantages", "signs", [-1, 1, 1, -1], "signs"),
    ("advantages", "the sample's deviation", [0.866, -0.866, -0.866, 0.866], "of these four"),
    ("advantages", "three numbers", [1, -1, 1], "four"),
    ("advantages", "a word", "high", "list of four"),
    ("advantages", "something else", [1, 0, 0, 1], "mean is 2"),
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
    ("verifier", "forgets to return", lambda p, a: None, "must be a number"),
    ("hack_seen", "too late", 100, "earlier"),
    ("hack_seen", "too early", 60, "rise together"),
    ("kept_model", "best reward", 120, "12 in 100"),
    ("kept_model", "a row later", 80, "less often"),
]

test_answers, test_tables = exercise_tests("rewards", RIGHT, WRONG)
