"""The script serves a stranger: help, a plan, shards of text files."""

import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pretrain
import pretrain_run
import pytest
import torch

from shared.shards import write_token_shards
from shared.tokenizer import BPETokenizer


def test_a_stranger_finds_help_and_a_plan(capsys):
    with pytest.raises(SystemExit) as done:
        pretrain.main(["--help"])
    text = capsys.readouterr().out
    assert done.value.code == 0
    assert all(word in text for word in ("torchrun", "--make-shards", "--dry-run", "default: 512"))
    pretrain.main("--tokens 10e9 --devices 8 --tflops 312 --dollars-an-hour 1.75 --dry-run".split())
    text = capsys.readouterr().out
    assert "124,439,808" in text and "19,073" in text and "33.28" in text
    for arguments in ([], ["--dry-run"], ["--data", "shards"]):
        with pytest.raises(SystemExit):
            pretrain.main(arguments)


def test_the_plan_counts_the_tokens_of_the_shards(tmp_path, capsys):
    write_token_shards(range(50), tmp_path, 20)
    small = "--context 4 --global-batch 3 --batch-size 1 --epochs 2 --dry-run".split()
    pretrain.main([*small, "--data", str(tmp_path)])
    lines = dict(line.rsplit(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    # of the two training shards, 4 windows each; 6 of the 8 make whole steps, twice
    assert lines["tokens"] == "48.00" and lines["tokens a step"] == "12.00"
    assert lines["steps"] == "4.00"


def test_shards_of_text_files(tmp_path, capsys):
    for name, text in (("a.txt", "The sea, the sea."), ("b.txt", "Größe")):
        (tmp_path / name).write_text(text, encoding="utf-8")
    files = [str(tmp_path / name) for name in ("a.txt", "b.txt")]
    pretrain.main(
        ["--make-shards", *files, "--data", str(tmp_path / "shards"), "--tokens-a-shard", "5"]
    )
    ids = np.concatenate([np.load(path) for path in sorted((tmp_path / "shards").glob("shard_*"))])
    text = pretrain.get_tokenizer().decode(ids.tolist())
    assert text == "The sea, the sea.<|endoftext|>Größe<|endoftext|>"


def test_shards_are_made_without_reading_a_file_whole(tmp_path, monkeypatch):
    name = tmp_path / "long.txt"
    name.write_text("The sea rang. " * 100, encoding="utf-8")
    monkeypatch.delattr(Path, "read_text")
    monkeypatch.setattr(pretrain, "BPETokenizer", SmallVocabulary)
    pretrain.main(["--make-shards", str(name), "--data", str(tmp_path / "shards")])
    assert len(np.load(tmp_path / "shards" / "shard_00000.npy")) == 1_400 + 1


class SmallVocabulary(BPETokenizer):
    """Bytes and the end token, at once; GPT-2's files are read whole, and may be."""

    @classmethod
    def from_gpt2_files(cls, *files):
        return cls(range(256), [], ["<|endoftext|>"])


def test_the_trained_model_goes_on_with_a_text(tmp_path, capsys):
    write_token_shards(range(60), tmp_path / "shards", 30)
    small = "--layers 1 --heads 1 --width 4 --context 8 --global-batch 2 --batch-size 2".split()
    folders = ["--data", str(tmp_path / "shards"), "--out", str(tmp_path / "out")]
    pretrain.main([*small, *folders, "--start-context", "The sea"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("The sea")
    assert (tmp_path / "out" / "step_00000000.pt").is_file()


def test_it_starts_in_any_folder_and_says_what_is_wrong_in_a_line(tmp_path):
    command = [sys.executable, pretrain.__file__, "--data", "nowhere", "--out", "out"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert (
        done.stderr.startswith("pretrain.py: nowhere holds 0 shards")
        and "Traceback" not in done.stderr
    )


COMPLETE = ["--data", "SHARDS", "--out", "OUT", "--vocabulary", "50", "--context", "4"]


@pytest.mark.parametrize(
    "options, words",
    [
        ("--eval-every 0", "--eval-every: '0' is not a whole number from 1"),
        ("--lr 0", "--lr: '0' is not a number above 0 and at most 10"),
        ("--lr nan", "--lr: 'nan' is not a number above 0"),
        ("--lr -1", "--lr: '-1' is not"),
        ("--epochs 0", "--epochs: '0' is not a whole number from 1"),
        ("--epochs 1.5", "--epochs: '1.5' is not a whole number"),
        ("--seed 2147483648", "--seed: '2147483648' is not a whole number from 0 to 1,000,000,000"),
        ("--seed -1", "--seed: '-1' is not"),
        ("--utilisation 40", "--utilisation: '40' is not a number above 0 and at most 1"),
        ("--tflops 0", "--tflops: '0' is not a number above 0"),
        ("--tokens -5", "--tokens: '-5' is not a number above 0"),
        ("--tokens inf", "--tokens: 'inf' is not a number above 0"),
        ("--dollars-an-hour -1", "--dollars-an-hour: '-1' is not a number of at least 0"),
        ("--devices 0", "--devices: '0' is not"),
        ("--keep -1", "--keep: '-1' is not a whole number from 1"),
        ("--keep 0", "--keep: '0' is not"),
        ("--save-every 0", "--save-every: '0' is not"),
        ("--stop-after 0", "--stop-after: '0' is not"),
        ("--dropout 1", "--dropout: '1' is not a number of at least 0 and below 1"),
        ("--clip 0", "--clip: '0' is not a number above 0; inf for no limit"),
        ("--weight-decay -1", "--weight-decay: '-1' is not"),
        ("--warmup -1", "--warmup: '-1' is not"),
        ("--batch-size x", "--batch-size: 'x' is not a whole number"),
        ("--layers 0", "--layers: '0' is not"),
        ("--tokens-a-shard 0", "--tokens-a-shard: '0' is not"),
        ("--dry-run --make-shards a.txt", "--dry-run writes none"),
    ],
)
def test_what_is_out_of_range_is_said_in_a_sentence(capsys, options, words):
    with pytest.raises(SystemExit) as done:
        pretrain.main([*COMPLETE, *options.split()])
    assert done.value.code == 2 and words in capsys.readouterr().err


def test_the_widest_values_are_taken():
    options = "--seed 1000000000 --clip inf --warmup 0 --dropout 0 --utilisation 1 --weight-decay 0"
    args = pretrain.read_arguments([*COMPLETE, *options.split()])
    assert args.seed == 10**9 and args.clip == float("inf")
    highest = (args.seed * 1_000_003 + 10**9) * 10_007 + 10**6  # as Run.draw_anew makes it
    torch.manual_seed(highest)


@pytest.mark.parametrize(
    "options, words",
    [
        ("--heads 3 --width 16", "n_heads|heads"),
        ("--batch-size 3 --global-batch 8", "must be a multiple"),
        ("--vocabulary 40", "holds the id 59, but the model has 40 tokens: give --vocabulary 60"),
        ("--start-context sea", "with GPT-2's 50,257 tokens, and the model has 60"),
        ("--vocabulary 50257 --start-context=", "--start-context is empty"),
        ("--context 100", "too few"),
        ("--global-batch 1000 --batch-size 1000", "do not make one step"),
    ],
)
def test_what_does_not_fit_is_refused_before_the_first_step(tmp_path, options, words):
    write_token_shards(range(60), tmp_path / "shards", 30)
    folders = ["--data", str(tmp_path / "shards"), "--out", str(tmp_path / "out")]
    small = "--layers 1 --heads 1 --width 4 --context 8 --vocabulary 60 --global-batch 2".split()
    with pytest.raises(ValueError, match=words):
        pretrain.main([*small, "--batch-size", "2", *folders, *options.split()])
    assert not list((tmp_path / "out").glob("*.pt"))


@pytest.mark.parametrize("spoil", [b"", b"text", None], ids=["empty", "text", "cut"])
def test_a_spoilt_shard_is_refused_by_name(tmp_path, spoil):
    write_token_shards(range(60), tmp_path, 30)
    path = tmp_path / "shard_00000.npy"
    path.write_bytes(path.read_bytes()[:-1] if spoil is None else spoil)
    with pytest.raises(ValueError, match="shard_00000.npy has .* bytes and should have"):
        pretrain.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])


def test_a_flipped_bit_in_a_shard_is_found_before_the_first_step(tmp_path):
    write_token_shards(range(60), tmp_path / "shards", 30)
    path = tmp_path / "shards" / "shard_00000.npy"
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    small = "--layers 1 --heads 1 --width 4 --context 8 --global-batch 2 --batch-size 2".split()
    with pytest.raises(ValueError, match="shard_00000.npy is damaged, its check sum is wrong"):
        pretrain.main([*small, "--data", str(path.parent), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    "name, value, words",
    [
        ("RANK", "abc", "RANK='abc', which should be a number"),
        ("WORLD_SIZE", "-1", "WORLD_SIZE='-1'"),
        ("LOCAL_RANK", "", "LOCAL_RANK=''"),
        ("RANK", "1", "RANK=1 and WORLD_SIZE=1"),
    ],
)
def test_numbers_that_torchrun_did_not_set(tmp_path, monkeypatch, name, value, words):
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=words):
        pretrain.main(["--data", str(tmp_path), "--out", str(tmp_path / "out")])


def test_a_second_text_that_is_missing_or_no_utf8_leaves_no_set(tmp_path):
    (tmp_path / "a.txt").write_text("The sea, the sea.", encoding="utf-8")
    command = ["--data", str(tmp_path / "shards"), "--tokens-a-shard", "2", "--make-shards"]
    with pytest.raises(FileNotFoundError, match="there is no file .*b.txt, so no shard was"):
        pretrain.main([*command, str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    assert not (tmp_path / "shards").exists()
    (tmp_path / "b.txt").write_bytes("Größe".encode("latin-1"))
    with pytest.raises(ValueError, match="b.txt is not UTF-8"):
        pretrain.main([*command, str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    with pytest.raises(ValueError, match="did not come to the end"):
        pretrain.main(["--data", str(tmp_path / "shards"), "--out", str(tmp_path / "out")])


@pytest.mark.parametrize(
    "error, starts",
    [
        (
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            "pretrain.py: the memory does",
        ),
        (MemoryError(), "pretrain.py: the memory does not hold this model and batch"),
        (ValueError("no such size"), "pretrain.py: no such size"),
        (RuntimeError("a bug of ours"), None),
    ],
    ids=["allocator", "memory", "value", "bug"],
)
def test_a_model_too_large_for_the_memory_is_said_in_a_line(tmp_path, monkeypatch, error, starts):
    write_token_shards(range(60), tmp_path / "shards", 30)
    options = "--vocabulary 60 --context 4 --global-batch 2 --batch-size 2".split()
    folders = ["--data", str(tmp_path / "shards"), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", ["pretrain.py", *options, *folders])

    def no_model(cfg) -> None:
        raise error

    monkeypatch.setattr(pretrain_run, "GPTModel", no_model)
    with pytest.raises((SystemExit, RuntimeError)) as done:
        runpy.run_path(pretrain.__file__, run_name="__main__")
    if starts is None:  # a bug keeps its traceback
        assert done.value is error
    else:
        assert done.value.code.startswith(starts)
