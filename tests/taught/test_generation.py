"""Generation: the cache changes no token, draws follow the probabilities, end tokens end."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.generation import (
    KVCache,
    check_prompt,
    generate,
    generate_text_simple,
    greedy,
    next_token_probs,
    stream_tokens,
    text_to_token_ids,
    to_column_major,
    token_ids_to_text,
)
from shared.gpt import GPT_CONFIG_124M, GPTConfig, GPTModel
from shared.kit.gpt2_vocabulary import get_tokenizer


def gpt(context_length: int = 8, **options) -> GPTModel:
    torch.manual_seed(123)
    return GPTModel(
        GPTConfig(31, context_length, emb_dim=24, n_heads=3, n_layers=2, **options)
    ).eval()


def streamed(model: GPTModel, idx: torch.Tensor, n: int, **options) -> torch.Tensor:
    return torch.cat(
        [idx, *stream_tokens(model, idx, n, model.cfg.context_length, **options)], dim=1
    )


def prompt(B: int, T: int, seed: int = 3) -> torch.Tensor:
    return torch.randint(31, (B, T), generator=torch.Generator().manual_seed(seed))  # (B, T)


# ---- text and ids


@pytest.mark.parametrize("text", ["Hello, I am", "naïve — “quoted” 🙂\n\n", "a<|endoftext|>b", " "])
def test_text_survives_the_way_there_and_back(text):
    tokenizer = get_tokenizer()
    ids = text_to_token_ids(text, tokenizer)
    assert ids.dim() == 2 and ids.size(0) == 1 and ids.dtype == torch.long
    assert token_ids_to_text(ids, tokenizer) == text == token_ids_to_text(ids[0], tokenizer)


def test_the_end_token_is_one_id_and_an_empty_text_has_none():
    assert text_to_token_ids("<|endoftext|>", get_tokenizer()).tolist() == [[50256]]
    assert text_to_token_ids("", get_tokenizer()).shape == (1, 0)


# ---- with and without a cache


@pytest.mark.parametrize(
    "B, T, n", [(1, 1, 5), (1, 3, 40), (3, 3, 40), (2, 8, 12), (3, 20, 25), (2, 7, 1), (1, 2, 0)]
)
@pytest.mark.parametrize(
    "options", [{}, {"tie_weights": True, "qkv_bias": True}, {"drop_rate": 0.5}]
)
def test_the_cache_changes_no_token_even_past_the_contexts_end(B, T, n, options):
    model, idx = gpt(**options), prompt(B, T)
    assert torch.equal(streamed(model, idx, n), generate_text_simple(model, idx, n, 8))


@pytest.mark.parametrize("size", [1, 5])
def test_a_window_smaller_than_the_models_context(size):
    model, idx = gpt(), prompt(2, 4)
    fast = torch.cat([idx, *stream_tokens(model, idx, 12, size)], dim=1)
    assert torch.equal(fast, generate_text_simple(model, idx, 12, size))


def test_cached_logits_equal_full_ones_in_steps_of_any_length():
    model, idx = gpt(context_length=16), prompt(2, 12)
    full, caches, pieces = model(idx), [KVCache() for _ in model.trf_blocks], []
    for piece in idx.split([5, 1, 4, 2], dim=1):
        pieces.append(model(piece, caches))
    assert torch.allclose(torch.cat(pieces, dim=1), full, atol=1e-5)
    assert caches[0].length == 12 and caches[0].keys.shape == (2, 3, 12, 8)


def test_cached_tokens_count_towards_the_context():
    model = gpt()
    caches = [KVCache() for _ in model.trf_blocks]
    model(prompt(1, 6), caches)
    with pytest.raises(ValueError, match="9 tokens.*context_length=8"):
        model(prompt(1, 3), caches)


def test_each_step_reads_one_token_only():
    model, lengths = gpt(context_length=16), []
    model.tok_emb.register_forward_hook(
        lambda module, inputs, out: lengths.append(inputs[0].size(1))
    )
    streamed(model, prompt(1, 4), 6)
    assert lengths == [4, 1, 1, 1, 1, 1]


# ---- caches that the caller keeps


def kept_caches(model: GPTModel) -> list[KVCache]:
    return [KVCache() for _ in model.trf_blocks]


def test_kept_caches_read_only_what_is_new_and_change_no_token():
    model, lengths = gpt(context_length=32), []
    caches, idx = kept_caches(model), prompt(2, 4)
    model.tok_emb.register_forward_hook(
        lambda module, inputs, out: lengths.append(inputs[0].size(1))
    )
    for turn in range(3):
        idx = torch.cat([idx, prompt(2, 3, seed=turn)], dim=1)
        afresh = streamed(model, idx, 4)
        lengths.clear()
        idx = streamed(model, idx, 4, caches=caches)
        assert torch.equal(idx, afresh)
        assert lengths == [7 if turn == 0 else 4, 1, 1, 1]  # the last written one and three new
        assert caches[0].length == idx.size(1) - 1


def test_kept_caches_past_the_contexts_end_begin_anew():
    model = gpt()
    caches, idx = kept_caches(model), prompt(1, 3)
    idx = streamed(model, idx, 4, caches=caches)
    longer = torch.cat([idx, prompt(1, 3, seed=1)], dim=1)
    assert torch.equal(
        streamed(model, longer, 5, caches=caches), generate_text_simple(model, longer, 5, 8)
    )


def test_caches_that_leave_nothing_to_read_are_refused():
    model = gpt()
    caches, idx = kept_caches(model), prompt(1, 3)
    list(stream_tokens(model, idx, 2, 8, caches=caches))
    with pytest.raises(ValueError, match="caches hold 4 tokens.*prompt's 3"):
        list(stream_tokens(model, idx, 2, 8, caches=caches))


@pytest.mark.parametrize("length", [0, 1, 5])
def test_a_cache_keeps_the_first_tokens_and_goes_on_from_there(length):
    model, idx = gpt(context_length=16), prompt(2, 9)
    caches = kept_caches(model)
    model(idx[:, :7], caches)
    for cache in caches:
        cache.keep(length)
        assert cache.length == length
    logits = model(idx[:, length:], caches)
    assert torch.allclose(logits, model(idx)[:, length:], atol=1e-5)
    empty = KVCache()
    empty.keep(0)
    assert empty.length == 0


def test_only_the_last_tokens_of_a_long_prompt_count():
    model, idx = gpt(), prompt(1, 20)
    assert torch.equal(streamed(model, idx, 6)[:, 12:], streamed(model, idx[:, -8:], 6))


def test_greedy_takes_the_largest_of_each_row():
    assert greedy(torch.tensor([[0.0, 3.0, 1.0], [2.0, -1.0, 1.0]])).tolist() == [[1], [0]]


def test_the_choice_is_free():
    model = gpt()
    assert (
        streamed(model, prompt(2, 2), 4, choose=lambda logits: torch.full((2, 1), 17))[:, 2:]
        .unique()
        .item()
        == 17
    )


def test_a_stream_yields_at_its_pace_and_leaves_gradients_on():
    stream = stream_tokens(gpt(), prompt(1, 2), 5, 8)
    assert next(stream).shape == (1, 1) and torch.is_grad_enabled()
    assert len(list(stream)) == 4


# ---- the end token


def test_a_stream_ends_before_the_end_token():
    model, idx = gpt(), prompt(1, 3)
    plain = streamed(model, idx, 12)[0, 3:]
    eos_id = plain[4].item()
    stop = plain.tolist().index(eos_id)
    assert streamed(model, idx, 12, eos_id=eos_id)[0, 3:].tolist() == plain[:stop].tolist()


def test_rows_that_have_ended_wait_for_the_others():
    chosen = iter([[1, 2], [9, 3], [4, 5], [6, 9], [7, 7]])
    out = streamed(
        gpt(), prompt(2, 2), 5, choose=lambda _: torch.tensor(next(chosen)).unsqueeze(1), eos_id=9
    )
    assert out[:, 2:].tolist() == [[1, 9, 9], [2, 3, 5]]


# ---- bad input


@pytest.mark.parametrize(
    "generate",
    [
        lambda *given: generate_text_simple(*given),
        lambda *given: list(stream_tokens(*given)),
        lambda *given: check_prompt(*given),
    ],
    ids=["plain", "stream", "check"],
)
@pytest.mark.parametrize(
    "idx, n, size, message",
    [
        (torch.zeros(1, 0, dtype=torch.long), 3, 8, r"shape \(1, 0\)"),
        (torch.zeros(3, dtype=torch.long), 3, 8, r"\(3,\)"),
        (torch.tensor([[1, 31]]), 3, 8, "1 to 31.*0 to 30"),
        (torch.tensor([[-1, 2]]), 3, 8, "-1 to 2"),
        (torch.tensor([[1]]), -2, 8, "max_new_tokens=-2"),
        (torch.tensor([[1]]), 3, 0, "context_size=0"),
        (torch.tensor([[1]]), 3, 9, "context_size=9.*context_length=8"),
    ],
)
def test_what_cannot_be_continued_is_explained(generate, idx, n, size, message):
    with pytest.raises(ValueError, match=message):
        generate(gpt(), idx, n, size)


# ---- the lectures


@pytest.mark.parametrize("tied", [False, True])
def test_column_major_weights_write_the_same_text(tied):
    model, columns = gpt(tie_weights=tied), gpt(tie_weights=tied)
    to_column_major(columns)
    for (name, old), (_, new) in zip(
        model.named_parameters(), columns.named_parameters(), strict=True
    ):
        assert old.shape == new.shape and torch.equal(old, new), name
    assert columns.trf_blocks[0].ff.layers[0].weight.stride(0) == 1
    assert columns.tok_emb.weight.is_contiguous()
    assert (columns.out_head.weight.data_ptr() == columns.tok_emb.weight.data_ptr()) == tied
    assert (columns.out_head.weight.stride(0) == 1) == (not tied)
    assert torch.equal(streamed(columns, prompt(3, 4), 20), streamed(model, prompt(3, 4), 20))


def test_the_untrained_model_writes_the_lectures_words():
    tokenizer = get_tokenizer()
    torch.manual_seed(123)
    model = GPTModel(GPT_CONFIG_124M).eval()
    idx = text_to_token_ids("Every effort moves you", tokenizer)
    text = token_ids_to_text(streamed(model, idx, 10), tokenizer)
    assert text == "Every effort moves you rentingetic wasnم refres RexMeCHicular stren"


# ---- temperature, top-k, top-p: properties, against slow definitions


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
    torch.testing.assert_close(
        next_token_probs(logits, temperature, top_k, top_p)[0], expected, atol=1e-5, rtol=1e-4
    )


def test_without_settings_it_is_softmax_and_rows_do_not_disturb_each_other():
    logits = random_logits(1)
    torch.testing.assert_close(next_token_probs(logits), logits.softmax(-1))
    assert torch.equal(next_token_probs(logits, top_p=1.0), next_token_probs(logits))
    together = next_token_probs(logits, 0.7, 5, 0.8)
    alone = torch.cat([next_token_probs(row[None], 0.7, 5, 0.8) for row in logits])
    torch.testing.assert_close(together, alone)


SPREADS = [1.0, 2.5, 4.0, 6.0]  # of the logits; the tail is the thinner, the larger it is


def gpt2_logits(spread):
    """Two rows as wide as GPT-2's vocabulary: rounding in 32 bits shows here, not on 12 tokens."""
    return spread * torch.randn(2, 50257, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("spread", SPREADS)
def test_a_top_p_of_one_is_no_filter(spread):
    logits = gpt2_logits(spread)
    assert torch.equal(next_token_probs(logits, top_p=1.0), next_token_probs(logits))
    both = next_token_probs(logits, 0.7, top_k=3000, top_p=1.0)
    assert torch.equal(both, next_token_probs(logits, 0.7, top_k=3000))


@pytest.mark.parametrize("top_p", [0.5, 0.9, 0.999, 0.9999, 1 - 1e-6, 1 - 1e-9])
@pytest.mark.parametrize("spread", SPREADS)
def test_a_top_p_keeps_exactly_the_tokens_that_64_bits_keep(spread, top_p):
    logits = gpt2_logits(spread)
    exact, order = logits.double().softmax(-1).sort(dim=-1, descending=True)
    for row, probs, places in zip(exact, next_token_probs(logits, top_p=top_p), order):
        total = 0.0
        count = 0
        for p in row.tolist():
            if total >= top_p:
                break
            total += p
            count += 1
        kept = probs[places] > 0
        assert kept[:count].all() and not kept[count:].any(), (count, int(kept.sum()))


@pytest.mark.parametrize(
    "wrong",
    [{"temperature": 0.0}, {"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"top_p": 1.01}],
)
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
    torch.testing.assert_close(
        probs, torch.nn.functional.one_hot(random_logits(1).argmax(-1), 12).float()
    )


def test_a_seed_repeats_a_text_and_another_does_not(model):
    idx = torch.tensor([[3, 1]])

    def drawn(seed):
        return generate(
            model, idx, 20, 8, 1.0, generator=torch.Generator().manual_seed(seed)
        ).tolist()

    assert drawn(1) == drawn(1) != drawn(2)


def test_draws_follow_the_probabilities_and_never_leave_the_cut(model):
    idx = torch.tensor([[3, 1]])
    probs = next_token_probs(model(idx)[:, -1], 1.3, 6, 0.9)[0]
    out = generate(
        model, idx.repeat(4000, 1), 1, 8, 1.3, 6, 0.9, generator=torch.Generator().manual_seed(1)
    )
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
