"""The leak lab: each bug breaks its own properties, and every setting can be drawn."""

import re

import matplotlib.pyplot as plt
import pytest
import torch

from shared.kit.repository import ROOT
from shared.kit.widgets import Lab, choice, slider
from shared.labs.causal_attention import (
    BUGS,
    buggy_attention,
    leak_lab,
    leak_properties,
    weight_axes,
)


@pytest.mark.parametrize(
    ("bug", "expected"),
    {
        # rows sum to 1, no weight on the future, the past stays, spread near 1, PyTorch's own
        "none": (True, True, True, True, True),
        "no mask": (True, False, False, True, False),
        "mask after softmax": (False, True, False, True, False),
        "mask with 0 for -inf": (True, False, False, True, False),
        "inverted mask": (False, False, False, True, False),
        "softmax over the wrong axis": (False, True, False, True, False),
        "no scaling": (True, True, True, False, False),
    }.items(),
)
@pytest.mark.parametrize(("tokens", "changed"), [(6, 4), (8, 3), (5, 2)])
def test_each_bug_breaks_its_own_properties(bug, expected, tokens, changed):
    kept, weights, moved = leak_properties(bug, tokens, changed)
    assert tuple(kept.values()) == expected
    assert weights.shape == (tokens, tokens) and moved.shape == (tokens,)


def test_all_bugs_are_listed():
    assert len(BUGS) == 7 and BUGS[0] == "none"
    with pytest.raises(ValueError, match="no bug is named 'typo'"):
        buggy_attention(torch.zeros(3, 8), "typo")


def test_inverted_mask_has_a_row_of_nan():
    _, weights, _ = leak_properties("inverted mask")
    assert weights[-1].isnan().all() and not weights[:-1].isnan().any()


@pytest.mark.parametrize("bug", BUGS)
@pytest.mark.parametrize("tokens", [3, 6, 8])
@pytest.mark.parametrize("changed", [1, 7])
def test_leak_lab_draws_every_setting(bug, tokens, changed):
    table, figure = leak_lab(bug, tokens, changed)
    assert ("FAILS" in table) == (bug != "none")
    bars = [patch.get_height() for patch in figure.axes[1].patches]
    assert len(bars) == tokens
    assert f"token {min(changed, tokens - 1)} was changed" in figure.axes[1].get_title()
    plt.close(figure)


def test_leak_properties_refuse_a_token_that_is_not_there():
    with pytest.raises(ValueError, match="token 6 cannot be changed: there are 6 tokens"):
        leak_properties("none", 6, 6)


def test_weight_axes_write_numbers_only_where_they_fit():
    for T, texts in ((8, 64), (9, 0)):
        _, ax = plt.subplots()
        weight_axes(ax, torch.eye(T), range(T), range(T))
        assert len(ax.texts) == texts
    plt.close("all")


def test_leak_lab_moves_in_a_lab():
    lab = Lab(
        leak_lab,
        bug=choice("bug", list(BUGS)),
        tokens=slider("tokens", 6, 3, 8),
        changed=slider("changed", 4, 1, 7),
    )
    before = lab.parts[1].value
    lab.controls["bug"].value = "no mask"
    assert lab.parts[1].value != before and "FAILS" in lab.parts[0].value


def test_the_drawing_holds_scores_masked_scores_and_weights():
    drawing = (ROOT / "02_attention/figures/mask.svg").read_text(encoding="utf-8")
    scores = torch.tensor([[0.0, 0, 0, 0], [0, 0, 2, 1], [0, 4, 0, 0], [0, 2, 0, 0]]) / 2**0.5
    masked = scores.masked_fill(torch.ones(4, 4, dtype=torch.bool).triu(1), -torch.inf)
    found = re.findall(r">(0|\d\.\d\d|−∞)<", drawing)
    for table in (scores, masked, masked.softmax(dim=-1)):
        expected = [
            "−∞" if x == -torch.inf else "0" if x == 0 else f"{x:.2f}"
            for x in table.flatten().tolist()
        ]
        assert found[:16] == expected
        found = found[16:]
    assert found == []
