"""Maps are the model's own weights; heads go off and come back; the lens ends in the model."""

import pytest
import torch
from torch.nn import functional as F

from shared.circuits import (
    attention_maps,
    best_heads,
    embedded,
    heads_off,
    layer_states,
    logit_lens,
    round_losses,
    score_back,
)
from shared.llama import LlamaConfig, LlamaModel

L, H, G, T = 3, 4, 2, 9


@pytest.fixture
def model():
    torch.manual_seed(0)
    cfg = LlamaConfig(
        vocab_size=50,
        context_length=24,
        emb_dim=32,
        n_heads=H,
        n_kv_heads=G,
        n_layers=L,
        hidden_dim=48,
    )
    model = LlamaModel(cfg).eval()
    with torch.no_grad():
        for block in model.trf_blocks:  # strong queries: weights far from equal ones
            block.att.W_query.weight.mul_(8)
    return model


@pytest.fixture
def idx():
    return torch.randint(50, (2, T), generator=torch.Generator().manual_seed(1))


def test_maps_times_values_are_what_the_attention_returns(model, idx):
    maps = attention_maps(model, idx)
    assert maps.shape == (L, 2, H, T, T)
    assert not maps.requires_grad
    x, angles = embedded(model, idx)
    for block, weights in zip(model.trf_blocks, maps, strict=True):
        h = block.norm1(x)
        v = block.att.W_value(h).view(2, T, G, -1).transpose(1, 2).repeat_interleave(H // G, 1)
        out = block.att.out_proj((weights @ v).transpose(1, 2).flatten(2))
        torch.testing.assert_close(out, block.att(h, angles), atol=1e-5, rtol=1e-5)
        x = block(x, angles)


def test_maps_are_weights_and_hide_the_future(model, idx):
    maps = attention_maps(model, idx)
    torch.testing.assert_close(maps.sum(-1), torch.ones(L, 2, H, T))
    assert maps.triu(1).abs().max() == 0


@pytest.mark.parametrize("shape", [(1, 0), (1, 25), (5,)])
def test_tokens_that_no_model_reads_are_refused(model, shape):
    for function in (attention_maps, layer_states):
        with pytest.raises(ValueError, match=r"the tokens have shape \(.*context_length=24"):
            function(model, torch.zeros(shape, dtype=torch.long))


def test_a_score_is_the_mean_on_one_diagonal():
    maps = torch.zeros(2, 1, 3, 6, 6)
    maps[1, 0, 2, [3, 4, 5], [1, 2, 3]] = torch.tensor([0.8, 0.6, 0.7])
    maps[1, 0, 2, 2, 0] = 0.5  # before `first`
    scores = score_back(maps, back=2, first=3)
    assert scores.shape == (2, 3)
    assert scores[1, 2].item() == pytest.approx(0.7)
    assert scores.sum().item() == pytest.approx(0.7)
    assert score_back(maps, 2, 2)[1, 2].item() == pytest.approx(0.65)


@pytest.mark.parametrize("back, first", [(0, 1), (3, 2), (1, 6)])
def test_a_score_beside_the_map_is_refused(back, first):
    with pytest.raises(ValueError, match=f"back={back} and first={first} need 1 <= back"):
        score_back(torch.zeros(1, 1, 1, 6, 6), back, first)


def test_the_best_heads_are_named_by_layer_and_head():
    scores = torch.tensor([[0.1, 0.9, 0.2], [0.3, 0.0, 0.8]])
    assert best_heads(scores, 3) == [(0, 1), (1, 2), (1, 0)]


def test_a_head_that_is_off_adds_nothing(model, idx):
    x, angles = embedded(model, idx)
    att = model.trf_blocks[1].att
    weights = attention_maps(model, idx)  # any x will do: the maps of layer 0 below
    weights = weights[0]
    h = model.trf_blocks[0].norm1(x)
    att = model.trf_blocks[0].att
    v = att.W_value(h).view(2, T, G, -1).transpose(1, 2).repeat_interleave(H // G, 1)
    found = weights @ v  # (B, H, T, K)
    found[:, [1, 3]] = 0.0
    expected = att.out_proj(found.transpose(1, 2).flatten(2))
    with heads_off(model, [(0, 1), (0, 3)]):
        torch.testing.assert_close(att(h, angles), expected, atol=1e-5, rtol=1e-5)


def test_heads_are_on_again_to_the_last_bit(model, idx):
    before = {name: value.clone() for name, value in model.state_dict().items()}

    def unchanged():
        return all(torch.equal(before[name], value) for name, value in model.state_dict().items())

    with heads_off(model, [(0, 1), (2, 3), (0, 1)]):
        assert not unchanged()
        with heads_off(model, [(0, 1), (1, 0)]):
            pass
        assert model.trf_blocks[0].att.out_proj.weight[:, 8:16].abs().max() == 0
    assert unchanged()
    with pytest.raises(KeyboardInterrupt), heads_off(model, [(1, 2)]):
        raise KeyboardInterrupt
    assert unchanged()
    with heads_off(model, []):
        assert unchanged()


@pytest.mark.parametrize("head", [(L, 0), (0, H), (-1, 0), (0, -1)])
def test_a_head_that_is_not_there_is_refused_before_any_is_off(model, head):
    before = model.trf_blocks[0].att.out_proj.weight.clone()
    message = f"there is no head {head[1]} in layer {head[0]}: this model has layers 0 to 2"
    with pytest.raises(ValueError, match=message), heads_off(model, [(0, 0), head]):
        pass
    assert torch.equal(model.trf_blocks[0].att.out_proj.weight, before)


def test_losses_of_both_rounds(model):
    half = torch.randint(50, (2, 5), generator=torch.Generator().manual_seed(2))
    repeated = torch.cat([half, half], dim=1)
    first, second = round_losses(model, repeated)
    log_probs = F.log_softmax(model(repeated).detach(), dim=-1)
    lost = [
        [-log_probs[b, t - 1, repeated[b, t]].item() for b in range(2)] for t in range(1, 10)
    ]  # of tokens 1 to 9
    assert first == pytest.approx(sum(map(sum, lost[:4])) / 8, abs=1e-4)
    assert second == pytest.approx(sum(map(sum, lost[5:])) / 8, abs=1e-4)


@pytest.mark.parametrize("ids", [[1, 2, 3], [1, 2, 1, 3], [1, 1]])
def test_tokens_that_are_not_said_twice_are_refused(model, ids):
    with pytest.raises(ValueError, match="must be two equal halves"):
        round_losses(model, torch.tensor([ids]))


def test_the_lens_ends_in_the_model_and_begins_with_the_tokens(model, idx):
    states = layer_states(model, idx)
    assert states.shape == (L + 1, 2, T, 32)
    assert torch.equal(states[0], model.tok_emb(idx))
    torch.testing.assert_close(logit_lens(model, states[-1]), model(idx), atol=1e-5, rtol=1e-5)
    middle = model.out_head(model.final_norm(states[1]))
    torch.testing.assert_close(logit_lens(model, states)[1], middle, atol=1e-5, rtol=1e-5)
    assert not logit_lens(model, states).requires_grad
