"""How records that the reader wrote are judged: by what a model answers before and after."""

from collections.abc import Callable, Sequence
from typing import Any

from shared.checks.judging import kind

Record = dict[str, str]
Ask = Callable[[Sequence[Record]], list[str]]
FIELDS = ("instruction", "input", "output")


def wrong_records(records: Any) -> str | None:
    """A hint unless these are ten different records with their fields and several answers."""
    if not isinstance(records, (list, tuple)):
        return f"the records must be a list, this is {kind(records)}"
    for number, record in enumerate(records, start=1):
        if not isinstance(record, dict):
            return f"record {number} must be a dictionary, this is {kind(record)}"
        for field in FIELDS:
            if not isinstance(record.get(field), str):
                return f"record {number} needs a text as {field!r}, found {record.get(field)!r}"
        for field in ("instruction", "output"):
            if not record[field].strip():
                return f"the {field} of record {number} is empty"
    prompts = {(record["instruction"].strip(), record["input"].strip()) for record in records}
    if len(prompts) < len(records):
        return "two records ask the same: a prompt can have one answer only"
    if len(records) < 10:
        return f"{len(records)} records are too few: write ten"
    if len({record["output"].strip() for record in records}) < 5:
        return (
            "nearly all outputs are the same, so that a model need not read the prompt: vary them"
        )
    return None


def wrong_answers(answers: Any, count: int, name: str) -> str | None:
    """A hint unless `answers` is a list of so many texts."""
    if not isinstance(answers, (list, tuple)) or not all(isinstance(a, str) for a in answers):
        return f"{name} must return a list of texts, got {kind(answers)}"
    if len(answers) != count:
        return f"{name} returned {len(answers)} answers to {count} records"
    return None


def judge_ten_records(answer: Any) -> str | None:
    """Judge (records, before, after), the two being functions from records to a model's answers."""
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        return f"expected (records, before, after), this is {kind(answer)}"
    records, before, after = answer
    if hint := wrong_records(records):
        return hint
    asked = [{**record, "output": ""} for record in records]  # what to answer is not told
    right = {}
    for name, ask in (("before", before), ("after", after)):
        if not callable(ask):
            return f"{name} must be a function that answers a list of records, this is {kind(ask)}"
        answers = ask(asked)
        if hint := wrong_answers(answers, len(records), name):
            return hint
        right[name] = [a.strip() == r["output"].strip() for a, r in zip(answers, records)]
    if sum(right["before"]) > 2:
        return (
            f"{sum(right['before'])} of {len(records)} answers are right before the training:"
            " is `before` the model that was not trained, and is the task new to it?"
        )
    if sum(right["after"]) < 0.8 * len(records):
        wrong = right["after"].index(False)
        return (
            f"{sum(right['after'])} of {len(records)} answers are right after the training;"
            f" wanted for record {wrong + 1} was {records[wrong]['output']!r}, answered"
            f" {answers[wrong]!r}: train for more epochs"
        )
    if list(after(asked[::-1])) != list(answers)[::-1]:
        return "asked in another order, `after` answers differently: it must read each prompt"
    return None
