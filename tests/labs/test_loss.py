"""The loss lab shows the numbers of softmax and autograd."""

import matplotlib.pyplot as plt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from shared.labs.loss import draw_loss

few = settings(deadline=None, max_examples=15, derandomize=True)


def heights(figure: Figure, axis: int = 0) -> list[float]:
    return [patch.get_height() for patch in figure.axes[axis].patches]


@few
@given(st.lists(st.floats(-6, 6), min_size=3, max_size=3), st.sampled_from(["rock", "sea", "ship"]))
def test_loss_lab_shows_the_numbers_of_softmax_and_autograd(logits, target):
    z = torch.tensor(logits, requires_grad=True)
    index = ["rock", "sea", "ship"].index(target)
    loss = torch.nn.functional.cross_entropy(z[None], torch.tensor([index]))
    loss.backward()
    figure = draw_loss(*logits, target)
    assert heights(figure, 0) == pytest.approx(z.softmax(-1).tolist(), abs=1e-5)
    assert heights(figure, 2) == pytest.approx(z.grad.tolist(), abs=1e-5)
    assert float(figure.axes[1].get_title().split()[1]) == pytest.approx(loss.item(), abs=2e-3)
    plt.close(figure)
