"""The report on a data set counts what it says, on parts made for it."""

import pytest

from shared.record_report import exact_prompt, prompt_words, report_records


def record(instruction, text="", output="x"):
    return {"instruction": instruction, "input": text, "output": output}


TRAINING = [
    record("Add 2 and 3."), record("Add 3 and 2!"), record("Add 2 and 3.", output="y"),
    record("Say it.", "cold"), record("Wait."),
]  # fmt: skip
TEST = [record("Wait."), record("wait"), record("Say it.", "hot"), record("it say", "cold")]


def length(entry):
    return 10 * len(entry["instruction"].split())


def test_every_line_of_the_report():
    reports = report_records({"training": TRAINING, "test": TEST}, length, context_length=20)
    assert reports["training"] == {
        "records": 5, "with an input": 1, "shortest text (tokens)": 10, "median": 40,
        "longest": 40, "will be cut": 3, "same prompt again": 1, "same words again": 2,
    }  # fmt: skip
    assert reports["test"] == {
        "records": 4, "with an input": 2, "shortest text (tokens)": 10, "median": 20,
        "longest": 20, "will be cut": 0, "same prompt again": 0, "same prompt in training": 1,
        "same words again": 1, "same words in training": 3,
    }  # fmt: skip


def test_a_text_as_long_as_the_context_is_not_cut():
    for context, cut in ((10, 0), (9, 1)):
        report = report_records({"training": [record("Wait.")]}, length, context)
        assert report["training"]["will be cut"] == cut


@pytest.mark.parametrize(
    "one, other, near",
    [
        (record("Add 2 and 3."), record("add 3 AND 2"), True),
        (record("Say", "hot"), record("hot say"), True),
        (record("Add 2."), record("Add 3."), False),
        (record("Où?"), record("O?"), False),
        (record("ÉCRIS"), record("écris"), True),
        (record("?"), record("!"), False),  # texts without a word are not all alike
        (record("😀"), record("😡"), False),
    ],
)
def test_near_duplicates_have_the_same_words(one, other, near):
    assert (prompt_words(one) == prompt_words(other)) == near


def test_outer_spaces_make_no_other_prompt_and_the_input_counts():
    assert exact_prompt(record(" Say. ")) == exact_prompt(record("Say."))
    assert exact_prompt(record("Say.", "a")) != exact_prompt(record("Say."))
