"""The wall shows each head's weights in its place; the lens's figure what it is given."""

import matplotlib.pyplot as plt
import pytest
import torch

from shared.kit.widgets import png_bytes
from shared.labs.inside_a_real_model import lens_figure, token_names, wall_figure


class Letters:
    def decode(self, ids):
        return "".join({0: " a", 1: "\n", 2: "$x$"}[i] for i in ids)


def test_token_names_show_spaces_and_breaks():
    assert token_names(Letters(), [0, 1, 2]) == ["·a", "↵", "$x$"]


def test_each_head_stands_in_its_place():
    maps = torch.zeros(3, 2, 4, 4)
    maps[2, 1] = torch.eye(4) * 0.25
    maps[2, 1, 3, 0] = 0.04  # too faint
    ax = wall_figure(maps, (2, 1)).axes[0]
    wall = torch.as_tensor(ax.images[0].get_array().filled(float("nan")))
    assert wall.shape == (2 * 5, 3 * 5)
    assert torch.equal(wall[5:9, 10:14], torch.eye(4) / 2)
    assert wall[:5, :5].nan_to_num(0).sum() == 0
    frame = ax.patches[0]
    assert frame.get_xy() == (9, 4)
    assert frame.get_width() == frame.get_height() == 5
    assert [tick.get_text() for tick in ax.get_xticklabels()] == ["0", "1", "2"]
    plt.close("all")


def test_no_head_is_framed_unless_asked():
    assert not wall_figure(torch.rand(2, 2, 3, 3)).axes[0].patches


def test_the_wall_refuses_what_is_not_there():
    with pytest.raises(ValueError, match=r"the maps have shape \(2, 3, 3\)"):
        wall_figure(torch.zeros(2, 3, 3))
    with pytest.raises(ValueError, match=r"there is no head \(2, 0\): layers 0 to 1"):
        wall_figure(torch.zeros(2, 2, 3, 3), (2, 0))


def test_the_lens_draws_probability_and_rank():
    read = {"$x$": (torch.tensor([0.0, 0.5, 1.0]), torch.tensor([100, 10, 1]))}
    figure = lens_figure(read)
    left, right = figure.axes
    assert list(left.lines[0].get_ydata()) == [0.0, 0.5, 1.0]
    assert list(right.lines[0].get_ydata()) == [100, 10, 1]
    assert right.get_yscale() == "log" and right.yaxis_inverted()
    assert png_bytes(figure)
