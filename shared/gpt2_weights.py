"""GPT-2's published weights in our GPTModel.

Written from 04_pretraining/06_gpt2_weights: change it there.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from huggingface_hub import hf_hub_download
from safetensors.torch import save_file
from torch import Tensor

from shared.counting import count_parameters
from shared.folders import new_folder, write_json
from shared.gpt import GPTConfig, GPTModel
from shared.kit.tensor_files import check_config, read_tensors

GPT2_SIZES = {
    name: GPTConfig(vocab_size=50257, context_length=1024, emb_dim=emb_dim, n_heads=n_heads,
                    n_layers=n_layers, qkv_bias=True, tie_weights=True)
    for name, emb_dim, n_heads, n_layers in [
        ("gpt2", 768, 12, 12),
        ("gpt2-medium", 1024, 16, 24),
        ("gpt2-large", 1280, 20, 36),
        ("gpt2-xl", 1600, 25, 48),
    ]
}


def find_gpt2(name: str, download: bool = False) -> Path:
    """Path of a published model's weights in Hugging Face's cache; `download` fetches them.

    Raises ValueError for an unknown name, FileNotFoundError, which says how to get it, if the file
    cannot be had.
    """
    if name not in GPT2_SIZES:
        raise ValueError(f"no GPT-2 is named {name!r}: there are {', '.join(GPT2_SIZES)}")
    repository = f"openai-community/{name}"
    try:
        return Path(hf_hub_download(repository, "model.safetensors", local_files_only=not download))
    except OSError as error:
        gigabytes = 4 * sum(count_parameters(GPT2_SIZES[name]).values()) / 1e9
        raise FileNotFoundError(
            f"the weights of {name} ({gigabytes:.1f} GB) are not on this machine. With internet: "
            f"`hf download {repository} model.safetensors`, or find_gpt2({name!r}, "
            "download=True). Without: copy the folder ~/.cache/huggingface/hub from a machine that "
            "has them") from error


GPT2_PARTS = [
    # ours, theirs, kind; {} is the number of the block
    ("tok_emb", "wte", "embedding"),
    ("pos_emb", "wpe", "embedding"),
    ("trf_blocks.{}.norm1", "h.{}.ln_1", "norm"),
    ("trf_blocks.{}.att.W_query", "h.{}.attn.c_attn", "first third"),
    ("trf_blocks.{}.att.W_key", "h.{}.attn.c_attn", "second third"),
    ("trf_blocks.{}.att.W_value", "h.{}.attn.c_attn", "last third"),
    ("trf_blocks.{}.att.out_proj", "h.{}.attn.c_proj", "linear"),
    ("trf_blocks.{}.norm2", "h.{}.ln_2", "norm"),
    ("trf_blocks.{}.ff.layers.0", "h.{}.mlp.c_fc", "linear"),
    ("trf_blocks.{}.ff.layers.2", "h.{}.mlp.c_proj", "linear"),
    ("final_norm", "ln_f", "norm"),
    ("out_head", "wte", "embedding"),  # tied
]


def convert_part(ours: str, theirs: str, kind: str,
                 tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of one part under our names. Raises ValueError if the file has no such part."""
    if f"{theirs}.weight" not in tensors:
        raise ValueError(f"the file has no {theirs}.weight: is it a GPT-2, and has it as many "
                         "layers as the model?")
    weight = tensors[f"{theirs}.weight"]
    if kind == "embedding":
        return {f"{ours}.weight": weight}
    bias = tensors[f"{theirs}.bias"]
    if kind == "norm":
        return {f"{ours}.scale": weight, f"{ours}.shift": bias}
    weight = weight.T  # (out, in)
    if kind != "linear":
        third = ("first third", "second third", "last third").index(kind)
        weight = weight.chunk(3)[third]  # (D, D)
        bias = bias.chunk(3)[third]  # (D,)
    return {f"{ours}.weight": weight, f"{ours}.bias": bias}


def gpt2_weights(tensors: Mapping[str, Tensor], n_layers: int) -> dict[str, Tensor]:
    """A GPT-2 of Hugging Face under our names; ValueError if a weight is missing or left over."""
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in tensors.items()}
    weights = {}
    used = set()
    for ours, theirs, kind in GPT2_PARTS:
        copies = n_layers if "{}" in ours else 1
        for i in range(copies):
            weights |= convert_part(ours.format(i), theirs.format(i), kind, tensors)
            used |= {f"{theirs.format(i)}.weight", f"{theirs.format(i)}.bias"}
    masks = (".attn.bias", ".attn.masked_bias")  # no weights: which positions see which
    left = [name for name in tensors if name not in used and not name.endswith(masks)]
    head = tensors.get("lm_head.weight")
    if head is not None and not head.is_meta and not head.equal(tensors["wte.weight"]):
        raise ValueError("the file's lm_head.weight differs from its wte.weight: this is no GPT-2, "
                         "whose head is tied")
    if left not in ([], ["lm_head.weight"]):
        raise ValueError(f"the file holds {len(left)} weights that a GPT-2 of {n_layers} layers "
                         f"has not, {left[0]} among them: build the model with the file's "
                         "configuration")
    return weights


def load_gpt2(path: Path, cfg: GPTConfig) -> GPTModel:
    """A GPTModel, in evaluation mode, with the weights of a safetensors file of GPT-2.

    The file is Hugging Face's. Raises ValueError if it does not fit the configuration.
    """
    model = GPTModel(cfg)
    weights = gpt2_weights(read_tensors(path), cfg.n_layers)
    here = {name: tuple(weight.shape) for name, weight in model.state_dict().items()}
    there = {name: tuple(weight.shape) for name, weight in weights.items()}
    for name in here | there:
        if here.get(name) != there.get(name):
            raise ValueError(f"{name} has the shape {here.get(name)} in the model, "
                             f"{there.get(name)} in {path.name} (None: it has no such weight): "
                             "build the model with the file's configuration")
    check_config(path, n_head=cfg.n_heads)  # no shape tells
    model.load_state_dict(weights)
    return model.eval()


def book_weights(saved: Mapping[str, Any]) -> dict[str, Tensor]:
    """The weights of a file of the book's GPTModel, for ours: the causal masks are dropped.

    `saved` is what torch.load gives. Raises ValueError if it is no such file.
    """
    weights = saved.get("model_state_dict", saved)
    if "trf_blocks.0.att.W_query.weight" not in weights:
        raise ValueError(f"no trf_blocks.0.att.W_query.weight among {list(weights)[:3]} ...: "
                         "these are no weights of the book's GPTModel")
    return {name: weight for name, weight in weights.items() if not name.endswith(".att.mask")}


def hugging_face_gpt2(model: GPTModel) -> dict[str, Tensor]:
    """A GPTModel's weights under Hugging Face's names: the inverse of gpt2_weights.

    Biases that it has not are zeros. Raises ValueError if it lacks another weight.
    """
    weights = model.state_dict()
    tensors = {}
    for part, place, kind in GPT2_PARTS[:-1]:  # the last is the head
        for i in range(model.cfg.n_layers if "{}" in part else 1):
            ours, theirs = part.format(i), f"transformer.{place.format(i)}"
            scale = "scale" if kind == "norm" else "weight"
            if f"{ours}.{scale}" not in weights:
                raise ValueError(f"the model has no {ours}.{scale}: is it a GPTModel, and is its "
                                 "adapter, if it has one, merged?")
            weight = weights[f"{ours}.{scale}"]
            if kind not in ("norm", "embedding"):
                weight = weight.T  # (in, out)
            bias = weights.get(f"{ours}.{'shift' if kind == 'norm' else 'bias'}")
            if bias is None:
                bias = weight.new_zeros(weight.size(-1))
            if kind in ("second third", "last third"):
                weight = torch.cat([tensors[f"{theirs}.weight"], weight], dim=1)  # (D, 2D or 3D)
                bias = torch.cat([tensors[f"{theirs}.bias"], bias])  # (2D or 3D,)
            tensors[f"{theirs}.weight"] = weight.contiguous()
            if kind != "embedding":
                tensors[f"{theirs}.bias"] = bias
    if model.out_head.weight is not model.tok_emb.weight:
        tensors["lm_head.weight"] = weights["out_head.weight"]
    return tensors


def save_gpt2(model: GPTModel, folder: str | Path, end_id: int | None = None) -> None:
    """Write a GPTModel as a folder that transformers loads as a GPT-2, all of it or nothing.

    `end_id` is the token that ends a text. Raises ValueError for a model that is no GPTModel,
    FileExistsError for a folder that is not empty.
    """
    cfg = model.cfg
    tensors = {name: tensor.cpu() for name, tensor in hugging_face_gpt2(model).items()}
    config = {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "dtype": "float32",
        "vocab_size": cfg.vocab_size, "n_positions": cfg.context_length, "n_embd": cfg.emb_dim,
        "n_head": cfg.n_heads, "n_layer": cfg.n_layers, "activation_function": "gelu_new",
        "layer_norm_epsilon": 1e-5, "embd_pdrop": cfg.drop_rate, "attn_pdrop": cfg.drop_rate,
        "resid_pdrop": cfg.drop_rate, "tie_word_embeddings": "lm_head.weight" not in tensors,
        "bos_token_id": end_id, "eos_token_id": end_id,
    }

    def fill(part: Path) -> None:
        save_file(tensors, part / "model.safetensors", metadata={"format": "pt"})
        write_json(part / "config.json", config)

    new_folder(folder, fill)


# Written by `python -m shared.kit.course copy`: e06767f6205b
