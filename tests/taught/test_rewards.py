"""Advantages, the clipped objective, the distance and GRPO's loss, each computed a second way."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shared.rewards import (
    clipped_objective,
    distance_to_reference,
    group_advantages,
    grpo_loss,
    pass_at_k,
    score_answers,
)


@given(rewards=st.lists(st.floats(-5, 5, width=32), min_size=2, max_size=8))
def test_advantages_have_mean_0_and_spread_1_or_are_silent(rewards):
    found = group_advantages(torch.tensor([rewards]), eps=1e-9)[0]
    mean = sum(rewards) / len(rewards)
    spread = math.sqrt(sum((r - mean) ** 2 for r in rewards) / len(rewards))
    if spread > 1e-2:
        expected = [(r - mean) / spread for r in rewards]
        assert found.tolist() == pytest.approx(expected, abs=1e-2)
    if len(set(rewards)) == 1:
        assert found.abs().max() < 1


def test_each_group_has_its_own_mean_and_equal_rewards_are_silent():
    found = group_advantages(torch.tensor([[1.0, 0.0], [5.0, 4.0], [2.0, 2.0]]))
    assert torch.allclose(found[0], found[1], atol=1e-4) and found[2].tolist() == [0, 0]


@pytest.mark.parametrize(
    "rewards, words",
    [
        (torch.ones(3, 1), r"\(3, 1\).*N = 2 or more"),
        (torch.ones(3), "must be"),
        (torch.tensor([[1.0, math.nan]]), "nan.*not finite"),
        (torch.tensor([[1.0, math.inf]]), "inf.*not finite"),
    ],
)
def test_groups_of_one_and_lost_numbers_are_refused(rewards, words):
    with pytest.raises(ValueError, match=words):
        group_advantages(rewards)


@pytest.mark.parametrize("ratio", [0.5, 0.79, 0.9, 1.0, 1.1, 1.21, 3.0])
@pytest.mark.parametrize("advantage", [2.0, -2.0])
def test_the_objective_stops_where_a_move_has_gone_far_enough(ratio, advantage):
    new = torch.tensor(math.log(ratio * 0.3), requires_grad=True)
    objective = clipped_objective(new, torch.tensor(math.log(0.3)), torch.tensor(advantage), 0.2)
    clipped = min(max(ratio, 0.8), 1.2)
    assert objective.item() == pytest.approx(min(ratio * advantage, clipped * advantage), abs=1e-5)
    objective.backward()
    stopped = ratio > 1.2 if advantage > 0 else ratio < 0.8
    assert new.grad.item() == pytest.approx(0 if stopped else ratio * advantage, abs=1e-5)


@pytest.mark.parametrize("clip", [0, -0.2, math.nan])
def test_a_clip_of_nothing_is_refused(clip):
    with pytest.raises(ValueError, match=f"clip={clip}"):
        clipped_objective(torch.zeros(1), torch.zeros(1), torch.ones(1), clip)


def test_the_distance_has_the_mean_of_the_divergence_and_is_never_negative():
    p, q = torch.tensor([0.7, 0.2, 0.1]), torch.tensor([0.2, 0.3, 0.5])
    drawn = distance_to_reference(p.log(), q.log())
    assert (drawn >= 0).all()
    assert (p * drawn).sum().item() == pytest.approx((p * (p / q).log()).sum().item(), abs=1e-6)
    assert distance_to_reference(p.log(), p.log()).abs().max() < 1e-6


def parts(seed=0):
    generator = torch.Generator().manual_seed(seed)
    new, old, reference = (-3 * torch.rand(2, 3, 4, generator=generator) for _ in range(3))
    advantages = torch.randn(2, 3, generator=generator)
    lengths = torch.tensor([[4, 1, 2], [3, 4, 1]])
    return new, old, advantages, torch.arange(4) < lengths[..., None], reference


@pytest.mark.parametrize("penalty", [0.0, 0.4])
def test_the_loss_is_equation_3_written_with_loops(penalty):
    new, old, advantages, counted, reference = parts()
    total = 0.0
    for p, n in itertools.product(range(2), range(3)):
        answer = 0.0
        tokens = int(counted[p, n].sum())
        for a in range(tokens):
            ratio = math.exp(new[p, n, a] - old[p, n, a])
            A = advantages[p, n].item()
            d = (reference[p, n, a] - new[p, n, a]).item()
            gain = min(ratio * A, min(max(ratio, 0.8), 1.2) * A)
            answer += gain - penalty * (math.exp(d) - d - 1)
        total -= answer / tokens / 6
    found = grpo_loss(new, old, advantages, counted, 0.2, reference, penalty)
    assert found.item() == pytest.approx(total, abs=1e-5)


def test_tokens_that_do_not_count_change_nothing_even_if_they_are_no_numbers():
    new, old, advantages, counted, _ = parts()
    spoilt = new.masked_fill(~counted, -math.inf)
    assert torch.equal(
        grpo_loss(new, old, advantages, counted), grpo_loss(spoilt, old, advantages, counted)
    )


def test_at_the_first_step_the_gradient_is_reinforce_with_a_baseline():
    theta = torch.tensor([0.3, -0.2, 0.5], requires_grad=True)
    arms, rewards = torch.tensor([0, 2, 1, 1]), torch.tensor([[1.0, 0.0, 0.0, 1.0]])
    chosen = theta.log_softmax(0)[arms].view(1, 4, 1)
    advantages = group_advantages(rewards)
    counted = torch.ones(1, 4, 1, dtype=torch.bool)
    grpo_loss(chosen, chosen.detach(), advantages, counted).backward()
    p = theta.softmax(0).detach()
    directions = torch.nn.functional.one_hot(arms, 3) - p
    assert torch.allclose(-theta.grad, (advantages.T * directions).mean(dim=0), atol=1e-6)


def test_a_penalty_needs_a_reference_and_is_not_negative():
    new, old, advantages, counted, reference = parts()
    for penalty, given_reference in ((0.1, None), (-0.1, reference)):
        with pytest.raises(ValueError, match=f"penalty={penalty}"):
            grpo_loss(new, old, advantages, counted, 0.2, given_reference, penalty)


@pytest.mark.parametrize("value", [None, "1", math.nan, math.inf, [1.0]])
def test_a_reward_that_is_no_number_is_refused_with_its_answer(value):
    with pytest.raises(ValueError, match="'x' for the prompt 'p'.*finite number"):
        score_answers(["p"], [["x"]], lambda prompt, answer: value)


def test_rewards_come_in_rows_and_truth_values_count():
    found = score_answers(["a", "b"], [["a", "b"], ["a", "b"]], lambda p, a: p == a)
    assert found.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(ValueError):
        score_answers(["a"], [["a"], ["b"]], lambda p, a: 1.0)


@given(draws=st.integers(1, 9), data=st.data())
def test_pass_at_k_is_the_share_of_all_choices_that_hold_a_right_draw(draws, data):
    right, k = data.draw(st.integers(0, draws)), data.draw(st.integers(1, draws))
    choices = list(itertools.combinations([True] * right + [False] * (draws - right), k))
    assert pass_at_k(right, draws, k) == pytest.approx(sum(map(any, choices)) / len(choices))


@pytest.mark.parametrize("right, draws, k", [(-1, 4, 1), (5, 4, 1), (1, 4, 0), (1, 4, 5)])
def test_impossible_draws_are_refused(right, draws, k):
    with pytest.raises(ValueError, match=f"right={right}.*draws={draws}.*k={k}"):
        pass_at_k(right, draws, k)
