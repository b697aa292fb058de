"""The gradient lab measures what it claims, and draws every setting."""

import pytest

from shared.labs.transformer_block import ACTIVATIONS, draw_gradients, layer_gradients


def test_shortcuts_and_norms_keep_the_gradient_at_any_depth():
    for depth in (2, 20, 60):
        sizes = layer_gradients(depth, 32, "GELU", shortcuts=True, norm=True)
        assert len(sizes) == depth and 0.1 < sizes[0] / sizes[-1] < 10
    sizes = layer_gradients(20, 32, "GELU", shortcuts=False, norm=False)
    assert sizes[0] < 1e-6 * sizes[-1]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("switches", [(True, True), (True, False), (False, True), (False, False)])
def test_gradients_are_drawn_for_every_setting(activation, switches):
    figure = draw_gradients(60, 4, activation, *switches)
    assert len(figure.axes[0].lines[0].get_ydata()) == 60
