"""Hugging Face's GPT-2 in our model: the same logits, the same text; files that do not fit fail."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel

from shared.counting import count_parameters
from shared.generation import generate
from shared.gpt import GPTModel
from shared.gpt2_weights import (
    GPT2_SIZES,
    book_weights,
    find_gpt2,
    gpt2_weights,
    hugging_face_gpt2,
    load_gpt2,
    save_gpt2,
)
from shared.lora import apply_lora

SMALL = replace(
    GPT2_SIZES["gpt2"],
    vocab_size=101,
    context_length=24,
    emb_dim=32,
    n_heads=4,
    n_layers=3,
    drop_rate=0.0,
)


@pytest.fixture(scope="module")
def reference(tmp_path_factory):
    """A random model of Hugging Face's, no weight of it 0 or 1, and its file."""
    torch.manual_seed(7)
    model = GPT2LMHeadModel(
        GPT2Config(vocab_size=101, n_positions=24, n_embd=32, n_head=4, n_layer=3)
    ).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight += torch.randn(weight.shape) / 10
    folder = tmp_path_factory.mktemp("gpt2")
    model.save_pretrained(folder)
    return model, folder / "model.safetensors"


def test_logits_and_greedy_text_agree(reference):
    theirs, path = reference
    ours = load_gpt2(path, SMALL)
    assert not ours.training
    idx = torch.randint(101, (3, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = theirs(idx).logits
        assert logits.std() > 0.1  # so that agreement means something
        assert (ours(idx) - logits).abs().max() < 1e-4
    prompt = idx[:1, :5]
    expected = theirs.generate(
        prompt,
        attention_mask=torch.ones_like(prompt),
        max_new_tokens=19,
        do_sample=False,
        pad_token_id=0,
    )
    assert len(set(expected[0].tolist())) > 5
    assert torch.equal(generate(ours, prompt, 19, 24), expected)


def test_a_head_of_its_own_is_refused(reference):
    tensors = load_file(reference[1])
    tensors["lm_head.weight"] = tensors["transformer.wte.weight"].clone()
    assert gpt2_weights(tensors, 3)["out_head.weight"].equal(tensors["lm_head.weight"])
    tensors["lm_head.weight"][5, 5] += 1
    with pytest.raises(ValueError, match="lm_head.weight differs from its wte.weight"):
        gpt2_weights(tensors, 3)


def test_every_weight_counts(reference):
    """Whatever tensor is changed, the logits change: none is forgotten, tied or overwritten."""
    theirs, path = reference
    idx = torch.randint(101, (2, 24), generator=torch.Generator().manual_seed(2))
    tensors = load_file(path)
    model = load_gpt2(path, SMALL)
    with torch.no_grad():
        before = model(idx)
        for name, tensor in tensors.items():
            if name.endswith(
                "c_attn.bias"
            ):  # a bias of keys adds the same to all scores of a query: change queries'
                changed = tensor + torch.linspace(0, 1, len(tensor))
            else:
                changed = tensor + torch.rand(
                    tensor.shape, generator=torch.Generator().manual_seed(3)
                )
            model.load_state_dict(gpt2_weights(tensors | {name: changed}, 3))
            assert (model(idx) - before).abs().max() > 1e-4, name


@pytest.mark.parametrize("name", GPT2_SIZES)
def test_names_and_shapes_of_the_four_sizes(name):
    cfg = GPT2_SIZES[name]
    with torch.device("meta"):
        theirs = GPT2LMHeadModel(
            GPT2Config(n_embd=cfg.emb_dim, n_head=cfg.n_heads, n_layer=cfg.n_layers)
        )
        ours = GPTModel(cfg)
    converted = gpt2_weights(theirs.state_dict(), cfg.n_layers)
    assert {k: v.shape for k, v in converted.items()} == {
        k: v.shape for k, v in ours.state_dict().items()
    }
    assert theirs.num_parameters() == sum(count_parameters(cfg).values())


def test_old_files_with_masks_and_without_prefix(reference, tmp_path):
    """The hub's files name tensors without "transformer." and carry the mask as `attn.bias`."""
    theirs, path = reference
    tensors = {
        name.removeprefix("transformer."): tensor for name, tensor in load_file(path).items()
    }
    tensors |= {f"h.{i}.attn.bias": torch.ones(1, 1, 24, 24) for i in range(3)}
    save_file(tensors, tmp_path / "old.safetensors")
    idx = torch.arange(10).unsqueeze(0)
    with torch.no_grad():
        assert torch.allclose(
            load_gpt2(tmp_path / "old.safetensors", SMALL)(idx), theirs(idx).logits, atol=1e-4
        )


@pytest.mark.parametrize(
    "change, message",
    [
        ({"n_layers": 4}, "no h.3.ln_1.weight"),
        ({"n_layers": 2}, "weights that a GPT-2 of 2 layers has not"),
        ({"emb_dim": 64}, r"tok_emb.weight has the shape \(101, 64\) in the model, \(101, 32\) in"),
        ({"vocab_size": 50257}, r"\(50257, 32\).*\(101, 32\)"),
        ({"qkv_bias": False}, "W_query.bias has the shape None in the model"),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(reference, change, message):
    with pytest.raises(ValueError, match=message):
        load_gpt2(reference[1], replace(SMALL, **change))


def test_a_foreign_file_is_refused(tmp_path):
    save_file({"weight": torch.ones(2)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ValueError, match="wte.weight"):
        load_gpt2(tmp_path / "foreign.safetensors", SMALL)


def test_another_number_of_heads_is_refused_though_all_shapes_fit(reference, tmp_path):
    _, path = reference
    with pytest.raises(ValueError, match="config.json has n_head=4, this model has n_head=8"):
        load_gpt2(path, replace(SMALL, n_heads=8))
    alone = shutil.copy(path, tmp_path)  # without its config.json nothing tells
    assert load_gpt2(Path(alone), replace(SMALL, n_heads=8)).cfg.n_heads == 8


def test_a_file_that_is_cut_or_holds_nan_is_refused_by_name(reference, tmp_path):
    path = tmp_path / "cut.safetensors"
    path.write_bytes(reference[1].read_bytes()[:-5])
    with pytest.raises(ValueError, match="cut.safetensors is no whole safetensors file"):
        load_gpt2(path, SMALL)
    tensors = load_file(reference[1])
    tensors["transformer.h.1.ln_1.bias"][3] = float("nan")
    save_file(tensors, path)
    with pytest.raises(ValueError, match="cut.safetensors is of no use, its transformer.h.1.ln_1"):
        load_gpt2(path, SMALL)


def test_without_the_file_it_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for download in (False, True):
        with pytest.raises(
            FileNotFoundError, match="hf download openai-community/gpt2-xl model.safetensors"
        ):
            find_gpt2("gpt2-xl", download=download)
    with pytest.raises(ValueError, match="'gpt3'.*gpt2-medium"):
        find_gpt2("gpt3")


def test_a_file_in_the_cache_is_found(monkeypatch, tmp_path):
    def cached(repository: str, filename: str, local_files_only: bool) -> str:
        assert (repository, filename, local_files_only) == (
            "openai-community/gpt2",
            "model.safetensors",
            True,
        )
        return str(tmp_path / "model.safetensors")

    monkeypatch.setattr("shared.gpt2_weights.hf_hub_download", cached)
    assert find_gpt2("gpt2") == tmp_path / "model.safetensors"


# ---- the way back


def test_there_and_back_every_number_is_the_same(reference, tmp_path):
    theirs, path = reference
    save_gpt2(load_gpt2(path, SMALL), tmp_path / "back")
    before, after = load_file(path), load_file(tmp_path / "back" / "model.safetensors")
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("tied", [False, True])
def test_transformers_gives_our_logits(bias, tied, tmp_path):
    torch.manual_seed(5)
    ours = GPTModel(replace(SMALL, qkv_bias=bias, tie_weights=tied)).eval()
    with torch.no_grad():
        for weight in ours.parameters():
            weight += torch.randn(weight.shape) / 10
    save_gpt2(ours, tmp_path / "model", end_id=100)
    theirs = GPT2LMHeadModel.from_pretrained(tmp_path / "model").eval()
    assert (theirs.lm_head.weight is theirs.transformer.wte.weight) is tied
    assert theirs.config.eos_token_id == 100
    idx = torch.randint(101, (3, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert ours(idx).std() > 0.1
        assert (ours(idx) - theirs(idx).logits).abs().max() < 1e-4


def test_names_are_those_of_hugging_face(reference):
    theirs, path = reference
    ours = hugging_face_gpt2(load_gpt2(path, SMALL))
    wanted = {name: weight.shape for name, weight in theirs.state_dict().items()}
    wanted.pop("lm_head.weight")  # tied
    assert {name: weight.shape for name, weight in ours.items()} == wanted


def test_what_would_not_arrive_whole_is_refused(reference, tmp_path):
    model = load_gpt2(reference[1], SMALL)
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "mine.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="old is there and is not empty"):
        save_gpt2(model, tmp_path / "old")
    apply_lora(model, ["W_query"], 2, 4)
    with pytest.raises(ValueError, match="no trf_blocks.0.att.W_query.weight.*adapter.*merged"):
        save_gpt2(model, tmp_path / "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["old", "mine.txt"]


# ---- files of the book's code


class BookAttention(nn.Module):
    """Attention as the book's code has it, with its mask as a buffer."""

    def __init__(self, d: int, length: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.W_query, self.W_key, self.W_value = (nn.Linear(d, d, bias=bias) for _ in range(3))
        self.out_proj = nn.Linear(d, d)
        self.register_buffer("mask", torch.triu(torch.ones(length, length), diagonal=1))

    def forward(self, x):
        b, t, d = x.shape
        layers = (self.W_query, self.W_key, self.W_value)
        q, k, v = (w(x).view(b, t, self.heads, -1).transpose(1, 2) for w in layers)
        scores = (q @ k.transpose(2, 3)).masked_fill(self.mask.bool()[:t, :t], -torch.inf)
        weights = torch.softmax(scores / k.shape[-1] ** 0.5, dim=-1)
        return self.out_proj((weights @ v).transpose(1, 2).reshape(b, t, d))


class BookNorm(nn.Module):
    def __init__(self, d: int) -> None:
        super().__init__()
        self.scale, self.shift = nn.Parameter(torch.ones(d)), nn.Parameter(torch.zeros(d))

    def forward(self, x):
        variance = x.var(dim=-1, keepdim=True, unbiased=False)
        return self.scale * (x - x.mean(dim=-1, keepdim=True)) / torch.sqrt(variance + 1e-5) + (
            self.shift
        )


class BookBlock(nn.Module):
    def __init__(self, d: int, length: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.att = BookAttention(d, length, heads, bias)
        self.ff = nn.Module()
        self.ff.layers = nn.Sequential(
            nn.Linear(d, 4 * d), nn.GELU(approximate="tanh"), nn.Linear(4 * d, d)
        )
        self.norm1, self.norm2 = BookNorm(d), BookNorm(d)

    def forward(self, x):
        x = x + self.att(self.norm1(x))
        return x + self.ff.layers(self.norm2(x))


class BookGPT(nn.Module):
    """The book's GPTModel, under its names, without dropout."""

    def __init__(self, vocab: int, length: int, d: int, heads: int, layers: int, bias: bool):
        super().__init__()
        self.tok_emb, self.pos_emb = nn.Embedding(vocab, d), nn.Embedding(length, d)
        self.trf_blocks = nn.Sequential(*(BookBlock(d, length, heads, bias) for _ in range(layers)))
        self.final_norm = BookNorm(d)
        self.out_head = nn.Linear(d, vocab, bias=False)

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb(torch.arange(idx.shape[1]))
        return self.out_head(self.final_norm(self.trf_blocks(x)))


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("with_optimizer", [False, True])
def test_a_file_of_the_books_code_loads(bias, with_optimizer, tmp_path):
    torch.manual_seed(5)
    book = BookGPT(101, 24, 32, 4, 3, bias).eval()
    with torch.no_grad():
        for weight in book.parameters():
            weight += torch.randn(weight.shape) / 10
    weights = book.state_dict()
    assert sum(name.endswith("att.mask") for name in weights) == 3
    content = {"model_state_dict": weights, "optimizer_state_dict": {}}
    torch.save(content if with_optimizer else weights, tmp_path / "model.pth")
    saved = torch.load(tmp_path / "model.pth", weights_only=True)
    ours = GPTModel(replace(SMALL, tie_weights=False, qkv_bias=bias)).eval()
    with pytest.raises(RuntimeError, match="Unexpected key|Missing key"):
        ours.load_state_dict(saved)
    ours.load_state_dict(book_weights(saved))
    idx = torch.randint(101, (3, 24), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert book(idx).std() > 0.1
        assert (ours(idx) - book(idx)).abs().max() < 1e-4


def test_what_is_no_file_of_the_book_is_refused():
    for saved in ({}, {"wte.weight": torch.ones(2)}, {"model_state_dict": {"weight": 1}}):
        with pytest.raises(ValueError, match="no weights of the book's GPTModel"):
            book_weights(saved)
