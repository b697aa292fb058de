"""The calculator's numbers add up, and every setting draws."""

import re
from dataclasses import replace

import pytest

from shared.counting import count_parameters
from shared.gpt import GPT_CONFIG_124M, GPTConfig
from shared.labs.counting_parameters import (
    PRECISIONS,
    PRICES,
    draw_calculator,
    gpu_hours,
    memory_bars,
    parameter_tree,
)

SMALL = {
    "layers": 12,
    "heads": 12,
    "head_width": 64,
    "context": 1024,
    "vocabulary": 50257,
    "tied": True,
    "bias": False,
    "precision": "float32",
    "batch": 4,
    "tokens": 10.0,
    "year": 2024,
    "cpu": 100,
}


def test_the_calculator_shows_the_count():
    figure, table = draw_calculator(**SMALL)
    assert "124,412,160 parameters" in figure.axes[0].get_title()
    assert "years" in table and "dollars" in table
    figure, _ = draw_calculator(**SMALL | {"bias": True})
    assert "124,439,808 parameters" in figure.axes[0].get_title(), (
        "the number that Hugging Face reports for gpt2"
    )


@pytest.mark.parametrize("tied", [False, True])
def test_the_tree_adds_up(tied):
    lines = re.sub(
        "<[^>]+>", "", parameter_tree(replace(GPT_CONFIG_124M, tie_weights=tied))
    ).splitlines()
    total, tok, pos, block, att, ff, norms, final, head = (
        int(line.split()[-1].replace(",", "")) for line in lines
    )
    assert block == att + ff + norms == 7_085_568
    assert total == tok + pos + 12 * block + final + head == (123_822_336 if tied else 162_419_712)


def test_bars_add_up_to_bytes_a_parameter():
    n = sum(count_parameters(GPT_CONFIG_124M).values()) / 1e9
    for precision, run, train in (
        ("float32", 4, 16),
        ("bfloat16, mixed", 2, 16),
        ("int8, to run only", 1, 0),
    ):
        bars = memory_bars(GPT_CONFIG_124M, precision, 2)
        assert sum(b[0] for b in bars.values()) == pytest.approx(n * run)
        assert sum(b[1] for name, b in bars.items() if name != "activations") == pytest.approx(
            n * train
        )
    assert memory_bars(GPT_CONFIG_124M, "float32", 4)["activations"][1] == pytest.approx(
        2 * memory_bars(GPT_CONFIG_124M, "float32", 2)["activations"][1]
    )
    full, mixed, none = (
        memory_bars(GPT_CONFIG_124M, p, 4)["activations"][1]
        for p in ("float32", "bfloat16, mixed", "int8, to run only")
    )
    logits = 4 * 4 * 256 * 50257 / 1e9  # the loss's own numbers stay in float32
    assert mixed - logits == pytest.approx((full - logits) / 2) and none == 0


def test_the_estimate_is_near_a_documented_run():
    """GPT-2 XL, 33.6 billion tokens: 24 hours, 672 dollars on 8 H100 (llm.c, discussion 677)."""
    hours = gpu_hours(GPTConfig(50257, 1024, 1600, 25, 48, tie_weights=True), 33.6, 2024)
    assert 24 / 1.5 < hours < 24 * 1.5
    assert 672 / 1.5 < hours * 8 * PRICES[2024][2] < 672 * 1.5


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 96},
        {"layers": 1, "heads": 1, "head_width": 8},
        {"heads": 96, "head_width": 256, "context": 8192},
        {"vocabulary": 257},
        *({"precision": p} for p in PRECISIONS),
        *({"year": y} for y in PRICES),
        {"tied": False},
    ],
)
def test_every_setting_of_the_calculator_draws(change):
    figure, table = draw_calculator(**SMALL | change)
    assert len(figure.axes) == 2 and "<table>" in table
