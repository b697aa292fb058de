"""The scoreboard's small models: what they learn, what their loss says, what they write."""

import math

import pytest
import torch
from torch import nn

from shared.characters import (
    CharacterModel,
    character_ids,
    character_loss,
    train_characters,
    write_characters,
)

ALPHABET = "abc"
CIRCLE = "abc" * 200  # after a always b, after b always c


def pair_model() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(3, 8), nn.Linear(8, 3))


def test_ids_are_places_in_the_alphabet():
    assert character_ids("cab", ALPHABET).tolist() == [2, 0, 1]
    with pytest.raises(KeyError):
        character_ids("d", ALPHABET)


def test_equal_scores_cost_the_logarithm_of_the_alphabet():
    flat = nn.Embedding(3, 3)
    nn.init.zeros_(flat.weight)
    ids = character_ids(CIRCLE, ALPHABET)
    assert character_loss(flat, ids) == pytest.approx(math.log(3), abs=1e-6)


def test_the_loss_is_the_mean_over_all_whole_windows():
    model, ids = pair_model(), character_ids("abcab" * 20, ALPHABET)
    scores = model(ids[None, :96])[0].log_softmax(-1)  # 3 windows of 32 characters
    slow = -sum(scores[i, ids[i + 1]].item() for i in range(96)) / 96
    assert character_loss(model, ids) == pytest.approx(slow, abs=1e-5)


def test_a_circle_is_learned_and_written():
    model, ids = pair_model(), character_ids(CIRCLE, ALPHABET)
    before = character_loss(model, ids)
    train_characters(model, ids, steps=200)
    assert before > 0.8 and character_loss(model, ids) < 0.2
    assert write_characters(model, ALPHABET, "a", length=6) == "bcabca"


def test_the_same_seed_gives_the_same_model_and_text():
    ids = character_ids(CIRCLE, ALPHABET)
    models = [pair_model(), pair_model()]
    for model in models:
        train_characters(model, ids, steps=5, seed=1)
    first, second = (write_characters(model, ALPHABET, "a", seed=2) for model in models)
    assert first == second and len(first) == 120


def test_the_mixer_sees_vectors_and_its_sum_reaches_the_head():
    class Twice(nn.Module):
        def forward(self, x):
            seen.append(x)
            return 2 * x

    seen = []
    torch.manual_seed(0)
    model = CharacterModel(5, 8, 4, Twice())
    scores = model(torch.tensor([[0, 1, 2]]))
    assert scores.shape == (1, 3, 5)
    expected = model.tok_emb.weight[:3] + model.pos_emb.weight[:3]
    assert torch.allclose(seen[0][0], expected)
    assert torch.allclose(scores[0], model.out_head(3 * expected), atol=1e-6)
