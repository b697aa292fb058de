"""The exercises of 04_pretraining/02_training_loop."""

import contextlib
import copy
import io

import pytest
import torch
from harness import exercise_tests
from torch import nn

from shared.checks import exercises
from shared.training import calc_loss_batch, train_model_simple


def step(parameters, learning_rate, sign=-1, use_rate=True, forget=True):
    with torch.no_grad():
        for parameter in parameters:
            if parameter.grad is not None:
                parameter += sign * (learning_rate if use_rate else 1) * parameter.grad
                parameter.grad = None if forget else parameter.grad


def no_test_for_none(parameters, learning_rate):
    with torch.no_grad():
        for parameter in parameters:
            parameter -= learning_rate * parameter.grad


def momentum(w, slopes, eta, beta, weight=1.0, with_start=False):
    velocity, path = 0.0, [w]
    for g in slopes:
        velocity = beta * velocity + weight * g
        w = w - eta * velocity
        path.append(w)
    return path if with_start else path[1:]


def training(rate=1e-2, epochs=12, optimizer=torch.optim.AdamW, **also):
    """An answer that uses the loop of the page."""

    def answer(model, train_loader, val_loader):
        chosen = optimizer(model.parameters(), lr=rate, **also)
        with contextlib.redirect_stdout(io.StringIO()):
            train_model_simple(
                model, train_loader, val_loader, chosen, "cpu", epochs, 100, 1, None, None
            )

    return answer


def by_hand(model, train_loader, val_loader, forget=True, loss_of=calc_loss_batch):
    """The loop written anew, for 330 steps, with a rate that falls."""
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-2)
    steps = 0
    while steps < 330:
        for inputs, targets in train_loader:
            optimizer.param_groups[0]["lr"] = 2e-2 * (1 - steps / 360)
            if forget:
                optimizer.zero_grad()
            loss_of(inputs, targets, model, "cpu").backward()
            optimizer.step()
            steps += 1
            if steps == 330:
                break


def on_validation_text(model, train_loader, val_loader):
    training(epochs=2)(model, val_loader, val_loader)


def a_copy(model, train_loader, val_loader):
    other = copy.deepcopy(model)
    training(epochs=1)(other, train_loader, val_loader)
    return other


def not_shifted(inputs, targets, model, device):
    return nn.functional.cross_entropy(model(inputs).flatten(0, 1), inputs.flatten())


def step_by_data(parameters, learning_rate):
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.data = parameter.data - learning_rate * parameter.grad
            parameter.grad = None


def momentum_as_list(w, slopes, eta, beta):
    path = []
    for t in range(len(slopes)):
        w = w - eta * sum(beta ** (t - i) * slopes[i] for i in range(t + 1))
        path.append(w)
    return tuple(path)


BUG_NUMBERS = {"A": 2, "B": 4, "C": 1, "D": 3}
RIGHT = {
    "tokens_seen": 46_080,
    "gradient_step": step,
    "momentum": momentum,
    "reach_a_loss": training(),
    "planted_bugs": BUG_NUMBERS,
}
ALSO_RIGHT = [
    ("gradient_step", step_by_data),
    ("momentum", momentum_as_list),
    ("reach_a_loss", by_hand),
    ("reach_a_loss", training(2e-2, 11, weight_decay=0.1)),
    ("planted_bugs", dict(sorted(BUG_NUMBERS.items(), reverse=True))),
    ("planted_bugs", {letter: torch.tensor(n) for letter, n in BUG_NUMBERS.items()}),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("tokens_seen", "one window", 23_040, "two windows"),
    ("tokens_seen", "one epoch", 4608, "one epoch"),
    ("tokens_seen", "the text", 4683, "epochs times"),
    ("gradient_step", "upwards", lambda p, r: step(p, r, sign=1), "subtract"),
    ("gradient_step", "no learning rate", lambda p, r: step(p, r, use_rate=False), "learning rate"),
    ("gradient_step", "slopes kept", lambda p, r: step(p, r, forget=False), "still there"),
    ("gradient_step", "nothing done", lambda p, r: None, "have not changed"),
    ("gradient_step", "without a slope", no_test_for_none, "TypeError"),
    ("gradient_step", "the first only", lambda p, r: step(p[:1], r), "each parameter"),
    ("momentum", "with the start", lambda *a: momentum(*a, with_start=True), "one weight for each"),
    ("momentum", "shifted", lambda *a: momentum(*a, with_start=True)[:-1], "after the first step"),
    ("momentum", "damped", lambda w, s, e, b: momentum(w, s, e, b, weight=1 - b), "in full"),
    ("momentum", "none", lambda w, s, e, b: momentum(w, s, e, 0.0), "without momentum"),
    ("momentum", "upwards", lambda w, s, e, b: momentum(w, s, -e, b), "should be"),
    ("reach_a_loss", "a small rate", training(1e-3, 12), "another learning rate"),
    ("reach_a_loss", "plain descent", training(1e-2, 8, torch.optim.SGD), "another learning rate"),
    ("reach_a_loss", "a huge rate", training(3.0, 2), "above a blind guess"),
    ("reach_a_loss", "too few epochs", training(1e-2, 2), "400 are allowed: go on"),
    ("reach_a_loss", "too many epochs", training(1e-2, 13), "fewer epochs"),
    ("reach_a_loss", "the validation text", on_validation_text, "for looking only"),
    ("reach_a_loss", "a copy", a_copy, "have not changed"),
    ("reach_a_loss", "nothing", lambda m, t, v: None, "have not changed"),
    (
        "reach_a_loss",
        "no zero_grad",
        lambda m, t, v: by_hand(m, t, v, forget=False),
        "above a blind guess",
    ),
    (
        "reach_a_loss",
        "not shifted",
        lambda m, t, v: by_hand(m, t, v, loss_of=not_shifted),
        "above a blind guess",
    ),
    ("planted_bugs", "two swapped", BUG_NUMBERS | {"A": 3, "D": 2}, "look at A again: .* honest"),
    ("planted_bugs", "leak for slow", BUG_NUMBERS | {"B": 3, "D": 4}, "look at B again: .* gap"),
    ("planted_bugs", "heap for slow", BUG_NUMBERS | {"C": 3, "D": 1}, "look at C again: .* climbs"),
    ("planted_bugs", "one twice", BUG_NUMBERS | {"A": 1}, "one letter"),
    ("planted_bugs", "no such number", BUG_NUMBERS | {"A": 5}, "numbers 1, 2, 3, 4"),
    ("planted_bugs", "a letter is missing", {"A": 2, "B": 4, "C": 1}, "letters A, B, C, D"),
    ("planted_bugs", "a list", [2, 4, 1, 3], "a dictionary"),
    ("planted_bugs", "the other way", {2: "A", 4: "B", 1: "C", 3: "D"}, "letters A, B, C, D"),
]

test_answers, test_tables = exercise_tests("training_loop", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", ALSO_RIGHT)
def test_other_ways_are_right(name, answer):
    assert exercises("training_loop")[name].judge(answer) is None
