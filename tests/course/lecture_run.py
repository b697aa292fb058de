"""The lectures' run on The Verdict, made again and recorded beside what the lectures show.

`python tests/course/lecture_run.py` trains 162 million parameters for 90 steps (minutes of all
cores, 4.5 GiB) and writes shared/data/lecture_run.json.
"""

import json
import platform
from dataclasses import asdict
from importlib.metadata import version

import torch

from shared.dataloader import create_dataloader, split_text
from shared.generation import stream_tokens, text_to_token_ids
from shared.gpt import GPT_CONFIG_124M, GPTModel
from shared.kit.corpora import load_corpus
from shared.kit.downloads import DATA_FOLDER
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.training import train_model_simple

RECORD = DATA_FOLDER / "lecture_run.json"
START = "Every effort moves you"
SEED, EPOCHS, EVAL_FREQ, EVAL_ITER = 123, 10, 5, 5
LOADER = {"batch_size": 2, "context_length": 256, "stride": 256}
ADAMW = {"lr": 0.0004, "weight_decay": 0.1, "fused": True}
SETTINGS = {
    "model": asdict(GPT_CONFIG_124M),
    "seed": SEED,
    "epochs": EPOCHS,
    "eval_freq": EVAL_FREQ,
    "eval_iter": EVAL_ITER,
    "optimizer": "AdamW",
    **LOADER,
    **ADAMW,
}
# What the lectures and their code's page show: training and validation loss by step, as printed;
# the end as it is spoken; words of the samples, by epoch.
LECTURE = {
    "losses": {
        "0": [9.781, 9.933],
        "5": [8.111, 8.339],
        "10": [6.661, 7.048],
        "15": [5.961, 6.616],
        "20": [5.726, 6.600],
        "25": [5.201, 6.348],
        "30": [4.417, 6.278],
        "35": [4.069, 6.226],
        "40": [3.732, 6.160],
        "45": [2.850, 6.179],
        "50": [2.427, 6.141],
        "55": [2.104, 6.134],
        "60": [1.882, 6.233],
        "65": [1.320, 6.238],
        "70": [0.985, 6.242],
        "75": [0.717, 6.293],
        "80": [0.541, 6.393],
        "85": [0.391, 6.452],
    },
    "spoken": {"final training loss": "0.39", "final validation loss": "6.2 to 6.4"},
    "words": {
        "1": ",,,,,,,,,,,,.",
        "2": "and, and, and",
        "5": "that the picture--I had the fact by the last",
        "9": "quite insensible to the irony",
        "10": "one of the axioms he laid down across the Sevres and silver",
    },
}


def lecture_run(epochs: int = EPOCHS) -> tuple[dict[str, list[float]], list[str]]:
    """Train as the lectures do: losses by step, training and validation, and a sample an epoch."""
    tokenizer = get_tokenizer()
    training, validation = map(tokenizer.encode, split_text(load_corpus("the-verdict")))
    train_loader = create_dataloader(training, **LOADER, shuffle=True)
    val_loader = create_dataloader(validation, **LOADER, shuffle=False, drop_last=False)
    torch.manual_seed(SEED)
    model = GPTModel(GPT_CONFIG_124M)
    optimizer = torch.optim.AdamW(model.parameters(), **ADAMW)
    prompt = text_to_token_ids(START, tokenizer)  # (1, T)
    samples = []

    def keep_sample() -> None:
        model.eval()
        new = torch.cat(list(stream_tokens(model, prompt, 50, 256)), dim=1)  # (1, 50)
        samples.append(START + tokenizer.decode(new[0].tolist()))
        print(repr(samples[-1]), flush=True)

    losses = train_model_simple(
        model, train_loader, val_loader, optimizer, "cpu", epochs, EVAL_FREQ, EVAL_ITER,
        None, tokenizer, after_epoch=keep_sample,
    )  # fmt: skip
    pairs = enumerate(zip(*losses[:2]))
    return {str(EVAL_FREQ * i): [round(loss, 4) for loss in pair] for i, pair in pairs}, samples


def main() -> None:
    losses, samples = lecture_run()
    record = {
        "what": "the lectures' run on The Verdict with this course's model, and what they show",
        "made by": "python tests/course/lecture_run.py",
        "versions": {
            "torch": version("torch"),
            "tiktoken": version("tiktoken"),
            "python": platform.python_version(),
            "processor": platform.machine(),
        },
        "settings": SETTINGS,
        "lecture": LECTURE,
        "losses": losses,
        "samples": samples,
    }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    RECORD.write_text(text + "\n", encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
