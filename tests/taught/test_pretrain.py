"""The script serves a stranger: help, a plan, shards of text files."""

import numpy as np
import pretrain
import pytest

from shared.shards import write_token_shards


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
    ids = np.concatenate([np.load(path) for path in sorted((tmp_path / "shards").glob("*"))])
    text = pretrain.get_tokenizer().decode(ids.tolist())
    assert text == "<|endoftext|>The sea, the sea.<|endoftext|>Größe"
