"""Low-rank adaptation from scratch.

Written from 05_instruction_finetuning/05_lora,
05_instruction_finetuning/08_finetune_a_real_model: change it there.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn


class LoRALinear(nn.Module):
    """A frozen linear layer plus alpha / rank * B A, which is learned: (..., d_in) -> (..., d_out).

    A is random and B zero, so that nothing changes at the start.
    Source: Hu et al. 2021, section 4.1.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float, dropout: float = 0.0) -> None:
        super().__init__()
        if not 1 <= rank <= min(linear.in_features, linear.out_features):
            raise ValueError(f"rank={rank} must be at least 1 and at most the smaller side of the "
                             f"matrix, min({linear.in_features}, {linear.out_features})")
        if alpha <= 0:
            raise ValueError(f"alpha={alpha} must be above 0, or the change would never count")
        linear.requires_grad_(False)  # frozen: only A and B learn
        self.linear = linear
        self.rank = rank
        self.alpha = alpha
        self.enabled = True
        self.dropout = nn.Dropout(dropout)
        self.A = nn.Parameter(linear.weight.new_empty(rank, linear.in_features))  # (r, d_in)
        self.B = nn.Parameter(linear.weight.new_zeros(linear.out_features, rank))  # (d_out, r)
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))  # as nn.Linear does for its own weight

    def forward(self, x: Tensor) -> Tensor:
        out = self.linear(x)  # (..., d_out)
        if self.enabled:
            scale = self.alpha / self.rank
            out = out + self.dropout(x) @ self.A.T @ self.B.T * scale  # (..., d_out)
        return out

    def change(self) -> Tensor:
        """What the adapter adds to the weight: (d_out, d_in)."""
        return self.alpha / self.rank * self.B @ self.A  # (d_out, d_in)


ALL_LINEAR = ("W_query", "W_key", "W_value", "out_proj", "layers.0", "layers.2")  # of a block


def lora_layers(model: nn.Module) -> dict[str, LoRALinear]:
    """The model's adapted layers by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, LoRALinear)}


def linear_layers(model: nn.Module) -> dict[str, nn.Linear]:
    """The model's linear layers by name."""
    return {name: layer for name, layer in model.named_modules() if isinstance(layer, nn.Linear)}


def name_ends_with(name: str, target: str) -> bool:
    """Whether a dotted name ends with whole parts: "att.W_query" with "W_query", not "query"."""
    return f".{name}".endswith(f".{target}")


def apply_lora(model: nn.Module, targets: Sequence[str], rank: int, alpha: float,
               dropout: float = 0.0) -> None:
    """Freeze the model; put a LoRALinear around each linear layer whose name ends with a target.

    Raises ValueError if the model is adapted already, or a target names no linear layer.
    """
    if lora_layers(model):
        raise ValueError("this model has an adapter already: merge it, or start from a fresh model")
    linears = linear_layers(model)
    missing = [t for t in targets if not any(name_ends_with(name, t) for name in linears)]
    if not targets:
        raise ValueError("no targets were given, so nothing would be learned: name layers to adapt")
    if missing:
        ends = sorted({name.split(".", 2)[-1] for name in linears})
        raise ValueError(f"no linear layer's name ends with {missing}: their names end with {ends}")
    wrapped = {}
    for name, layer in linears.items():
        if any(name_ends_with(name, target) for target in targets):
            wrapped[name] = LoRALinear(layer, rank, alpha, dropout)
    model.requires_grad_(False)
    for name, layer in wrapped.items():
        model.set_submodule(name, layer)


def count_trainable(model: nn.Module) -> tuple[int, int]:
    """Parameters that training changes, and all parameters."""
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    total = sum(weight.numel() for weight in model.parameters())
    return trainable, total


def switch_lora(model: nn.Module, on: bool) -> None:
    """Let the adapter count, or leave the base model as it was before."""
    for layer in lora_layers(model).values():
        layer.enabled = on


def merge_lora(model: nn.Module) -> None:
    """Add each adapter's change to its weight and put the plain linear layer back in its place."""
    for name, layer in lora_layers(model).items():
        # a new parameter, so that a matrix tied to this one keeps its own values
        layer.linear.weight = nn.Parameter((layer.linear.weight + layer.change()).detach())
        model.set_submodule(name, layer.linear)


def adapter_weights(model: nn.Module) -> dict[str, Tensor]:
    """The learned matrices alone: "trf_blocks.0.att.W_query.A", (r, d_in), ".B", (d_out, r), ..."""
    weights = {}
    for name, layer in lora_layers(model).items():
        weights[f"{name}.A"] = layer.A.detach()
        weights[f"{name}.B"] = layer.B.detach()
    return weights


def base_fingerprint(model: nn.Module) -> str:
    """SHA-256 of all weights but the adapter's: the same before and after `apply_lora`."""
    adapter = adapter_weights(model)
    digest = hashlib.sha256()
    for name, weight in model.state_dict().items():
        if name not in adapter:
            numbers = weight.detach().cpu().contiguous().flatten()
            digest.update(name.replace(".linear.", ".").encode())
            digest.update(numbers.view(torch.uint8).numpy())  # as bytes
    return digest.hexdigest()


def save_adapter(model: nn.Module, path: str | Path) -> None:
    """Write the adapter alone as a safetensors file: A, B and what is needed to use them.

    Raises ValueError if there is none.
    """
    layers = lora_layers(model)
    if not layers:
        raise ValueError("this model has no adapter to save: call apply_lora first")
    first = next(iter(layers.values()))
    settings = {"rank": first.rank, "alpha": first.alpha, "layers": list(layers),
                "base": base_fingerprint(model)}
    tensors = {name: weight.cpu().contiguous() for name, weight in adapter_weights(model).items()}
    save_file(tensors, path, metadata={"lora": json.dumps(settings)})


def load_adapter(model: nn.Module, path: str | Path) -> None:
    """Put a saved adapter on the base model that it was trained on.

    Raises ValueError for another model, and leaves it as it is.
    """
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
        tensors = {name: file.get_tensor(name) for name in file.keys()}
    if metadata is None or "lora" not in metadata:
        raise ValueError(f"{path} holds tensors, but not an adapter written by save_adapter")
    settings = json.loads(metadata["lora"])
    linears = linear_layers(model)
    for name in settings["layers"]:
        needed = (tensors[f"{name}.B"].size(0), tensors[f"{name}.A"].size(1))
        found = tuple(linears[name].weight.shape) if name in linears else "no such layer"
        if found != needed:
            raise ValueError(f"{path} is an adapter for another model: it needs {name} to be "
                             f"{needed}, found {found}")
    fingerprint = base_fingerprint(model)
    if fingerprint != settings["base"]:
        raise ValueError(f"{path} was trained on other weights of the same shapes (fingerprint "
                         f"{settings['base'][:8]}, this model has {fingerprint[:8]}): load the "
                         "base model that it was trained on")
    apply_lora(model, settings["layers"], settings["rank"], settings["alpha"])
    for name, layer in lora_layers(model).items():
        layer.A.data = tensors[f"{name}.A"].to(layer.A)
        layer.B.data = tensors[f"{name}.B"].to(layer.B)


def set_adapter(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy matrices, named as by `adapter_weights`, into a model's adapter.

    Raises ValueError unless names and shapes are those of the adapter, and then changes nothing.
    """
    places = adapter_weights(model)
    found = {name: tuple(weight.shape) for name, weight in weights.items()}
    needed = {name: tuple(weight.shape) for name, weight in places.items()}
    if found != needed:
        wrong = sorted(set(found.items()) ^ set(needed.items()))
        raise ValueError(f"these matrices belong to another adapter, which differs in {wrong[:2]}: "
                         "apply_lora with the same layers and rank first")
    for name, weight in weights.items():
        places[name].copy_(weight)


# Written by `python -m shared.kit.course copy`: 381d838a1409
