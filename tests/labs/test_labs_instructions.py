"""The pictures of chapter 5's labs, as plain functions."""

import re
from html import unescape

import matplotlib.pyplot as plt
import pytest
import torch

from shared.finetuning import create_small_gpt
from shared.instructions import format_input
from shared.labs.instructions import (
    TEMPLATES,
    answer_table,
    answer_view,
    batch_order,
    batch_widths_view,
    course_records,
    mask_view,
    plot_scores,
    template_view,
    training_lengths,
)

END = ">end</span>"


class Letters:
    """A tokenizer of letters: one id a character, 0 as the end."""

    n_vocab, eot_token = 128, 0

    def encode(self, text):
        return [ord(c) % 128 for c in text]

    def decode(self, ids):
        return "".join(map(chr, ids))


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def numbers(html):
    """The counts in the line below a batch: loss targets, targets, padding, positions, ends, records."""
    line = re.search(r"<p>(\d+) of (\d+) targets.*?; (\d+) of (\d+) input.*?; (\d+) of (\d+) end", html)
    return [int(n) for n in line.groups()]


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_shows_the_record_and_counts_its_tokens(template):
    html = template_view(5, template)
    prompt, answer = map(int, re.search(r"(\d+) tokens of prompt, (\d+) of answer", html).groups())
    assert html.count("display:inline-block") == prompt + answer
    text = unescape("".join(re.findall(r"monospace\">(.*?)</span>", html)))
    entry = course_records()[5]
    assert entry["instruction"].replace(" ", "·") in text and text.endswith(entry["output"].replace(" ", "·"))


def test_template_without_preamble_is_shorter():
    count = {name: template_view(5, name).count("display:inline-block") for name in TEMPLATES}
    assert count["Alpaca, no preamble"] < count["Phi-3"] < count["Alpaca"]


def test_mask_view_counts_add_up():
    counted, targets, padding, positions, ends, records = numbers(mask_view(17, 3, 60, False))
    assert counted + padding == targets == positions and ends == records == 3
    html = mask_view(17, 3, 60, False)
    assert html.count(END) == 3 and html.count(">-100<") == padding == html.count(">pad<")


def test_masking_the_instruction_leaves_only_answers():
    all_counted, *_ = numbers(mask_view(17, 3, 60, False))
    masked, _, _, _, ends, _ = numbers(mask_view(17, 3, 60, True))
    assert 3 < masked < all_counted / 2 and ends == 3


def test_truncation_loses_end_tokens_and_then_everything():
    ends = [numbers(mask_view(17, 3, limit, False))[4] for limit in (60, 30, 10)]
    assert ends == sorted(ends, reverse=True) and ends[0] == 3 and ends[-1] == 0
    assert "would refuse" in mask_view(17, 3, 4, True)
    assert "would refuse" not in mask_view(17, 3, 4, False)


def test_mask_view_of_one_record_has_no_padding_and_the_last_record_is_followed_by_the_first():
    assert numbers(mask_view(0, 1, 60, False))[2] == 0
    assert f"record {len(course_records()) - 1}<" in mask_view(len(course_records()) - 1, 2, 60, False)
    assert "record 0<" in mask_view(len(course_records()) - 1, 2, 60, False)


@pytest.mark.parametrize("bucketed", [False, True])
def test_batches_hold_every_record_once(bucketed):
    batches = batch_order(8, bucketed, seed=3)
    assert sorted(i for batch in batches for i in batch) == list(range(len(training_lengths())))
    assert batches != batch_order(8, bucketed, seed=4)


def padding_in_title(figure):
    return float(figure.axes[0].get_title().split("%")[0])


def test_bucketing_saves_padding_and_larger_batches_waste_more():
    plain, large = padding_in_title(batch_widths_view(8, False, 1)), padding_in_title(batch_widths_view(64, False, 1))
    assert padding_in_title(batch_widths_view(8, True, 1)) < 1 < 5 < plain < large
    assert padding_in_title(batch_widths_view(1, False, 1)) == 0


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
    assert "inline-block" in answer_view(model, Letters(), format_input, "\n<b>é", "&", max_new_tokens=3)
