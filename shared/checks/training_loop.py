"""The exercises of 04_pretraining/02_training_loop."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    is_close,
    not_a_number,
    wrong_number,
    wrong_type,
)


def judge_tokens_seen(answer: Any) -> str | None:
    slips = {
        10 * 9 * 256: "each batch holds two windows",
        9 * 2 * 256: "that is one epoch; there are ten, and tokens seen twice count twice",
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
        return "the first number is the weight after the first step, not the start"
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


EXERCISES = {
    "tokens_seen": Exercise(judge_tokens_seen, "90 steps of 512 tokens each"),
    "gradient_step": Exercise(judge_gradient_step, "use torch.no_grad()"),
    "momentum": Exercise(judge_momentum, "start with a velocity of 0"),
}
