"""The exercises of 04_pretraining/02_training_loop."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    is_close,
    kind,
    not_a_number,
    plain,
    wrong_number,
    wrong_type,
)
from shared.checks.judging_training import (
    STEPS_ALLOWED,
    TooLong,
    Watched,
    counted_steps,
    judged_parts,
    weights,
)
from shared.training import calc_loss_loader

GOAL = 2.25  # nats a character


def judge_tokens_seen(answer: Any) -> str | None:
    slips = {
        10 * 9 * 256: "each batch holds two windows",
        9 * 2 * 256: "that is one epoch; there are ten, and tokens seen twice count twice",
        10 * 2 * 256: "an epoch has nine batches",
        10 * 9: "those are the steps; each sees a batch of tokens",
        10 * 9 * 2: "those are windows; each holds 256 tokens",
        10 * 4683: "the last tokens of the text fill no batch: count the batches",
    }
    return wrong_number(
        answer, 46_080, slips, how="epochs times batches times windows times tokens"
    )


@asks_for_function
def judge_gradient_step(answer: Callable[[list[torch.nn.Parameter], float], None]) -> str | None:
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


def momentum_path(slopes: list[float], eta: float, beta: float) -> list[float]:
    """The weight after each step, from 1.0 on, as PyTorch's optimizer moves it."""
    parameter = torch.nn.Parameter(torch.tensor(1.0, dtype=torch.float64))
    optimizer = torch.optim.SGD([parameter], lr=eta, momentum=beta)
    path = []
    for slope in slopes:
        parameter.grad = torch.tensor(slope, dtype=torch.float64)
        optimizer.step()
        path.append(parameter.item())
    return path


@asks_for_function
def judge_momentum(answer: Callable[[float, list[float], float, float], list[float]]) -> str | None:
    slopes = [0.5, -1.0, 2.0, 0.25]
    eta = 0.1
    beta = 0.9
    right = momentum_path(slopes, eta, beta)
    mine = answer(1.0, list(slopes), eta, beta)
    if hint := wrong_type(mine, Iterable, "a list of weights"):
        return hint
    mine = list(mine)
    if len(mine) != len(slopes):
        return f"return one weight for each slope: {len(slopes)}, not {len(mine)}"
    for weight in mine:
        if hint := not_a_number(weight):
            return hint
    if is_close(mine[0], 1.0, 1e-9):
        return (
            "the first number is the weight after the first step, not the start: the first "
            "slope is already in the velocity then"
        )
    if is_close(mine[0], 1.0 - eta * (1 - beta) * slopes[0], 1e-9):
        return "the slope is added to the velocity in full, not weighted with 1 - beta"
    if is_close(mine[1], 1.0 - eta * slopes[0] - eta * slopes[1], 1e-9):
        return (
            "that is gradient descent without momentum: the velocity must carry beta times its "
            "old value"
        )
    if not all(is_close(a, b, 1e-9) for a, b in zip(mine, right)):
        return f"for slopes {slopes} it should be {[round(weight, 4) for weight in right]}"
    return None


# ---- train it yourself


@asks_for_function
def judge_reach_a_loss(answer: Callable[[nn.Module, DataLoader, DataLoader], None]) -> str | None:
    model, train_loader, val_loader, judges_loader = judged_parts()
    before = weights(model)
    watched = Watched(train_loader, model)
    watched_val = Watched(val_loader, model)
    try:
        with counted_steps() as steps:
            answer(model, watched, watched_val)
    except TooLong:
        return f"more than {2 * STEPS_ALLOWED} steps: {STEPS_ALLOWED} are allowed and enough"
    if watched_val.steps:
        return "you trained on the validation loader: it is for looking only"
    if torch.equal(before, weights(model)):
        return "the weights have not changed: train the model that is given, in place"
    with torch.no_grad():
        loss = calc_loss_loader(judges_loader, model.eval(), "cpu")
    return judge_training(loss, max(steps[0], watched.steps))


def judge_training(loss: float, steps: int) -> str | None:
    """A hint unless the loss is below the goal within the steps allowed."""
    if steps > STEPS_ALLOWED:
        return f"{steps} steps were made, {STEPS_ALLOWED} are allowed: fewer epochs"
    if not math.isfinite(loss) or loss > 4.6:
        return (
            f"the loss is {loss:.2f}, above a blind guess: is the learning rate too large, or are "
            "old slopes not forgotten?"
        )
    if loss < GOAL:
        return None
    if steps < STEPS_ALLOWED // 2:
        return f"the loss is {loss:.2f} after {steps} steps, and {STEPS_ALLOWED} are allowed: go on"
    return (
        f"the loss is {loss:.2f} after {steps} steps: another learning rate gets further in as many"
    )


# ---- the planted bug

BUGS = {"A": "copy", "B": "leak", "C": "heap", "D": "slow"}  # as the lab plants them
NUMBERS = {"heap": 1, "copy": 2, "slow": 3, "leak": 4}
LOOK_AGAIN = {
    "heap": "its loss falls at first, then climbs above a blind guess: what grows with the steps?",
    "copy": "its loss falls to nearly 0 on both texts: no honest model can know that much",
    "slow": "its loss is hardly below a blind guess at the end, and it is calm",
    "leak": "compare its two lines: where is the gap that every honest run shows in the end?",
}


def judge_planted_bugs(answer: Any) -> str | None:
    if not isinstance(answer, Mapping):
        return f"expected a dictionary from letter to number, this is {kind(answer)}"
    if set(answer) != set(BUGS):
        return f"the keys should be the letters {', '.join(BUGS)}"
    numbers = {letter: plain(number) for letter, number in answer.items()}
    if any(isinstance(n, bool) or n not in (1, 2, 3, 4) for n in numbers.values()):
        return "each value should be one of the numbers 1, 2, 3, 4"
    if len(set(numbers.values())) < 4:
        return "each bug belongs to one letter"
    for letter, bug in BUGS.items():
        if numbers[letter] != NUMBERS[bug]:
            return f"look at {letter} again: {LOOK_AGAIN[bug]}"
    return None


EXERCISES = {
    "tokens_seen": Exercise(judge_tokens_seen, "90 steps of 512 tokens each"),
    "gradient_step": Exercise(judge_gradient_step, "use torch.no_grad()"),
    "momentum": Exercise(judge_momentum, "start with a velocity of 0"),
    "reach_a_loss": Exercise(
        judge_reach_a_loss,
        "train_model_simple does it; 12 epochs of 32 batches are 384 steps",
        "try the rates 0.001, 0.003, 0.01, 0.03 in AdamW",
    ),
    "planted_bugs": Exercise(
        judge_planted_bugs,
        "first the two that are easy to tell: which loss is too good, which does not move?",
        "a validation text that is the training text has the training text's loss",
    ),
}
