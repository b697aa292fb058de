"""Files of weights that others have written: safetensors, and the config.json beside them."""

import json
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises ValueError, naming the file, if it is none, is cut short, or holds what is not finite.
    """
    try:
        tensors = load_file(path)
    except SafetensorError as error:
        raise ValueError(
            f"{path} is no whole safetensors file ({error}): copy or download it once more"
        ) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ValueError(f"{path} is of no use, its {name} is not finite: get another copy")
    return tensors


def check_config(path: Path, **here: int) -> None:
    """Raise ValueError, naming both, if the config.json beside a file says another number."""
    beside = path.with_name("config.json")
    if not beside.is_file():
        return  # the file came alone
    try:
        there = dict(json.loads(beside.read_text(encoding="utf-8-sig")))
    except (ValueError, TypeError) as error:
        raise ValueError(
            f"{beside} is no JSON of settings ({error}): copy or download it once more"
        ) from error
    for name, value in here.items():
        if there.get(name, value) != value:
            raise ValueError(
                f"{beside} has {name}={there[name]}, this model has {name}={value}: build the "
                "model with the file's configuration"
            )
