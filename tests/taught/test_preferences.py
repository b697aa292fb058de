"""Pairs are refused or scored; the loss is that of the paper and of TRL; training can stop."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_parts import Tokens, same_weights
from torch.utils.data import DataLoader

from shared.checkpoints import load_checkpoint, save_checkpoint
from shared.gpt import GPTConfig, GPTModel
from shared.preferences import (
    PreferenceDataset,
    check_pair,
    dpo_loss,
    evaluate_preferences,
    preference_collate_fn,
    preference_loss,
    sequence_log_probs,
    train_preferences,
)
from shared.training import calc_loss_batch
from shared.training_state import TrainingState

PAIRS = [
    {"prompt": "ab>", "chosen": "abc", "rejected": "b"},
    {"prompt": "c>", "chosen": "d", "rejected": "dd e"},
    {"prompt": "long prompt>", "chosen": "yes", "rejected": "no"},
    {"prompt": "x>", "chosen": "xx", "rejected": "xy"},
    {"prompt": "y>", "chosen": "yx", "rejected": "yyy"},
]


def tiny(seed=0, **changes):
    torch.manual_seed(seed)
    numbers = {"vocab_size": 128, "context_length": 24, "emb_dim": 16, "n_heads": 2, "n_layers": 1}
    return GPTModel(GPTConfig(**{**numbers, "drop_rate": 0.3, **changes})).eval()


def loader(batch_size=2, shuffle=True, pairs=PAIRS):
    dataset = PreferenceDataset(pairs, Tokens(), 24)
    generator = torch.Generator().manual_seed(5)
    return DataLoader(
        dataset,
        batch_size,
        shuffle=shuffle,
        generator=generator,
        collate_fn=lambda batch: preference_collate_fn(batch, pad_token_id=0),
    )


def one_batch():
    return next(iter(loader(5, shuffle=False)))


def by_hand(model, prompt, answer):
    """The log-probability of an answer and its end, token by token, without a batch."""
    ids = Tokens().encode(prompt)
    total = 0.0
    for token in [*Tokens().encode(answer), 0]:
        with torch.no_grad():
            chances = model(torch.tensor([ids]))[0, -1].softmax(dim=-1)
        total += math.log(chances[token])
        ids = [*ids, token]
    return total


def trl_loss(model, reference, inputs, targets, beta):
    """TRL's DPOTrainer with loss_type="sigmoid", written out: gathered log-probabilities, a mask,
    log-ratios of the policy and of the reference."""

    def log_probs(network):
        per_token = network(inputs).log_softmax(-1)
        mask = targets != -100
        labels = targets.clone()
        labels[~mask] = 0
        picked = torch.gather(per_token, dim=2, index=labels.unsqueeze(2)).squeeze(2)
        picked = torch.where(mask, picked, torch.zeros_like(picked))
        sums = picked.sum(-1)
        return sums[: len(sums) // 2], sums[len(sums) // 2 :]

    chosen, rejected = log_probs(model)
    with torch.no_grad():
        ref_chosen, ref_rejected = log_probs(reference)
    logits = (chosen - rejected) - (ref_chosen - ref_rejected)
    return (-F.logsigmoid(beta * logits)).mean()


def test_scores_are_those_of_the_answers_token_by_token():
    model = tiny()
    inputs, targets = one_batch()
    with torch.no_grad():
        found = sequence_log_probs(model, inputs, targets).tolist()
    expected = [by_hand(model, p["prompt"], p["chosen"]) for p in PAIRS]
    expected += [by_hand(model, p["prompt"], p["rejected"]) for p in PAIRS]
    assert found == pytest.approx(expected, abs=1e-3)


def test_neither_the_prompt_s_targets_nor_the_padding_count():
    model = tiny()
    batch, alone = one_batch(), next(iter(loader(1, shuffle=False)))
    with torch.no_grad():
        rows = sequence_log_probs(model, *batch)[[0, 5]]
        assert torch.allclose(rows, sequence_log_probs(model, *alone), atol=1e-4)
    assert batch[0].size(1) > alone[0].size(1)
    counted = [int((row != -100).sum()) for row in batch[1]]
    assert counted == [len(p[f]) + 1 for f in ("chosen", "rejected") for p in PAIRS]


def test_a_row_without_an_answer_is_refused():
    with pytest.raises(ValueError, match="no answer to score"):
        sequence_log_probs(tiny(), torch.zeros(2, 3, dtype=torch.long), torch.full((2, 3), -100))


def test_the_loss_of_a_worked_example():
    """Chosen gained 1 on the reference, rejected lost 2: beta 0.5 makes a margin of 1.5."""
    chosen, rejected = torch.tensor([-3.0]), torch.tensor([-9.0])
    loss = dpo_loss(chosen, rejected, torch.tensor([-4.0]), torch.tensor([-7.0]), 0.5)
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-1.5)), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(numbers=st.lists(st.floats(-50, 0), min_size=4, max_size=4), beta=st.floats(0.01, 3))
def test_the_gradient_is_the_one_of_the_paper(numbers, beta):
    """Rafailov et al. 2023, section 4: beta sigmoid(reward of rejected - reward of chosen)."""
    chosen, rejected, *before = (torch.tensor([x], dtype=torch.double) for x in numbers)
    chosen.requires_grad_()
    rejected.requires_grad_()
    dpo_loss(chosen, rejected, *before, beta).sum().backward()
    margin = beta * ((numbers[0] - numbers[2]) - (numbers[1] - numbers[3]))
    expected = beta / (1 + math.exp(margin))
    assert chosen.grad.item() == pytest.approx(-expected, rel=1e-6, abs=1e-12)
    assert rejected.grad.item() == pytest.approx(expected, rel=1e-6, abs=1e-12)


@given(shift=st.floats(-20, 20))
def test_what_all_answers_to_a_prompt_gain_cancels(shift):
    before = torch.tensor([-5.0]), torch.tensor([-6.0])
    plain = dpo_loss(torch.tensor([-4.0]), torch.tensor([-9.0]), *before, 0.3)
    moved = dpo_loss(torch.tensor([-4.0 + shift]), torch.tensor([-9.0 + shift]), *before, 0.3)
    assert torch.allclose(plain, moved, atol=1e-4)


def test_step_by_step_it_is_the_training_of_trl():
    reference = tiny()
    ours, theirs = copy.deepcopy(reference), copy.deepcopy(reference)
    optimizers = [torch.optim.AdamW(m.parameters(), lr=3e-3) for m in (ours, theirs)]
    for _ in range(12):
        for batch in loader(3, shuffle=False):
            losses = (
                preference_loss(ours, reference, *batch, 0.1),
                trl_loss(theirs, reference, *batch, 0.1),
            )
            assert losses[0].item() == pytest.approx(losses[1].item(), abs=1e-5)
            for loss, optimizer in zip(losses, optimizers):
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
    assert losses[0].item() < 0.55
    for a, b in zip(ours.parameters(), theirs.parameters()):
        assert torch.allclose(a, b, atol=1e-4)


def test_the_second_term_is_the_usual_loss_of_the_chosen_answers():
    model, reference = tiny(0), tiny(1)
    inputs, targets = one_batch()
    without = preference_loss(model, reference, inputs, targets, 0.1)
    with_term = preference_loss(model, reference, inputs, targets, 0.1, chosen_weight=0.7)
    usual = calc_loss_batch(inputs[:5], targets[:5], model, "cpu")
    assert torch.allclose(with_term - without, 0.7 * usual, atol=1e-5)


@pytest.mark.parametrize("beta", [0, -0.1, math.nan])
def test_a_beta_that_is_not_above_0_is_refused(beta):
    four = [torch.zeros(1)] * 4
    with pytest.raises(ValueError, match=f"beta={beta}"):
        dpo_loss(*four, beta)
    with pytest.raises(ValueError, match=f"beta={beta}"):
        train(tiny(), tiny(), beta=beta)


@pytest.mark.parametrize(
    "pair, words",
    [
        ({"prompt": "a", "chosen": "b"}, "'rejected'"),
        ({"chosen": "b", "rejected": "c"}, "'prompt'"),
        ({"prompt": "a", "chosen": 3, "rejected": "c"}, "'chosen'"),
        ("a, b, c", "a, b, c"),
        ({"prompt": "a", "chosen": " ", "rejected": "c"}, "'chosen' is empty"),
        ({"prompt": "a", "chosen": "b", "rejected": ""}, "'rejected' is empty"),
        ({"prompt": "a", "chosen": "b", "rejected": "b"}, "both answers are .b."),
    ],
)
def test_a_wrong_pair_is_refused_by_its_number(pair, words):
    with pytest.raises(ValueError, match=words):
        check_pair(pair)
    with pytest.raises(ValueError, match=f"pair 1: .*{words}"):
        PreferenceDataset([PAIRS[0], pair], Tokens(), 24)


def test_no_pairs_and_pairs_too_long_are_refused():
    with pytest.raises(ValueError, match="no pairs"):
        PreferenceDataset([], Tokens(), 24)
    with pytest.raises(ValueError, match="pair 2 has 15 tokens, the context 14"):
        PreferenceDataset(PAIRS, Tokens(), 14)
    assert len(PreferenceDataset(PAIRS, Tokens(), 15)) == 5
    with pytest.raises(ValueError, match="pair 0: .*end token"):
        PreferenceDataset([{**PAIRS[0], "chosen": "\0"}], Tokens(), 24)


def test_a_batch_holds_all_chosen_answers_then_all_rejected():
    inputs, targets = one_batch()
    assert inputs.shape == targets.shape == (10, 15)
    for row, text in ((0, "ab>abc"), (5, "ab>b"), (9, "y>yyy")):
        assert Tokens().decode(inputs[row, : len(text)].tolist()) == text
    assert targets[0].tolist() == [-100, -100, *b"abc", 0] + 9 * [-100]


def train(model, reference, epochs=3, beta=0.1, eval_freq=4, lr=3e-3, **options):
    optimizer = options.pop("optimizer", None)
    optimizer = optimizer or torch.optim.AdamW(model.parameters(), lr=lr)
    batches = options.pop("batches", None) or loader()
    judge = loader(5, shuffle=False)
    return train_preferences(
        model, reference, batches, judge, optimizer, "cpu", epochs, beta, eval_freq,
        progress=False, **options,
    )  # fmt: skip


def test_training_begins_at_ln_2_widens_the_margin_and_leaves_the_reference(capsys):
    reference = tiny().train()
    before = copy.deepcopy(reference)
    model = copy.deepcopy(reference)
    history = train(model, reference, epochs=10, eval_freq=10)
    assert [row["step"] for row in history] == [0, 10, 20, 30]
    assert history[0]["loss"] == pytest.approx(math.log(2), abs=1e-6)  # dropout would disturb it
    assert history[0]["margin"] == history[0]["distance"] == history[0]["accuracy"] == 0
    assert history[-1]["accuracy"] == 1 and history[-1]["loss"] < 0.5
    assert history[-1]["distance"] > 0 and history[-1]["margin"] > history[1]["margin"]
    assert same_weights(reference, before) and not same_weights(model, before)
    assert all(weight.grad is None for weight in reference.parameters())
    assert capsys.readouterr().out.count("(step 0000") == 4


def test_what_is_measured_is_what_it_says():
    model, reference = tiny(0), tiny(1)
    found = evaluate_preferences(model, reference, loader(2, shuffle=False), "cpu", 0.2)
    scores = {
        (who, field): torch.tensor([by_hand(net, p["prompt"], p[field]) for p in PAIRS])
        for who, net in (("now", model), ("then", reference))
        for field in ("chosen", "rejected")
    }
    gains = {f: scores["now", f] - scores["then", f] for f in ("chosen", "rejected")}
    margins = 0.2 * (gains["chosen"] - gains["rejected"])
    assert found["chosen"] == pytest.approx(scores["now", "chosen"].mean().item(), abs=1e-3)
    assert found["rejected"] == pytest.approx(scores["now", "rejected"].mean().item(), abs=1e-3)
    assert found["margin"] == pytest.approx(margins.mean().item(), abs=1e-3)
    assert found["accuracy"] == pytest.approx((margins > 0).float().mean().item())
    assert found["loss"] == pytest.approx((1 + (-margins).exp()).log().mean().item(), abs=1e-3)
    distances = []
    for pair in PAIRS:
        prompt = Tokens().encode(pair["prompt"])
        ids = torch.tensor([prompt + Tokens().encode(pair["chosen"])])
        with torch.no_grad():
            now, then = (
                net(ids)[0, len(prompt) - 1 :].log_softmax(-1) for net in (model, reference)
            )
        distances.append(F.kl_div(then, now, log_target=True, reduction="sum") / len(now))
    assert found["distance"] == pytest.approx(torch.stack(distances).mean().item(), abs=1e-4)


def test_a_reference_of_another_vocabulary_and_the_model_itself_are_refused():
    model = tiny()
    with pytest.raises(ValueError, match="128 tokens, its reference 99"):
        train(model, tiny(vocab_size=99))
    with pytest.raises(ValueError, match="same object"):
        train(model, model)


def test_a_loss_that_is_no_number_stops_the_training():
    model = tiny()
    broken = copy.deepcopy(model)
    with torch.no_grad():
        broken.out_head.weight[0] = math.nan
    with pytest.raises(FloatingPointError, match="at step 0"):
        train(broken, model)


def test_stopped_and_taken_up_again_equals_never_stopped(tmp_path, capsys):
    reference = tiny()
    whole, parts = copy.deepcopy(reference), copy.deepcopy(reference)
    expected = train(whole, reference)
    state = TrainingState()
    optimizer = torch.optim.AdamW(parts.parameters(), lr=3e-3)

    def stop(state):
        if state.global_step == 3:
            save_checkpoint(tmp_path / "x.pth", parts, optimizer, state)
            raise KeyboardInterrupt

    train(parts, reference, state=state, optimizer=optimizer, after_step=stop)
    assert "Stopped after 4 steps" in capsys.readouterr().out
    fresh = tiny(7)
    optimizer = torch.optim.AdamW(fresh.parameters(), lr=3e-3)
    state = load_checkpoint(tmp_path / "x.pth", fresh, optimizer)
    history = train(fresh, reference, state=state, optimizer=optimizer)
    assert same_weights(whole, fresh) and history[-1] == expected[-1]
    assert "Stopped" not in capsys.readouterr().out
