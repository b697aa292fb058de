"""Temperature, top-k, top-p and `generate`: properties, against slow definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.generation import generate, generate_text_simple, next_token_probs
from shared.gpt import GPTConfig, GPTModel

few = settings(deadline=None, max_examples=60, derandomize=True)
seeds = st.integers(0, 10_000)


def random_logits(seed, rows=3, vocab_size=12):
    return 2 * torch.randn(rows, vocab_size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(2)
    return GPTModel(GPTConfig(30, 8, 16, 2, 2, drop_rate=0.1)).eval()


@few
@given(seeds, st.floats(0.1, 5), st.none() | st.integers(1, 20), st.none() | st.floats(0.01, 1))
def test_rows_are_probabilities_in_the_order_of_the_logits(seed, temperature, top_k, top_p):
    logits = random_logits(seed)
    probs = next_token_probs(logits, temperature, top_k, top_p)
    torch.testing.assert_close(probs.sum(-1), torch.ones(3))
    assert (probs >= 0).all() and torch.equal(probs.argmax(-1), logits.argmax(-1))
    for row, p in zip(logits, probs):
        kept = p > 0
        assert row[kept].min() > row[~kept].max() if (~kept).any() else kept.all()


@few
@given(seeds, st.floats(0.2, 3), st.integers(1, 15), st.floats(0.05, 0.99))
def test_equals_the_slow_definition(seed, temperature, top_k, top_p):
    logits = random_logits(seed, rows=1)
    order = sorted(range(12), key=lambda i: -logits[0, i].item())[:top_k]
    weights = [torch.exp(logits[0, i].double() / temperature).item() for i in order]
    total, held, kept = sum(weights), 0.0, []
    for i, weight in zip(order, weights):
        if held / total < top_p:
            kept.append((i, weight))
        held += weight
    expected = torch.zeros(12)
    for i, weight in kept:
        expected[i] = weight / sum(w for _, w in kept)
    torch.testing.assert_close(next_token_probs(logits, temperature, top_k, top_p)[0], expected, atol=1e-5, rtol=1e-4)


def test_without_settings_it_is_softmax_and_rows_do_not_disturb_each_other():
    logits = random_logits(1)
    torch.testing.assert_close(next_token_probs(logits), logits.softmax(-1))
    torch.testing.assert_close(next_token_probs(logits, top_p=1.0), logits.softmax(-1))
    together = next_token_probs(logits, 0.7, 5, 0.8)
    alone = torch.cat([next_token_probs(row[None], 0.7, 5, 0.8) for row in logits])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("wrong", [{"temperature": 0.0}, {"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0},
                                   {"top_p": 1.01}])
def test_impossible_settings_are_refused_by_name(wrong):
    name, value = next(iter(wrong.items()))
    with pytest.raises(ValueError, match=f"{name}={value}"):
        next_token_probs(random_logits(1), **wrong)


def test_temperature_zero_is_greedy(model):
    idx = torch.tensor([[3, 1], [4, 7]])
    out = generate(model, idx, 12, 8)
    assert torch.equal(out, generate_text_simple(model, idx, 12, 8))
    for cut in ({"top_k": 1}, {"top_p": 1e-9}):
        assert torch.equal(generate(model, idx, 12, 8, temperature=1.5, **cut), out)


def test_a_tiny_temperature_does_not_overflow():
    probs = next_token_probs(random_logits(1), temperature=1e-30)
    torch.testing.assert_close(probs, torch.nn.functional.one_hot(random_logits(1).argmax(-1), 12).float())


def test_a_seed_repeats_a_text_and_another_does_not(model):
    idx = torch.tensor([[3, 1]])

    def drawn(seed):
        return generate(model, idx, 20, 8, 1.0, generator=torch.Generator().manual_seed(seed)).tolist()

    assert drawn(1) == drawn(1) != drawn(2)


def test_draws_follow_the_probabilities_and_never_leave_the_cut(model):
    idx = torch.tensor([[3, 1]])
    probs = next_token_probs(model(idx)[:, -1], 1.3, 6, 0.9)[0]
    out = generate(model, idx.repeat(4000, 1), 1, 8, 1.3, 6, 0.9, generator=torch.Generator().manual_seed(1))
    shares = out[:, -1].bincount(minlength=30) / 4000
    assert (shares - probs).abs().max() < 0.03 and (shares[probs == 0] == 0).all()


def test_the_end_token_ends_a_text_and_is_not_appended(model):
    idx = torch.tensor([[3, 1]])
    free = generate(model, idx, 20, 8)[0, 2:].tolist()
    end = free[4]
    cut = generate(model, idx, 20, 8, eos_id=end)[0, 2:].tolist()
    assert cut == free[: free.index(end)]
    assert generate(model, idx, 0, 8).tolist() == idx.tolist()


def test_every_row_follows_its_own_draws(model):
    idx = torch.tensor([[3, 1]]).repeat(40, 1)
    out = generate(model, idx, 6, 8, 1.0, generator=torch.Generator().manual_seed(1))
    assert len({tuple(row) for row in out.tolist()}) > 10
