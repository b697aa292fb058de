"""Times the drawing of every lab with its first values: `python tests/benchmarks/labs.py`.

Prints the median milliseconds of drawing, with its figures encoded to PNG, over a few rounds. Labs
of a model draw with a small untrained one. Takes about a minute.
"""

import argparse
import statistics
from collections.abc import Callable
from functools import partial

import torch
from matplotlib.figure import Figure

from shared.finetuning import create_small_gpt
from shared.gpt import GPTConfig, GPTModel
from shared.instructions import format_input
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.system import times_in_turn
from shared.kit.widgets import as_tuple, png_bytes
from shared.labs.averaging_the_past import mixing_lab
from shared.labs.batching import mask_view
from shared.labs.byte_pair_encoding import merge_stepper
from shared.labs.causal_attention import leak_lab
from shared.labs.checkpoints import draw_schedule
from shared.labs.counting_parameters import draw_calculator
from shared.labs.dataloader import window_lab
from shared.labs.dataloaders import batch_widths_view
from shared.labs.decoding import draw_decoding
from shared.labs.embeddings import position_lab
from shared.labs.evaluation import interval_lab
from shared.labs.finetuning import answer_view
from shared.labs.gpt_model import OperatingTable
from shared.labs.inside_the_heads import attention_figure
from shared.labs.instruction_data import template_view
from shared.labs.lora import cost_figure
from shared.labs.lora_with_peft import side_by_side
from shared.labs.loss import draw_loss
from shared.labs.queries_keys_values import saturation_lab
from shared.labs.scaling_out import draw_plan
from shared.labs.tokenization import vocabulary_lab
from shared.labs.training_loop import Run, RunSettings, draw_runs
from shared.labs.transformer_block import draw_gradients


def chapters_1_to_3() -> dict[str, Callable[[], object]]:
    """The drawings of data, attention and GPT, by the name of their notebook."""
    sentence = "we struck a reef at four in the morning we struck a reef at".split()
    weights = torch.rand(len(sentence), len(sentence)).tril().softmax(dim=-1)  # (T, T)
    calculator = partial(
        draw_calculator, 12, 12, 64, 256, 50257, False, False, True, "float32", 2, 100
    )
    reader = GPTModel(GPTConfig(9, 32, 64, n_heads=4, n_layers=2))
    return {
        "tokenization": partial(vocabulary_lab, "The captain dropped his telephone.", "words", 90),
        "byte_pair_encoding": partial(merge_stepper, "The callipers of the calm captain", 6),
        "dataloader": partial(window_lab, 22, 4, 4, 2, True),
        "embeddings": partial(position_lab, "the dog bit the man", "reversed", 0.5, "random table"),
        "averaging_the_past": partial(mixing_lab, 0.0, 0.0, 0.0, 0.0),
        "queries_keys_values": partial(saturation_lab, 64, False, 0),
        "causal_attention": partial(leak_lab, "mask after softmax", 6, 4),
        "inside_the_heads": partial(attention_figure, sentence, weights, 13),
        "gpt_model": OperatingTable(reader, "abcdefgh ", "a bad egg had a bed " * 100).show,
        "transformer_block": partial(draw_gradients, 20, 32, "GELU", True, True),
        "counting_parameters": calculator,
    }


def chapters_4_and_5() -> dict[str, Callable[[], object]]:
    """The drawings of pretraining and finetuning, by the name of their notebook."""
    tokenizer = get_tokenizer()
    model = GPTModel(GPTConfig(tokenizer.n_vocab, 64, 64, 4, 2)).eval()
    answering = create_small_gpt(tokenizer.n_vocab, 200)
    decoding = partial(
        draw_decoding, model, tokenizer, list(range(1000)), "The chart", 1.0, 0, 1.0, 1
    )
    run = Run(RunSettings(3e-3, 0.1, 10, 8, 0.1, 2, 0.9), 110)
    run.track_tokens_seen = list(range(512, 512 * 29, 512))
    run.train_losses = [7.0 - i / 10 for i in range(28)]
    run.val_losses = [7.0 - i / 20 for i in range(28)]
    question = "Name the capital of Sweden."
    return {
        "loss": partial(draw_loss, 2.0, 1.0, 0.1, "sea"),
        "training_loop": partial(draw_runs, [run], 1024),
        "decoding": decoding,
        "checkpoints": partial(draw_schedule, 1000, 100, 1e-3, 10.0),
        "scaling_out": partial(draw_plan, "gpt2", "A100 80 GB", 8, 10.0, 40.0, 16, False, True),
        "instruction_data": partial(template_view, 5, "Alpaca"),
        "batching": partial(mask_view, 17, 3, 45, False),
        "dataloaders": partial(batch_widths_view, 8, False, 1),
        "finetuning": partial(answer_view, answering, tokenizer, format_input, question, ""),
        "lora": partial(cost_figure, 20_000, 500_000),
        "lora_with_peft": partial(side_by_side, "Lima", "Lima."),
        "evaluation": partial(interval_lab, 80, 20, 95),
    }


def draw_and_encode(draw: Callable[[], object]) -> None:
    """Draw a lab's parts and encode its figures, as a moved slider does."""
    for part in as_tuple(draw()):
        if isinstance(part, Figure):
            png_bytes(part)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    torch.manual_seed(123)
    drawings = chapters_1_to_3() | chapters_4_and_5()
    calls = {name: partial(draw_and_encode, draw) for name, draw in drawings.items()}
    times_in_turn(calls, rounds=1)  # what is read or computed only once
    for name, seconds in times_in_turn(calls, arguments.rounds).items():
        print(f"{name:22} {1000 * statistics.median(seconds):6.0f} ms")


if __name__ == "__main__":
    main()
