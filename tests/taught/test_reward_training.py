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


def test_more_passes_are_more_steps_on_the_same_draws():
    steps = []
    training = make(settings=RewardSettings(8, 3, 3, passes=3))
    training.optimizer.register_step_post_hook(lambda *_: steps.append(1))
    reward_step(training)
    assert len(steps) == 3 and len(training.history) == 1


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
