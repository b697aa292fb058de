"""Pretrain a GPT on one device or on many machines, with the same train_model as the notebooks.

  on this machine, one process        python pretrain.py --data shards --out runs/first
  on the 8 GPUs of one machine        torchrun --standalone --nproc_per_node=8 pretrain.py \\
                                        --data shards --out runs/gpus
  on 10 such machines, on each        torchrun --nnodes=10 --nproc_per_node=8 --rdzv_backend=c10d \\
                                        --rdzv_endpoint=FIRST_MACHINE:29500 pretrain.py \\
                                        --data shards --out SHARED
  make shards of text files           python pretrain.py --make-shards a.txt b.txt --data shards
  see what it would take              python pretrain.py --size gpt2 --tokens 10e9 --devices 8 \\
                                        --tflops 312 --dry-run

Interrupted (killed, too), it goes on where it was when started again with the same --out, on any
number of processes. Told to stop by a signal, it saves and ends with 128 and the signal's number
(143 for SIGTERM, 130 for Ctrl-C), so that a scheduler does not take it for finished.
"""

import argparse
import contextlib
import io
import math
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pretrain_engine import join_processes, leave_processes, number_from_torchrun, open_windows
from pretrain_run import Run, Settings
from torch.distributed import DistError

from shared.gpt import GPTConfig
from shared.gpt2_weights import GPT2_SIZES
from shared.kit.gpt2_vocabulary import get_tokenizer, gpt2_files
from shared.planning import Hardware, device_gigabytes, plan_training
from shared.shards import encode_files, write_token_shards
from shared.tokenizer import BPETokenizer
from shared.training import generate_and_print_sample


def number(kind: type, words: str, fits: Callable[[float], bool]) -> Callable[[str], float]:
    """A type for argparse: a number for which `fits` is true; `words` say when that is."""

    def read(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not fits(value):
            raise argparse.ArgumentTypeError(f"{text!r} is not {words}")
        return value

    return read


def whole(least: int, most: int) -> Callable[[str], float]:
    """A type for argparse: a whole number in a range."""
    words = f"a whole number from {least:,} to {most:,}"
    return number(int, words, lambda value: least <= value <= most)


COUNT = whole(1, 10**9)
POSITIVE = number(float, "a number above 0", lambda value: 0 < value < math.inf)
NOT_NEGATIVE = number(float, "a number of at least 0", lambda value: 0 <= value < math.inf)
SHARE = number(float, "a number above 0 and at most 1", lambda value: 0 < value <= 1)
DROPPED = number(float, "a number of at least 0 and below 1", lambda value: 0 <= value < 1)
RATE = number(float, "a number above 0 and at most 10", lambda value: 0 < value <= 10)
DECAY = number(float, "a number from 0 to 10", lambda value: 0 <= value <= 10)
LONGEST = number(float, "a number above 0; inf for no limit", lambda value: value > 0)


def add_number(group: Any, name: str, kind: Callable, default: float, what: str) -> None:
    """An option that takes a number; the help names its default."""
    group.add_argument(name, type=kind, default=default, help=f"{what} (default: {default:,})")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model")
    sizes = list(GPT2_SIZES)
    model.add_argument(
        "--size", choices=sizes, default="gpt2", help="one of GPT-2's (default: gpt2)"
    )
    for name, most, what in (
        ("--layers", 10_000, "blocks"),
        ("--heads", 10_000, "heads in each"),
        ("--width", 1_000_000, "numbers a token"),
        ("--context", 10_000_000, "tokens that the model sees"),
        ("--vocabulary", 10_000_000, "different tokens"),
    ):
        what = f"{what}; as in --size unless given"
        model.add_argument(name, type=whole(1, most), help=what)
    add_number(model, "--dropout", DROPPED, 0.0, "share of numbers dropped")


def add_data_options(parser: argparse.ArgumentParser) -> None:
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, help="folder of token shards, the last for validation")
    data.add_argument(
        "--make-shards",
        type=Path,
        nargs="+",
        metavar="TEXT",
        help="write these UTF-8 files into --data as GPT-2's tokens, then stop",
    )
    add_number(data, "--tokens-a-shard", whole(1, 10**10), 100_000_000, "size of a shard")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    training = parser.add_argument_group("training")
    seeds = whole(0, 10**9)
    add_number(training, "--epochs", COUNT, 1, "times through the data")
    add_number(training, "--global-batch", COUNT, 512, "sequences a step, all devices")
    add_number(training, "--batch-size", COUNT, 4, "sequences that one device takes at once")
    add_number(training, "--lr", RATE, 6e-4, "peak learning rate")
    add_number(training, "--warmup", whole(0, 10**9), 700, "steps of warm-up")
    add_number(training, "--clip", LONGEST, 1.0, "longest gradient")
    add_number(training, "--weight-decay", DECAY, 0.1, "pull of the matrices to 0")
    add_number(training, "--seed", seeds, 123, "of weights, order and dropout")
    add_number(training, "--eval-every", COUNT, 250, "steps between evaluations")
    add_number(training, "--eval-sequences", COUNT, 80, "sequences of an evaluation")
    training.add_argument("--start-context", help="let the trained model go on with this text")


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument_group("checkpoints")
    out.add_argument(
        "--out", type=Path, help="folder for checkpoints and log.jsonl; a run there is resumed"
    )
    add_number(out, "--save-every", COUNT, 500, "steps between checkpoints")
    add_number(out, "--keep", COUNT, 3, "checkpoints that are kept")
    out.add_argument(
        "--stop-after", type=COUNT, metavar="STEP", help="save and stop after so many steps"
    )


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    engine = parser.add_argument_group("engine")
    for name, what in (
        ("--fsdp", "shard the model over the devices (it outgrows one)"),
        ("--bfloat16", "mixed precision, for devices that are fast at it"),
        ("--compile", "torch.compile: faster steps after a slow first one"),
    ):
        engine.add_argument(name, action="store_true", help=what)


def add_plan_options(parser: argparse.ArgumentParser) -> None:
    plan = parser.add_argument_group("plan")
    plan.add_argument("--dry-run", action="store_true", help="print the plan and stop")
    tokens = "tokens to plan for; those of --data if absent"
    plan.add_argument("--tokens", type=POSITIVE, help=tokens)
    devices = "devices; the processes of this run if absent"
    plan.add_argument("--devices", type=COUNT, help=devices)
    speeds = "a laptop 0.1; in bfloat16 A100 312, H100 989"
    peak = f"peak of one device, 10**12 operations a second: {speeds}"
    add_number(plan, "--tflops", POSITIVE, 0.1, peak)
    add_number(plan, "--utilisation", SHARE, 0.4, "share of it that is reached")
    add_number(plan, "--dollars-an-hour", NOT_NEGATIVE, 0.0, "price of one device")


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line. Every option has a default but --data and --out."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_model_options(parser)
    add_data_options(parser)
    add_training_options(parser)
    add_checkpoint_options(parser)
    add_engine_options(parser)
    add_plan_options(parser)
    args = parser.parse_args(arguments)
    if args.dry_run and args.make_shards:
        parser.error("--make-shards writes files and --dry-run writes none: give one of the two")
    if args.data is None and not (args.dry_run and args.tokens):
        parser.error("--data is needed, or --dry-run with --tokens")
    if not (args.out or args.dry_run or args.make_shards):
        parser.error("--out is needed: the folder for checkpoints")
    return args


def build_config(args: argparse.Namespace) -> GPTConfig:
    """GPT-2's configuration of the chosen size, with what the command line changes."""
    changes = {
        "n_layers": args.layers,
        "n_heads": args.heads,
        "emb_dim": args.width,
        "context_length": args.context,
        "vocab_size": args.vocabulary,
        "drop_rate": args.dropout,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    return replace(GPT2_SIZES[args.size], **given)


def make_shards(args: argparse.Namespace) -> None:
    """Write text files as shards of GPT-2's tokens, each file ended by the end-of-text token.

    Only a chunk of a file and one shard are in memory.
    """
    for path in args.make_shards:
        if not path.is_file():
            raise FileNotFoundError(f"there is no file {path}, so no shard was written")
    tokenizer = BPETokenizer.from_gpt2_files(*gpt2_files())
    ids = encode_files(args.make_shards, tokenizer)
    paths = write_token_shards(ids, args.data, args.tokens_a_shard, "gpt2")
    print(f"wrote {len(paths)} shards into {args.data}")


def print_plan(args: argparse.Namespace, cfg: GPTConfig, world_size: int) -> None:
    """What the run would take: one line for each number."""
    tokens = args.tokens
    if tokens is None:
        windows, _ = open_windows(args.data, cfg.context_length, args.global_batch)
        tokens = args.epochs * len(windows) * cfg.context_length
    hardware = Hardware(
        args.devices or world_size,
        args.tflops,
        args.utilisation,
        args.dollars_an_hour,
        sharded=args.fsdp,
        mixed=args.bfloat16,
    )
    plan = plan_training(cfg, tokens, args.global_batch, args.batch_size, hardware)
    for name, number in plan.items():
        decimals = 0 if number >= 100 else 2
        written = f"{number:.3g}" if number >= 1e15 else f"{number:,.{decimals}f}"
        print(f"{name:34} {written}")
    for name, size in device_gigabytes(cfg, args.batch_size, hardware).items():
        print(f"  of these, {name:22} {size:,.2f}")


def check_start_context(text: str | None, cfg: GPTConfig) -> None:
    """Raise ValueError, before anything is trained, for a text that the model cannot go on with."""
    if text is None:
        return
    tokenizer = get_tokenizer()
    if cfg.vocab_size != tokenizer.n_vocab:
        raise ValueError(
            f"--start-context is read with GPT-2's {tokenizer.n_vocab:,} tokens, and the model has "
            f"{cfg.vocab_size:,}: leave it out, or leave --vocabulary out"
        )
    if not tokenizer.encode(text, allowed_special="all"):
        raise ValueError("--start-context is empty: give at least one character")


def train(args: argparse.Namespace, cfg: GPTConfig) -> int:
    """Start or resume the run; only the first of several processes prints. The exit code."""
    check_start_context(args.start_context, cfg)
    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    place = join_processes()
    args.out.mkdir(parents=True, exist_ok=True)
    silence = contextlib.redirect_stdout(io.StringIO())
    with silence if place.rank else contextlib.nullcontext():
        run = Run(settings, cfg, place)
        code = run.start()
        if args.start_context and not code:
            tokenizer = get_tokenizer()
            generate_and_print_sample(run.plain, tokenizer, place.device, args.start_context)
    return code


def main(arguments: list[str] | None = None) -> int:
    """Do what the command line says; the exit code."""
    args = read_arguments(arguments)
    if args.make_shards:
        make_shards(args)
    elif args.dry_run:
        print_plan(args, build_config(args), number_from_torchrun("WORLD_SIZE", 1))
    else:
        return train(args, build_config(args))
    return 0


if __name__ == "__main__":
    try:
        exit_code = main()
    except (ValueError, OSError, FloatingPointError, DistError) as error:
        sys.exit(f"pretrain.py: {error}")
    except (RuntimeError, MemoryError) as error:
        if "memory" not in str(error) and not isinstance(error, MemoryError):
            raise
        sys.exit(f"pretrain.py: the memory does not hold this model and batch ({error})")
    leave_processes(exit_code)
    sys.exit(exit_code)
