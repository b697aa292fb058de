"""The decoding lab: its bars are what is drawn from, its samples those of `generate`."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from shared.generation import generate, next_token_probs, text_to_token_ids
from shared.gpt import GPTConfig, GPTModel
from shared.kit.corpora import load_corpus
from shared.kit.widgets import png_bytes
from shared.labs.decoding import draw_decoding, draw_next_token, draw_samples, show_samples
from shared.memorization import longest_copied_run
from shared.tokenizer import BPETokenizer

TEXT = load_corpus("story")[:6000]
few = settings(deadline=None, max_examples=15, derandomize=True)


@pytest.fixture(scope="module")
def tokenizer():
    return BPETokenizer.train(TEXT, 400)


def heights(figure: Figure, axis: int = 0) -> list[float]:
    return [patch.get_height() for patch in figure.axes[axis].patches]


@pytest.fixture(scope="module")
def model(tokenizer):
    torch.manual_seed(1)
    return GPTModel(GPTConfig(tokenizer.n_vocab, 64, 128, 4, 4)).eval()


def test_bars_are_the_probabilities_drawn_from(model, tokenizer):
    with torch.no_grad():
        logits = model(text_to_token_ids("The chart", tokenizer))[:, -1]
    probs = next_token_probs(logits, 0.7, 5)[0]
    figure = draw_next_token(logits.softmax(-1)[0], probs, tokenizer)
    assert heights(figure)[:14] == pytest.approx(
        sorted(probs.tolist(), reverse=True)[:14], abs=1e-5
    )
    assert "5 possible" in figure.axes[0].get_title()


@pytest.mark.parametrize(
    "temperature, top_k, top_p", [(0.0, None, None), (1.0, None, None), (1.4, 30, 0.8)]
)
def test_samples_drawn_together_equal_those_drawn_alone(
    model, tokenizer, temperature, top_k, top_p
):
    idx = text_to_token_ids("The chart", tokenizer)
    together = draw_samples(model, idx, 12, [4, 5, 6], temperature, top_k, top_p)
    for row, seed in zip(together, [4, 5, 6]):
        own = torch.Generator().manual_seed(seed)
        alone = generate(model, idx, 12, 64, temperature, top_k, top_p, generator=own)
        assert torch.equal(row, alone[0, idx.size(1) :])


def test_the_meter_under_each_sample(tokenizer):
    training_ids = tokenizer.encode(TEXT)
    samples = torch.tensor([training_ids[50:70], training_ids[50:60] + [0] * 10])
    shown = show_samples(samples, [1, 2], tokenizer, training_ids)
    assert "longest copied run 20 tokens, 100%" in shown
    assert f"longest copied run {longest_copied_run(samples[1], training_ids)} tokens, 50%" in shown
    assert shown.count("background:") == 20 + 10


@few
@given(
    st.text(st.characters(), min_size=1, max_size=40),
    st.just(0.0) | st.floats(1e-9, 2),
    st.integers(0, 50),
    st.floats(0.05, 1),
    st.integers(0, 50),
)
def test_no_typed_text_and_no_position_breaks_the_lab(
    model, tokenizer, prompt, temperature, top_k, top_p, seed
):
    figure, samples = draw_decoding(
        model, tokenizer, [1, 2, 3], prompt, temperature, top_k, top_p, seed
    )
    assert png_bytes(figure) and samples.count("longest copied run") == 3


def test_an_empty_prompt_is_explained(model, tokenizer):
    with pytest.raises(ValueError, match="prompt is empty"):
        draw_decoding(model, tokenizer, [1], "", 1.0, 0, 1.0, 1)


def test_a_prompt_longer_than_the_context_goes_on(model, tokenizer):
    figure, samples = draw_decoding(model, tokenizer, [1], TEXT[:2000], 1.0, 0, 1.0, 1)
    assert samples
