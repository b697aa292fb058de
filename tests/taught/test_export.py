"""A LlamaModel as a folder of Hugging Face: transformers gives the same logits and the same ids."""

import json
from dataclasses import replace

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from shared.export import (
    check_export,
    fast_tokenizer,
    head_is_tied,
    hugging_face_config,
    hugging_face_llama,
    hugging_face_name,
    model_card,
    save_llama,
    visible_tokens,
)
from shared.gguf_weights import gguf_tokenizer
from shared.gpt import GPTConfig, GPTModel
from shared.kit.real_model import write_stand_in
from shared.llama import LlamaConfig, LlamaModel
from shared.lora import apply_lora, lora_layers, merge_lora
from shared.tokenizer import BPETokenizer
from shared.vocabulary import GPT2_FORM

CARD = model_card("test", "none", "mit", "none", "none")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("stand_in") / "stand_in.gguf"
    write_stand_in(path)
    return gguf_tokenizer(path)


def small(vocab_size: int, tied: bool = True) -> LlamaModel:
    """A Llama no weight of which is 0 or 1."""
    torch.manual_seed(1)
    cfg = LlamaConfig(vocab_size, 64, 64, 4, 2, 2, 96, 50_000.0, 1e-5, tied)
    model = LlamaModel(cfg).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn(weight.shape) / 10
    return model


def logits(model, ids):
    with torch.no_grad():
        out = model(ids)
    return getattr(out, "logits", out)


def ids_of(model):
    return torch.randint(model.cfg.vocab_size, (2, 20), generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize("tied", [True, False])
def test_transformers_gives_the_same_logits(tokenizer, tmp_path, tied):
    model = small(tokenizer.n_vocab, tied)
    save_llama(model, tokenizer, tmp_path / "model", CARD)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    ids = ids_of(model)
    assert logits(model, ids).std() > 0.1
    assert (logits(theirs, ids) - logits(model, ids)).abs().max() < 1e-4
    assert ("lm_head.weight" in load_file(tmp_path / "model" / "model.safetensors")) is not tied
    assert theirs.generation_config.eos_token_id == tokenizer.eot_token == 2


def test_a_merged_head_is_no_longer_tied(tokenizer, tmp_path):
    model = small(tokenizer.n_vocab)
    assert head_is_tied(model)
    apply_lora(model, ["out_head"], 2, 4)
    for layer in lora_layers(model).values():
        torch.nn.init.normal_(layer.B)
    merge_lora(model)
    assert not head_is_tied(model)
    save_llama(model, tokenizer, tmp_path / "model", CARD)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "model").eval()
    ids = ids_of(model)
    assert (logits(theirs, ids) - logits(model, ids)).abs().max() < 1e-4


def test_every_weight_has_its_name(tokenizer):
    model = small(tokenizer.n_vocab, tied=False)
    config = transformers.LlamaConfig(**hugging_face_config(model, 2))
    with torch.device("meta"):
        theirs = transformers.LlamaForCausalLM(config).state_dict()
    ours = hugging_face_llama(model)
    assert {k: v.shape for k, v in ours.items()} == {k: v.shape for k, v in theirs.items()}


TEXTS = [
    "",
    "the user 2048 helps, 12 of 3",
    "naïve \U0001f642  \n\n x",
    "1 2  3\t4",
    "it's <|im_end|>",
]


def test_transformers_tokenizer_gives_the_same_ids(tokenizer, tmp_path):
    save_llama(small(tokenizer.n_vocab), tokenizer, tmp_path / "model", CARD, "{{ 'hello' }}")
    theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    assert len(theirs) == tokenizer.n_vocab and theirs.eos_token_id == tokenizer.eot_token
    assert theirs.chat_template == "{{ 'hello' }}"
    for text in [*TEXTS, "<|im_start|>user\nhi<|im_end|>"]:
        ids = tokenizer.encode(text, allowed_special="all")
        assert theirs(text)["input_ids"] == ids
        assert theirs.decode(ids) == text


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_has_the_same_ids(tokenizer, text):
    ids = tokenizer.encode(text, allowed_special="all")
    assert fast_tokenizer(tokenizer).encode(text).ids == ids


def test_a_vocabulary_of_gpt2s_form(tmp_path):
    text = "the cat and the hat and the bat, 100 times, 1000 times"
    own = BPETokenizer.train(text, 275)
    for sample in (text, "a hat of 1000", *TEXTS):
        ids = own.encode(sample, allowed_special="all")
        assert fast_tokenizer(own).encode(sample).ids == ids


def test_digits_are_split_first_where_the_pattern_says_so(tokenizer):
    merges = [(ord("1"), ord("0")), (256, ord("0"))]  # "10", "100"
    text = "in 100 of 1000 cases"
    for form, pieces in ((tokenizer.form, 20), (GPT2_FORM, 16)):
        end = "<|im_end|>" if form is tokenizer.form else "<|endoftext|>"
        own = BPETokenizer(range(256), merges, [end], replace(form, special_first=False))
        ids = own.encode(text)
        assert len(ids) == pieces
        assert fast_tokenizer(own).encode(text).ids == ids


def test_two_tokens_that_look_alike_are_refused():
    ab, bc = 256, 257
    own = BPETokenizer(range(256), [(97, 98), (98, 99), (ab, 99), (97, bc)], ["<|endoftext|>"])
    with pytest.raises(ValueError, match="two tokens are written 'abc'"):
        visible_tokens(own)


def test_what_would_not_arrive_whole_is_refused(tokenizer, tmp_path):
    size = tokenizer.n_vocab
    adapted = small(size)
    apply_lora(adapted, ["W_query"], 2, 4)
    broken = small(size)
    broken.trf_blocks[0].ff.up.weight.data[0, 0] = torch.nan
    gpt = GPTModel(GPTConfig(size, 8, 16, 2, 1))
    no_end = BPETokenizer(range(256), [], ["<end>"])
    other = BPETokenizer(
        range(256), [], ["<|endoftext|>"], tokenizer.form.__class__(pattern=r"\w+|\W+")
    )
    for model, words, message in (
        (adapted, tokenizer, "2 layers have an adapter.*merge it first"),
        (broken, tokenizer, "trf_blocks.0.ff.up.weight holds numbers that are not finite"),
        (gpt, tokenizer, "a GPTModel cannot leave as a Llama.*save_gpt2"),
        (small(size + 1), tokenizer, f"the model has {size + 1} tokens, the tokenizer {size}"),
        (small(257), no_end, "no token '<|endoftext|>'".replace("|", r"\|")),
        (small(257), other, "no name for the pattern"),
    ):
        with pytest.raises(ValueError, match=message):
            check_export(model, words)
        with pytest.raises(ValueError, match=message):
            save_llama(model, words, tmp_path / "model", CARD)
    assert not list(tmp_path.iterdir())


def test_a_name_that_llama_has_not():
    assert hugging_face_name("trf_blocks.11.att.out_proj") == "model.layers.11.self_attn.o_proj"
    with pytest.raises(ValueError, match="no part like 'trf_blocks.0.ff.layers.0'"):
        hugging_face_name("trf_blocks.0.ff.layers.0")


def test_a_blank_card_is_refused():
    assert "license: apache-2.0" in model_card("a", "b", "apache-2.0", "c", "d")
    with pytest.raises(ValueError, match="data is blank"):
        model_card("a", "b", "mit", " ", "d")


def test_files_are_plain(tokenizer, tmp_path):
    save_llama(small(tokenizer.n_vocab), tokenizer, tmp_path / "model", CARD)
    names = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert names == [
        "README.md", "config.json", "generation_config.json", "model.safetensors",
        "tokenizer.json", "tokenizer_config.json",
    ]  # fmt: skip
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 50_000.0
