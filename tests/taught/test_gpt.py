"""Each part of the GPT equals PyTorch's; the whole keeps the future out and can learn."""

import io
import math
from dataclasses import FrozenInstanceError, replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from shared.gpt import (
    GELU,
    GPT_CONFIG_124M,
    FeedForward,
    GPTConfig,
    GPTModel,
    LayerNorm,
    TransformerBlock,
)

TINY = GPTConfig(vocab_size=29, context_length=8, emb_dim=12, n_heads=3, n_layers=2, drop_rate=0.0)


@pytest.fixture
def idx() -> torch.Tensor:
    return torch.randint(
        TINY.vocab_size, (2, 6), generator=torch.Generator().manual_seed(7)
    )  # (B, T)


def model(cfg: GPTConfig = TINY) -> GPTModel:
    torch.manual_seed(123)
    return GPTModel(cfg).eval()


# ---- configuration


@pytest.mark.parametrize(
    "change, named",
    [
        ({"emb_dim": 13}, ("emb_dim=13", "n_heads=3")),
        ({"n_layers": 0}, ("n_layers=0",)),
        ({"vocab_size": -1}, ("vocab_size=-1",)),
        ({"context_length": 2.5}, ("context_length=2.5",)),
        ({"n_heads": "3"}, ("n_heads='3'",)),
        ({"drop_rate": 1.0}, ("drop_rate=1.0",)),
        ({"drop_rate": -0.1}, ("drop_rate=-0.1",)),
    ],
)
def test_a_configuration_that_does_not_fit_names_its_values(change, named):
    with pytest.raises(ValueError) as error:
        replace(TINY, **change)
    assert all(text in str(error.value) for text in named)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TINY.emb_dim = 24


# ---- parts


def test_layer_norm_is_pytorchs_with_biased_variance():
    torch.manual_seed(123)
    x = 5 * torch.randn(2, 3, 16) - 2
    ours, theirs = LayerNorm(16), nn.LayerNorm(16)
    with torch.no_grad():
        ours.scale.copy_(torch.randn(16))
        ours.shift.copy_(torch.randn(16))
        theirs.weight.copy_(ours.scale)
        theirs.bias.copy_(ours.shift)
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    by_hand = (x - x.mean(-1, keepdim=True)) / torch.sqrt(
        x.var(-1, keepdim=True, unbiased=False) + 1e-5
    )
    assert torch.allclose(ours(x), by_hand * ours.scale + ours.shift, atol=1e-5)


def test_layer_norm_of_equal_numbers_is_finite():
    assert torch.equal(LayerNorm(4)(torch.full((1, 4), 7.0)), torch.zeros(1, 4))


def test_gelu_is_the_tanh_form_not_the_exact_one():
    x = torch.linspace(-5, 5, 501, dtype=torch.float64)
    by_hand = 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
    assert torch.allclose(GELU()(x), by_hand, atol=1e-12)
    assert (GELU()(x) - F.gelu(x)).abs().max() > 1e-4


def test_feed_forward_handles_each_token_alone_through_four_times_the_width():
    torch.manual_seed(123)
    ff, x = FeedForward(12), torch.randn(2, 5, 12)
    changed = x.clone()
    changed[:, 3] += 1
    moved = (ff(changed) - ff(x)).abs().amax(dim=(0, 2))
    assert (moved > 1e-4).tolist() == [False, False, False, True, False]
    assert ff.layers[0].out_features == 48


def test_the_block_equals_pytorchs_with_the_norm_first():
    torch.manual_seed(123)
    block = TransformerBlock(replace(TINY, qkv_bias=True)).eval()
    theirs = nn.TransformerEncoderLayer(
        12, 3, 48, dropout=0.0, activation=GELU(), batch_first=True, norm_first=True
    ).eval()
    with torch.no_grad():
        for norm in (block.norm1, block.norm2):
            norm.scale.copy_(torch.randn(12))
            norm.shift.copy_(torch.randn(12))
        att = block.att
        theirs.self_attn.in_proj_weight.copy_(
            torch.cat([w.weight for w in (att.W_query, att.W_key, att.W_value)])
        )
        theirs.self_attn.in_proj_bias.copy_(
            torch.cat([w.bias for w in (att.W_query, att.W_key, att.W_value)])
        )
        for norm, copy in ((block.norm1, theirs.norm1), (block.norm2, theirs.norm2)):
            copy.weight.copy_(norm.scale)
            copy.bias.copy_(norm.shift)
    theirs.self_attn.out_proj.load_state_dict(att.out_proj.state_dict())
    theirs.linear1.load_state_dict(block.ff.layers[0].state_dict())
    theirs.linear2.load_state_dict(block.ff.layers[2].state_dict())
    x = torch.randn(2, 6, 12)
    hidden = torch.ones(6, 6, dtype=torch.bool).triu(1)
    assert torch.allclose(block(x), theirs(x, src_mask=hidden), atol=1e-5)


# ---- the model


def test_logits_have_one_row_of_scores_for_each_position(idx):
    assert model()(idx).shape == (2, 6, 29)


@pytest.mark.parametrize("t", range(6))
def test_changing_a_token_leaves_all_outputs_before_it(t, idx):
    gpt, changed = model(), idx.clone()
    changed[:, t] = (changed[:, t] + 1) % 29
    moved = (gpt(changed) - gpt(idx)).abs().amax(dim=(0, 2)) > 1e-5
    assert moved.tolist() == [False] * t + [True] * (6 - t)


def test_order_matters(idx):
    gpt = model()
    assert not torch.allclose(gpt(idx)[:, -1], gpt(idx[:, [1, 0, 2, 3, 4, 5]])[:, -1], atol=1e-4)


def test_too_many_tokens_name_both_numbers():
    with pytest.raises(ValueError, match="9 tokens.*context_length=8"):
        model()(torch.zeros(1, 9, dtype=torch.long))


def test_an_id_beyond_the_vocabulary_is_an_error():
    with pytest.raises(IndexError):
        model()(torch.tensor([[29]]))


def test_dropout_acts_in_training_only(idx):
    gpt = model(replace(TINY, drop_rate=0.2))
    assert torch.equal(gpt(idx), gpt(idx))
    gpt.train()
    assert not torch.equal(gpt(idx), gpt(idx))


@pytest.mark.parametrize("tied", [False, True])
def test_the_untrained_loss_is_near_ln_v(tied):
    gpt = model(GPTConfig(5000, 64, emb_dim=64, n_heads=4, n_layers=2, tie_weights=tied))
    idx = torch.randint(5000, (4, 64))
    loss = F.cross_entropy(gpt(idx).flatten(0, 1), torch.randint(5000, (256,)))
    assert abs(loss.item() - math.log(5000)) < 0.4


@pytest.mark.parametrize(
    "context, tied, expected",
    [
        (256, False, 162_419_712),
        (256, True, 123_822_336),
        (1024, False, 163_009_536),
        (1024, True, 124_412_160),
    ],
)
def test_parameters_at_full_size(context, tied, expected):
    with torch.device("meta"):
        gpt = GPTModel(replace(GPT_CONFIG_124M, context_length=context, tie_weights=tied))
    assert sum(p.numel() for p in gpt.parameters()) == expected


def test_one_batch_can_be_memorised(idx):
    gpt = model(replace(TINY, emb_dim=48)).train()
    idx = idx.clone()
    idx[:, 0] = torch.tensor(
        [1, 2]
    )  # texts that begin alike could not both be known from the first token
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=1e-2)
    for _ in range(80):
        loss = F.cross_entropy(gpt(idx[:, :-1]).flatten(0, 1), idx[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.05


# ---- tied weights


def test_tied_means_the_same_memory_before_and_after_training(idx):
    gpt = model(replace(TINY, tie_weights=True))
    before = gpt.out_head.weight.detach().clone()
    optimizer = torch.optim.AdamW(gpt.parameters(), lr=1e-2)
    gpt(idx).sum().backward()
    optimizer.step()
    assert gpt.tok_emb.weight.data_ptr() == gpt.out_head.weight.data_ptr()
    assert not torch.equal(gpt.tok_emb.weight, before)
    assert model().tok_emb.weight.data_ptr() != model().out_head.weight.data_ptr()


def test_tied_weights_start_small_enough_for_a_head():
    assert model(replace(TINY, tie_weights=True)).tok_emb.weight.abs().max() <= 1 / math.sqrt(12)


def test_tied_weights_survive_saving_and_loading(idx):
    gpt, buffer = model(replace(TINY, tie_weights=True)), io.BytesIO()
    torch.save(gpt.state_dict(), buffer)
    buffer.seek(0)
    torch.manual_seed(9)
    loaded = GPTModel(gpt.cfg).eval()
    loaded.load_state_dict(torch.load(buffer, weights_only=True))
    assert loaded.tok_emb.weight.data_ptr() == loaded.out_head.weight.data_ptr()
    assert torch.equal(loaded(idx), gpt(idx))


def test_tied_weights_start_with_the_scales_of_gpt2():
    """Positions are as small as tokens; what blocks add is divided by the root of their number."""
    width, layers = 64, 8
    cfg = GPTConfig(500, 128, emb_dim=width, n_heads=4, n_layers=layers)
    torch.manual_seed(1)
    tied = GPTModel(replace(cfg, tie_weights=True))
    assert tied.pos_emb.weight.std().item() == pytest.approx(0.02, rel=0.05)
    uniform = 1 / math.sqrt(3)  # PyTorch draws from +-1/sqrt(inputs)
    for block in tied.trf_blocks:
        for layer, inputs in ((block.att.out_proj, width), (block.ff.layers[2], 4 * width)):
            expected = uniform / math.sqrt(inputs) / math.sqrt(2 * layers)
            assert layer.weight.std().item() == pytest.approx(expected, rel=0.1)
        assert block.ff.layers[0].weight.std().item() == pytest.approx(
            uniform / math.sqrt(width), rel=0.1
        )


def test_an_untied_model_starts_as_pytorch_draws():
    """The lectures' numbers depend on it."""
    torch.manual_seed(1)
    untied = GPTModel(GPTConfig(500, 128, emb_dim=64, n_heads=4, n_layers=8))
    assert untied.pos_emb.weight.std().item() == pytest.approx(1, rel=0.05)
    last = untied.trf_blocks[-1].ff.layers[2].weight
    assert last.abs().max().item() == pytest.approx(1 / 16, rel=0.01)
