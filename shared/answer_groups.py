"""Answer groups.

Written from 05_instruction_finetuning/10_rewards: change it there.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.generation import generate
from shared.tokenizer import Tokenizer


@dataclass(frozen=True)
class AnswerGroups:
    """P prompts, N answers to each, and which tokens belong to them."""

    prompts: Tensor  # (P, T)
    answers: Tensor  # (P, N, A)
    counted: Tensor  # (P, N, A), True up to and with the end token

    def pick(self, rows: Tensor) -> "AnswerGroups":
        """Only some of the groups, by a mask (P,)."""
        return AnswerGroups(self.prompts[rows], self.answers[rows], self.counted[rows])


def sample_groups(model: nn.Module, prompts: Tensor, group_size: int, max_new_tokens: int,
                  eos_id: int, temperature: float = 1.0,
                  generator: torch.Generator | None = None) -> AnswerGroups:
    """Draw `group_size` answers to each prompt: (P, T) -> groups of N = group_size answers.

    Greedy at temperature 0. Raises ValueError for no answer, or a prompt that fills the context.
    """
    P, T = prompts.shape
    room = min(max_new_tokens, model.cfg.context_length - T)
    if group_size < 1 or room < 1:
        raise ValueError(f"group_size={group_size} and the room to answer, {room} tokens, must be "
                         f"at least 1: the prompts have {T} of context_length="
                         f"{model.cfg.context_length} tokens")
    rows = prompts.repeat_interleave(group_size, dim=0)  # (P * N, T)
    was_training = model.training
    model.eval()
    out = generate(model, rows, room, model.cfg.context_length, temperature, eos_id=eos_id,
                   generator=generator)
    model.train(was_training)
    answers = out[:, T:]  # (P * N, A)
    if answers.size(1) < room:  # all rows have ended, and `generate` leaves out the last end token
        answers = F.pad(answers, (0, 1), value=eos_id)
    answers = answers.view(P, group_size, -1)  # (P, N, A)
    ended = (answers == eos_id).cumsum(dim=-1)
    counted = (ended == 0) | ((ended == 1) & (answers == eos_id))
    return AnswerGroups(prompts, answers, counted)


def sampled_log_probs(model: nn.Module, groups: AnswerGroups) -> tuple[Tensor, Tensor]:
    """Log-probabilities of the answers' tokens, and the model's entropy there: (P, N, A) each.

    In nats, at temperature 1.
    """
    P, N, A = groups.answers.shape
    T = groups.prompts.size(1)
    rows = groups.prompts.repeat_interleave(N, dim=0)  # (P * N, T)
    idx = torch.cat([rows, groups.answers.view(P * N, A)], dim=1)  # (P * N, T + A)
    logits = model(idx[:, :-1])[:, T - 1 :]  # (P * N, A, V): each predicts the token after it
    log_probs = logits.log_softmax(dim=-1)
    chosen = log_probs.gather(-1, idx[:, T:, None]).squeeze(-1)  # (P * N, A)
    entropy = -(log_probs.exp() * log_probs).sum(dim=-1).detach()  # (P * N, A)
    return chosen.view(P, N, A), entropy.view(P, N, A)


def answer_texts(groups: AnswerGroups, tokenizer: Tokenizer) -> list[list[str]]:
    """The answers as texts, without end token and outer spaces: P lists of N."""
    texts = []
    for answers, counted in zip(groups.answers, groups.counted):
        kept = [row[mask].tolist() for row, mask in zip(answers, counted)]
        kept = [[token for token in ids if token != tokenizer.eot_token] for ids in kept]
        texts.append([tokenizer.decode(ids).strip() for ids in kept])
    return texts


# Written by `python -m shared.kit.course copy`: d36bbcb564a9
