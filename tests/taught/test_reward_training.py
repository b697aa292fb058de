"""A training by reward: it learns what is paid, resumes, stops, refuses bad input."""

import copy
import math
import os
import signal

import pytest
import torch
from small_parts import Tokens, letter_gpt, same_weights

from shared.answer_groups import sample_groups, sampled_log_probs
from shared.checkpoints import load_checkpoint, save_checkpoint
from shared.reward_training import RewardSettings, RewardTraining, reward_step, train_on_rewards
from shared.rewards import group_advantages, grpo_loss
from shared.training_state import TrainingState

SETTINGS = RewardSettings(group_size=8, prompts_a_step=3, max_new_tokens=3)
PROMPTS = ["abc", "bcd", "ab"]


def begins_with_x(prompt, answer):
    """Paid: a first letter from the second half of the vocabulary."""
    return float(bool(answer) and ord(answer[0]) >= 64)


def make(reward=begins_with_x, settings=SETTINGS, seed=1, reference=None, prompts=PROMPTS, lr=1e-2):
    model = letter_gpt()
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    return RewardTraining(model, Tokens(), prompts, reward, optimizer, settings, reference, seed)


def train(training, steps, **options):
    return train_on_rewards(training, steps, progress=False, **options)


def mean_reward(history):
    return sum(entry["reward"] for entry in history) / len(history)


def test_it_learns_what_is_paid():
    history = train(make(), 30)
    assert mean_reward(history[-5:]) > mean_reward(history[:5]) + 0.2
    assert set(history[0]) == {"reward", "entropy", "silent", "tokens"}
    assert history[-1]["entropy"] < history[0]["entropy"] <= math.log(128) + 1e-4


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_groups_of_equal_rewards_teach_nothing(value):
    training = make(reward=lambda prompt, answer: value)
    history = train(training, 3)
    assert same_weights(training.model, letter_gpt())
    assert [entry["silent"] for entry in history] == [1, 1, 1] and history[0]["reward"] == value


def test_a_penalty_pulls_back_to_the_reference():
    def far_from(penalty):
        settings = RewardSettings(8, 3, 3, penalty=penalty)
        training = make(settings=settings, reference=letter_gpt(), seed=4)
        train(training, 25)
        return mean_reward(training.history[-5:])

    assert far_from(5.0) < far_from(0.0) - 0.2


def test_silent_groups_may_be_left_out():
    """The step equals one over all groups: what is silent has no gradient."""
    rewards = iter([0.0] * 8 + [1.0, 0.0] * 4 + [1.0] * 8)
    training = make(reward=lambda prompt, answer: next(rewards), lr=0.0)
    before = copy.deepcopy(training.model)
    seen = []
    training.optimizer.register_step_pre_hook(
        lambda *_: seen.append([p.grad.clone() for p in training.model.parameters()])
    )
    reward_step(training)
    again = make(lr=0.0)
    rows = torch.tensor([again.ids[number] for number in again.draw()])
    groups = sample_groups(before, rows, 8, 3, 0, generator=again.generator)
    advantages = group_advantages(torch.tensor([[0.0] * 8, [1.0, 0.0] * 4, [1.0] * 8]))
    log_probs, _ = sampled_log_probs(before, groups)
    grpo_loss(log_probs, log_probs.detach(), advantages, groups.counted).backward()
    for found, weight in zip(seen[0], before.parameters()):
        assert torch.allclose(found, weight.grad, atol=1e-6)


def mixed(prompt, answer):
    """All right, all wrong, or both, by the prompt: two silent groups beside one that speaks."""
    return {"abc": 1.0, "bcd": 0.0}.get(prompt, float(len(answer) > 2 and answer[0] < answer[1]))


@pytest.mark.parametrize("penalty", [0.0, 0.5])
def test_passes_are_steps_on_the_same_draws_each_with_the_ratio_to_the_policy_that_drew(penalty):
    """Written out: one loss over all groups, three gradient steps, the old policy stays."""
    prompts, other = ["abc", "bcd", "cde"], letter_gpt(seed=5)
    settings = RewardSettings(8, 6, 7, passes=3, clip=0.05, penalty=penalty)

    def start():
        training = make(mixed, settings, seed=2, reference=other, prompts=prompts)
        training.optimizer = torch.optim.SGD(training.model.parameters(), lr=3.0)
        return training

    training, again = start(), start()
    noted = reward_step(training)
    rows = torch.tensor([again.ids[number] for number in again.draw()])
    groups = sample_groups(again.model, rows, 8, 7, 0, generator=again.generator)
    rewards = torch.tensor([values for _, _, values in training.last])
    advantages = group_advantages(rewards)
    assert not groups.counted.all() and 0 < noted["silent"] < 1
    old = sampled_log_probs(again.model, groups)[0].detach()
    far = sampled_log_probs(other, groups)[0].detach()
    for _ in range(3):
        log_probs, _ = sampled_log_probs(again.model, groups)
        loss = grpo_loss(log_probs, old, advantages, groups.counted, 0.05, far, penalty)
        gradients = torch.autograd.grad(loss, list(again.model.parameters()), allow_unused=True)
        with torch.no_grad():
            for weight, gradient in zip(again.model.parameters(), gradients):
                if gradient is not None:
                    weight -= 3.0 * gradient
    moved = (log_probs - old).abs().max()
    assert moved > 0.05  # so that the clip has been at work
    for found, expected in zip(training.model.parameters(), again.model.parameters()):
        assert torch.allclose(found, expected, atol=1e-5)


def test_what_a_step_notes_is_that_of_the_counted_tokens():
    training, again = (make(mixed, RewardSettings(8, 6, 8), seed=2) for _ in range(2))
    noted = reward_step(training)
    rows = torch.tensor([again.ids[number] for number in again.draw()])
    groups = sample_groups(again.model, rows, 8, 8, 0, generator=again.generator)
    answers = [
        row[mask].tolist()
        for row, mask in zip(groups.answers.view(48, -1), groups.counted.view(48, -1))
    ]
    assert len({len(ids) for ids in answers}) > 1
    assert noted["tokens"] == pytest.approx(sum(map(len, answers)) / 48)
    with torch.no_grad():
        entropy = []
        for row, ids in zip(rows.repeat_interleave(8, dim=0).tolist(), answers):
            logits = again.model(torch.tensor([row + ids]))[0, len(row) - 1 : -1]
            entropy += torch.distributions.Categorical(logits=logits).entropy().tolist()
    assert noted["entropy"] == pytest.approx(sum(entropy) / len(entropy), abs=1e-5)
    for prompt, texts, values in training.last:
        assert values == [mixed(prompt, text) for text in texts]
    rewards = [values for _, _, values in training.last]
    assert noted["reward"] == pytest.approx(sum(map(sum, rewards)) / 48)
    assert noted["silent"] == sum(len(set(values)) == 1 for values in rewards) / 6


def test_dropout_is_off_while_it_draws_and_moves():
    training, quiet = make(), make()
    for one in (training, quiet):
        one.model.drop_emb.p = 0.5
        one.model.train()
    quiet.model.drop_emb.p = 0.0
    assert train(training, 2) == train(quiet, 2) and same_weights(training.model, quiet.model)


def test_prompts_of_a_step_have_one_length_and_all_prompts_come():
    training = make(prompts=["a", "b", "ab", "bc", "abc"])
    seen = set()
    for _ in range(60):
        numbers = training.draw()
        assert len(numbers) == 3 and len({len(training.ids[number]) for number in numbers}) == 1
        seen |= set(numbers)
    assert seen == set(range(5))


def test_the_last_draws_can_be_read():
    training = make()
    reward_step(training)
    assert len(training.last) == 3
    for prompt, answers, rewards in training.last:
        assert prompt in PROMPTS and len(answers) == len(rewards) == 8
        assert rewards == [begins_with_x(prompt, answer) for answer in answers]


def test_a_resumed_training_equals_one_that_never_stopped(tmp_path):
    whole, part, fresh = make(), make(), make(seed=9)
    train(whole, 6)
    train(part, 3)
    save_checkpoint(tmp_path / "r.pt", part.model, part.optimizer, TrainingState(), part)
    load_checkpoint(tmp_path / "r.pt", fresh.model, fresh.optimizer, fresh)
    train(fresh, 6)
    assert same_weights(whole.model, fresh.model) and whole.history == fresh.history


def test_stop_ends_it_after_the_step_and_going_on_equals_never_stopping(capsys):
    training = make()

    def stop(at):
        if len(at.history) == 2:
            os.kill(os.getpid(), signal.SIGINT)

    assert len(train(training, 5, after_step=stop)) == 2
    assert "Stopped after 2 steps" in capsys.readouterr().out
    whole = make()
    train(whole, 5)
    train(training, 5)
    assert same_weights(whole.model, training.model)


def test_lost_weights_are_told():
    training = make(lr=math.inf)
    with pytest.raises(FloatingPointError, match="step 0: try a smaller learning rate"):
        train(training, 3)


@pytest.mark.parametrize(
    "wrong, words",
    [
        ({"group_size": 1}, "group_size=1 must be at least 2"),
        ({"prompts_a_step": 0}, "prompts_a_step=0"),
        ({"passes": 0}, "passes=0"),
        ({"penalty": -0.1}, "penalty=-0.1"),
        ({"penalty": math.nan}, "penalty=nan"),
        ({"clip": 0.0}, "clip=0.0"),
    ],
)
def test_settings_out_of_range_are_refused(wrong, words):
    with pytest.raises(ValueError, match=words):
        RewardSettings(**wrong)


def test_a_penalty_needs_a_reference_of_the_same_vocabulary_and_prompts_are_needed():
    with pytest.raises(ValueError, match="penalty=0.1 needs a reference"):
        make(settings=RewardSettings(penalty=0.1))
    with pytest.raises(ValueError, match="vocab_size=7.*128"):
        make(reference=letter_gpt(vocab_size=7))
    with pytest.raises(ValueError, match="no prompts"):
        make(prompts=[])


def test_a_reward_that_is_no_number_stops_the_step_before_it_moves():
    training = make(reward=lambda prompt, answer: None)
    with pytest.raises(ValueError, match="finite number"):
        reward_step(training)
    assert same_weights(training.model, letter_gpt()) and training.history == []
