"""The exercises of 05_instruction_finetuning/01_instruction_data."""

from harness import exercise_tests

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


RIGHT = {"preamble_tokens": 37400, "find_leaks": find_leaks, "format_chatml": chatml}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("preamble_tokens", "one epoch", 18700, "two"),
    ("preamble_tokens", "all records", 44000, "training part"),
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
    ("find_leaks", "a count", lambda a, b: len(find_leaks(a, b)), "list"),
    ("find_leaks", "called", [], "function itself"),
    ("format_chatml", "no check", lambda e: chatml(e, strict=False), "check_fields"),
    (
        "format_chatml",
        "line break for an empty input",
        lambda e: chatml(e, empty="\n"),
        "no line break",
    ),
    ("format_chatml", "no end mark", lambda e: chatml(e, end=""), "expected"),
]

test_answers, test_tables = exercise_tests("instruction_data", RIGHT, WRONG)
