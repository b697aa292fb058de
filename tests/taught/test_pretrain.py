"""The script serves a stranger: help, a plan, shards of text files."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pretrain
import pytest

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
