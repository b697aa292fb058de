"""The exercises of 03_gpt/05_modern_blocks."""

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict
from shared.llama import rotate


def neighbours(x, angles):
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([a * cos - b * sin, a * sin + b * cos], dim=-1).flatten(-2)


def by_complex_numbers(x, angles):
    pairs = torch.view_as_complex(x.unflatten(-1, (-1, 2)).contiguous())
    turned = pairs * torch.polar(torch.ones_like(angles), angles)
    return torch.view_as_real(turned).flatten(-2)


def by_other_rows(x, angles):
    K = x.size(-1)
    halves = x.unflatten(-1, (K // 2, 2)).transpose(-1, -2).flatten(-2)
    return rotate(halves, angles).unflatten(-1, (2, K // 2)).transpose(-1, -2).flatten(-2)


def into_places(x, angles):
    out = torch.empty_like(x)
    out[..., 0::2] = x[..., 0::2] * angles.cos() - x[..., 1::2] * angles.sin()
    out[..., 1::2] = x[..., 0::2] * angles.sin() + x[..., 1::2] * angles.cos()
    return out


def one_by_one(x, angles):
    out = x.clone()
    for t in range(x.size(2)):
        for i in range(x.size(3) // 2):
            c, s = torch.cos(angles[t, i]), torch.sin(angles[t, i])
            out[:, :, t, 2 * i] = x[:, :, t, 2 * i] * c - x[:, :, t, 2 * i + 1] * s
            out[:, :, t, 2 * i + 1] = x[:, :, t, 2 * i] * s + x[:, :, t, 2 * i + 1] * c
    return out


@pytest.mark.parametrize("answer", [by_complex_numbers, by_other_rows, into_places, one_by_one])
def test_neighbours_turned_in_other_ways(answer):
    assert verdict("modern_blocks/neighbours", answer) == "right"


@pytest.mark.parametrize("answer", [7, 7.0, torch.tensor(7)])
def test_the_texts_told_in_other_ways(answer):
    assert verdict("modern_blocks/texts_in_memory", answer) == "right"


def backwards(x, angles):
    return neighbours(x, -angles)


def put_apart(x, angles):
    turned = neighbours(x, angles)
    return torch.cat([turned[..., 0::2], turned[..., 1::2]], dim=-1)


def plus(x, angles):
    a, b = x[..., 0::2], x[..., 1::2]
    cos, sin = angles.cos(), angles.sin()
    return torch.stack([a * cos + b * sin, a * sin + b * cos], dim=-1).flatten(-2)


def in_place(x, angles):
    x[..., 0::2], x[..., 1::2] = (
        into_places(x, angles)[..., 0::2],
        into_places(x, angles)[..., 1::2],
    )
    return x


def one_angle(x, angles):
    return neighbours(x, angles[:, :1].expand_as(angles))


def not_put_together(x, angles):
    return neighbours(x, angles).unflatten(-1, (-1, 2))


BLOCK = 3_540_096
RIGHT = {"neighbours": neighbours, "block_parameters": BLOCK, "texts_in_memory": 7}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("neighbours", "halves", rotate, "pairs of `rotate`"),
    ("neighbours", "the other way", backwards, "wrong way"),
    ("neighbours", "not side by side", put_apart, "side by side"),
    ("neighbours", "no minus", plus, "keeps the length"),
    ("neighbours", "nothing", lambda x, angles: x, "nothing was turned"),
    ("neighbours", "in place", in_place, "in place"),
    ("neighbours", "one angle for all pairs", one_angle, "which angle"),
    ("neighbours", "a shape too many", not_put_together, "expected"),
    ("block_parameters", "no norms", BLOCK - 2 * 576, "two norms are missing"),
    ("block_parameters", "shifts", BLOCK + 2 * 576, "no shift"),
    ("block_parameters", "one norm", BLOCK - 576, "two norms"),
    ("block_parameters", "keys for all heads", BLOCK + 2 * 576 * 384, "576 x 192"),
    ("block_parameters", "three matrices", BLOCK - 576**2, "output projection"),
    ("block_parameters", "two matrices", BLOCK - 576 * 1536, "gate, up and down"),
    ("block_parameters", "no attention", 3 * 576 * 1536 + 1152, "without its attention"),
    ("block_parameters", "no feed-forward", BLOCK - 3 * 576 * 1536, "without its feed-forward"),
    ("block_parameters", "all blocks", 30 * BLOCK, "all 30"),
    ("block_parameters", "the model", 134_515_008, "whole model"),
    ("texts_in_memory", "a part of a text", 7.357, "whole number"),
    ("texts_in_memory", "rounded up", 8, "rounded up"),
    ("texts_in_memory", "all heads", 1, "32 heads"),
    ("texts_in_memory", "float32", 3, "2 bytes"),
    ("texts_in_memory", "keys alone", 14, "keys and values both"),
    ("texts_in_memory", "no weights", 22, "weights need room"),
    ("texts_in_memory", "the bytes", 2**30, "how many such texts"),
]

test_answers, test_tables = exercise_tests("modern_blocks", RIGHT, WRONG)
