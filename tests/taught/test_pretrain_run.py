"""Many processes learn what one learns; a run stops and goes on anywhere."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pretrain
import pretrain_run
import pytest
import torch

from shared.checkpoints import list_checkpoints, read_checkpoint
from shared.kit.repository import ROOT
from shared.shards import open_token_shards, write_token_shards

SCRIPT = ROOT / "04_pretraining" / "pretrain.py"
TINY = (
    "--layers 2 --heads 2 --width 16 --context 8 --vocabulary 50 --global-batch 8 --epochs 2 "
    "--lr 1e-2 --warmup 4 --eval-every 4 --eval-sequences 8 --save-every 4 --keep 9"
).split()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two shards of 37 windows to learn from, 9 steps of 8 and a rest, and one for validation."""
    folder = tmp_path_factory.mktemp("data") / "shards"
    generator = torch.Generator().manual_seed(1)
    write_token_shards(torch.randint(50, (900,), generator=generator).tolist(), folder, 300)
    return folder


def run_alone(shards: Path, out: Path, *options: str) -> None:
    pretrain.main([*TINY, "--data", str(shards), "--out", str(out), *options])


def run_two(shards: Path, out: Path, *options: str) -> None:
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*torchrun, str(SCRIPT), *TINY, "--data", str(shards), "--out", str(out), *options]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=one_thread, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]


def losses(out: Path) -> dict[int, float]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["step"]: entry["loss"] for entry in map(json.loads, lines)}


def last_weights(out: Path) -> dict[str, torch.Tensor]:
    weights = read_checkpoint(list_checkpoints(out)[-1])["model"]
    # a bias of keys adds the same to all scores of a query, so its gradient is rounding noise,
    # which AdamW makes large
    return {name: weight for name, weight in weights.items() if not name.endswith("W_key.bias")}


def assert_same_run(out: Path, other: Path) -> None:
    assert losses(out).keys() == losses(other).keys()
    assert max(abs(losses(out)[step] - losses(other)[step]) for step in losses(out)) < 1e-5
    for name, weight in last_weights(out).items():
        assert torch.allclose(weight, last_weights(other)[name], atol=1e-4), name


@pytest.fixture(scope="module")
def alone(shards, tmp_path_factory):
    """The run of one process, whole batches."""
    out = tmp_path_factory.mktemp("alone")
    run_alone(shards, out, "--batch-size", "8")
    assert len(losses(out)) == 2 * (
        len(open_token_shards(sorted(shards.glob("shard_*"))[:-1], 8)) // 8
    )
    assert losses(out)[0] == pytest.approx(np.log(50), abs=0.4)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("engine", [[], ["--fsdp"]], ids=["ddp", "fsdp"])
def test_two_processes_equal_one_and_another_number_goes_on(shards, alone, tmp_path, engine):
    """Two processes with two micro-batches each, stopped in the second epoch; one goes on."""
    run_two(shards, tmp_path, "--batch-size", "2", "--stop-after", "11", *engine)
    assert len(losses(tmp_path)) == 11 and list_checkpoints(tmp_path)[-1].name == "step_00000010.pt"
    run_alone(shards, tmp_path, "--batch-size", "4")
    assert_same_run(tmp_path, alone)


@pytest.mark.slow
@pytest.mark.parametrize("engine", [[], ["--fsdp"]], ids=["ddp", "fsdp"])
def test_processes_end_before_python_clears_up(shards, tmp_path, monkeypatch, engine):
    """A thread of gloo that lets go of a tensor during Python's clearing up aborts the process."""
    code = "import atexit, os\n'LOCAL_RANK' in os.environ and atexit.register(os.abort)"
    (tmp_path / "sitecustomize.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    run_two(shards, tmp_path / "out", "--batch-size", "4", "--stop-after", "1", *engine)
    assert len(losses(tmp_path / "out")) == 1


@pytest.mark.slow
def test_one_process_hands_over_to_two(shards, alone, tmp_path):
    shutil.copy(alone / "step_00000007.pt", tmp_path)
    lines = (alone / "log.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    (tmp_path / "log.jsonl").write_text("".join(lines[:8]), encoding="utf-8")
    run_two(shards, tmp_path, "--batch-size", "4")
    assert_same_run(tmp_path, alone)


def test_resumed_with_dropout_bit_for_bit(shards, tmp_path):
    for out, steps in (("stopped", ("5", "11", "99")), ("whole", ("99",))):
        for step in steps:
            run_alone(shards, tmp_path / out, "--dropout", "0.2", "--stop-after", step)
    assert losses(tmp_path / "stopped") == losses(tmp_path / "whole")
    one, other = last_weights(tmp_path / "stopped"), last_weights(tmp_path / "whole")
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_signal_stops_after_the_step_and_saves(shards, alone, tmp_path, monkeypatch):
    after_step = pretrain_run.Run.after_step

    def signalled(run, state) -> None:
        if state.global_step == 5:
            signal.raise_signal(
                signal.SIGTERM
            )  # as a cluster does before it takes the machine back
        after_step(run, state)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(pretrain_run.Run, "after_step", signalled)
    run_alone(shards, tmp_path, "--batch-size", "8")
    assert (
        list_checkpoints(tmp_path)[-1].name == "step_00000005.pt"
        and signal.getsignal(signal.SIGTERM) == before
    )
    monkeypatch.undo()
    run_alone(shards, tmp_path, "--batch-size", "8")
    assert losses(tmp_path) == losses(alone)


@pytest.mark.parametrize(
    "options, message",
    [
        (["--global-batch", "16"], "with --global-batch 8, not 16"),
        (["--batch-size", "3"], "global_batch=8 must be a multiple of batch_size=3"),
        (["--heads", "4"], "n_heads=2, this model has n_heads=4"),
        (["--fsdp", "--batch-size", "8"], "start with torchrun"),
    ],
)
def test_what_does_not_fit_is_refused(shards, alone, tmp_path, options, message):
    shutil.copy(alone / "step_00000007.pt", tmp_path)
    with pytest.raises(ValueError, match=message):
        run_alone(shards, tmp_path, *options)


def test_mixed_precision_learns_the_same_roughly(shards, alone, tmp_path):
    run_alone(shards, tmp_path, "--bfloat16", "--stop-after", "3")
    found = losses(tmp_path)
    assert max(abs(found[step] - losses(alone)[step]) for step in found) < 0.05
    assert found != {step: losses(alone)[step] for step in found}
    assert all(weight.dtype == torch.float32 for weight in last_weights(tmp_path).values())
