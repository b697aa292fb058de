"""One model, several adapters: what the lab and the figure say."""

import pytest
import torch

from shared.evaluation import wilson_interval
from shared.labs.finetune_a_real_model import adapter_view, before_and_after, scaled
from shared.llama import LlamaConfig, LlamaModel
from shared.lora import adapter_weights, apply_lora


class Letters:
    """A tokenizer of letters: one id a character, 0 as the end."""

    n_vocab, eot_token = 128, 0

    def encode(self, text):
        return [ord(c) % 128 for c in text]

    def decode(self, ids):
        return "".join(map(chr, ids))


def adapted():
    torch.manual_seed(0)
    model = LlamaModel(LlamaConfig(128, 120, 24, 6, 2, 2, 48)).eval()
    apply_lora(model, ("W_query", "W_value"), 2, 4)
    weights = {name: torch.randn(w.shape) for name, w in adapter_weights(model).items()}
    return model, {"wild": weights}


def test_both_answers_are_shown_and_strength_nothing_is_the_model_alone():
    model, adapters = adapted()
    html = adapter_view(model, Letters(), adapters, "Hi?", "wild", 1.0, 0.0, max_new_tokens=4)
    alone, with_it = html.split("with wild, 1 times")
    assert "SmolLM2 alone" in alone and alone.count("%</small>") == 4
    assert with_it.count("%</small>") == 4
    boxes = [part.split("</p>")[1] for part in (alone.replace("<p><b>", ""), with_it)]
    assert boxes[0].split("<p>")[0] != boxes[1]
    nothing = adapter_view(model, Letters(), adapters, "Hi?", "wild", 0.0, 0.0, max_new_tokens=4)
    alone, with_it = nothing.split("<p><b>with wild, 0 times</b></p>")
    assert alone == "<p><b>SmolLM2 alone</b></p>" + with_it


def test_a_drawn_answer_is_the_same_each_time_and_others_differ():
    model, adapters = adapted()
    views = [
        adapter_view(model, Letters(), adapters, "Hi?", "wild", 1.0, heat, max_new_tokens=6)
        for heat in (1.5, 1.5, 0.0)
    ]
    assert views[0] == views[1] != views[2]


def test_only_b_is_scaled_and_nothing_kept_is_changed():
    _, adapters = adapted()
    weights = adapters["wild"]
    kept = {name: weight.clone() for name, weight in weights.items()}
    half = scaled(weights, 0.5)
    assert all(torch.equal(weights[name], kept[name]) for name in kept)
    for name in kept:
        assert torch.equal(half[name], kept[name] * (0.5 if name.endswith(".B") else 1))


def test_typed_text_never_crashes_without_a_reason():
    model, adapters = adapted()
    with pytest.raises(ValueError, match="type a question"):
        adapter_view(model, Letters(), adapters, " ", "wild", 1.0, 0.0)
    with pytest.raises(ValueError, match="shorten it"):
        adapter_view(model, Letters(), adapters, "long " * 40, "wild", 1.0, 0.0)
    html = adapter_view(model, Letters(), adapters, "<b>é", "wild", 1.0, 0.0, max_new_tokens=2)
    assert "inline-block" in html


def test_an_answer_that_ends_at_once_is_told():
    model, adapters = adapted()
    with torch.no_grad():
        model.tok_emb.weight.zero_()
    html = adapter_view(model, Letters(), adapters, "Hi?", "wild", 1.0, 0.0)
    assert html.count("ended its answer at once") == 2


def test_the_figure_shows_each_family_and_all_together():
    scores = {"before": {"a": (0, 4), "b": (1, 4)}, "after": {"a": (4, 4), "b": (2, 4)}}
    ax = before_and_after(scores).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["all (8)", "b (4)", "a (4)"]
    dots = [line.get_xdata()[0] for line in ax.lines if len(line.get_xdata()) == 1]
    assert dots == [1 / 8, 6 / 8, 1 / 4, 2 / 4, 0, 1]
    bars = [tuple(line.get_xdata()) for line in ax.lines if len(line.get_xdata()) == 2]
    assert bars[1] == wilson_interval(6, 8)
