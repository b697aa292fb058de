"""The exercises of 05_instruction_finetuning/11_take_it_away."""

import re

from harness import exercise_tests

from shared.export import LLAMA_PARTS


def renamer(norm: str = ".scale", keep_number: bool = True):
    def our_name(theirs):
        part = theirs.removesuffix(".weight")
        number = re.search(r"\d+", part)
        backwards = {theirs: ours for ours, theirs in LLAMA_PARTS.items()}
        ours = backwards[re.sub(r"\d+", "{}", part, count=1)]
        if keep_number:
            ours = ours.format(number[0] if number else "")
        return ours + (norm if "norm" in ours else ".weight")

    return our_name


RIGHT = {"steps": [0, 7, 5, 15], "file_bytes": 647_000, "our_name": renamer()}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("steps", "no minimum", [-5, 2, 0, 10], "subtract the minimum"),
    ("steps", "sixteen", [0, 7, 5, 16], "does not fit"),
    ("steps", "not scaled", [0, 1.4, 1.0, 3.0], "divide by the scale"),
    ("steps", "not rounded", [0, 7.2, 5, 15], "whole numbers"),
    ("steps", "too large", [0, 7, 5, 20], "four bits hold 0 to 15"),
    ("steps", "a slip", [0, 8, 5, 15], "rounded, with scale"),
    ("steps", "three", [0, 7, 15], "shape"),
    ("file_bytes", "table in 4 bits", 633_000, "34 bytes a block"),
    ("file_bytes", "table twice", 667_000, "counted twice"),
    ("file_bytes", "no norms", 639_000, "norms are missing"),
    ("file_bytes", "norms of a byte", 641_000, "float32"),
    ("file_bytes", "half a byte", 501_000, "forgets scale and minimum"),
    ("file_bytes", "no scales", 524_000, "also has its scale"),
    ("file_bytes", "a guess", 5, "20 bytes a block"),
    ("our_name", "norms as weights", renamer(".weight"), "norms end in .scale"),
    ("our_name", "no number", renamer(keep_number=False), "number of the block"),
    ("our_name", "the same", lambda theirs: theirs, "expected 'trf_blocks.7.ff.up.weight'"),
    ("our_name", "a pair", lambda theirs: (theirs, 1), "must return a name"),
]

test_answers, test_tables = exercise_tests("take_it_away", RIGHT, WRONG)
