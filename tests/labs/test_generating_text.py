"""The stepper colours what stream_tokens and generate_text_simple really read."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from shared.generation import generate_text_simple, stream_tokens
from shared.gpt import GPTConfig, GPTModel
from shared.kit.plots import ORANGE, SKY
from shared.kit.widgets import png_bytes
from shared.labs.generating_text import draw_steps, steps_with_cache, steps_without_cache

PIECES = [f" {word}" for word in "a b c d e f g h i j k l m n".split()]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(1, 12), st.integers(1, 10), st.integers(1, 9))
def test_each_step_reads_what_the_loops_read(prompt, steps, context):
    torch.manual_seed(0)
    model = GPTModel(GPTConfig(11, context, emb_dim=8, n_heads=2, n_layers=1)).eval()
    counts = []
    model.register_forward_pre_hook(lambda module, inputs: counts.append(inputs[0].size(1)))
    idx = torch.randint(11, (1, prompt))
    list(stream_tokens(model, idx, steps, context))
    assert counts == [len(read) for read, _ in steps_with_cache(prompt, steps, context)]
    counts.clear()
    generate_text_simple(model, idx, steps, context)
    assert counts == [len(read) for read, _ in steps_without_cache(prompt, steps, context)]


@settings(deadline=None, max_examples=25, derandomize=True)
@given(st.integers(1, 12), st.integers(1, 10), st.integers(1, 9))
def test_read_and_kept_are_together_all_that_the_model_sees(prompt, steps, context):
    plain = steps_without_cache(prompt, steps, context)
    for (read, kept), (seen, _) in zip(steps_with_cache(prompt, steps, context), plain):
        assert [*kept, *read] == list(seen)


def boxes(axes, colour):
    return sum(to_hex(patch.get_facecolor()) == to_hex(colour) for patch in axes.patches)


def test_the_boxes_are_the_counts_in_the_titles():
    figure, told = draw_steps(PIECES, 4, 5, 8)
    left, right = figure.axes
    assert boxes(left, ORANGE) == 4 + 5 + 6 + 7 + 8 and boxes(left, SKY) == 0
    assert boxes(right, ORANGE) == 4 + 1 + 1 + 1 + 1 and boxes(right, SKY) == 4 + 5 + 6 + 7
    assert "30 tokens" in left.get_title() and "8 tokens" in right.get_title()
    assert "reads 8 tokens; with one it reads 1 and takes 7" in told and "nothing" not in told


def test_it_says_when_the_cache_stops_saving():
    told = [draw_steps(PIECES, 4, step, 8)[1] for step in range(1, 11)]
    assert [i for i, text in enumerate(told, 1) if "first such step" in text] == [6]
    assert ["saves nothing" in text for text in told] == [False] * 5 + [True] * 5


def test_it_says_which_context_is_the_shortest_that_needs_no_new_reading():
    told = {context: draw_steps(PIECES, 4, 10, context)[1] for context in range(4, 15)}
    assert [c for c, text in told.items() if "at every step" in text] == [13, 14]
    assert [c for c, text in told.items() if "shortest context" in text] == [13]
    assert "at every step" not in draw_steps(PIECES, 4, 9, 13)[1]


@pytest.mark.parametrize("step", [1, 5, 10])
@pytest.mark.parametrize("context", [5, 8, 14])
def test_every_setting_draws(step, context):
    figure, _ = draw_steps(PIECES, 4, step, context)
    assert png_bytes(figure)


def test_a_step_beyond_the_text_is_explained():
    with pytest.raises(ValueError, match="token 15 of 14"):
        draw_steps(PIECES, 4, 11, 8)
