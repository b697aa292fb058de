"""Exercises of chapter 4."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from shared.checks import Exercise
from shared.checks.pretraining_scaling import SCALING_EXERCISES

# ---- 01_loss


def judge_perplexity(answer: Any) -> str | None:
    if abs(answer - 0.39) < 1e-6:
        return "that is the loss itself; perplexity counts tokens"
    if abs(answer - 2**0.39) < 0.005:
        return "you raised 2 to the loss, but the loss is in nats: the base is e"
    if abs(answer - math.exp(-0.39)) < 0.005:
        return "that is the mean probability of the target, below 1; perplexity is its inverse"
    return None if abs(answer - math.exp(0.39)) < 0.02 else "perplexity is e to the power of the loss, here about 1.5"


def judge_cross_entropy(answer: Callable) -> str | None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 11, generator=generator)  # (N, V)
    targets = torch.randint(11, (6,), generator=generator)  # (N,)
    mine, right = answer(logits, targets), F.cross_entropy(logits, targets)
    if mine is None:
        return "your function returns None"
    mine = torch.as_tensor(mine)
    if mine.shape != ():
        return f"your loss has the shape {tuple(mine.shape)}; it must be one number, the mean over the targets"
    for value, what in ((-right, "the sign is wrong: the loss is the negative logarithm"),
                        (right * 6, "you added up the losses; cross-entropy is their mean"),
                        (right / math.log(2), "you took the logarithm with base 2; nats need the natural logarithm")):
        if torch.isclose(mine, value, atol=1e-4):
            return what
    if not torch.isclose(mine, right, atol=1e-4):
        return f"on random logits your loss is {mine:.4f}, but it should be {right:.4f}"
    if not torch.isclose(torch.as_tensor(answer(logits * 1000, targets)), F.cross_entropy(logits * 1000, targets)):
        return "with logits in the thousands it breaks: subtract the largest logit first, or use logsumexp"
    masked = targets.clone()
    masked[:2] = -100
    if not torch.isclose(torch.as_tensor(answer(logits, masked)), F.cross_entropy(logits, masked), atol=1e-4):
        return "targets of -100 must be left out, of the sum and of the count"
    return None


def judge_bits(answer: Callable) -> str | None:
    mine, right = answer(2.0, 30, 120), 2.0 * 30 / math.log(2) / 120
    if mine is None:
        return "your function returns None"
    for value, what in ((0.5, "that is nats a character: divide by ln 2 to get bits"),
                        (2.0 / math.log(2), "that is bits a token: multiply by the tokens, divide by the characters"),
                        (2.0 * math.log(2) * 30 / 120, "a nat is more than a bit (1.4427 bits): divide by ln 2")):
        if abs(mine - value) < 1e-6:
            return what
    return None if abs(mine - right) < 1e-6 else f"for 2 nats, 30 tokens, 120 characters it should be {right:.4f}"


# ---- 02_training_loop


def judge_tokens_seen(answer: Any) -> str | None:
    if answer == 10 * 9 * 256:
        return "each batch holds two windows"
    if answer == 9 * 2 * 256:
        return "that is one epoch; there are ten, and tokens seen twice count twice"
    return None if answer == 46_080 else "epochs times batches times windows times tokens"


def judge_gradient_step(answer: Callable) -> str | None:
    generator = torch.Generator().manual_seed(1)
    weights = [torch.nn.Parameter(torch.randn(3, 2, generator=generator)) for _ in range(3)]
    slopes = [torch.randn(3, 2, generator=generator) for _ in range(2)]
    before = [w.detach().clone() for w in weights]
    for weight, slope in zip(weights, slopes):  # the third has none
        weight.grad = slope.clone()
    answer(weights, 0.1)
    if torch.equal(weights[0], before[0]):
        return "the parameters have not changed: change them in place"
    if torch.allclose(weights[0], before[0] + 0.1 * slopes[0]):
        return "you went up the slope: subtract"
    if torch.allclose(weights[0], before[0] - slopes[0]):
        return "the learning rate is not used"
    if not all(torch.allclose(w, b - 0.1 * g) for w, b, g in zip(weights, before, slopes)):
        return "each parameter must change by minus the learning rate times its slope"
    if any(w.grad is not None for w in weights):
        return "the slopes are still there: set grad to None after the step"
    return None


def judge_momentum(answer: Callable) -> str | None:
    slopes, eta, beta = [0.5, -1.0, 2.0, 0.25], 0.1, 0.9
    parameter = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    optimizer, right = torch.optim.SGD([parameter], lr=eta, momentum=beta), []
    for slope in slopes:
        parameter.grad = torch.tensor(slope, dtype=torch.float64)
        optimizer.step()
        right.append(parameter.item())
    mine = list(answer(1.0, slopes, eta, beta))
    if len(mine) != len(slopes):
        return f"return one weight for each slope: {len(slopes)}, not {len(mine)}"
    if abs(mine[0] - 1.0) < 1e-12:
        return "the first number is the weight after the first step, not the start"
    if abs(mine[0] - (1.0 - eta * (1 - beta) * slopes[0])) < 1e-9:
        return "the slope is added to the velocity in full, not weighted with 1 - beta"
    if abs(mine[1] - (1.0 - eta * slopes[0] - eta * slopes[1])) < 1e-9:
        return "that is gradient descent without momentum: the velocity must carry beta times its old value"
    close = all(abs(a - b) < 1e-9 for a, b in zip(mine, right))
    return None if close else f"for slopes {slopes} it should be {[round(x, 4) for x in right]}"


# ---- 03_pretraining_162m


def judge_training_memory(answer: Any) -> str | None:
    parameters = 1_557_611_200
    for value, what in ((parameters * 4 / 2**30, "that is the weights alone; gradients and two means come on top"),
                        (parameters * 12 / 2**30, "AdamW keeps two means for each parameter, not one"),
                        (parameters * 16 / 1e9, "that is in units of 10**9 bytes; a GiB is 2**30 bytes"),
                        (parameters * 16, "that is in bytes: divide by 2**30")):
        if abs(answer - value) < 0.01 * value:
            return what
    right = parameters * 16 / 2**30
    return None if abs(answer - right) < 0.1 else "four numbers of 4 bytes for each parameter: about 23 GiB"


def judge_evaluations(answer: Any) -> str | None:
    if answer == 17:
        return "step 0 is evaluated too"
    if answer in (90, 10):
        return "an evaluation comes after every fifth step, not after every step or epoch"
    return None if answer == 18 else "count the multiples of 5 among the steps 0 to 89"


def early_stop(val_losses: list[float], patience: int) -> int:
    """The position at which a training with this patience stops."""
    for i in range(len(val_losses)):
        if i - min(range(i + 1), key=val_losses.__getitem__) >= patience:
            return i
    return len(val_losses) - 1


def judge_stop_at(answer: Callable) -> str | None:
    if answer([3.0, 2.0, 1.0], 1) != 2:
        return "losses that only fall never stop the training: return the last position"
    if answer([3.0, 1.0, 2.0, 2.0, 2.0], 2) == 4:
        return "for [3, 1, 2, 2, 2] and patience 2 you stop one too late: at position 3 the best is two evaluations old"
    if answer([3.0, 1.0, 2.0, 1.5, 1.2, 1.1], 3) != 4:
        return "compare with the best loss so far, not with the loss before: [3, 1, 2, 1.5, 1.2, 1.1], 3 stops at 4"
    generator = torch.Generator().manual_seed(1)
    for patience in (1, 2, 3):
        losses = torch.rand(12, generator=generator).tolist()
        mine, right = answer(losses, patience), early_stop(losses, patience)
        if mine != right:
            return f"for {[round(x, 2) for x in losses]} and patience {patience} it should be {right}, not {mine}"
    return None


# ---- 04_decoding


def judge_odds(answer: Any) -> str | None:
    right = 1 / math.log(10)
    if abs(answer - math.log(10)) < 0.005:
        return "that is the logit difference you need; the temperature divides the difference of 1"
    if abs(answer - 0.1) < 1e-9:
        return "dividing by 0.1 makes the difference 10, and the odds e to the 10: far more than ten"
    return None if abs(answer - right) < 0.005 else "the odds are e to the power (2.0 - 1.0) / temperature"


def judge_entropy(answer: Callable) -> str | None:
    generator = torch.Generator().manual_seed(1)
    probs = torch.randn(3, 7, generator=generator).softmax(-1)  # (B, V)
    mine, right = answer(probs), -(probs * probs.log2()).sum(-1)  # (B,)
    if mine.shape != (3,):
        return f"for probabilities (3, 7) the shape must be (3,), not {tuple(mine.shape)}: sum over the last dimension"
    for value, what in ((-right, "the sign is wrong: entropy is not negative"),
                        (right * math.log(2), "that is in nats: use the logarithm with base 2")):
        if torch.allclose(mine, value, atol=1e-5):
            return what
    if not torch.allclose(mine, right, atol=1e-5):
        return "on random probabilities it should be minus the sum of p log2 p"
    sure = answer(torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]))
    if sure.isnan().any():
        return "probabilities of 0 give nan: 0 times minus infinity; torch.xlogy knows that it is 0"
    return None if torch.allclose(sure, torch.tensor([0.0, 1.0]), atol=1e-4) else "[0.5, 0.5, 0] has exactly 1 bit"


def judge_min_p(answer: Callable) -> str | None:
    probs = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.28, 0.26, 0.24, 0.22]])  # (B, V)
    mine = answer(probs, 0.5)
    if mine.shape != probs.shape:
        return f"the result must have the shape of the probabilities, {tuple(probs.shape)}"
    kept = (mine > 0).tolist()
    if kept == (probs >= 0.5).tolist():
        return "the bound is min_p times the largest probability of the row, not min_p itself"
    if kept[1] == (probs[1] >= 0.5 * probs.max()).tolist():
        return "each row has its own favourite: take the maximum over the last dimension"
    if not torch.allclose(mine.sum(-1), torch.ones(2)):
        return "the rows must sum to 1 again: divide by what is left"
    expected = probs.masked_fill(probs < 0.5 * probs.max(-1, keepdim=True).values, 0)
    right = torch.allclose(mine, expected / expected.sum(-1, keepdim=True))
    return None if right else "keep what is at least min_p times the row's maximum, drop the rest, divide by the sum"


EXERCISES: dict[str, Exercise] = {
    "perplexity": Exercise("04_pretraining/01_loss", judge_perplexity, ("math.exp",)),
    "cross_entropy": Exercise("04_pretraining/01_loss", judge_cross_entropy,
                              ("log p = logit - logsumexp(logits)", "gather picks the target's entry")),
    "bits_per_character": Exercise("04_pretraining/01_loss", judge_bits, ("first all bits of the text",)),
    "tokens_seen": Exercise("04_pretraining/02_training_loop", judge_tokens_seen, ("90 steps of 512 tokens each",)),
    "gradient_step": Exercise("04_pretraining/02_training_loop", judge_gradient_step, ("use torch.no_grad()",)),
    "momentum": Exercise("04_pretraining/02_training_loop", judge_momentum, ("start with a velocity of 0",)),
    "training_memory": Exercise("04_pretraining/03_pretraining_162m", judge_training_memory,
                                ("weights, gradients, two means: 16 bytes a parameter",)),
    "evaluations": Exercise("04_pretraining/03_pretraining_162m", judge_evaluations, ("len(range(0, 90, 5))",)),
    "stop_at": Exercise("04_pretraining/03_pretraining_162m", judge_stop_at, ("remember where the best loss stood",)),
    "odds": Exercise("04_pretraining/04_decoding", judge_odds, ("solve exp(1 / temperature) = 10",)),
    "entropy": Exercise("04_pretraining/04_decoding", judge_entropy, ("torch.xlogy(p, p)",)),
    "min_p": Exercise("04_pretraining/04_decoding", judge_min_p, ("max(dim=-1, keepdim=True).values",)),
}
EXERCISES.update(SCALING_EXERCISES)
