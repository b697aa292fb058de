"""Answers and scores as the lab shows them."""

import pytest
import torch

from shared.finetuning import create_small_gpt
from shared.instructions import format_input
from shared.labs.finetuning import answer_table, answer_view, plot_scores
from shared.labs.instruction_data import course_records


class Letters:
    """A tokenizer of letters: one id a character, 0 as the end."""

    n_vocab, eot_token = 128, 0

    def encode(self, text):
        return [ord(c) % 128 for c in text]

    def decode(self, ids):
        return "".join(map(chr, ids))


def test_answer_table_shows_one_record_of_each_family_and_what_was_expected():
    records = course_records()[:60]
    right = [entry["output"] for entry in records]
    html = answer_table(records, [""] * 60, right)
    assert html.count("<tr>") == 1 + 20 and html.count("✓") == 20
    html = answer_table(records, [""] * 60, ["<b>"] * 60)
    assert "<b>" not in html and "&lt;b&gt;" in html and html.count("no: ") == 20


def test_scores_as_bars_with_the_best_on_top():
    figure = plot_scores({"a": (1, 4), "b": (4, 4), "c": (0, 2)})
    assert [round(bar.get_width(), 2) for bar in figure.axes[0].patches] == [0.0, 0.25, 1.0]
    assert [text.get_text() for text in figure.axes[0].texts] == ["0/2", "1/4", "4/4"]


def test_answer_view_gives_each_token_its_probability():
    torch.manual_seed(0)
    model = create_small_gpt(128, 200)
    html = answer_view(model, Letters(), format_input, "Say hi.", "", max_new_tokens=5)
    assert html.count("%</small>") == html.count("display:inline-block") == 5
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    assert "ended its answer at once" in answer_view(model, Letters(), format_input, "Say hi.", "")


def test_typed_text_never_crashes_without_a_reason():
    model = create_small_gpt(128, 200)
    with pytest.raises(ValueError, match="type an instruction"):
        answer_view(model, Letters(), format_input, "  ", "")
    with pytest.raises(ValueError, match="shorten it"):
        answer_view(model, Letters(), format_input, "long " * 60, "")
    assert "inline-block" in answer_view(
        model, Letters(), format_input, "\n<b>é", "&", max_new_tokens=3
    )
