"""Many processes learn what one learns; shards are the text; the plan is arithmetic; pretrain.py serves a stranger."""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pretrain
import pytest
import torch

from shared.checkpoints import list_checkpoints, read_checkpoint
from shared.counting import count_parameters, flops_per_token
from shared.dataloader import GPTDataset
from shared.gpt import GPTModel
from shared.gpt2_weights import GPT2_SIZES
from shared.kit.repository import ROOT
from shared.planning import Hardware, accumulation_for, device_gigabytes, plan_training
from shared.shards import open_token_shards, write_token_shards

SCRIPT = ROOT / "04_pretraining" / "pretrain.py"
TINY = ("--layers 2 --heads 2 --width 16 --context 8 --vocabulary 50 --global-batch 8 --lr 1e-2 --warmup 4 "
        "--eval-every 4 --eval-sequences 8 --save-every 4 --keep 9 --epochs 2").split()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Two shards of 37 windows for training, 9 steps of 8 and a rest, and one shard for validation."""
    folder = tmp_path_factory.mktemp("data") / "shards"
    generator = torch.Generator().manual_seed(1)
    write_token_shards(torch.randint(50, (900,), generator=generator).tolist(), folder, 300)
    return folder


def run_alone(shards: Path, out: Path, *options: str) -> None:
    pretrain.main([*TINY, "--data", str(shards), "--out", str(out), *options])


def run_two(shards: Path, out: Path, *options: str) -> None:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", str(SCRIPT), *TINY,
               "--data", str(shards), "--out", str(out), *options]
    one_thread = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=one_thread, timeout=1800)
    assert done.returncode == 0, done.stderr[-3000:]


def losses(out: Path) -> dict[int, float]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return {entry["step"]: entry["loss"] for entry in map(json.loads, lines)}


def last_weights(out: Path) -> dict[str, torch.Tensor]:
    weights = read_checkpoint(list_checkpoints(out)[-1])["model"]
    # a bias of keys adds the same to all scores of a query, so its gradient is rounding noise, which AdamW makes large
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
    assert len(losses(out)) == 2 * (len(open_token_shards(sorted(shards.glob("*"))[:-1], 8)) // 8)
    assert losses(out)[0] == pytest.approx(np.log(50), abs=0.4)
    return out


@pytest.mark.parametrize("engine", [[], ["--fsdp"]], ids=["ddp", "fsdp"])
def test_two_processes_equal_one_and_another_number_goes_on(shards, alone, tmp_path, engine):
    """Two processes with two micro-batches each; stopped in the second epoch; then one process goes on."""
    run_two(shards, tmp_path, "--batch-size", "2", "--stop-after", "11", *engine)
    assert len(losses(tmp_path)) == 11 and list_checkpoints(tmp_path)[-1].name == "step_00000010.pt"
    run_alone(shards, tmp_path, "--batch-size", "4")
    assert_same_run(tmp_path, alone)


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
    after_step = pretrain.Run.after_step

    def signalled(run, state) -> None:
        if state.global_step == 5:
            signal.raise_signal(signal.SIGTERM)  # as a cluster does before it takes the machine back
        after_step(run, state)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(pretrain.Run, "after_step", signalled)
    run_alone(shards, tmp_path, "--batch-size", "8")
    assert list_checkpoints(tmp_path)[-1].name == "step_00000005.pt" and signal.getsignal(signal.SIGTERM) == before
    monkeypatch.undo()
    run_alone(shards, tmp_path, "--batch-size", "8")
    assert losses(tmp_path) == losses(alone)


@pytest.mark.parametrize("options, message", [
    (["--global-batch", "16"], "with --global-batch 8, not 16"),
    (["--batch-size", "3"], "global_batch=8 must be a multiple of batch_size=3"),
    (["--heads", "4"], "n_heads=2, this model has n_heads=4"),
    (["--fsdp", "--batch-size", "8"], "start with torchrun"),
])
def test_what_does_not_fit_is_refused(shards, alone, tmp_path, options, message):
    shutil.copy(alone / "step_00000007.pt", tmp_path)
    with pytest.raises(ValueError, match=message):
        run_alone(shards, tmp_path, *options)


def test_too_little_data_is_refused(tmp_path):
    write_token_shards(range(40), tmp_path / "one", 100)
    with pytest.raises(ValueError, match="holds 1 shards"):
        run_alone(tmp_path / "one", tmp_path / "out", "--batch-size", "8")
    write_token_shards(range(40), tmp_path / "two", 20)
    with pytest.raises(ValueError, match="2 windows do not make one step"):
        run_alone(tmp_path / "two", tmp_path / "out", "--batch-size", "8")


def test_mixed_precision_learns_the_same_roughly(shards, alone, tmp_path):
    run_alone(shards, tmp_path, "--bfloat16", "--stop-after", "3")
    found = losses(tmp_path)
    assert max(abs(found[step] - losses(alone)[step]) for step in found) < 0.05
    assert found != {step: losses(alone)[step] for step in found}
    assert all(weight.dtype == torch.float32 for weight in last_weights(tmp_path).values())


def test_a_stranger_finds_help_and_a_plan(shards, capsys):
    with pytest.raises(SystemExit) as done:
        pretrain.main(["--help"])
    text = capsys.readouterr().out
    assert done.value.code == 0
    assert all(word in text for word in ("torchrun", "--make-shards", "--dry-run", "default: 512"))
    pretrain.main("--tokens 10e9 --devices 8 --tflops 312 --dollars-an-hour 1.75 --dry-run".split())
    text = capsys.readouterr().out
    assert "124,439,808" in text and "19,073" in text and "33.28" in text
    pretrain.main([*TINY, "--data", str(shards), "--dry-run"])
    assert "tokens a step" in capsys.readouterr().out
    for arguments in ([], ["--dry-run"], ["--data", str(shards)]):
        with pytest.raises(SystemExit):
            pretrain.main(arguments)


def test_shards_of_text_files(tmp_path, capsys):
    for name, text in (("a.txt", "The sea, the sea."), ("b.txt", "Größe")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    pretrain.main(["--make-shards", *files, "--data", str(tmp_path / "shards"), "--tokens-a-shard", "5"])
    ids = np.concatenate([np.load(path) for path in sorted((tmp_path / "shards").glob("*"))])
    text = pretrain.get_tokenizer().decode(ids.tolist())
    assert text == "<|endoftext|>The sea, the sea.<|endoftext|>Größe"


# ---- shards


def test_windows_of_shards_are_those_of_the_list(tmp_path):
    ids = list(range(100))
    paths = write_token_shards(iter(ids), tmp_path / "shards", 40)
    assert [len(np.load(path)) for path in paths] == [40, 40, 20]
    assert all(path.stat().st_size < 2 * 40 + 200 for path in paths)
    windows = open_token_shards(paths, 6)
    in_memory = [GPTDataset(ids[start : start + 40], 6, 6) for start in (0, 40, 80)]
    expected = [pair for dataset in in_memory for pair in (dataset[i] for i in range(len(dataset)))]
    assert len(windows) == len(expected)
    for (inputs, targets), (right_inputs, right_targets) in zip((windows[i] for i in range(len(windows))), expected):
        assert torch.equal(inputs, right_inputs) and torch.equal(targets, right_targets)
    assert isinstance(windows.datasets[0].token_ids, np.memmap)


@pytest.mark.parametrize("ids, size, message", [
    ([1, 70_000], 10, "70000 do not fit"), ([-1], 10, "-1 to -1"), ([1], 0, "tokens_a_shard=0"),
])
def test_bad_ids_are_refused(tmp_path, ids, size, message):
    with pytest.raises(ValueError, match=message):
        write_token_shards(ids, tmp_path, size)


def test_shards_are_not_overwritten(tmp_path):
    write_token_shards([1, 2], tmp_path)
    with pytest.raises(ValueError, match="no shards yet"):
        write_token_shards([3, 4], tmp_path)
    assert np.load(tmp_path / "shard_00000.npy").tolist() == [1, 2]
    with pytest.raises(ValueError, match="no shards were given"):
        open_token_shards([], 4)


# ---- plans


def test_the_plan_scales_as_it_should():
    cfg = GPT2_SIZES["gpt2"]
    one = plan_training(cfg, 1e9, 512, 1, Hardware(1, 312, dollars_an_hour=2.0))
    eight = plan_training(cfg, 1e9, 512, 1, Hardware(8, 312, dollars_an_hour=2.0))
    assert one["hours"] == pytest.approx(8 * eight["hours"]) and one["dollars"] == pytest.approx(eight["dollars"])
    assert one["hours"] == pytest.approx(3 * flops_per_token(cfg, 1024) * 1e9 / (312e12 * 0.4) / 3600)
    assert one["operations"] == pytest.approx(6 * sum(count_parameters(cfg).values()) * 1e9, rel=0.2)  # the rule 6 N D
    assert eight["micro-batches a step and device"] * 8 == one["micro-batches a step and device"] == 512


def test_memory_of_a_device():
    cfg = replace(GPT2_SIZES["gpt2-xl"], drop_rate=0.0)
    whole, part = (device_gigabytes(cfg, 2, Hardware(8, 312, sharded=sharded)) for sharded in (False, True))
    assert whole["weights"] == pytest.approx(4 * 1_557_611_200 / 1e9) == pytest.approx(8 * part["weights"])
    assert whole["activations"] == part["activations"]
    mixed = device_gigabytes(cfg, 2, Hardware(8, 312, mixed=True))
    loss = 4 * 2 * 1024 * 50257 / 1e9  # the log-probabilities stay in float32
    assert mixed["activations"] - loss == pytest.approx((part["activations"] - loss) / 2)
    small = replace(GPT2_SIZES["gpt2"], n_layers=2, emb_dim=48, vocab_size=60)
    held = 4 * sum(weight.numel() for weight in GPTModel(small).parameters())
    assert device_gigabytes(small, 1, Hardware(1, 1))["AdamW"] == pytest.approx(2 * held / 1e9)


@pytest.mark.parametrize("numbers", [(512, 3, 1), (512, 1, 640), (0, 1, 1), (8, 0, 1)])
def test_batches_that_do_not_come_out_even_are_refused(numbers):
    with pytest.raises(ValueError, match=f"global_batch={numbers[0]}.*batch_size={numbers[1]}.*devices={numbers[2]}"):
        accumulation_for(*numbers)
