"""What the notebook on PEFT asks of Hugging Face's libraries: which model to take, room for it, and
silence.
"""

import logging
import os
import shutil
import warnings
from functools import partial
from pathlib import Path
from typing import Any

from shared.kit.smollm2 import fetch_smollm2
from shared.kit.system import quick


def choose_model() -> str:
    """LLM_COURSE_PEFT_MODEL if set, else "smollm2-135m" where it can be had, else "tiny-gptj";
    quick runs are tiny.
    """
    if os.environ.get("LLM_COURSE_PEFT_MODEL"):
        return os.environ["LLM_COURSE_PEFT_MODEL"]
    if quick(False, True):
        return "tiny-gptj"
    try:
        fetch_smollm2()
    except ConnectionError:
        return "tiny-gptj"
    return "smollm2-135m"


def quiet_libraries() -> None:
    """Keep progress bars and notes of the libraries, which differ between machines, out of the
    notebook.
    """
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")
    warnings.filterwarnings("ignore", message=".*pin_memory.*")
    warnings.filterwarnings(
        "ignore", message="Could not find a config file"
    )  # a GGUF file needs none
    for name in ("transformers", "bitsandbytes", "peft"):
        logging.getLogger(name).setLevel(logging.ERROR)
    from transformers import modeling_gguf_pytorch_utils as gguf_loader  # slow to import
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    gguf_loader.tqdm = partial(gguf_loader.tqdm, disable=True)  # this bar has no switch


def missing_download(place: str, revision: str, gib: float) -> float:
    """What of a model on the hub is still to be fetched, in GiB: `gib`, or 0 for a folder and for
    weights in the cache.
    """
    from huggingface_hub import try_to_load_from_cache  # slow to import

    if Path(place).is_dir():
        return 0.0
    for name in ("model.safetensors", "pytorch_model.bin"):
        if isinstance(try_to_load_from_cache(place, name, revision=revision), str):
            return 0.0
    return gib


def cache_free_gib() -> float:
    """Free space, in GiB, of the disk on which the hub's cache lies or will lie."""
    from huggingface_hub.constants import HF_HUB_CACHE

    folder = Path(HF_HUB_CACHE)
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free / 2**30


def make_letter_gptj() -> tuple[Any, Any]:
    """A GPT-J of 2 layers with random weights that reads single bytes, and its tokenizer.

    It is made in no time and small enough to learn ten records by heart within seconds.
    """
    import torch  # these are slow to import
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    letters = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    letters.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    letters.decoder = decoders.ByteLevel()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=letters, eos_token="<|end|>", pad_token="<|pad|>"
    )
    end = tokenizer.eos_token_id
    config = transformers.GPTJConfig(
        vocab_size=len(tokenizer),
        n_positions=256,
        n_embd=64,
        n_layer=2,
        n_head=4,
        rotary_dim=8,
        bos_token_id=end,
        eos_token_id=end,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(123)
        model = transformers.GPTJForCausalLM(config)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer
