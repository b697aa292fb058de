"""The numbers that the lectures speak beside those of this code, as a table.

`python tests/course/lecture_numbers.py` prints it.

Needs the lectures' files (LLM_COURSE_DATA, or one download); the losses are those of the run that
lecture_run.py recorded. `--write` puts the table into README.md.
"""

import json
import sys
from dataclasses import replace
from functools import partial

import lecture_run
import torch
from torch.utils.data import DataLoader

from shared.dataloader import create_dataloader, split_text
from shared.gpt import GPT_CONFIG_124M, GPTConfig, GPTModel
from shared.instructions import InstructionDataset, custom_collate_fn, split_records
from shared.kit.corpora import load_corpus, load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.repository import ROOT

BEGIN, END = "<!-- lecture numbers -->", "<!-- end -->"
Row = tuple[
    str, str, float, float, float
]  # quantity, the lecture's words, its number, ours, relative tolerance


def parameters(cfg: GPTConfig, part: str = "") -> int:
    """Parameters of a model, or of the part of it with this name; nothing is allocated."""
    with torch.device("meta"):
        model = GPTModel(cfg)
    return sum(p.numel() for p in model.get_submodule(part).parameters())


def text_rows() -> list[Row]:
    text, tokenizer = load_corpus("the-verdict"), get_tokenizer()
    loader = partial(create_dataloader, batch_size=2, context_length=256, stride=256)
    training, validation = (tokenizer.encode(part) for part in split_text(text))
    return [
        ("characters of The Verdict", "20,479", 20479, len(text), 0),
        ("GPT-2 tokens of The Verdict", "5,145", 5145, len(tokenizer.encode(text)), 0),
        ("training batches of 2x256 tokens", "9", 9, len(loader(training)), 0),
        ("validation batches of 2x256 tokens", "1", 1, len(loader(validation, drop_last=False)), 0),
    ]


def parameter_rows() -> list[Row]:
    cfg, block = GPT_CONFIG_124M, "trf_blocks.0"
    long = replace(cfg, context_length=1024)
    return [
        ("parameters, context 256", "162M", 162_419_712, parameters(cfg), 0),
        (
            "the same, weights tied",
            "124M",
            123_822_336,
            parameters(replace(cfg, tie_weights=True)),
            0,
        ),
        ("parameters, context 1024", "163M", 163_009_536, parameters(long), 0),
        (
            "the same, weights tied",
            "124M",
            124_412_160,
            parameters(replace(long, tie_weights=True)),
            0,
        ),
        ("token embedding", "38.4M", 38.4e6, parameters(cfg, "tok_emb"), 0.01),
        ("attention of a block", "2.36M", 2.36e6, parameters(cfg, f"{block}.att"), 0.01),
        ("feed-forward of a block", "4.72M", 4.72e6, parameters(cfg, f"{block}.ff"), 0.01),
        ("all blocks", "85.2M", 85.2e6, parameters(cfg, "trf_blocks"), 0.01),
        ("output head", "38.4M", 38.4e6, parameters(cfg, "out_head"), 0.01),
    ]


def recorded_run() -> dict:
    """The run on The Verdict that lecture_run.py recorded."""
    return json.loads(lecture_run.RECORD.read_text(encoding="utf-8"))


def run_rows() -> list[Row]:
    """Losses of the recorded run beside those that the lectures' code prints."""
    losses = recorded_run()["losses"]
    return [
        (f"The Verdict, {kind} loss at step {step}", f"{shown:.3f}", shown, ours, 0.005)
        for step in ("0", "5", "45", "85")
        for kind, shown, ours in zip(
            ("training", "validation"), lecture_run.LECTURE["losses"][step], losses[step]
        )
    ]


def run_lines() -> list[str]:
    """Words of the recorded run's samples beside the lectures', as lines of the table."""
    samples = [" ".join(sample.split()) for sample in recorded_run()["samples"]]
    lines = []
    for epoch in ("9", "10"):
        words = lecture_run.LECTURE["words"][epoch]
        found = words in samples[int(epoch) - 1]
        verdict = "the same words | none | agrees" if found else "others | none | DIFFERS"
        lines.append(f'| The Verdict, sample after epoch {epoch} | "{words}" | {verdict} |')
    return lines


def instruction_rows() -> list[Row]:
    training, validation, test = split_records(load_instruction_data("lectures"))
    dataset = InstructionDataset(training, get_tokenizer())
    torch.manual_seed(123)
    collate = partial(custom_collate_fn, allowed_max_length=1024)
    loader = iter(
        DataLoader(dataset, batch_size=8, shuffle=True, drop_last=True, collate_fn=collate)
    )
    lengths = [next(loader)[0].size(1) for _ in range(2)]
    gptj_layers, gptj_width = (
        28,
        4096,
    )  # GPT-J-6B: two thin matrices beside q_proj and v_proj of each layer
    return [
        ("training records", "935", 935, len(training), 0),
        ("test records", "110", 110, len(test), 0),
        ("validation records", "55", 55, len(validation), 0),
        ("tokens of the first training batch, 8 x", "61", 61, lengths[0], 0),
        ("tokens of the second training batch, 8 x", "76", 76, lengths[1], 0),
        (
            "GPT-J, LoRA of rank 8 on q and v",
            "3.67M",
            3_670_016,
            gptj_layers * 2 * 2 * gptj_width * 8,
            0,
        ),
    ]


def table() -> str:
    """All rows as a Markdown table with a verdict each."""
    lines = ["| quantity | lectures | here | tolerance | verdict |", "|---|---|---|---|---|"]
    for quantity, spoken, expected, ours, tolerance in [
        *text_rows(),
        *parameter_rows(),
        *instruction_rows(),
        *run_rows(),
    ]:
        agrees = abs(ours - expected) <= tolerance * expected
        allowed = f"{100 * tolerance:g}%" if tolerance else "none"
        here = f"{ours:,}" if isinstance(ours, int) else f"{ours:.3f}"
        lines.append(
            f"| {quantity} | {spoken} | {here} | {allowed} | {'agrees' if agrees else 'DIFFERS'} |"
        )
    return "\n".join(lines + run_lines())


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        readme = ROOT / "README.md"
        old = readme.read_text(encoding="utf-8")
        new = f"{old.partition(BEGIN)[0]}{BEGIN}\n{table()}\n{END}{old.partition(END)[2]}"
        readme.write_text(new, encoding="utf-8", newline="\n")
    else:
        print(table())
