"""The exercises of chapter 3: each accepts its solution and meets well-known mistakes with a hint that fits."""

import math

import pytest
import torch

from shared.checks import verdict
from shared.checks.gpt import EXERCISES


def rms(x):
    return x / torch.sqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5)


def layer_norm(x):
    return torch.nn.functional.layer_norm(x, x.shape[-1:])


def rms_over_all_tokens(x):
    return x / torch.sqrt(x.square().mean() + 1e-5)


def unit_length(x):
    return x / torch.sqrt(x.square().sum(dim=-1, keepdim=True) + 1e-5)


def rms_without_eps(x):
    return x / torch.sqrt(x.square().mean(dim=-1, keepdim=True))


def rms_in_place(x):
    return x.div_(torch.sqrt(x.square().mean(dim=-1, keepdim=True) + 1e-5))


def forward(model, idx, positions=True, norm=True, blocks=None, softmax=False):
    x = model.tok_emb(idx)
    if positions:
        x = x + model.pos_emb(torch.arange(idx.shape[1]))
    for block in model.trf_blocks[:blocks]:
        x = block(x)
    logits = model.out_head(model.final_norm(x) if norm else x)
    return logits.softmax(dim=-1) if softmax else logits


def generate(model, idx, n, size, eos_id, crop=True, stop=True, keep_eos=False, with_prompt=True, worst=False):
    given = idx.shape[1]
    for _ in range(n):
        with torch.no_grad():
            logits = model(idx[:, -size:] if crop else idx[:, :size])[:, -1]
        new = (-logits if worst else logits).argmax(dim=-1, keepdim=True)
        if stop and new.item() == eos_id:
            return torch.cat([idx, new], dim=1) if keep_eos else idx
        idx = torch.cat([idx, new], dim=1)
    return idx if with_prompt else idx[:, given:]


def with_options(function, **options):
    return lambda *given: function(*given, **options)


ROOT2 = math.sqrt(2)
SOLUTIONS = {
    "normalised_row": [-ROOT2, 0, 0, ROOT2],
    "feed_forward_parameters": 2 * 1024 * 4096 + 4096 + 1024,
    "rms_norm": rms,
    "logits_shape": (3, 20, 1000),
    "first_loss": 7.03,
    "own_forward": forward,
    "medium_block": 12 * 1024**2 + 13 * 1024,
    "xl_training_bytes": 24.9,
    "swiglu_width": lambda D: 8 * D // 3,
    "cache_bytes": 2 * 48 * 1600 * 1024 * 4,
    "token_passes": (85, 13),
    "own_generate": generate,
}
WRONG = [
    ("normalised_row", "divided by n - 1", [-1.2247, 0, 0, 1.2247], "n = 4"),
    ("normalised_row", "divided by the variance", [-1, 0, 0, 1], "square root"),
    ("normalised_row", "mean not subtracted", [1.41, 2.83, 2.83, 4.24], "mean of your numbers is not 0"),
    ("normalised_row", "three numbers", [1, 2, 3], "four numbers"),
    ("feed_forward_parameters", "no biases", 8 * 1024**2, "bias"),
    ("feed_forward_parameters", "first layer only", 4 * 1024**2 + 4096, "first layer only"),
    ("feed_forward_parameters", "width 768", 4_722_432, "width 768"),
    ("feed_forward_parameters", "not a number", "8393728", "one number"),
    ("rms_norm", "layer norm", layer_norm, "subtracts nothing"),
    ("rms_norm", "over all tokens", rms_over_all_tokens, "dim=-1"),
    ("rms_norm", "unit length", unit_length, "not their sum"),
    ("rms_norm", "without eps", rms_without_eps, "nan"),
    ("rms_norm", "in place", rms_in_place, "in place"),
    ("logits_shape", "width instead of vocabulary", (3, 20, 64), "64 is the width"),
    ("logits_shape", "context instead of tokens", (3, 128, 1000), "does not fill the context"),
    ("logits_shape", "two dimensions", (60, 1000), "three dimensions"),
    ("first_loss", "ln V only", 6.91, "half the squared spread"),
    ("first_loss", "not halved", math.log(1000) + 0.25, "counts half"),
    ("first_loss", "decimal logarithm", 3.125, "natural"),
    ("own_forward", "no positions", with_options(forward, positions=False), "positions are missing"),
    ("own_forward", "no final norm", with_options(forward, norm=False), "final_norm"),
    ("own_forward", "no blocks", with_options(forward, blocks=0), "blocks are missing"),
    ("own_forward", "one block", with_options(forward, blocks=1), "only the first block"),
    ("own_forward", "softmax", with_options(forward, softmax=True), "without a softmax"),
    ("medium_block", "no qkv bias", 12 * 1024**2 + 10 * 1024, "queries, keys and values"),
    ("medium_block", "no norms", 12 * 1024**2 + 9 * 1024, "layer norms are missing"),
    ("medium_block", "all blocks", 24 * (12 * 1024**2 + 13 * 1024), "all 24"),
    ("xl_training_bytes", "weights alone", 6.2, "weights alone"),
    ("xl_training_bytes", "one average", 18.7, "two averages"),
    ("swiglu_width", "our width", lambda D: 4 * D, "half as many weights again"),
    ("swiglu_width", "not whole", lambda D: 8 * D / 3, "whole number"),
    ("swiglu_width", "rounded up", lambda D: -(-8 * D // 3), "rounded up"),
    ("cache_bytes", "keys only", 48 * 1600 * 1024 * 4, "both keys and values"),
    ("cache_bytes", "numbers, not bytes", 2 * 48 * 1600 * 1024, "4 bytes"),
    ("cache_bytes", "times heads", 25 * 2 * 48 * 1600 * 1024 * 4, "share the width"),
    ("token_passes", "all fourteen read", (85, 14), "never read"),
    ("token_passes", "one step too many", (99, 13), "one step too many"),
    ("token_passes", "swapped", (13, 85), "order"),
    ("own_generate", "does not stop", with_options(generate, stop=False), "does not stop"),
    ("own_generate", "keeps the end token", with_options(generate, keep_eos=True), "ends with eos_id"),
    ("own_generate", "first tokens of the context", with_options(generate, crop=False), "last context_size tokens"),
    ("own_generate", "least likely token", with_options(generate, worst=True), "argmax"),
    ("own_generate", "without the prompt", with_options(generate, with_prompt=False), "prompt is missing"),
]


def test_every_exercise_has_a_solution_and_two_named_mistakes():
    assert set(SOLUTIONS) == set(EXERCISES)
    for name in EXERCISES:
        assert sum(name == wrong[0] for wrong in WRONG) >= 2, name


@pytest.mark.parametrize("name", SOLUTIONS)
def test_empty_and_right_answers(name):
    assert verdict(f"gpt/{name}", None) == "not attempted yet"
    assert verdict(f"gpt/{name}", SOLUTIONS[name]) == "right"


@pytest.mark.parametrize("name, mistake, answer, hint", WRONG, ids=[f"{w[0]}: {w[1]}" for w in WRONG])
def test_a_known_mistake_meets_its_hint(name, mistake, answer, hint):
    said = verdict(f"gpt/{name}", answer)
    assert said.startswith("not yet") and hint in said, said


@pytest.mark.parametrize("name", SOLUTIONS)
@pytest.mark.parametrize("answer", ["text", [], lambda *given: None, lambda *given: 1 / 0, math.nan, object()])
def test_nonsense_never_raises(name, answer):
    assert verdict(f"gpt/{name}", answer).startswith("not yet")
