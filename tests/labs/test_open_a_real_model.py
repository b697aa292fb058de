"""The block on fewer levels: nearest levels, the error that is said, what is refused."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from shared.labs.open_a_real_model import fewer_bits, levels_of, nearest

ROW = np.random.default_rng(1).normal(size=96)
MEASURED = {bits: (5.0 / bits, f"text <{bits}>") for bits in (2, 4, 5, 8)}
lab = fewer_bits(ROW, MEASURED)


def test_levels_run_from_the_smallest_to_the_largest_and_the_nearest_is_taken():
    block = np.array([0.0, 0.4, 0.6, 3.0])
    assert levels_of(block, 2).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert nearest(block, levels_of(block, 2)).tolist() == [0.0, 0.0, 1.0, 3.0]


@pytest.mark.parametrize("bits", MEASURED)
@pytest.mark.parametrize("block", [1, 3])
def test_what_is_drawn_and_said(bits, block):
    figure, words = lab(bits, block)
    numbers = ROW[32 * (block - 1) : 32 * block]
    shown, rounded = figure.axes[0].lines[-2:]
    assert np.array_equal(shown.get_ydata(), numbers)
    step = (numbers.max() - numbers.min()) / (2**bits - 1)
    assert abs(rounded.get_ydata() - numbers).max() <= step / 2 + 1e-12
    error = np.sqrt(((rounded.get_ydata() - numbers) ** 2).mean() / (numbers**2).mean())
    assert f"off by {error:.1%}" in words and f"text &lt;{bits}&gt;" in words
    assert f"loss {5 / bits:.2f}" in words
    assert len(figure.axes[0].lines) == 2 + (2**bits if bits <= 5 else 0)
    plt.close(figure)


def test_numbers_on_16_levels_lose_nothing_at_4_and_8_bits_but_at_5():
    block = np.linspace(-1, 2, 16)[np.arange(32) % 16]
    for bits, lost in ((4, False), (8, False), (5, True)):
        rounded = nearest(block, levels_of(block, bits))
        assert np.allclose(rounded, block) != lost


@pytest.mark.parametrize("bits, block", [(3, 1), (4, 0), (4, 4)])
def test_what_is_not_there_is_refused(bits, block):
    with pytest.raises(ValueError, match="was not measured|has the blocks 1 to 3"):
        lab(bits, block)
