"""Small models that a notebook trained once: their weights lie in shared/data/models, so that
notebooks that start from them need not train them again.

`<name>.safetensors` holds the weights in half precision, `<name>.json` says what they are and
carries the hash. To record a model anew, a maintainer sets `RETRAIN = True` in the notebook that
trains it, runs its cell, and then runs one line in a new cell:

    record_weights("old_families", base, tokenizer, made_by="05_lora, seed 123, 22 epochs")

Nothing else writes here.
"""

import hashlib
import json
import platform
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from shared.kit.downloads import DATA_FOLDER

MODELS_FOLDER = DATA_FOLDER / "models"


def vocabulary_digest(tokenizer: Any) -> str:
    """SHA-256 of the bytes of all tokens in their order: two tokenizers that share it give the
    same ids the same meaning.
    """
    digest = hashlib.sha256()
    for token_id in range(tokenizer.n_vocab):
        token = tokenizer.decode_single_token_bytes(token_id)
        digest.update(len(token).to_bytes(4, "big") + token)
    return digest.hexdigest()


def tied_names(weights: dict[str, Tensor]) -> dict[str, str]:
    """The names of tensors that share the memory of an earlier one, and the earlier one's name."""
    first: dict[int, str] = {}
    tied = {}
    for name, weight in weights.items():
        earlier = first.setdefault(weight.data_ptr(), name)
        if earlier != name:
            tied[name] = earlier
    return tied


def record_weights(
    name: str, model: nn.Module, tokenizer: Any, made_by: str, folder: Path = MODELS_FOLDER
) -> Path:
    """Write a model's weights in half precision with a card beside them; return the weights' path.

    The card holds the hash, the vocabulary, the settings, who made it (notebook, seed, length) and
    the versions. Raises ValueError for a weight that half precision cannot hold.
    """
    weights = {key: weight.detach().cpu() for key, weight in model.state_dict().items()}
    tied = tied_names(weights)
    halves = {key: w.half().contiguous() for key, w in weights.items() if key not in tied}
    for key, half in halves.items():
        if not half.isfinite().all():
            raise ValueError(f"{key} holds a number that half precision cannot: train again")
    content = save(halves)
    card = {
        "made_by": made_by,
        "settings": asdict(model.cfg),
        "parameters": sum(half.numel() for half in halves.values()),
        "tied": tied,
        "vocabulary": vocabulary_digest(tokenizer),
        "sha256": hashlib.sha256(content).hexdigest(),
        "versions": {"python": platform.python_version(), "torch": torch.__version__},
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.safetensors"
    path.write_bytes(content)
    card_text = json.dumps(card, indent=2) + "\n"
    (folder / f"{name}.json").write_text(card_text, encoding="utf-8")
    return path


def recorded_weights(name: str, tokenizer: Any, folder: Path = MODELS_FOLDER) -> dict[str, Tensor]:
    """The recorded weights of a model, in float32, ready for `load_state_dict`.

    Raises FileNotFoundError if there are none of this name, ValueError if the file is not the one
    that was recorded, or the tokenizer is not the one that the model was trained with.
    """
    path, card_path = folder / f"{name}.safetensors", folder / f"{name}.json"
    if not path.is_file() or not card_path.is_file():
        known = sorted(card.stem for card in folder.glob("*.json"))
        raise FileNotFoundError(
            f"no model is recorded as {name!r} in {folder}, there are {known}: set RETRAIN = True"
            " to train it here"
        )
    card = json.loads(card_path.read_text(encoding="utf-8"))
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != card["sha256"]:
        raise ValueError(
            f"{path} is damaged: its SHA-256 is {found}, recorded was {card['sha256']}; fetch the"
            " file again, or set RETRAIN = True to train the model here"
        )
    vocabulary = vocabulary_digest(tokenizer)
    if vocabulary != card["vocabulary"]:
        raise ValueError(
            f"{name!r} was trained with another vocabulary (digest {card['vocabulary'][:8]}, this"
            f" tokenizer has {vocabulary[:8]}), so its ids mean other tokens: set RETRAIN = True"
            " to train it here, on these records"
        )
    weights = {key: half.float() for key, half in load(content).items()}
    for tied, first in card["tied"].items():
        weights[tied] = weights[first]
    return weights
