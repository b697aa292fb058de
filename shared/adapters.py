"""LoRA adapters under PEFT's names, there and back.

Written from 05_instruction_finetuning/11_take_it_away: change it there.
"""

import json
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import nn

from shared.export import hugging_face_name
from shared.folders import new_folder, write_json
from shared.llama import LlamaModel
from shared.lora import apply_lora, linear_layers, lora_layers


def peft_names(model: nn.Module) -> dict[str, str]:
    """Our name of each linear layer, and what PEFT's names of its A and B begin with.

    Raises ValueError for a model that is no LlamaModel.
    """
    if not isinstance(model, LlamaModel):
        raise ValueError(f"a {type(model).__name__} has no layers under PEFT's names: its adapter "
                         "leaves with it, merged")
    names = [*linear_layers(model), *lora_layers(model)]  # a wrapped layer is listed twice
    names = [name.removesuffix(".linear") for name in names]
    return {name: f"base_model.model.{hugging_face_name(name)}" for name in names}


def peft_targets(model: LlamaModel) -> list[str]:
    """The adapted layers as PEFT's `target_modules`: ends of names, or whole names."""
    names = peft_names(model)
    adapted = set(lora_layers(model))
    ends = {names[name].rpartition(".")[2] for name in adapted}
    meant = {name for name, theirs in names.items() if theirs.rpartition(".")[2] in ends}
    if meant == adapted:
        return sorted(ends)
    return sorted(names[name].removeprefix("base_model.model.") for name in adapted)


def save_for_peft(model: LlamaModel, folder: str | Path, base: str) -> None:
    """Write the adapter alone as PEFT writes its own; `base` names the model that it belongs to.

    Raises ValueError if there is none or its layers have several ranks, FileExistsError for a
    folder that is not empty.
    """
    layers = lora_layers(model)
    settings = {(layer.rank, layer.alpha, layer.dropout.p) for layer in layers.values()}
    if len(settings) != 1:
        raise ValueError(f"an adapter with one rank and one alpha is needed, here are "
                         f"{sorted(settings) or 'none'}: call apply_lora once")
    rank, alpha, dropout = settings.pop()
    config = {"peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": base,
              "r": rank, "lora_alpha": alpha, "lora_dropout": dropout, "bias": "none",
              "target_modules": peft_targets(model), "inference_mode": True}
    weights = {}
    for name, layer in layers.items():
        theirs = peft_names(model)[name]
        weights[f"{theirs}.lora_A.weight"] = layer.A.detach().cpu().contiguous()  # (r, d_in)
        weights[f"{theirs}.lora_B.weight"] = layer.B.detach().cpu().contiguous()  # (d_out, r)

    def fill(part: Path) -> None:
        save_file(weights, part / "adapter_model.safetensors", metadata={"format": "pt"})
        write_json(part / "adapter_config.json", config)

    new_folder(folder, fill)


PLAIN_LORA = {"peft_type": "LORA", "bias": "none", "use_rslora": False, "use_dora": False,
              "rank_pattern": {}, "alpha_pattern": {}, "modules_to_save": None}


def load_from_peft(model: LlamaModel, folder: str | Path) -> None:
    """Put an adapter of PEFT on our model.

    Raises ValueError, and leaves the model as it is, for an adapter that is none, is not plain
    LoRA, or belongs to another model.
    """
    try:
        config = json.loads((Path(folder) / "adapter_config.json").read_text(encoding="utf-8"))
        weights = load_file(Path(folder) / "adapter_model.safetensors")
    except OSError as error:
        raise ValueError(f"{folder} is no adapter of PEFT: {error}") from error
    for setting, plain in PLAIN_LORA.items():
        if (config.get(setting) or plain) != plain:
            raise ValueError(f"this adapter has {setting}={config[setting]!r}, and LoRALinear "
                             f"knows {plain!r} only: merge it in PEFT instead")
    found = {}
    for name, theirs in peft_names(model).items():
        if f"{theirs}.lora_A.weight" in weights:
            found[name] = (weights.pop(f"{theirs}.lora_A.weight"),
                           weights.pop(f"{theirs}.lora_B.weight"))
    linears = linear_layers(model)
    fits = all(linears[name].weight.shape == (B.size(0), A.size(1))
               for name, (A, B) in found.items())
    if weights or not found or not fits:
        raise ValueError(f"{folder} is an adapter for another model: {len(weights)} of its "
                         "matrices have no layer here, or the shapes differ")
    apply_lora(model, list(found), config["r"], config["lora_alpha"])
    for name, layer in lora_layers(model).items():
        layer.A.data, layer.B.data = (matrix.to(layer.A) for matrix in found[name])


# Written by `python -m shared.kit.course copy`: b8db10e48a81
