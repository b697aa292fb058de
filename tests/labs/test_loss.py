"""The loss lab shows the numbers of softmax and autograd; the drawing has those of the page."""

import re
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
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


CHAPTER = Path(__file__).parents[2] / "04_pretraining"


def test_the_drawing_and_its_description_hold_the_numbers_that_the_page_prints():
    cells = nbformat.read(CHAPTER / "01_loss.ipynb", as_version=4).cells
    code = [cell for cell in cells if cell.cell_type == "code"]
    printed = "".join(cell.source for cell in code) + "".join(
        output.get("text", "") for cell in code for output in cell.outputs
    )
    known = set(re.findall(r"\d+\.\d+", printed))
    # probabilities are printed with trailing zeros cut off
    known |= {f"{float(number):.4f}" for number in known}
    shown = re.findall(r">(\d+\.\d+)<", (CHAPTER / "figures/logits_to_loss.svg").read_text("utf-8"))
    told = [cell.source for cell in cells if "figures/logits_to_loss.svg" in cell.source]
    told = re.findall(r"\d+\.\d+", told[0].replace("10.9931, ", "10.9931 "))
    assert len(shown) == 17 and len(told) >= 14
    assert set(shown) <= known and set(told) <= known
