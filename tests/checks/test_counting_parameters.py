"""The exercises of 03_gpt/03_counting_parameters."""

import math
from fractions import Fraction

import pytest
from harness import exercise_tests

from shared.checks.counting_parameters import EXERCISES

BLOCK = 12 * 1024**2 + 13 * 1024
RIGHT = {"medium_block": BLOCK, "swiglu_width": lambda D: 8 * D // 3, "xl_training_bytes": 24.9}


@pytest.mark.parametrize("answer", [12_596_224, float(BLOCK), 1024 * (12 * 1024 + 13)])
def test_the_block_told_in_other_ways(answer):
    assert EXERCISES["medium_block"].judge(answer) is None


@pytest.mark.parametrize("answer", [24.9, 24.92, 16 * 1.5576112])
def test_the_bytes_told_in_other_ways(answer):
    assert EXERCISES["xl_training_bytes"].judge(answer) is None


def counted_up(D):
    h = 0
    while 3 * D * (h + 1) <= 8 * D * D:
        h += 1
    return h


@pytest.mark.parametrize(
    "answer", [lambda D: int(8 * D / 3), lambda D: math.floor(Fraction(8 * D, 3)), counted_up]
)
def test_the_width_written_in_other_ways(answer):
    assert EXERCISES["swiglu_width"].judge(answer) is None


WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("medium_block", "no qkv bias", BLOCK - 3 * 1024, "queries, keys and values"),
    ("medium_block", "no norms", BLOCK - 4 * 1024, "two layer norms"),
    ("medium_block", "no bias of the wide layer", BLOCK - 4 * 1024, "wide layer"),
    ("medium_block", "no bias on the way back", BLOCK - 1024, "way back"),
    ("medium_block", "one bias for three", BLOCK - 2 * 1024, "a bias each"),
    ("medium_block", "one norm", BLOCK - 2 * 1024, "two layer norms"),
    ("medium_block", "three matrices", BLOCK - 1024**2, "output projection is missing"),
    ("medium_block", "all blocks", 24 * BLOCK, "all 24"),
    ("medium_block", "no bias at the output", BLOCK - 1024, "output projection"),
    ("medium_block", "no feed-forward bias", BLOCK - 5 * 1024, "feed-forward network has biases"),
    ("medium_block", "matrices alone", 12 * 1024**2, "these are the matrices"),
    ("medium_block", "small", 12 * 768**2 + 13 * 768, "width 768"),
    ("swiglu_width", "our width", lambda D: 4 * D, "half as many weights again"),
    ("swiglu_width", "one matrix", lambda D: 4 * D // 3, "one of our two matrices"),
    ("swiglu_width", "width D", lambda D: 2 * D // 3, "inner width is 4 D"),
    ("swiglu_width", "with biases", lambda D: (8 * D + 5) // 3, "biases are left out"),
    ("swiglu_width", "not whole", lambda D: 8 * D / 3, "whole number"),
    ("swiglu_width", "rounded up", lambda D: -(-8 * D // 3), "rounded up"),
    ("swiglu_width", "rounded, then doubled", lambda D: 2 * (4 * D // 3), "before it was doubled"),
    ("swiglu_width", "rounded first", lambda D: D // 3 * 8, "before it was multiplied"),
    ("swiglu_width", "to the nearest", lambda D: round(8 * D / 3), "rounded up"),
    ("xl_training_bytes", "weights alone", 6.2, "weights alone"),
    ("xl_training_bytes", "no averages", 12.5, "averages are missing"),
    ("xl_training_bytes", "one average", 18.7, "two averages"),
    ("xl_training_bytes", "no gradients", 18.7, "the gradients"),
    ("xl_training_bytes", "bfloat16", 12.5, "2 bytes for each number"),
    ("xl_training_bytes", "1.5 billion", 24.0, "1.5 billion"),
    ("xl_training_bytes", "GiB", 23.2, "GiB"),
    ("xl_training_bytes", "untied", 26.2, "untied"),
    ("xl_training_bytes", "bytes", 24_921_779_200, "divide"),
]

test_answers, test_tables = exercise_tests("counting_parameters", RIGHT, WRONG)
