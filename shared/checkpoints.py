"""Checkpoints that survive a kill at any moment.

Written from 04_pretraining/05_checkpoints: change it there.
"""

import pickle
import random
import zipfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from shared.kit import checkpoint_content, files
from shared.training_state import TrainingState

CHECKPOINT_FORMAT = "llm-course checkpoint 1"


def configuration(model: nn.Module) -> dict[str, Any]:
    """The numbers that a GPTModel was built with; empty for a model that does not keep them."""
    return asdict(model.cfg) if hasattr(model, "cfg") else {}


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer,
                    state: TrainingState, schedule: Any = None) -> None:
    """Save all that going on needs. Raises FloatingPointError, saving nothing, for bad weights."""
    weights = model.state_dict()
    for name, weight in weights.items():
        if weight.is_floating_point() and not weight.isfinite().all():
            raise FloatingPointError(f"{name} is not finite after step {state.global_step}, so "
                                     f"{path.name} was not saved: resume from the checkpoint "
                                     "before, with a smaller learning rate")
    schedule_state = None
    if schedule is not None:
        schedule_state = schedule.state_dict()
    numpy_state = np.random.get_state()
    content = {
        "format": CHECKPOINT_FORMAT,
        "config": configuration(model),
        "model": weights,
        "optimizer": optimizer.state_dict(),
        "schedule": schedule_state,
        "state": asdict(state),
        "python_random": random.getstate(),
        "numpy_random": (numpy_state[0], numpy_state[1].tolist(), *numpy_state[2:]),
    }
    files.write_whole(path, lambda file: torch.save(content, file))


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint; runs no code from it.

    Raises ValueError for a damaged or foreign file, or one that lacks a part.
    """
    content = None
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()  # torch.load does not look at the check sums
        if not damaged:
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ValueError(f"{path.name} holds more than numbers and text, and loading it would run "
                         "its code: it was refused; use only checkpoints that this course's code "
                         "has saved") from None
    except (zipfile.BadZipFile, RuntimeError, EOFError, ValueError) as error:
        raise ValueError(f"{path.name} is not a whole checkpoint ({error}): resume from the one "
                         "before it") from error
    if damaged:
        raise ValueError(f"{path.name} is damaged: the check sum of {damaged} is wrong; resume "
                         "from the one before it")
    if not isinstance(content, dict) or content.get("format") != CHECKPOINT_FORMAT:
        raise ValueError(f"{path.name} is no checkpoint of this course: its format should be "
                         f"{CHECKPOINT_FORMAT!r}")
    checkpoint_content.check_parts(path.name, content, [*asdict(TrainingState())])
    return content


def check_fit(path: Path, content: dict[str, Any], model: nn.Module) -> None:
    """Raise ValueError, naming both values, if a model of another shape made the checkpoint."""
    here = configuration(model)
    for name, value in content["config"].items():
        if name != "drop_rate" and here.get(name, value) != value:
            raise ValueError(f"{path.name} has {name}={value}, this model has {name}={here[name]}: "
                             "build the model with the configuration that the checkpoint names")
    there = {name: tuple(weight.shape) for name, weight in content["model"].items()}
    shapes = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    for name in sorted(there.keys() | shapes.keys()):
        if there.get(name) != shapes.get(name):
            raise ValueError(f"{name} has the shape {there.get(name)} in {path.name}, "
                             f"{shapes.get(name)} in this model (None: it has no such weight): "
                             "the two models are built differently")


def load_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer | None = None,
                    schedule: Any = None) -> TrainingState:
    """Put model, optimizer and schedule back where the checkpoint left them; return the state.

    Raises ValueError, and leaves all as it is, if the file is damaged, foreign or made with
    another model, optimizer or schedule.
    """
    content = read_checkpoint(path)
    check_fit(path, content, model)
    saved_one = content["schedule"] is not None
    given_one = schedule is not None
    if (optimizer is not None or given_one) and saved_one != given_one:
        words = {True: "with", False: "without"}
        raise ValueError(f"{path.name} was saved {words[saved_one]} a schedule and is loaded "
                         f"{words[given_one]} one: attach the schedule of the run that saved it")
    checkpoint_content.check_going_on(path.name, content, optimizer, schedule)
    if optimizer is not None:
        optimizer.load_state_dict(content["optimizer"])
    if schedule is not None:
        schedule.load_state_dict(content["schedule"])
    model.load_state_dict(content["model"])
    random.setstate(content["python_random"])
    np.random.set_state(content["numpy_random"])
    return TrainingState(**content["state"])


def list_checkpoints(folder: Path) -> list[Path]:
    """The whole checkpoints of a folder, oldest first, without what a kill left half written."""
    found = [path for path in folder.glob("step_*.pt") if checkpoint_content.step_of(path) >= 0]
    return sorted(found, key=checkpoint_content.step_of)


def checkpoint_saver(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer,
                     schedule: Any = None, every: int = 100,
                     keep: int = 3) -> Callable[[TrainingState], None]:
    """An `after_step` for train_model: saves every `every` steps, keeps the last `keep` files.

    Raises BlockingIOError if another process saves there; FileExistsError if it would overwrite.
    """
    if every < 1 or keep < 1:
        raise ValueError(f"every={every} and keep={keep} must be at least 1")

    owned = files.own(folder)

    def save(state: TrainingState) -> None:
        checkpoint_content.refuse_another_run(list_checkpoints(owned.folder), state.global_step)
        if (state.global_step + 1) % every == 0:
            path = folder / f"step_{state.global_step:08d}.pt"
            save_checkpoint(path, model, optimizer, state, schedule)
            for old in list_checkpoints(folder)[:-keep]:
                old.unlink()

    return save


def resume(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer,
           schedule: Any = None) -> TrainingState:
    """The state of the folder's last checkpoint, loaded into the rest; a new state if none."""
    checkpoints = list_checkpoints(folder)
    if not checkpoints:
        return TrainingState()
    return load_checkpoint(checkpoints[-1], model, optimizer, schedule)


# Written by `python -m shared.kit.course copy`: 099a81ac3f5c
