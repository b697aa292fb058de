"""The exercises of 04_pretraining/02_training_loop."""

import torch
from harness import exercise_tests


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


RIGHT = {"tokens_seen": 46_080, "gradient_step": step, "momentum": momentum}
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
]

test_answers, test_tables = exercise_tests("training_loop", RIGHT, WRONG)
