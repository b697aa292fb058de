"""The exercises of 04_pretraining/09_open_a_real_model."""

import struct

import numpy as np
import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict
from shared.gguf_weights import unpack_q4_1


def unpack_block(block):
    scale, minimum = struct.unpack("<ee", block[:4])
    low = [byte & 15 for byte in block[4:]]
    high = [byte >> 4 for byte in block[4:]]
    return [minimum + scale * q for q in low + high]


def halves_to_pairs(weight, n_heads):
    rows = weight.view(n_heads, 2, -1, weight.size(1))
    return rows.transpose(1, 2).reshape(weight.shape)


def by_index(weight, n_heads):
    K = len(weight) // n_heads
    order = [h * K + i // 2 + i % 2 * K // 2 for h in range(n_heads) for i in range(K)]
    return weight[order]


def with_numbers(change):
    """`unpack_block` with a slip: change(scale, minimum, low, high) returns the numbers."""

    def slipped(block):
        scale, minimum = struct.unpack("<ee", block[:4])
        return change(
            scale,
            minimum,
            np.array([byte & 15 for byte in block[4:]]),
            np.array([byte >> 4 for byte in block[4:]]),
        )

    return slipped


def both(low, high):
    return np.concatenate([low, high])


RIGHT = {"bits": 6.0, "unpack_block": unpack_block, "halves_to_pairs": halves_to_pairs}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("bits", "the numbers alone", 5, "scale and the minimum take room"),
    ("bits", "no minimum", 5.5, "has both"),
    ("bits", "a whole block", 192, "divide by its 32"),
    ("bits", "bytes of a block", 24, "bytes of a block"),
    ("bits", "bytes a number", 0.75, "a byte has 8 bits"),
    ("bits", "four bytes each", 7, "not 32"),
    ("bits", "for each number", 37, "once for 32 numbers"),
    ("bits", "a guess", 9, "too large"),
    ("unpack_block", "a number", lambda b: 3.0, "has shape"),
    ("unpack_block", "half of them", lambda b: unpack_block(b)[:16], "has shape"),
    (
        "unpack_block",
        "high first",
        with_numbers(lambda s, m, low, high: both(high, low) * s + m),
        "low half bytes come first",
    ),
    (
        "unpack_block",
        "neighbours",
        with_numbers(lambda s, m, low, high: np.stack([low, high], 1).ravel() * s + m),
        "no neighbours",
    ),
    ("unpack_block", "packed", with_numbers(lambda s, m, low, high: both(low, high)), "multiply"),
    (
        "unpack_block",
        "no minimum",
        with_numbers(lambda s, m, low, high: both(low, high) * s),
        "minimum is missing",
    ),
    (
        "unpack_block",
        "no scale",
        with_numbers(lambda s, m, low, high: both(low, high) + m),
        "scale is missing",
    ),
    (
        "unpack_block",
        "scale and minimum swapped",
        with_numbers(lambda s, m, low, high: both(low, high) * m + s),
        "first two bytes are the scale",
    ),
    (
        "unpack_block",
        "the minimum scaled too",
        with_numbers(lambda s, m, low, high: (both(low, high) + m) * s),
        "scale first",
    ),
    ("unpack_block", "other numbers", lambda b: [0.5] * 32, "not those of the block"),
    ("halves_to_pairs", "nothing done", lambda w, n: w, "as before"),
    (
        "halves_to_pairs",
        "the same way again",
        lambda w, n: w.view(n, -1, 2, w.size(1)).transpose(1, 2).reshape(w.shape),
        "pairs_to_halves once more",
    ),
    ("halves_to_pairs", "all heads at once", lambda w, n: halves_to_pairs(w, 1), "by itself"),
    ("halves_to_pairs", "turned around", lambda w, n: w.flip(0), "does not give back"),
    ("halves_to_pairs", "not put together", lambda w, n: w.view(n, 2, -1, w.size(1)), "shape"),
]

test_answers, test_tables = exercise_tests("open_a_real_model", RIGHT, WRONG)


@pytest.mark.parametrize(
    "name, answer",
    [
        ("bits", 6),
        ("bits", (32 * 5 + 32) / 32),
        ("unpack_block", lambda b: unpack_q4_1(np.frombuffer(b, np.uint8)[None])[0]),
        ("unpack_block", lambda b: torch.tensor(unpack_block(b))),
        ("halves_to_pairs", by_index),
    ],
)
def test_right_answers_written_differently(name, answer):
    assert verdict(f"open_a_real_model/{name}", answer) == "right"
