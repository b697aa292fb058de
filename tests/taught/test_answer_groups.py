"""Groups of answers: repeatable, ended where they end, and as likely as the model says."""

import pytest
import torch
from small_parts import Tokens, letter_gpt

from shared.answer_groups import AnswerGroups, answer_texts, sample_groups, sampled_log_probs

PROMPTS = torch.tensor([[97, 98, 99], [100, 101, 102]])


class Scripted(torch.nn.Module):
    """A model of 4 tokens that writes what it is told, whatever it reads; its end token is 0."""

    def __init__(self, rows):
        super().__init__()
        self.cfg = letter_gpt(12, vocab_size=4).cfg
        self.tok_emb, self.pos_emb = torch.nn.Embedding(4, 1), torch.nn.Embedding(12, 1)
        self.trf_blocks = [None]
        self.rows = rows

    def forward(self, idx, caches=None):
        step = 0 if idx.size(1) > 1 else self.step + 1
        self.step = step
        logits = torch.full((idx.size(0), idx.size(1), 4), -50.0)
        for row, wanted in enumerate(self.rows):
            logits[row, -1, wanted[min(step, len(wanted) - 1)]] = 50.0
        return logits


def test_the_same_seed_draws_the_same_answers():
    model = letter_gpt()
    first, again, other = (
        sample_groups(model, PROMPTS, 5, 4, 0, generator=torch.Generator().manual_seed(seed))
        for seed in (1, 1, 2)
    )
    assert torch.equal(first.answers, again.answers)
    assert not torch.equal(first.answers, other.answers)
    assert first.answers.shape == first.counted.shape == (2, 5, 4)
    assert len({tuple(row) for row in first.answers[0].tolist()}) > 1, (
        "a group is drawn, not copied"
    )


@pytest.mark.parametrize(
    "rows, answers, counted",
    [
        # one ends at once, one later: the end token counts once
        ([[0], [2, 3, 0]], [[0, 0, 0], [2, 3, 0]], [[1, 0, 0], [1, 1, 1]]),
        # both end together: the end token that `generate` leaves out is there
        ([[2, 0], [3, 0]], [[2, 0], [3, 0]], [[1, 1], [1, 1]]),
        # both end at once
        ([[0], [0]], [[0], [0]], [[1], [1]]),
        # one never ends: all its tokens count
        ([[1, 2, 3, 1], [2, 0]], [[1, 2, 3, 1], [2, 0, 0, 0]], [[1] * 4, [1, 1, 0, 0]]),
        # the last one ends with the last token that there is room for
        ([[1, 1, 1, 0], [0]], [[1, 1, 1, 0], [0] * 4], [[1] * 4, [1, 0, 0, 0]]),
    ],
)
def test_tokens_count_up_to_and_with_the_end(rows, answers, counted):
    groups = sample_groups(Scripted(rows), torch.tensor([[1, 1]]), 2, 4, 0, temperature=0.0)
    assert groups.answers[0].tolist() == answers
    assert groups.counted[0].int().tolist() == counted


def test_log_probs_are_those_of_reading_one_answer_at_a_time():
    model = letter_gpt()
    groups = sample_groups(model, PROMPTS, 3, 5, 0, generator=torch.Generator().manual_seed(3))
    log_probs, entropy = sampled_log_probs(model, groups)
    for p in range(2):
        for n in range(3):
            ids = PROMPTS[p].tolist()
            for a, token in enumerate(groups.answers[p, n].tolist()):
                shares = model(torch.tensor([ids]))[0, -1].softmax(dim=-1)
                assert log_probs[p, n, a].item() == pytest.approx(
                    shares[token].log().item(), abs=1e-4
                )
                expected = torch.distributions.Categorical(shares).entropy().item()
                assert entropy[p, n, a].item() == pytest.approx(expected, abs=1e-4)
                ids.append(token)
    assert log_probs.requires_grad and not entropy.requires_grad


def test_drawn_answers_are_as_frequent_as_the_model_says():
    model = letter_gpt(vocab_size=5)
    groups = sample_groups(
        model, torch.tensor([[1, 2]]), 4000, 1, 0, generator=torch.Generator().manual_seed(1)
    )
    shares = model(torch.tensor([[1, 2]]))[0, -1].softmax(dim=-1)
    seen = torch.bincount(groups.answers.flatten(), minlength=5) / 4000
    assert torch.allclose(seen, shares, atol=0.03)


def test_texts_have_no_end_token_and_no_outer_spaces():
    answers = torch.tensor([[[32, 97, 98, 0, 99], [0, 0, 0, 0, 0], [97, 98, 99, 100, 101]]])
    counted = torch.tensor([[[1, 1, 1, 1, 0], [1, 0, 0, 0, 0], [1] * 5]]).bool()
    groups = AnswerGroups(PROMPTS[:1], answers, counted)
    assert answer_texts(groups, Tokens()) == [["ab", "", "abcde"]]


def test_groups_can_be_picked():
    groups = sample_groups(letter_gpt(), PROMPTS, 2, 3, 0)
    picked = groups.pick(torch.tensor([False, True]))
    assert torch.equal(picked.prompts, PROMPTS[1:])
    assert torch.equal(picked.answers, groups.answers[1:])
    assert torch.equal(picked.counted, groups.counted[1:])


def test_the_mode_is_given_back_and_the_context_is_kept():
    model = letter_gpt(context_length=5).train()
    groups = sample_groups(model, PROMPTS, 2, 50, 0)
    assert model.training and groups.answers.size(-1) <= 2


@pytest.mark.parametrize(
    "context, group_size, new, words",
    [(3, 2, 5, "0 tokens"), (9, 0, 5, "group_size=0"), (9, 2, 0, "0")],
)
def test_what_cannot_be_answered_is_refused(context, group_size, new, words):
    with pytest.raises(ValueError, match=words):
        sample_groups(letter_gpt(context), PROMPTS, group_size, new, 0)
