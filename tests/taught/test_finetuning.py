"""Finetuning learns records by heart, touches only what it may, warms up and clips."""

import math
from functools import partial

import pytest
import torch
from small_parts import PLAIN, Tokens

from shared.evaluation import exact_match, generate_responses, score_by_family
from shared.finetuning import create_small_gpt, finetune
from shared.instructions import RESPONSE_MARK, create_instruction_dataloader, format_input
from shared.kit.corpora import load_instruction_data
from shared.kit.instruction_records import family_of
from shared.tokenizer import BPETokenizer


def test_small_gpt_is_tied_and_starts_with_small_tables():
    torch.manual_seed(0)
    model = create_small_gpt(500, 64)
    assert model.tok_emb.weight is model.out_head.weight
    assert all(getattr(model, name).weight.std() < 0.06 for name in ("tok_emb", "pos_emb"))


def small_run(epochs=12, freeze=False):
    """A model and its loader on eight records; trained for some epochs."""
    records = load_instruction_data()[:8]
    prompt = partial(format_input, preamble=False)
    tokenizer = BPETokenizer.train(
        "\n".join(prompt(e) + RESPONSE_MARK + e["output"] for e in records), 300
    )
    loader = create_instruction_dataloader(records, tokenizer, 8, prompt, mask_instruction=True)
    torch.manual_seed(3)
    model = create_small_gpt(tokenizer.n_vocab, 100, drop_rate=0.0)
    if freeze:
        model.requires_grad_(False)
        model.final_norm.requires_grad_(True)
    losses = finetune(
        model,
        loader,
        loader,
        "cpu",
        epochs,
        2e-3,
        warmup_steps=4,
        eval_freq=epochs - 1,
        eval_iter=1,
        progress=False,
    )
    return model, losses, records, prompt, tokenizer


@pytest.mark.slow
def test_finetuning_learns_eight_records_by_heart(capsys):
    model, (train_losses, _, tokens_seen), records, prompt, tokenizer = small_run(epochs=90)
    assert train_losses[-1] < 0.05 < train_losses[0] and tokens_seen[-1] > tokens_seen[0]
    answers = generate_responses(model, tokenizer, [prompt(e) + RESPONSE_MARK for e in records])
    assert sum(map(exact_match, answers, records)) >= 7
    assert sum(right for right, _ in score_by_family(answers, records, family_of).values()) >= 7


def test_finetuning_touches_only_what_requires_a_gradient(capsys):
    torch.manual_seed(3)
    model, *_ = small_run(epochs=6, freeze=True)
    torch.manual_seed(3)
    fresh = create_small_gpt(model.cfg.vocab_size, 100, drop_rate=0.0).state_dict()
    changed = {
        name for name, weight in model.state_dict().items() if not torch.equal(weight, fresh[name])
    }
    assert changed == {"final_norm.scale", "final_norm.shift"}


def test_finetuning_warms_up_falls_to_a_twentieth_and_clips(monkeypatch):
    rates, norms = [], []

    def fake(model, train_loader, val_loader, optimizer, *args, **kwargs):
        for _ in range(40):
            for weight in model.parameters():
                weight.grad = torch.full_like(weight, 100.0)
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            norms.append(
                torch.cat([weight.grad.flatten() for weight in model.parameters()]).norm().item()
            )

    monkeypatch.setattr("shared.finetuning.train_model", fake)
    loader = create_instruction_dataloader([PLAIN], Tokens(), batch_size=1)
    finetune(
        create_small_gpt(128, 8),
        loader,
        loader,
        "cpu",
        num_epochs=40,
        peak_lr=1e-3,
        warmup_steps=10,
    )
    assert (
        rates[0] < 1.5e-4
        and rates[:11] == sorted(rates[:11])
        and rates[10:] == sorted(rates[10:], reverse=True)
    )
    assert math.isclose(max(rates), 1e-3, rel_tol=1e-6) and math.isclose(
        rates[-1], 5e-5, rel_tol=0.01
    )
    assert all(math.isclose(norm, 1.0, rel_tol=1e-3) for norm in norms)


def test_finetuning_of_nothing_is_refused():
    loader = create_instruction_dataloader([PLAIN], Tokens(), batch_size=1)
    model = create_small_gpt(128, 256)
    with pytest.raises(ValueError, match="in 1 steps, 50 of them warm-up"):
        finetune(model, loader, loader, "cpu", num_epochs=1, peak_lr=1e-3)
    with pytest.raises(ValueError, match="^0 weights to train"):
        finetune(model.requires_grad_(False), loader, loader, "cpu", num_epochs=100, peak_lr=1e-3)
