"""The calculator's numbers add up, and every setting draws."""

import re
from dataclasses import replace

import pytest

from shared.counting import count_parameters, flops_per_token, training_bytes
from shared.gpt import GPT_CONFIG_124M
from shared.labs.counting_parameters import PRECISIONS, draw_calculator, memory_bars, parameter_tree

SMALL = {
    "layers": 12,
    "heads": 12,
    "head_width": 64,
    "context": 1024,
    "vocabulary": 50257,
    "tied": True,
    "bias": False,
    "dropout": True,
    "precision": "float32",
    "batch": 4,
    "cpu": 100,
}


def test_the_calculator_shows_the_count():
    figure, table = draw_calculator(**SMALL)
    assert "124,412,160 parameters" in figure.axes[0].get_title()
    assert "a night" in table
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


def test_the_lab_trains_in_as_many_gigabytes_as_the_formula_says():
    settings = SMALL | {"context": 256, "tied": False, "batch": 2}
    figure, table = draw_calculator(**settings)
    formula = sum(training_bytes(GPT_CONFIG_124M, 2, 256).values()) / 1e9
    assert f"{formula:.2f} GB to train" in figure.axes[1].get_title() and round(formula, 2) == 3.27
    figure, _ = draw_calculator(**settings | {"dropout": False})
    assert "3.01 GB to train" in figure.axes[1].get_title()
    seconds = 3 * flops_per_token(GPT_CONFIG_124M, 256) / 100e9
    assert f"{8 * 3600 / seconds / 1e6:.1f} million tokens" in table


def test_the_lab_tells_the_size_of_the_cache():
    full = 2 * 12 * 768 * 1024 * 4  # keys and values of a batch of 4, numbers without their bytes
    for precision, each in (("float32", 4), ("bfloat16, mixed", 2), ("int8, to run only", 2)):
        _, table = draw_calculator(**SMALL | {"precision": precision})
        assert f"{full * each / 1e6:,.1f} MB" in table


@pytest.mark.parametrize(
    "change",
    [
        {"layers": 96},
        {"layers": 1, "heads": 1, "head_width": 8},
        {"heads": 96, "head_width": 256, "context": 8192},
        {"vocabulary": 257},
        *({"precision": p} for p in PRECISIONS),
        {"dropout": False},
        {"tied": False},
    ],
)
def test_every_setting_of_the_calculator_draws(change):
    figure, table = draw_calculator(**SMALL | change)
    assert len(figure.axes) == 2 and "<table>" in table
