"""The plan's bars add up, and every choice draws."""

import itertools

import matplotlib.pyplot as plt
import pytest

from shared.gpt2_weights import GPT2_SIZES
from shared.labs.scaling_out import DEVICES, draw_plan


def test_the_bars_add_up_and_the_title_says_whether_they_fit():
    for size, device, batch_size in itertools.product(GPT2_SIZES, DEVICES, (1, 64)):
        figure, table = draw_plan(size, device, 8, 10.0, 40.0, batch_size, False, True)
        ax = figure.axes[0]
        total = sum(bar.get_width() for bar in ax.patches)
        assert ("does not fit" in ax.get_title()) == (total > DEVICES[device][1])
        assert ax.get_xlim()[1] > max(total, DEVICES[device][1]) and "dollars" in table
        plt.close(figure)


def test_sharding_and_mixed_precision_make_the_bars_shorter():
    def total(sharded: bool, mixed: bool) -> float:
        figure, _ = draw_plan("gpt2-xl", "A100 80 GB", 8, 10.0, 40.0, 4, sharded, mixed)
        return sum(bar.get_width() for bar in figure.axes[0].patches)

    assert total(True, True) < total(True, False) < total(False, False)
    assert total(True, True) < total(False, True)


def test_every_choice_of_the_lab_draws():
    for devices, batch_size in itertools.product(
        (1, 2, 4, 8, 16, 64, 512), (1, 2, 4, 8, 16, 32, 64)
    ):
        if devices * batch_size <= 512:
            draw_plan("gpt2", "H100 80 GB", devices, 300.0, 70.0, batch_size, True, False)
            plt.close("all")
        else:
            with pytest.raises(ValueError, match="choose a smaller batch_size"):
                draw_plan("gpt2", "H100 80 GB", devices, 300.0, 70.0, batch_size, True, False)
