"""Peft adapters.

Written from 05_instruction_finetuning/06_lora_with_peft: change it there.
"""

import hashlib
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from torch import nn


class StopAt(transformers.TrainerCallback):
    """Ends a training after a share of its steps, as a power cut would, but saves first."""

    def __init__(self, share: float) -> None:
        self.share = share

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step >= max(1, int(self.share * state.max_steps)):
            control.should_save = True
            control.should_training_stop = True


def peft_fingerprint(model: nn.Module) -> str:
    """SHA-256 of all weights but the adapter's, the same with and without an adapter."""
    digest = hashlib.sha256()
    for name, weight in model.named_parameters():
        if ".lora_" in name:
            continue
        numbers = weight.detach().cpu()
        if numbers.is_floating_point():
            numbers = numbers.float()  # a prepared model holds the same numbers in 32 bits
        name = name.removeprefix("base_model.model.").replace(".base_layer.", ".")
        digest.update(name.encode())
        digest.update(numbers.contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()


class StampBase(transformers.TrainerCallback):
    """Writes into each checkpoint which base model it belongs to."""

    def __init__(self, model: nn.Module) -> None:
        self.fingerprint = peft_fingerprint(model)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        folder = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        (folder / "base.txt").write_text(self.fingerprint, encoding="utf-8")


def check_adapter(folder: Path, model: nn.Module) -> None:
    """Raise ValueError unless a saved adapter, or a checkpoint's, fits the model.

    The shapes must fit its layers, and where the adapter names its base, it must be this one.
    """
    folder = Path(folder)
    if not (folder / "adapter_model.safetensors").is_file():
        raise ValueError(f"{folder} holds no adapter: train one and call save_adapted with this "
                         "folder")
    layers = dict(model.named_modules())
    for name, weight in peft.load_peft_weights(folder, device="cpu").items():
        # name is "...q_proj.lora_A.weight", (r, d_in), or "...q_proj.lora_B.weight", (d_out, r)
        layer_name, matrix = name.removesuffix(".weight").rsplit(".lora_", 1)
        layer = layers.get(layer_name, layers.get(layer_name.removeprefix("base_model.model.")))
        sides = (getattr(layer, "in_features", None), getattr(layer, "out_features", None))
        if hasattr(layer, "nf"):  # GPT-2's layers keep (in, out)
            sides = tuple(layer.weight.shape)
        fits = weight.size(1) == sides[0] if matrix == "A" else weight.size(0) == sides[1]
        if not fits:
            raise ValueError(f"{folder} is an adapter for another model: {name} is "
                             f"{tuple(weight.shape)}, while the layer here has (in, out) = "
                             f"{sides}; load the model that it was trained on")
    stamp = folder / "base.txt"
    if stamp.is_file() and stamp.read_text(encoding="utf-8") != peft_fingerprint(model):
        raise ValueError(f"{folder} was trained on a model of the same shapes with other weights: "
                         "load the model that it was trained on")


def load_adapted(model: Any, folder: Path) -> peft.PeftModel:
    """A fresh base model with a saved adapter on it. Raises ValueError for another model's."""
    check_adapter(folder, model)
    return peft.PeftModel.from_pretrained(model, folder).eval()


def save_adapted(model: peft.PeftModel, folder: Path) -> None:
    """Write the adapter alone into a folder, and the fingerprint of its base."""
    model.save_pretrained(folder)
    (Path(folder) / "base.txt").write_text(peft_fingerprint(model), encoding="utf-8")


def push_to_hub(model: peft.PeftModel, repository: str, on: bool = False) -> str:
    """Upload the adapter to your account if `on`; only then a token is asked for.

    Returns what was done. Raises ConnectionError if the hub cannot be reached.
    """
    if not on:
        return "not pushed: the switch is off"
    from huggingface_hub import get_token, login

    try:
        if get_token() is None:
            login()  # asks for a token that may write
        model.push_to_hub(repository)
    except OSError as error:
        raise ConnectionError(f"{repository} was not pushed ({error}): the adapter is still in its "
                              "folder") from error
    return f"pushed to {repository}"


# Written by `python -m shared.kit.course copy`: eb854ae52f04
