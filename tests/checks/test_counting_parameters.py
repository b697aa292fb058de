"""The exercises of 03_gpt/03_counting_parameters."""

from harness import exercise_tests

RIGHT = {
    "medium_block": 12 * 1024**2 + 13 * 1024,
    "xl_training_bytes": 24.9,
    "swiglu_width": lambda D: 8 * D // 3,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("medium_block", "no qkv bias", 12 * 1024**2 + 10 * 1024, "queries, keys and values"),
    ("medium_block", "no norms", 12 * 1024**2 + 9 * 1024, "layer norms are missing"),
    ("medium_block", "all blocks", 24 * (12 * 1024**2 + 13 * 1024), "all 24"),
    ("xl_training_bytes", "weights alone", 6.2, "weights alone"),
    ("xl_training_bytes", "one average", 18.7, "two averages"),
    ("swiglu_width", "our width", lambda D: 4 * D, "half as many weights again"),
    ("swiglu_width", "not whole", lambda D: 8 * D / 3, "whole number"),
    ("swiglu_width", "rounded up", lambda D: -(-8 * D // 3), "rounded up"),
]

test_answers, test_tables = exercise_tests("counting_parameters", RIGHT, WRONG)
