"""The exercises of 05_instruction_finetuning/01_instruction_data."""

import random
from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, wrong_number, wrong_type
from shared.instructions import check_fields, split_records
from shared.kit.corpora import load_instruction_data


def judge_preamble_tokens(answer: Any) -> str | None:
    tokens = 20
    records = 935
    slips = {
        tokens * records: "that is one epoch; there are two",
        tokens * 1100 * 2: "only the training part is read in training, not all 1,100 records",
        tokens * 1100: "only the training part is read in training, and for two epochs",
        tokens * 2: "that is one record in two epochs; count all training records",
    }
    how = "preamble tokens a record, times training records, times epochs"
    return wrong_number(answer, tokens * records * 2, slips, how=how)


def prompt(instruction: str, text: str) -> dict[str, str]:
    """A record of which only the prompt matters."""
    return {"instruction": instruction, "input": text, "output": f"to {instruction!r}, {text!r}"}


# two prompts that are not one, and what is said where they were called one
DIFFERENT = [
    (
        ("Où habites-tu?", ""),
        ("O habites-tu?", ""),
        "a letter with an accent is a letter: str.isalnum keeps it, a pattern of a to z does not",
    ),
    (("Add 2 and 3.", ""), ("Add 4 and 5.", ""), "digits count: these are two different sums"),
    (
        ("Spell the word", "backwards"),
        ("Spell the", "word backwards"),
        "instruction and input were joined before they were compared: keep them apart, as a pair",
    ),
    (
        ("Is Rome in Italy?", ""),
        ("Is Italy in Rome?", ""),
        "the order of the words counts: these are two questions",
    ),
    (("Say no.", ""), ("Say no to it.", ""), "a part of a prompt is not the prompt"),
    (("Say no to it.", ""), ("Say no.", ""), "a part of a prompt is not the prompt"),
]


@asks_for_function
def judge_find_leaks(answer: Callable[[list[dict], list[dict]], list[dict]]) -> str | None:
    train, val, test = split_records(load_instruction_data())
    rng = random.Random(5)
    shouted = [
        {**entry, "instruction": entry["instruction"].upper() + " !"}
        for entry in rng.sample(train, 5)
    ]
    moved = [
        {**entry, "input": entry["input"].replace(" ", "  ")} for entry in rng.sample(train, 5)
    ]
    with_input = next(entry for entry in train if entry["input"])
    swapped = {**with_input, "input": "Nobody knows.", "output": "So it is."}
    exact = answer(train, val[:10] + train[:3])
    if hint := wrong_type(exact, list, "a list of records"):
        return hint
    if swapped in answer(train, [swapped]):
        return (
            "a record with a known instruction but a new input was called a leak: the input "
            "counts too"
        )
    if exact != train[:3]:
        return (
            "three training records among ten others should be found, in order; "
            f"{len(exact)} records came back"
        )
    for one, other, hint in DIFFERENT:
        if answer([prompt(*one)], [prompt(*other)]):
            return hint
    if answer(train, shouted) != shouted:
        return "a prompt in capitals, with another sign at its end, is still the same prompt"
    if answer(train, moved) != moved:
        return "a second space in the input does not make a new prompt"
    accented = prompt("ÉCRIS: où?", "Ça")
    if answer([prompt("écris : où !", "ça")], [accented]) != [accented]:
        return "capitals with accents are made small, too: str.lower does it"
    twice = [train[1], train[0], train[1]]
    if answer(train, twice) != twice:
        return (
            "each record that leaks is listed, in the order of `other`, even one that comes twice"
        )
    known_answer = {**test[0], "output": train[0]["output"]}
    if not isinstance(exact[0], dict):
        return f"the records themselves are asked for, not {type(exact[0]).__name__}"
    if answer(train, [known_answer]):
        return "only the prompts are compared; an answer that is known is no leak here"
    return None


@asks_for_function
def judge_format_chatml(answer: Callable[[dict[str, str]], str]) -> str | None:
    plain = {"instruction": "Add 2 and 3.", "input": "", "output": "5"}
    full = {"instruction": "Say it in one word.", "input": "very cold", "output": "icy"}
    given = answer(plain)
    if given == "<|im_start|>user\nAdd 2 and 3.\n<|im_end|>":
        return "without an input there is no line break before <|im_end|>"
    expected = "<|im_start|>user\nAdd 2 and 3.<|im_end|>"
    if given != expected:
        return f"for an instruction alone expected {expected!r}, got {given!r}"
    many = {"instruction": " Sum up:\n", "input": " ", "output": "x"}
    if (given_many := answer(many)) != "<|im_start|>user\n Sum up:\n\n <|im_end|>":
        return (
            "the texts stay as they are, with their spaces and line breaks, and an input of one "
            f"space is not empty; got {given_many!r}"
        )
    expected = "<|im_start|>user\nSay it in one word.\nvery cold<|im_end|>"
    given = answer(full)
    if given != expected:
        return f"with an input expected {expected!r}, got {given!r}"
    for field in full:
        broken = {name: text for name, text in full.items() if name != field}
        error = error_of(answer, broken)
        if error is None:
            return f"a record without {field!r} went through: call check_fields first"
        if repr(error) != repr(error_of(check_fields, broken)):
            return (
                f"a record without {field!r} raised {type(error).__name__}: {error}; call "
                "check_fields first"
            )
    return None


def error_of(function: Callable[[dict], Any], record: dict) -> Exception | None:
    """What a function raises for a record, if anything."""
    try:
        function(record)
    except Exception as error:
        return error
    return None


EXERCISES = {
    "preamble_tokens": Exercise(
        judge_preamble_tokens,
        "The cell under 'What the layout costs' prints the tokens of one preamble.",
        "20 tokens, 935 records, 2 epochs.",
    ),
    "find_leaks": Exercise(
        judge_find_leaks,
        "Write an inner function first: record -> its prompt in normal form, a pair of two texts.",
        "str.isalnum says whether a character is a letter or a digit.",
    ),
    "format_chatml": Exercise(
        judge_format_chatml, "Start from format_input_phi3: the shape is the same."
    ),
}
