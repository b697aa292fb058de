"""The saturation lab: scaling keeps the softmax soft."""

import matplotlib.pyplot as plt

from shared.labs.queries_keys_values import saturation_lab


def test_saturation_lab_is_tamed_by_scaling():
    largest = {}
    for scaled in (True, False):
        largest[scaled] = [
            max(bar.get_height() for bar in saturation_lab(512, scaled, seed).axes[1].patches)
            for seed in range(5)
        ]
        plt.close("all")
    assert max(largest[True]) < 0.5 < sum(largest[False]) / 5
    assert all(a < b for a, b in zip(largest[True], largest[False]))
