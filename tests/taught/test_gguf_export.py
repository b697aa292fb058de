"""A LlamaModel as a GGUF file: the gguf package packs the same bytes, our loader reads it back."""

from dataclasses import replace

import gguf
import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from test_export import ids_of, logits, small, tokenizer  # noqa: F401  (a fixture)

from shared.gguf_export import PACK, gguf_tensors, halves_to_pairs, packing_of, save_gguf
from shared.gguf_weights import (
    UNPACK,
    gguf_setting,
    gguf_tokenizer,
    load_llama,
    open_gguf,
    pairs_to_halves,
)
from shared.lora import apply_lora, lora_layers, merge_lora


def drawn(rows=5, columns=96, size=1.0):
    return (size * np.random.default_rng(3).standard_normal((rows, columns))).astype(np.float32)


@pytest.mark.parametrize("packing", ["Q8_0", "Q4_1"])
@pytest.mark.parametrize("size", [1e-3, 1.0, 100.0])
def test_the_same_bytes_as_the_package(packing, size):
    rows = drawn(size=size)
    packed = PACK[packing](rows)
    assert np.array_equal(packed, gguf.quants.quantize(rows, gguf.GGMLQuantizationType[packing]))
    assert packed.shape == (5, 3 * {"Q8_0": 34, "Q4_1": 20}[packing])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.floats(-100, 100, width=32), min_size=32, max_size=32),
    st.sampled_from(["Q8_0", "Q4_1"]),
)
def test_what_comes_back_is_within_half_a_step(numbers, packing):
    rows = np.array([numbers], dtype=np.float32)
    back = UNPACK[packing](PACK[packing](rows))
    low, high = rows.min(), rows.max()
    step = (high - low) / 15 if packing == "Q4_1" else np.abs(rows).max() / 127
    slack = 1e-3 * np.abs(rows).max() * 16 + 1e-4  # scale and minimum are float16
    assert np.abs(back - rows).max() <= step / 2 + slack


def test_a_block_of_equal_numbers_divides_by_no_zero():
    for value in (0.0, 0.5):
        rows = np.full((1, 32), value, dtype=np.float32)
        with np.errstate(all="raise"):
            for packing in PACK:
                assert np.allclose(UNPACK[packing](PACK[packing](rows)), value, atol=1e-3)


def test_pairs_and_halves_are_inverse():
    weight = torch.arange(48.0).view(12, 4)
    for heads in (1, 2, 3):
        assert torch.equal(halves_to_pairs(pairs_to_halves(weight, heads), heads), weight)
        assert torch.equal(pairs_to_halves(halves_to_pairs(weight, heads), heads), weight)
    assert halves_to_pairs(weight, 2)[:, 0].tolist()[:4] == [0, 12, 4, 16]


def test_what_is_packed():
    assert packing_of("blk.0.attn_norm.weight", (64,), "Q4_1") == "F32"
    assert packing_of("blk.0.ffn_up.weight", (96, 64), "Q4_1") == "Q4_1"
    assert packing_of("blk.0.ffn_up.weight", (96, 60), "Q4_1") == "F32"
    assert packing_of("token_embd.weight", (300, 64), "Q4_1") == "Q8_0"
    assert packing_of("token_embd.weight", (300, 64), "F32") == "F32"


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("packing, error", [("F32", 0.0), ("Q8_0", 0.05), ("Q4_1", 0.5)])
def test_our_loader_reads_it_back(tokenizer, tmp_path, tied, packing, error):  # noqa: F811
    model = small(tokenizer.n_vocab, tied)
    save_gguf(model, tokenizer, tmp_path / "model.gguf", packing)
    back = load_llama(tmp_path / "model.gguf")
    assert back.cfg.norm_eps == pytest.approx(model.cfg.norm_eps)  # the file keeps a float32
    assert replace(back.cfg, norm_eps=model.cfg.norm_eps) == model.cfg
    ids = ids_of(model)
    wanted = logits(model, ids)
    assert wanted.std() > 0.1
    assert (logits(back, ids) - wanted).std() <= error * wanted.std()
    for name, weight in back.named_parameters():
        if packing == "F32":
            assert torch.equal(weight, model.get_parameter(name)), name


def test_transformers_reads_it_too(tokenizer, tmp_path):  # noqa: F811
    model = small(tokenizer.n_vocab)
    save_gguf(model, tokenizer, tmp_path / "model.gguf")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path, gguf_file="model.gguf")
    ids = ids_of(model)
    assert (logits(theirs.eval(), ids) - logits(model, ids)).abs().max() < 1e-4


def test_the_tokenizer_comes_back(tokenizer, tmp_path):  # noqa: F811
    path = tmp_path / "model.gguf"
    save_gguf(small(tokenizer.n_vocab), tokenizer, path, name="mine", chat_template="{{ 1 }}")
    back = gguf_tokenizer(path)
    text = "<|im_start|>user\nthe 2048 users, naïve \U0001f642<|im_end|>"
    ids = tokenizer.encode(text, allowed_special="all")
    assert back.encode(text, allowed_special="all") == ids and back.decode(ids) == text
    assert back.eot_token == tokenizer.eot_token and back.token_bytes == tokenizer.token_bytes
    file = open_gguf(path)
    assert gguf_setting(file, "general.name") == "mine"
    assert gguf_setting(file, "tokenizer.chat_template") == "{{ 1 }}"


def test_a_merged_head_gets_its_own_tensor(tokenizer, tmp_path):  # noqa: F811
    model = small(tokenizer.n_vocab)
    apply_lora(model, ["out_head"], 2, 4)
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.B)
    merge_lora(model)
    save_gguf(model, tokenizer, tmp_path / "model.gguf")
    ids = ids_of(model)
    assert torch.equal(logits(load_llama(tmp_path / "model.gguf"), ids), logits(model, ids))


def test_what_fails_leaves_nothing(tokenizer, tmp_path, monkeypatch):  # noqa: F811
    model = small(tokenizer.n_vocab)
    path = tmp_path / "model.gguf"
    with pytest.raises(ValueError, match="no packing is named 'Q3'.*Q4_1"):
        save_gguf(model, tokenizer, path, "Q3")
    adapted = small(tokenizer.n_vocab)
    apply_lora(adapted, ["W_query"], 2, 4)
    with pytest.raises(ValueError, match="merge it first"):
        save_gguf(adapted, tokenizer, path)

    def full_disk(writer, **given):
        raise OSError("No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(gguf.GGUFWriter, "write_tensors_to_file", full_disk)
        with pytest.raises(OSError, match="No space left"):
            save_gguf(model, tokenizer, path)
    assert not list(tmp_path.iterdir())
    path.write_text("mine")
    with pytest.raises(FileExistsError, match="model.gguf is there"):
        save_gguf(model, tokenizer, path)
    assert path.read_text() == "mine"


def test_sizes_are_arithmetic(tokenizer):  # noqa: F811
    model = small(tokenizer.n_vocab)
    for packing, bits in (("F32", 32), ("Q8_0", 8.5), ("Q4_1", 5)):
        sizes = {name: rows.nbytes for name, rows, _ in gguf_tensors(model, packing)}
        assert 8 * sizes["blk.1.ffn_up.weight"] == bits * 96 * 64
        assert sizes["output_norm.weight"] == 4 * 64
