"""Judges.

Written from 05_instruction_finetuning/07_evaluation: change it there.
"""

import re
from collections.abc import Callable, Sequence

from shared.evaluation import exact_match


def exact_judge(entry: dict[str, str], first: str, second: str) -> str:
    """Prefers the response that is exactly the record's answer; "tie" if both or neither are."""
    first_is_right = exact_match(first, entry)
    second_is_right = exact_match(second, entry)
    if first_is_right == second_is_right:
        return "tie"
    return "first" if first_is_right else "second"


def both_verdicts(judge: Callable[[dict[str, str], str, str], str], entry: dict[str, str], a: str,
                  b: str) -> tuple[str, str]:
    """A judge's verdict on (a, b), and on (b, a). Raises ValueError for what is no verdict."""
    verdicts = (judge(entry, a, b), judge(entry, b, a))
    if not set(verdicts) <= {"first", "second", "tie", "none"}:
        raise ValueError(f"the judge said {verdicts}: it must say 'first', 'second', 'tie', or "
                         "'none' for no verdict")
    return verdicts


def compare_pairwise(judge: Callable[[dict[str, str], str, str], str],
                     records: Sequence[dict[str, str]], a: Sequence[str],
                     b: Sequence[str]) -> dict[str, int]:
    """How often a judge prefers model a's or b's response, asked in both orders.

    "unsure" counts verdicts that changed with the order, "none" pairs with an order in which the
    judge gave no verdict.
    """
    winners = {("first", "second"): "a", ("second", "first"): "b", ("tie", "tie"): "tie"}
    counts = {"a": 0, "b": 0, "tie": 0, "unsure": 0, "none": 0}
    for entry, response_a, response_b in zip(records, a, b, strict=True):
        verdicts = both_verdicts(judge, entry, response_a, response_b)
        counts[winners.get(verdicts, "none" if "none" in verdicts else "unsure")] += 1
    return counts


def read_verdict(reply: str) -> str:
    """The last of "first", "second" and "tie" that a reply names; "none" if it names none."""
    named = re.findall(r"\b(first|second|tie)\b", reply.lower())
    if not named:
        return "none"
    return named[-1]


JUDGE_PROMPT = """Which response answers the instruction better? \
Say only "first", "second" or "tie".

Instruction: {instruction} {input}
Reference answer: {output}
First response: {first}
Second response: {second}
Verdict:"""


def model_judge(ask: Callable[[str], str],
                prompt: str = JUDGE_PROMPT) -> Callable[[dict[str, str], str, str], str]:
    """A judge that puts a prompt to a language model and reads the verdict in its reply.

    `ask` sends a prompt and returns the reply; the prompt's blanks are the record's three fields,
    `first` and `second`.
    """
    def judge(entry: dict[str, str], first: str, second: str) -> str:
        return read_verdict(ask(prompt.format(**entry, first=first, second=second)))

    return judge


def calibrate_judge(judge: Callable[[dict[str, str], str, str], str],
                    records: Sequence[dict[str, str]], right: Sequence[str],
                    wrong: Sequence[str]) -> dict[str, int]:
    """What a judge says of pairs whose winner is known, each shown in both orders.

    Counts pairs: "right" or "wrong" won twice, "first" or "second" place won twice, a "tie" in at
    least one order, or "none", no verdict in at least one.
    """
    meanings = {("first", "second"): "right", ("second", "first"): "wrong",
                ("first", "first"): "first", ("second", "second"): "second"}
    counts = {"right": 0, "wrong": 0, "first": 0, "second": 0, "tie": 0, "none": 0}
    for entry, good, bad in zip(records, right, wrong, strict=True):
        verdicts = both_verdicts(judge, entry, good, bad)
        counts[meanings.get(verdicts, "none" if "none" in verdicts else "tie")] += 1
    return counts


# Written by `python -m shared.kit.course copy`: eb98b434c9e1
