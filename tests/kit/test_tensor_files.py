"""A file of weights that is not whole, or not this model's, is refused by its name."""

import json
import math

import pytest
import torch
from safetensors.torch import save_file

from shared.kit.tensor_files import check_config, read_tensors


@pytest.fixture
def path(tmp_path):
    save_file({"a": torch.arange(6.0), "b": torch.arange(4)}, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_what_is_whole_is_read(path):
    tensors = read_tensors(path)
    assert tensors["a"].tolist() == [0, 1, 2, 3, 4, 5] and tensors["b"].tolist() == [0, 1, 2, 3]
    with pytest.raises(FileNotFoundError, match="nothing.safetensors"):
        read_tensors(path.with_name("nothing.safetensors"))


def test_a_file_cut_short_anywhere_or_foreign_is_refused_by_name(path):
    content = path.read_bytes()
    spoilt = [content[:length] for length in range(len(content))]
    spoilt += [b"not a safetensors file at all", b"\xef\xbb\xbf" + content, content + b"0"]
    for wrong in spoilt:
        path.write_bytes(wrong)
        with pytest.raises(ValueError, match="model.safetensors is no whole safetensors file"):
            read_tensors(path)


@pytest.mark.parametrize("number", [math.nan, math.inf])
def test_what_is_not_finite_is_refused(path, number):
    save_file({"fine": torch.zeros(2), "spoilt": torch.tensor([1.0, number])}, path)
    with pytest.raises(
        ValueError, match="model.safetensors is of no use, its spoilt is not finite"
    ):
        read_tensors(path)


def test_the_settings_beside_a_file(path):
    check_config(path, n_head=3)  # there are none
    settings = path.with_name("config.json")
    for mark in ("", "\ufeff"):
        settings.write_text(mark + json.dumps({"n_head": 3, "colour": "blue"}), encoding="utf-8")
        check_config(path, n_head=3, other=4)
        with pytest.raises(ValueError, match="config.json has n_head=3, this model has n_head=6"):
            check_config(path, n_head=6)
    for content in (b"", b"text", b"3", b"\xff", b'{"n_head"'):
        settings.write_bytes(content)
        with pytest.raises(ValueError, match="config.json is no JSON of settings"):
            check_config(path, n_head=3)
