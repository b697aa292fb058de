"""A run's folder: its log repeats no step, its seed and data stay, one run at a time."""

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
from dataclasses import replace

import pretrain
import pretrain_run
import pytest
import torch
from pretrain_folder import cut_log, same_run

from shared.checkpoints import checkpoint_saver, list_checkpoints
from shared.gpt import GPTModel
from shared.gpt2_weights import GPT2_SIZES
from shared.kit.repository import ROOT
from shared.shards import write_token_shards
from shared.training_state import TrainingState

SCRIPT = ROOT / "04_pretraining" / "pretrain.py"
TINY = (
    "--layers 1 --heads 1 --width 4 --context 4 --vocabulary 50 --global-batch 2 --batch-size 2 "
    "--lr 1e-2 --warmup 2 --eval-every 100 --eval-sequences 2 --save-every 4 --keep 1"
).split()


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Windows for 12 steps of two, and a shard for validation."""
    folder = tmp_path_factory.mktemp("data") / "shards"
    write_token_shards([i * 7 % 50 for i in range(200)], folder, 100)
    return folder


def run(shards, out, *options: str) -> int:
    return pretrain.main([*TINY, "--data", str(shards), "--out", str(out), *options])


def steps(out) -> list[int]:
    lines = (out / "log.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["step"] for line in lines]


def names(out) -> list[str]:
    return [path.name for path in list_checkpoints(out)]


def test_the_log_repeats_no_step_after_a_kill(shards, tmp_path):
    run(shards, tmp_path, "--stop-after", "4")
    with open(tmp_path / "log.jsonl", "a", encoding="utf-8") as file:  # as a kill at step 6 leaves
        file.write('{"step": 4, "loss": 1}\n{"step": 5, "loss": 1}\n{"step": 6, "lo')
    assert run(shards, tmp_path) == 0
    assert steps(tmp_path) == list(range(12)) and names(tmp_path) == ["step_00000011.pt"]


def test_a_log_before_the_first_checkpoint_is_begun_anew(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 0}\n{"step": 1}\n', encoding="utf-8")
    cut_log(tmp_path, -1)
    assert steps(tmp_path) == []
    cut_log(tmp_path / "nowhere", 3)


def test_a_whole_log_is_not_written_again(tmp_path):
    (tmp_path / "log.jsonl").write_text('{"step": 0}\n{"step": 1}\n', encoding="utf-8")
    before = (tmp_path / "log.jsonl").stat().st_ino
    cut_log(tmp_path, 1)
    assert (tmp_path / "log.jsonl").stat().st_ino == before and steps(tmp_path) == [0, 1]


def test_another_seed_or_data_is_refused_on_resume(shards, tmp_path):
    out = tmp_path / "out"
    run(shards, out, "--stop-after", "4")
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with pytest.raises(ValueError, match="begun with --seed 123, not 7"):
        run(shards, out, "--seed", "7")
    write_token_shards([i * 11 % 50 for i in range(200)], tmp_path / "other", 100)
    with pytest.raises(ValueError, match="begun with data of check sum"):
        run(tmp_path / "other", out)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    (out / "run.json").write_text("text", encoding="utf-8")
    with pytest.raises(ValueError, match="run.json does not say what the run was begun with"):
        run(shards, out)
    shutil.copytree(shards, tmp_path / "copied")
    (out / "run.json").write_bytes(before["run.json"])
    assert run(tmp_path / "copied", out) == 0, "the same data may move"


def test_a_run_that_has_made_no_step_may_begin_with_another_seed(tmp_path):
    same_run(tmp_path, {"--seed": 1}, begun=False)
    same_run(tmp_path, {"--seed": 2}, begun=False)
    same_run(tmp_path, {"--seed": 2}, begun=True)
    with pytest.raises(ValueError, match="--seed 2, not 1"):
        same_run(tmp_path, {"--seed": 1}, begun=True)


def test_nothing_left_before_stop_after_is_said(shards, tmp_path):
    run(shards, tmp_path, "--stop-after", "5")
    for stop in ("3", "5"):
        with pytest.raises(ValueError, match=f"has made 5 steps.*--stop-after {stop}"):
            run(shards, tmp_path, "--stop-after", stop)
    assert names(tmp_path) == ["step_00000004.pt"]


def test_a_file_of_the_users_own_stays(shards, tmp_path):
    (tmp_path / "step_best.pt").write_bytes(b"mine")
    run(shards, tmp_path)
    assert names(tmp_path) == ["step_00000011.pt"]
    assert (tmp_path / "step_best.pt").read_bytes() == b"mine"


def test_a_notebooks_checkpoint_is_refused(shards, tmp_path):
    size = dict(vocab_size=50, context_length=4, emb_dim=4, n_heads=1, n_layers=1)
    model = GPTModel(replace(GPT2_SIZES["gpt2"], **size))
    optimizer = torch.optim.AdamW(model.parameters())
    state = TrainingState(global_step=3, tokens_seen=32)
    checkpoint_saver(tmp_path, model, optimizer, every=4)(state)
    with pytest.raises(ValueError, match="step_00000003.pt was not saved by pretrain.py"):
        run(shards, tmp_path)


SIGNALS = [(signal.SIGTERM, 143, 5), (signal.SIGINT, 130, 6)]  # Ctrl-C waits for the step at hand


@pytest.mark.parametrize("number, code, stopped", SIGNALS)
def test_a_signal_is_no_success_unless_the_run_is_done(
    shards, tmp_path, monkeypatch, number, code, stopped
):
    after_step = pretrain_run.Run.after_step

    def signalled(self, state) -> None:
        if state.global_step in (5, 11):
            signal.raise_signal(number)
        after_step(self, state)

    monkeypatch.setattr(pretrain_run.Run, "after_step", signalled)
    options = [*TINY, "--data", str(shards), "--out", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["pretrain.py", *options])
    for expected, last in ((code, stopped), (0, 11)):
        with pytest.raises(SystemExit) as done:
            runpy.run_path(str(SCRIPT), run_name="__main__")
        assert done.value.code == expected and names(tmp_path) == [f"step_{last:08d}.pt"]
    assert steps(tmp_path) == list(range(12))


HOLD = """
import sys
from dataclasses import replace
from pathlib import Path
from shared.kit.files import own
held = own(Path(sys.argv[1]))
print("owned", flush=True)
sys.stdin.read()
"""


def test_two_runs_do_not_share_a_folder(shards, tmp_path):
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert other.stdout.readline().strip() == b"owned"
    with pytest.raises(BlockingIOError, match="another run is writing into"):
        run(shards, tmp_path)
    other.kill()
    other.wait()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert run(shards, tmp_path, "--stop-after", "1") == 0
