"""A run resumed from its files equals the run never stopped, whenever it was killed."""

import contextlib
import copy
import errno
import io
import math
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from small_parts import SMALL, pieces, same_weights, train
from torch import nn

from shared.checkpoints import (
    checkpoint_saver,
    list_checkpoints,
    load_checkpoint,
    read_checkpoint,
    resume,
    save_checkpoint,
)
from shared.gpt import GPTModel
from shared.schedules import attach_clipping, attach_schedule
from shared.training_state import TrainingState

on_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="starts processes by fork, which PyTorch bears on Linux"
)
FORK = multiprocessing.get_context("fork" if sys.platform == "linux" else None).Process


def saved_run(folder: Path, **options):
    """Eight steps, a checkpoint after every third."""
    model, *loaders, optimizer = pieces(**options)
    train(
        model,
        *loaders,
        optimizer,
        num_epochs=1,
        after_step=checkpoint_saver(folder, model, optimizer, every=3),
    )
    return model, *loaders, optimizer


def test_a_checkpoint_holds_all_that_going_on_needs(tmp_path):
    def with_schedule(seed: int = 1):
        model, *loaders, optimizer = pieces(seed=seed)
        attach_clipping(optimizer, model, 0.5)
        return (
            model,
            *loaders,
            optimizer,
            attach_schedule(optimizer, total_steps=24, warmup_steps=4),
        )

    model, *loaders, optimizer, schedule = with_schedule()
    saver = checkpoint_saver(tmp_path, model, optimizer, schedule, every=4, keep=2)
    results = train(model, *loaders, optimizer, after_step=saver)
    assert [path.name for path in list_checkpoints(tmp_path)] == [
        "step_00000019.pt",
        "step_00000023.pt",
    ]
    list_checkpoints(tmp_path)[-1].unlink()
    expected = random.random(), np.random.rand()
    resumed, *loaders, optimizer, schedule = with_schedule(seed=99)
    state = resume(tmp_path, resumed, optimizer, schedule)
    assert (random.random(), np.random.rand()) == expected  # Python's and NumPy's generators, too
    assert train(resumed, *loaders, optimizer, state=state) == results
    assert same_weights(resumed, model)


def test_an_empty_folder_means_a_new_run(tmp_path):
    model, *_, optimizer = pieces()
    assert resume(tmp_path, model, optimizer).global_step == -1
    assert list_checkpoints(tmp_path / "not there") == []


def break_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\x01\x02") // 2] ^= 1  # before the zip archive's directory
    path.write_bytes(content)


class Code:
    """Its pickle calls a function when it is loaded."""

    def __reduce__(self):
        return print, ("this code has run",)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "not a whole checkpoint"),
        (lambda path: path.write_bytes(b""), "not a whole checkpoint"),
        (
            lambda path: path.write_text("not a checkpoint", encoding="utf-8"),
            "not a whole checkpoint",
        ),
        (break_bit, "check sum|not a whole checkpoint"),
        (lambda path: torch.save({"weights": 1}, path), "no checkpoint of this course"),
        (lambda path: torch.save({"weights": Code()}, path), "would run its code"),
    ],
    ids=["cut", "empty", "text", "one bit", "foreign", "code"],
)
def test_what_is_no_whole_checkpoint_is_refused_and_changes_nothing(
    tmp_path, capsys, spoil, message
):
    saved_run(tmp_path)
    path = list_checkpoints(tmp_path)[-1]
    spoil(path)
    model, *_, optimizer = pieces(seed=5)
    before = copy.deepcopy(model)
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path, model, optimizer)
    assert path.name in str(caught.value)
    assert same_weights(model, before)
    assert "this code has run" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "field, value", [("n_heads", 4), ("emb_dim", 32), ("n_layers", 2), ("qkv_bias", True)]
)
def test_another_configuration_is_refused_with_both_values(tmp_path, field, value):
    saved_run(tmp_path)
    model = GPTModel(replace(SMALL, **{field: value}))
    before = copy.deepcopy(model)
    with pytest.raises(
        ValueError, match=f"has {field}={getattr(SMALL, field)}, this model has {field}={value}"
    ):
        load_checkpoint(list_checkpoints(tmp_path)[-1], model)
    assert same_weights(model, before)


def test_a_model_without_configuration_is_compared_by_shapes(tmp_path):
    model = nn.Linear(3, 2)
    save_checkpoint(
        tmp_path / "a.pt", model, torch.optim.AdamW(model.parameters()), TrainingState()
    )
    for other in (nn.Linear(3, 3), nn.Linear(3, 2, bias=False), nn.Sequential(model)):
        with pytest.raises(ValueError, match="has the shape"):
            load_checkpoint(tmp_path / "a.pt", other)


def test_a_schedule_that_is_missing_is_noticed(tmp_path):
    saved_run(tmp_path)
    model, *_, optimizer = pieces()
    with pytest.raises(ValueError, match="without a schedule"):
        load_checkpoint(
            list_checkpoints(tmp_path)[-1], model, optimizer, attach_schedule(optimizer, 10, 2)
        )


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    model, *_, optimizer = saved_run(tmp_path)
    before = [path.name for path in list_checkpoints(tmp_path)]
    with torch.no_grad():
        model.out_head.weight[0, 0] = math.inf
    with pytest.raises(FloatingPointError, match="out_head.weight is not finite"):
        checkpoint_saver(tmp_path, model, optimizer, every=1, keep=1)(TrainingState(global_step=8))
    assert [path.name for path in list_checkpoints(tmp_path)] == before


def test_only_step_and_a_number_counts_and_numbers_are_sorted_as_numbers(tmp_path):
    names = ["step_9.pt", "step_00000010.pt", "step_123456789.pt"]
    for name in [*names, "step_best.pt", "step_.pt", "step_-1.pt", "step_7.pt.0123.part", "a.pt"]:
        (tmp_path / name).touch()
    assert [path.name for path in list_checkpoints(tmp_path)] == names


@pytest.mark.parametrize("keep", [1, 2])
def test_a_file_of_the_users_own_is_neither_counted_nor_deleted(tmp_path, keep):
    (tmp_path / "step_best.pt").write_bytes(b"mine")
    model, *loaders, optimizer = pieces()
    saver = checkpoint_saver(tmp_path, model, optimizer, every=1, keep=keep)
    train(model, *loaders, optimizer, num_epochs=1, after_step=saver)
    assert [path.name for path in list_checkpoints(tmp_path)] == [
        f"step_{step:08d}.pt" for step in range(8 - keep, 8)
    ]
    assert (tmp_path / "step_best.pt").read_bytes() == b"mine"


def test_a_new_run_in_the_folder_of_a_longer_one_is_refused_at_once(tmp_path):
    saved_run(tmp_path)
    before = {path: path.read_bytes() for path in list_checkpoints(tmp_path)}
    model, *loaders, optimizer = pieces(seed=7)
    saver = checkpoint_saver(tmp_path, model, optimizer, every=3, keep=1)
    state = TrainingState()
    with pytest.raises(FileExistsError, match="holds step_00000005.pt, and this run is at step 0"):
        train(model, *loaders, optimizer, after_step=saver, state=state)
    assert state.global_step == 0  # not a hundred steps later, when it is time to save
    assert {path: path.read_bytes() for path in list_checkpoints(tmp_path)} == before


def save_in(folder: Path) -> None:
    model, *_, optimizer = pieces()
    try:
        checkpoint_saver(folder, model, optimizer)
    except BlockingIOError as error:
        sys.exit(7 if "another run is writing into" in str(error) else 1)


@on_linux
def test_two_processes_do_not_save_into_one_folder(tmp_path):
    model, *_, optimizer = pieces()
    saver = checkpoint_saver(tmp_path, model, optimizer)
    for expected in (7, 0):
        process = FORK(target=save_in, args=(tmp_path,))
        process.start()
        process.join()
        assert process.exitcode == expected
        saver = None  # the folder is free once nobody holds the saver
    assert saver is None


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_checkpoint(tmp_path, monkeypatch, moment):
    model, *_, optimizer = saved_run(tmp_path)
    path = list_checkpoints(tmp_path)[-1]
    before = path.read_bytes()

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if moment == "write":
        monkeypatch.setattr(torch, "save", no_space)
    else:
        monkeypatch.setattr(os, moment, no_space)
    with pytest.raises(OSError, match="could not be written.*No space left.*make room"):
        save_checkpoint(path, model, optimizer, TrainingState())
    assert path.read_bytes() == before and not list(tmp_path.glob("*.part"))


def save_on_a_small_disk(path: Path) -> None:
    """The system refuses more than 20,000 bytes; exit code 7 says that the right error came."""
    import resource  # not on Windows

    model = nn.Linear(100, 100)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    try:
        save_checkpoint(path, model, torch.optim.AdamW(model.parameters()), TrainingState())
    except OSError as error:
        sys.exit(7 if "a.pt could not be written" in str(error) else 1)


@on_linux
def test_a_really_full_disk(tmp_path):
    process = FORK(target=save_on_a_small_disk, args=(tmp_path / "a.pt",))
    process.start()
    process.join()
    assert process.exitcode == 7 and list(tmp_path.iterdir()) == []


def long_run(folder: Path) -> None:
    """48 steps with dropout and shuffling, a checkpoint after each; goes on if there are some."""
    torch.set_num_threads(1)
    model, *loaders, optimizer = pieces()
    schedule = attach_schedule(optimizer, 48, 5)
    with contextlib.redirect_stdout(io.StringIO()):
        saver = checkpoint_saver(folder, model, optimizer, schedule, every=1, keep=2)
        train(
            model,
            *loaders,
            optimizer,
            6,
            5,
            state=resume(folder, model, optimizer, schedule),
            after_step=saver,
        )


@on_linux
def test_killed_at_random_moments(tmp_path):
    """SIGKILL again and again: in the end the last checkpoint is that of the run never killed.

    LLM_COURSE_KILLS=50 makes fifty kills instead of three.
    """
    repeats, kills, in_writing = int(os.environ.get("LLM_COURSE_KILLS", 3)), 0, 0
    seed = os.environ.get("LLM_COURSE_KILL_SEED", str(time.time_ns()))
    print(f"LLM_COURSE_KILL_SEED={seed}")  # shown if the test fails
    draw = random.Random(seed)
    began = time.perf_counter()
    process = FORK(target=long_run, args=(tmp_path / "peace",))
    process.start()
    process.join()
    seconds = time.perf_counter() - began
    peace = read_checkpoint(list_checkpoints(tmp_path / "peace")[-1])
    while repeats > kills:
        folder = tmp_path / f"killed {kills}"
        exit_code = -signal.SIGKILL
        while exit_code == -signal.SIGKILL:
            process = FORK(target=long_run, args=(folder,))
            process.start()
            process.join(draw.uniform(0, seconds) if kills < repeats else None)
            process.kill()
            process.join()
            exit_code = process.exitcode
            if exit_code == -signal.SIGKILL:
                kills += 1
                in_writing += bool(list(folder.glob("*.part")))
                for path in list_checkpoints(folder):
                    read_checkpoint(path)  # every file of that name is whole
        assert exit_code == 0
        end = read_checkpoint(list_checkpoints(folder)[-1])
        assert end["state"]["global_step"] == peace["state"]["global_step"] == 47
        assert end["state"]["val_losses"] == peace["state"]["val_losses"]
        assert all(torch.equal(end["model"][name], peace["model"][name]) for name in peace["model"])
        shutil.rmtree(folder)
    print(f"{kills} kills, {in_writing} of them while a checkpoint was being written")
