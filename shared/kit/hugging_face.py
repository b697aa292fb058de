"""What the notebook on PEFT asks of Hugging Face's libraries: which model to take, and silence."""

import logging
import os
import warnings
from functools import partial

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
