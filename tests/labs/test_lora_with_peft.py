"""The lab on PEFT: two models side by side, and its figures."""

import pytest
import torch

from shared.hub_models import load_base, make_tiny_gptj
from shared.labs.lora_with_peft import (
    compare_answers,
    length_figure,
    loss_figure,
    score_table,
    side_by_side,
)
from shared.peft_lora import Recipe, add_adapter


def test_the_score_table_has_a_row_a_family_and_a_sum():
    shown = score_table(
        {
            "base": {"plural": (1, 4), "capital": (2, 3)},
            "new": {"plural": (4, 4), "capital": (2, 3)},
        }
    )
    assert shown.count("<tr>") == 4 and "3 of 7" in shown and "6 of 7" in shown


def columns(page: str) -> list[str]:
    """The texts of the two columns."""
    return [part.split("<br>", 1)[1].split("</td>")[0] for part in page.split("<td")[1:]]


def test_two_models_answer_side_by_side(tmp_path):
    base, tokenizer = load_base(make_tiny_gptj(tmp_path))
    model = add_adapter(base, Recipe())
    shown = list(compare_answers(model, tokenizer, False, "Say <i>this</i>.", "", 4))
    assert 4 <= len(shown) <= 5 and all(page.count("<td") == 2 for page in shown)
    left, right = columns(shown[-1])
    assert left == right, "an adapter that starts at zero answers as its base does"
    torch.nn.init.normal_(next(w for n, w in model.named_parameters() if "lora_B" in n), std=2.0)
    shown = list(compare_answers(model, tokenizer, False, "Say this.", "", 4))
    left, right = columns(shown[-1])
    assert left != right
    with pytest.raises(ValueError, match="the instruction is empty"):
        next(compare_answers(model, tokenizer, False, "  ", "x", 4))


def test_answers_are_escaped_and_keep_their_lines():
    page = side_by_side("<b>x", "y\nz")
    assert "<b>x" not in page and "y<br>z" in page


def test_the_losses_drawn_are_those_of_the_log():
    log = [
        {"step": 2, "loss": 3.0},
        {"step": 2, "eval_loss": 2.5},
        {"step": 4, "loss": 2.0},
        {"step": 4, "eval_loss": 2},
    ]
    lines = loss_figure(log).axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[3.0, 2.0], [2.5, 2]]


def test_every_record_is_in_the_histogram():
    assert sum(patch.get_height() for patch in length_figure([3, 4, 4], 8).axes[0].patches) == 3
