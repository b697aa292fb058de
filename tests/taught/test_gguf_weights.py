"""GGUF files in our LlamaModel: nothing is lost on the way, and no other file is taken for one."""

import gguf
import numpy as np
import pytest
import torch
import transformers
from gguf import GGMLQuantizationType
from gguf.quants import dequantize, quantize
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers.pre_tokenizers import ByteLevel, Digits, Sequence

from shared import gguf_weights
from shared.generation import generate, generate_text_simple
from shared.gguf_weights import (
    gguf_config,
    gguf_names,
    gguf_tokenizer,
    load_llama,
    open_gguf,
    pairs_to_halves,
    unpack_q4_1,
    unpack_q8_0,
    unpack_tensor,
)
from shared.kit.corpora import load_corpus
from shared.kit.real_model import (
    SPECIAL,
    WIDTH,
    stand_in_vocabulary,
    stand_in_weights,
    write_stand_in,
)
from shared.kit.smollm2 import GGUF_FILE, smollm2_folder
from shared.tokenizer import check_text

Q4_1, Q8_0, Q5_0 = (GGMLQuantizationType[name] for name in ("Q4_1", "Q8_0", "Q5_0"))


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "stand-in.gguf"
    write_stand_in(path)
    return path


def weights_with(change):
    """The stand-in's weights, (name, numbers, packing), after a change of one of them."""
    weights = stand_in_weights(len(stand_in_vocabulary()[0]))
    return [changed for weight in weights for changed in change(*weight)]


# ---- unpacking


@settings(deadline=None, max_examples=100, derandomize=True)
@given(st.data(), st.integers(1, 4), st.integers(1, 3))
@pytest.mark.parametrize(
    "unpack, packing, size, scales", [(unpack_q4_1, Q4_1, 20, 2), (unpack_q8_0, Q8_0, 34, 1)]
)
def test_any_bytes_are_unpacked_as_the_package_unpacks_them(
    unpack, packing, size, scales, data, rows, blocks
):
    seed = data.draw(st.integers(0, 2**32 - 1))
    drawn = np.random.default_rng(seed)
    packed = drawn.integers(0, 256, (rows, blocks, size), dtype=np.uint8)
    halves = drawn.normal(size=(rows, blocks, scales)).astype(np.float16)
    packed[..., : 2 * scales] = halves.view(np.uint8)  # scales that are numbers
    packed = packed.reshape(rows, -1)
    ours = unpack(packed)
    assert ours.dtype == np.float32 and ours.shape == (rows, 32 * blocks)
    assert np.array_equal(ours, dequantize(packed, packing))


def test_every_tensor_of_a_file(path):
    file = open_gguf(path)
    for tensor in file.tensors:
        ours = unpack_tensor(file, tensor.name)
        assert ours.dtype == torch.float32 and list(ours.shape) == tensor.shape.tolist()[::-1]
        assert np.array_equal(ours.numpy(), dequantize(tensor.data, tensor.tensor_type))
        ours += 1  # a copy: the file's own bytes cannot be written


# ---- the order of queries and keys


@pytest.mark.parametrize("n_heads", [1, 3])
def test_pairs_to_halves_is_the_inverse_of_what_the_converter_does(n_heads):
    def halves_to_pairs(weight):  # convert_hf_to_gguf.py of llama.cpp, LlamaModel.permute
        rows = weight.view(n_heads, 2, weight.shape[0] // n_heads // 2, weight.shape[1])
        return rows.swapaxes(1, 2).reshape(weight.shape)

    weight = torch.randn(n_heads * 8, 5)
    assert torch.equal(pairs_to_halves(halves_to_pairs(weight), n_heads), weight)
    assert not torch.equal(halves_to_pairs(weight), weight)


# ---- the whole model


def transformers_model(path):
    return transformers.AutoModelForCausalLM.from_pretrained(
        path.parent,
        gguf_file=path.name,
        dtype=torch.float32,
        quantization_config=transformers.GgufConfig(dequantize=True),
    ).eval()


def test_the_logits_and_the_text_are_those_of_transformers(path):
    ours, theirs = load_llama(path), transformers_model(path)
    assert not ours.training and ours.tok_emb.weight is ours.out_head.weight
    ids = torch.randint(ours.cfg.vocab_size, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        difference = (ours(ids) - theirs(ids).logits).abs().max()
    assert difference < 1e-4
    prompt = ids[:1, :5]
    written = generate(ours, prompt, 20, 2048)
    their_text = theirs.generate(
        prompt, max_new_tokens=20, do_sample=False, eos_token_id=None, pad_token_id=0
    )
    assert torch.equal(written, their_text)
    assert torch.equal(written, generate_text_simple(ours, prompt, 20, 2048))


def test_a_head_of_its_own(tmp_path):
    head = np.ones((len(stand_in_vocabulary()[0]), WIDTH), dtype=np.float32)
    path = tmp_path / "untied.gguf"
    write_stand_in(path, weights=weights_with(lambda *w: [w]) + [("output.weight", head, None)])
    model = load_llama(path)
    assert not model.cfg.tie_weights and torch.equal(model.out_head.weight, torch.tensor(head))
    assert not torch.equal(model.tok_emb.weight, model.out_head.weight)


def test_the_context_can_be_shorter_and_not_longer(path):
    assert load_llama(path).cfg.context_length == 2048
    assert load_llama(path, 16).cfg.context_length == 16
    for length in (2049, -1):
        with pytest.raises(ValueError, match=rf"context_length={length} must be .* at most 2048"):
            load_llama(path, length)


def test_all_weights_have_a_name_in_the_file(path):
    file = open_gguf(path)
    names = gguf_names(gguf_config(file))
    assert set(names.values()) == {tensor.name for tensor in file.tensors}
    assert set(names) == {name for name, _ in load_llama(path).named_parameters()} - {
        "out_head.weight"
    } | {"tok_emb.weight"}


# ---- files that are refused


@pytest.mark.parametrize("content", [b"", b"GGUF", b"no model at all, but a long text" * 9])
def test_a_file_that_is_none(tmp_path, content):
    (tmp_path / "none.gguf").write_bytes(content)
    for read in (load_llama, gguf_tokenizer):
        with pytest.raises(ValueError, match=r"none\.gguf is no GGUF file, or is cut short"):
            read(tmp_path / "none.gguf")


def test_a_file_that_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="gone.gguf"):
        load_llama(tmp_path / "gone.gguf")


def test_a_file_that_is_cut_short_anywhere(path, tmp_path):
    whole = path.read_bytes()
    places = [*range(1, 3000, 97), len(whole) // 2, len(whole) - 1]
    for length in places:
        (tmp_path / "cut.gguf").write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.gguf is no GGUF file, or is cut short"):
            load_llama(tmp_path / "cut.gguf")


def test_another_architecture(tmp_path):
    write_stand_in(tmp_path / "other.gguf", architecture="mamba")
    with pytest.raises(ValueError, match="kind 'mamba', and LlamaModel is 'llama': take"):
        load_llama(tmp_path / "other.gguf")


def test_a_file_without_settings(tmp_path):
    writer = gguf.GGUFWriter(tmp_path / "bare.gguf", "llama")
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.close()
    with pytest.raises(ValueError, match="no 'llama.context_length': is it a language model"):
        load_llama(tmp_path / "bare.gguf")


def test_an_unknown_packing(tmp_path):
    def repack(name, numbers, packing):
        return [(name, numbers, Q5_0 if "ffn_up" in name else packing)]

    write_stand_in(tmp_path / "packed.gguf", weights=weights_with(repack))
    with pytest.raises(ValueError, match=r"blk\.0\.ffn_up\.weight is packed as Q5_0.*'Q4_1'"):
        load_llama(tmp_path / "packed.gguf")


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda n, x, p: [] if n == "blk.1.attn_v.weight" else [(n, x, p)], "no tensor 'blk.1"),
        (
            lambda n, x, p: [(n, x, p)] * 1 + [("rope_freqs.weight", x, p)] * (n[:6] == "output"),
            r"holds 1 tensors that LlamaModel has not, rope_freqs\.weight among them",
        ),
        (lambda n, x, p: [(n, x[:-32] if "embd" in n else x, p)], r"token_embd\.weight has the sh"),
        (lambda n, x, p: [(n, x[:16] if "attn_k" in n else x, p)], r"attn_k\.weight has the shape"),
    ],
    ids=["a tensor is missing", "one too many", "tokenizer of another size", "another shape"],
)
def test_tensors_that_do_not_fit(tmp_path, change, words):
    write_stand_in(tmp_path / "misfit.gguf", weights=weights_with(change))
    with pytest.raises(ValueError, match=words):
        load_llama(tmp_path / "misfit.gguf")


def test_scaled_positions_are_refused(tmp_path, monkeypatch):
    add = gguf.GGUFWriter.add_rope_freq_base

    def with_scaling(writer, base):
        add(writer, base)
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)

    monkeypatch.setattr(gguf.GGUFWriter, "add_rope_freq_base", with_scaling)
    write_stand_in(tmp_path / "yarn.gguf")
    with pytest.raises(ValueError, match="scales its rotary positions.*'yarn'"):
        load_llama(tmp_path / "yarn.gguf")


def test_short_memory_is_said_before_anything_is_unpacked(path, monkeypatch):
    unpacked = []
    monkeypatch.setattr(gguf_weights, "unpack_tensor", lambda file, name: unpacked.append(name))
    monkeypatch.setattr(gguf_weights, "LlamaModel", lambda cfg: unpacked.append(cfg))
    monkeypatch.setattr(gguf_weights, "available_memory_gib", lambda: 0.0001)
    with pytest.raises(MemoryError, match="GiB as float32 and 0.0 GiB are free: close other"):
        load_llama(path)
    assert not unpacked


# ---- the tokenizer


def transformers_tokenizer(path):
    """Transformers' own, with the digits that it loses on the way from a GGUF file."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    tokenizer.backend_tokenizer.pre_tokenizer = Sequence(
        [Digits(individual_digits=True), ByteLevel(add_prefix_space=False)]
    )
    return tokenizer


def smollm2():
    path = smollm2_folder() / GGUF_FILE
    if not path.is_file():
        pytest.skip("SmolLM2 is not on this machine: python -m shared.kit.smollm2")
    return path


@pytest.fixture(scope="module", params=["stand-in", "SmolLM2"])
def tokenizers(request, path):
    chosen = path if request.param == "stand-in" else smollm2()
    return gguf_tokenizer(chosen), transformers_tokenizer(chosen)


texts = st.lists(
    st.one_of(
        st.text(st.characters(), max_size=12),
        st.text(" \n\t'sdmtlreva19", max_size=8),
        st.sampled_from(
            ["a  45", "  7", "12 345\n6", "½²③Ⅳ٣", "e\u0301", "👩‍👩‍👧 1️⃣", "\x00\x04", "'LL"]
        ),
    )
).map("".join)


@settings(deadline=None, max_examples=300, derandomize=True)
@given(texts)
@example("a  45")
@example("In 1066 or 2024,  7 of 10")
@example("\x04\x13\x1d dropped")
def test_the_ids_are_those_of_transformers(tokenizers, text):
    ours, theirs = tokenizers
    text = check_text(text)
    ids = theirs.encode(text, add_special_tokens=False)
    assert ours.encode(text, allowed_special="all") == ids


def test_the_whole_story_and_special_tokens(tokenizers):
    ours, theirs = tokenizers
    story = load_corpus("story")
    for text in (story, f"<|im_start|>user\n{story[:99]} 12<|im_end|>\n<|im_start|>", "<|im_end|>"):
        ids = theirs.encode(text, add_special_tokens=False)
        assert ours.encode(text, allowed_special="all") == ids
        assert ours.decode(ids) == text
    assert ours.eot_token == theirs.eos_token_id == 2
    assert ours.n_vocab == len(theirs)


def test_smollm2_has_no_token_for_21_bytes():
    tokenizer = gguf_tokenizer(smollm2())
    missing = set(range(256)) - set(tokenizer.byte_ids)
    assert len(missing) == tokenizer.form.missing_bytes == 21 and {0x04, 0xFF} < missing
    assert len(tokenizer.special_tokens) == 17 and len(tokenizer.merges) == 48_900
    assert tokenizer.decode(tokenizer.encode("a\x04b")) == "ab"


def test_a_tokenizer_of_another_kind(tmp_path):
    write_stand_in(tmp_path / "other.gguf", pattern="qwen2")
    with pytest.raises(ValueError, match=r"of the kind \['gpt2', 'qwen2'\]"):
        gguf_tokenizer(tmp_path / "other.gguf")


def swapped(tokens, merges):
    return tokens, [merges[1], merges[0], *merges[2:]]


def unknown(tokens, merges):
    return tokens, [*merges, "thé re"]


def not_first(tokens, merges):
    return [*tokens[1:18], tokens[0], *tokens[18:]], merges


def no_pair(tokens, merges):
    return tokens, [*merges[:-1], "abc"]


@pytest.mark.parametrize("damage", [swapped, unknown, not_first, no_pair])
def test_tokens_and_merges_that_do_not_fit(tmp_path, damage):
    write_stand_in(tmp_path / "bad.gguf", vocabulary=damage(*stand_in_vocabulary()))
    with pytest.raises(ValueError, match=r"bad\.gguf"):
        gguf_tokenizer(tmp_path / "bad.gguf")


def test_the_stand_ins_tokens(path):
    tokenizer = gguf_tokenizer(path)
    assert tokenizer.special_tokens == {name: i for i, name in enumerate(SPECIAL)}
    ids = tokenizer.encode("<|im_start|> the 45", allowed_special="all")
    assert [tokenizer.decode([i]) for i in ids] == ["<|im_start|>", " the", " ", "4", "5"]


def test_packing_and_unpacking_lose_half_a_step_at_most():
    numbers = np.random.default_rng(1).normal(size=(4, 64)).astype(np.float32)
    blocks = numbers.reshape(-1, 32)
    back = unpack_q4_1(quantize(numbers, Q4_1)).reshape(-1, 32)
    step = (blocks.max(1) - blocks.min(1)) / 15
    # the scale itself is rounded to 16 bits
    assert (abs(back - blocks).max(1) <= 0.51 * step + 2e-3).all()
