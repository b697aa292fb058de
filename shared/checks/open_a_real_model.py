"""The exercises of 04_pretraining/09_open_a_real_model."""

import struct
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, draw, wrong_list, wrong_number, wrong_tensor

BLOCK = struct.pack("<ee", 0.25, -1.5) + bytes(range(7, 7 + 16 * 13, 13))


def judge_bits(answer: Any) -> str | None:
    slips = {
        5.0: "that is the packed number alone: the scale and the minimum take room too",
        5.5: "that is with one of scale and minimum: this packing has both",
        5 + 8 / 32: "scale and minimum have 16 bits each, and not 4",
        192.0: "that is a whole block: divide by its 32 numbers",
        24.0: "that is the bytes of a block: take bits, and divide by its 32 numbers",
        0.75: "that is bytes a number: a byte has 8 bits",
        5 + 32.0: "scale and minimum are there once for 32 numbers, and not for each",
        7.0: "scale and minimum have 16 bits each, and not 32",
    }
    how = "all bits of a block, those of scale and minimum too, over its 32 numbers"
    return wrong_number(answer, 6.0, slips, tolerance=1e-6, how=how)


def unpacked(block: bytes, swapped: bool = False, neighbours: bool = False) -> Tensor:
    """The 32 numbers of a block of Q4_1, rightly or with a slip: (32,)."""
    scale, minimum = struct.unpack("<ee", block[:4])
    low, high = [byte & 15 for byte in block[4:]], [byte >> 4 for byte in block[4:]]
    whole = high + low if swapped else low + high
    if neighbours:
        whole = [number for pair in zip(low, high) for number in pair]
    return torch.tensor(whole) * scale + minimum


@asks_for_function
def judge_unpack_block(answer: Callable[[bytes], Any]) -> str | None:
    for block in (BLOCK, struct.pack("<ee", 2.0, 10.0) + bytes(range(255, 255 - 16, -1))):
        found = answer(block)
        if hint := wrong_list(found, (32,), "the result"):
            return hint
        scale, minimum = struct.unpack("<ee", block[:4])
        right = unpacked(block)
        whole = (right - minimum) / scale
        slips = [
            (unpacked(block, swapped=True), "the low half bytes come first, the high ones after"),
            (
                unpacked(block, neighbours=True),
                "the two halves of a byte are no neighbours: the 16 low ones are the block's "
                "first half",
            ),
            (whole, "these are the packed numbers: multiply by the scale, add the minimum"),
            (whole * scale, "the minimum is missing"),
            (whole + minimum, "the scale is missing"),
            (
                whole * minimum + scale,
                "the first two bytes are the scale, the next two the minimum",
            ),
            ((whole + minimum) * scale, "scale first, then the minimum: m + s q"),
        ]
        numbers = torch.as_tensor(found, dtype=torch.float)
        if hint := wrong_tensor(numbers, right, slips, "32 numbers, but not those of the block"):
            return hint
    return None


@asks_for_function
def judge_halves_to_pairs(answer: Callable[[Tensor, int], Tensor]) -> str | None:
    for n_heads, head_dim in ((1, 8), (3, 4), (2, 8)):
        weight = draw(n_heads * head_dim, 5, seed=n_heads)  # (H K, D)

        def reordered(heads: int, *inner: int, weight: Tensor = weight) -> Tensor:
            rows = weight.view(heads, *inner, weight.size(1))
            return rows.transpose(1, 2).reshape(weight.shape)

        right = reordered(n_heads, 2, head_dim // 2)
        slips = [
            (weight, "the rows stand as before"),
            (
                reordered(n_heads, head_dim // 2, 2),
                "that is pairs_to_halves once more: the view must be (H, 2, K / 2, D)",
            ),
            (
                reordered(1, 2, n_heads * head_dim // 2),
                "row 0 of one head came beside a row of another: each head is reordered by itself",
            ),
        ]
        hint = wrong_tensor(
            answer(weight.clone(), n_heads),
            right,
            slips if n_heads > 1 else slips[:2],
            "pairs_to_halves of your result does not give back the weight",
        )
        if hint:
            return hint
    return None


EXERCISES = {
    "bits": Exercise(judge_bits, "32 times 5 bits, and twice 16: how many bits has the block?"),
    "unpack_block": Exercise(
        judge_unpack_block,
        'struct.unpack("<ee", block[:4]) gives scale and minimum',
        "byte & 15 for all 16 bytes, then byte >> 4 for all 16",
    ),
    "halves_to_pairs": Exercise(
        judge_halves_to_pairs,
        "view the rows as (H, 2, K / 2, D): which two dimensions change places?",
    ),
}
