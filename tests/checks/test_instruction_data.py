"""The exercises of 05_instruction_finetuning/01_instruction_data."""

import re

import pytest
from harness import exercise_tests

from shared.checks import verdict
from shared.instructions import check_fields


def find_leaks(train, other, key=None):
    def normal(entry):
        return tuple(
            "".join(c for c in entry[f].lower() if c.isalnum()) for f in ("instruction", "input")
        )

    key = key or normal
    seen = {key(entry) for entry in train}
    return [entry for entry in other if key(entry) in seen]


def chatml(entry, end="<|im_end|>", strict=True, empty=""):
    if strict:
        check_fields(entry)
    text = f"\n{entry['input']}" if entry["input"] else empty
    return f"<|im_start|>user\n{entry['instruction']}{text}{end}"


def by_text(normal):
    """An answer that compares pairs of texts in the form that `normal` gives them."""
    return lambda a, b: find_leaks(a, b, lambda e: (normal(e["instruction"]), normal(e["input"])))


def letters(text):
    return "".join(filter(str.isalnum, text.lower()))


def by_loop(train, other):
    found = []
    for entry in other:
        for known in train:
            if all(letters(entry[f]) == letters(known[f]) for f in ("instruction", "input")):
                found.append(entry)
                break
    return found


def inside(train, other):
    known = [letters(e["instruction"]) + "|" + letters(e["input"]) for e in train]
    return [
        e
        for e in other
        if any(
            (letters(e["instruction"]) + "|" + letters(e["input"])).rstrip("|") in k for k in known
        )
        or e in find_leaks(train, other)
    ]


def once(train, other):
    found = find_leaks(train, other)
    return [e for i, e in enumerate(found) if e not in found[:i]]


def sorted_words(text):
    return sorted(re.findall(r"\w+", text.lower()))


RIGHT = {"preamble_tokens": 37400, "find_leaks": find_leaks, "format_chatml": chatml}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("preamble_tokens", "one epoch", 18700, "two"),
    ("preamble_tokens", "all records", 44000, "training part"),
    ("preamble_tokens", "all records, one epoch", 22000, "training part"),
    ("preamble_tokens", "one record", 40, "one record"),
    ("preamble_tokens", "characters", 935 * 2 * 106, "too large"),
    ("preamble_tokens", "training and test", 1045 * 40, "too large"),
    (
        "find_leaks",
        "exact comparison",
        lambda a, b: find_leaks(a, b, lambda e: (e["instruction"], e["input"])),
        "capitals",
    ),
    (
        "find_leaks",
        "instruction only",
        lambda a, b: find_leaks(
            a, b, lambda e: "".join(filter(str.isalnum, e["instruction"].lower()))
        ),
        "the input counts too",
    ),
    (
        "find_leaks",
        "outputs compared",
        lambda a, b: find_leaks(a, b, lambda e: e["output"]),
        "three training records",
    ),
    (
        "find_leaks",
        "prompt or output",
        lambda a, b: [
            e for e in b if e in find_leaks(a, b) or e["output"] in {t["output"] for t in a[:1]}
        ],
        "answer",
    ),
    ("find_leaks", "a to z only", by_text(lambda t: re.sub("[^a-z0-9]", "", t.lower())), "accent"),
    (
        "find_leaks",
        "accents dropped after lower",
        by_text(lambda t: letters(t.encode("ascii", "ignore").decode())),
        "accent",
    ),
    (
        "find_leaks",
        "digits dropped",
        by_text(lambda t: "".join(filter(str.isalpha, t.lower()))),
        "digits count|5 records came back",
    ),
    (
        "find_leaks",
        "joined",
        lambda a, b: find_leaks(a, b, lambda e: letters(e["instruction"] + e["input"])),
        "joined",
    ),
    (
        "find_leaks",
        "sets of words",
        by_text(lambda t: frozenset(sorted_words(t))),
        "order of the words",
    ),
    ("find_leaks", "a part is enough", inside, "a part of a prompt"),
    ("find_leaks", "capitals stay", by_text(lambda t: "".join(filter(str.isalnum, t))), "capitals"),
    ("find_leaks", "only spaces", by_text(lambda t: "".join(t.lower().split())), "capitals"),
    ("find_leaks", "each once", once, "twice"),
    (
        "find_leaks",
        "places",
        lambda a, b: [b.index(e) for e in find_leaks(a, b)],
        "three training records|records",
    ),
    ("find_leaks", "the wrong way round", lambda a, b: find_leaks(b, a), "in capitals"),
    ("find_leaks", "a count", lambda a, b: len(find_leaks(a, b)), "list"),
    ("find_leaks", "called", [], "function itself"),
    ("format_chatml", "no check", lambda e: chatml(e, strict=False), "check_fields"),
    (
        "format_chatml",
        "line break for an empty input",
        lambda e: chatml(e, empty="\n"),
        "no line break",
    ),
    (
        "format_chatml",
        "a line break before the end",
        lambda e: chatml(e, end="\n<|im_end|>"),
        "no line break",
    ),
    (
        "format_chatml",
        "the assistant too",
        lambda e: chatml(e) + "\n<|im_start|>assistant\n",
        "expected",
    ),
    (
        "format_chatml",
        "a space for the line break",
        lambda e: chatml(e).replace(e["instruction"] + "\n", e["instruction"] + " "),
        "stay as they are|with an input",
    ),
    (
        "format_chatml",
        "stripped",
        lambda e: chatml({f: text.strip() for f, text in e.items()}),
        "stay as they are",
    ),
    (
        "format_chatml",
        "spaces are no input",
        lambda e: chatml({**e, "input": e["input"] if e["input"].strip() else ""}),
        "stay as they are",
    ),
    (
        "format_chatml",
        "another error",
        lambda e: chatml(e) if len(e) == 3 else int("no record"),
        "call check_fields first",
    ),
    ("format_chatml", "no end mark", lambda e: chatml(e, end=""), "expected"),
]

test_answers, test_tables = exercise_tests("instruction_data", RIGHT, WRONG)


@pytest.mark.parametrize(
    "answer",
    [by_loop, by_text(lambda t: re.sub(r"[\W_]", "", t.lower())), by_text(lambda t: letters(t))],
    ids=["two loops", "a pattern", "a pair of texts"],
)
def test_other_right_ways_to_find_leaks(answer):
    assert verdict("instruction_data/find_leaks", answer) == "right"


@pytest.mark.parametrize(
    "answer",
    [
        lambda e: check_fields(e) or "\n".join(
            ["<|im_start|>user", e["instruction"], *([e["input"]] if e["input"] else [])]
        ) + "<|im_end|>",
        lambda e: check_fields(e) or (
            "<|im_start|>user\n" + e["instruction"] + ("\n" + e["input"]) * bool(e["input"])
            + "<|im_end|>"
        ),
    ],
    ids=["joined lines", "a sum"],
)  # fmt: skip
def test_other_right_ways_to_format(answer):
    assert verdict("instruction_data/format_chatml", answer) == "right"
