"""What a checkpoint must hold, all of it checked before a model is changed."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

PARTS = ("config", "model", "optimizer", "schedule", "state", "python_random", "numpy_random")


def is_count(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def are_numbers(value: Any, kind: type | tuple) -> bool:
    return isinstance(value, list) and all(isinstance(entry, kind) for entry in value)


def complaint_about_state(state: Any, names: Sequence[str]) -> str:
    """What is wrong with the fields of a TrainingState, or nothing."""
    if not isinstance(state, dict):
        return "state is no dictionary"
    if missing := [name for name in names if name not in state]:
        return f"state has no {', '.join(missing)}"
    if unknown := [name for name in state if name not in names]:
        return f"state has a field {unknown[0]!r}, which is unknown here"
    least = {"epoch": 0, "batch": 0, "global_step": -1, "tokens_seen": 0, "evaluated": -1}
    for name, value in state.items():
        lists = {"train_losses": (int, float), "val_losses": (int, float), "track_tokens_seen": int}
        if name in least and not is_count(value, least[name]):
            return f"state has {name}={value!r}, not a whole number of at least {least[name]}"
        if name in lists and not are_numbers(value, lists[name]):
            return f"state has {name}={value!r}, not a list of numbers"
        if name == "loss" and not isinstance(value, (int, float)):
            return f"state has loss={value!r}, not a number"
    for name in ("random", "epoch_random"):
        if wrong := complaint_about_generators(state[name]):
            return f"state.{name} {wrong}"
    return ""


def complaint_about_generators(states: Any) -> str:
    """What is wrong with the states of PyTorch's generators, or nothing."""
    if not isinstance(states, dict):
        return "is no dictionary"
    for name, value in states.items():
        device = "cuda" if name == "cuda" else "cpu"
        if device == "cuda" and not torch.cuda.is_available():
            continue
        try:
            torch.Generator(device).set_state(value)  # a generator of no use but this
        except (RuntimeError, TypeError, AttributeError) as error:
            return f"has no state of a generator under {name!r} ({error})"
    return ""


def complaint_about_model(weights: Any) -> str:
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        return "model is no dictionary of tensors"
    for name, weight in weights.items():
        if weight.is_floating_point() and not weight.isfinite().all():
            return f"{name} is not finite"
    return ""


def complaint_about_parts(content: dict[str, Any], state_fields: Sequence[str]) -> str:
    """What is wrong with a checkpoint's parts, each by itself, or nothing."""
    if missing := [part for part in PARTS if part not in content]:
        return f"it has no {', '.join(missing)}"
    if not isinstance(content["config"], dict):
        return "config is no dictionary"
    wrong = complaint_about_model(content["model"])
    wrong = wrong or complaint_about_state(content["state"], state_fields)
    if wrong:
        return wrong
    try:
        random.Random().setstate(content["python_random"])
    except (TypeError, ValueError, OverflowError) as error:
        return f"python_random is no state of Python's generator ({error})"
    try:
        np.random.RandomState().set_state(content["numpy_random"])
    except (TypeError, ValueError, KeyError, IndexError, OverflowError) as error:
        return f"numpy_random is no state of NumPy's generator ({error})"
    return ""


def check_parts(name: str, content: dict[str, Any], state_fields: Sequence[str]) -> None:
    """Raise ValueError, naming file and part, if a part is missing or is not what it should be."""
    if wrong := complaint_about_parts(content, state_fields):
        raise ValueError(f"{name} cannot be used: {wrong}; resume from the one before it")


def complaint_about_optimizer(saved: Any, optimizer: torch.optim.Optimizer) -> str:
    """Why the saved state does not belong into this optimizer, or nothing."""
    if not isinstance(saved, dict) or not {"state", "param_groups"} <= saved.keys():
        return "holds no state of an optimizer"
    kind = type(optimizer).__name__
    here, there = optimizer.param_groups, saved["param_groups"]
    sizes = [len(group["params"]) for group in here]
    saved_sizes = [len(group.get("params", [])) for group in there]
    if sizes != saved_sizes:
        return f"has groups of {saved_sizes} weights, this {kind} of {sizes}"
    for mine, theirs in zip(here, there):
        only_mine = mine.keys() - theirs.keys() - {"initial_lr"}
        only_theirs = theirs.keys() - mine.keys() - {"initial_lr"}
        # a new version of PyTorch may know more settings of the same optimizer
        if only_mine and only_theirs:
            return f"was saved with {sorted(only_theirs)[0]}, and a {kind} has no such setting"
    weights = [weight for group in here for weight in group["params"]]
    numbers = [number for group in there for number in group["params"]]
    for weight, number in zip(weights, numbers):
        for part, value in saved["state"].get(number, {}).items():
            if not isinstance(value, Tensor):
                continue
            if value.dim() and value.shape != weight.shape:
                return f"has {part} of the shape {tuple(value.shape)} for {tuple(weight.shape)}"
            if value.is_floating_point() and not value.isfinite().all():
                return f"has {part} that is not finite"
    return ""


def check_going_on(
    name: str, content: dict[str, Any], optimizer: torch.optim.Optimizer | None, schedule: Any
) -> None:
    """Raise ValueError, naming what differs, if optimizer or schedule cannot go on from here."""
    if optimizer is not None:
        if wrong := complaint_about_optimizer(content["optimizer"], optimizer):
            raise ValueError(
                f"the optimizer in {name} {wrong}: build the model and the optimizer as the run "
                "that saved it did"
            )
    if schedule is not None and content["schedule"] is not None:
        saved = content["schedule"]
        there = saved.get("numbers") if isinstance(saved, dict) else None
        here = getattr(schedule, "numbers", None)
        if there is not None and there != here:  # a file of an older course names none
            raise ValueError(
                f"{name} was saved with the schedule {there}, and {here} is attached: attach the "
                "schedule of the run that saved it"
            )


def step_of(path: Path) -> int:
    """The step that a checkpoint's name says; -1 for the name of another file."""
    number = path.stem.removeprefix("step_")
    return int(number) if number.isdecimal() else -1


def refuse_another_run(checkpoints: Sequence[Path], step: int) -> None:
    """Raise FileExistsError if there is a checkpoint of this or a later step: another run's."""
    for last in checkpoints[-1:]:
        if step_of(last) >= step:
            raise FileExistsError(
                f"{last.parent.name} holds {last.name}, and this run is at step {step}: resume "
                "from there, or give a new run a new folder"
            )
