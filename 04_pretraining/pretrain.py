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
number of processes.
"""

import argparse
import contextlib
import io
import os
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from pretrain_engine import join_processes, leave_processes, open_windows
from pretrain_run import Run, Settings

from shared.gpt import GPTConfig
from shared.gpt2_weights import GPT2_SIZES
from shared.kit.gpt2_vocabulary import get_tokenizer, gpt2_files
from shared.planning import Hardware, device_gigabytes, plan_training
from shared.shards import encode_files, write_token_shards
from shared.tokenizer import BPETokenizer
from shared.training import generate_and_print_sample


def add_number(group: Any, name: str, default: float, what: str) -> None:
    """An option that takes a number of its default's type; the help names the default."""
    what = f"{what} (default: {default:,})"
    group.add_argument(name, type=type(default), default=default, help=what)


def add_model_options(parser: argparse.ArgumentParser) -> None:
    model = parser.add_argument_group("model")
    sizes = list(GPT2_SIZES)
    model.add_argument(
        "--size", choices=sizes, default="gpt2", help="one of GPT-2's (default: gpt2)"
    )
    for name, what in (
        ("--layers", "blocks"),
        ("--heads", "heads in each"),
        ("--width", "numbers a token"),
        ("--context", "tokens that the model sees"),
        ("--vocabulary", "different tokens"),
    ):
        model.add_argument(name, type=int, help=f"{what}; as in --size unless given")
    add_number(model, "--dropout", 0.0, "share of numbers dropped")


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
    add_number(data, "--tokens-a-shard", 100_000_000, "size of a shard")


def add_training_options(parser: argparse.ArgumentParser) -> None:
    training = parser.add_argument_group("training")
    add_number(training, "--epochs", 1, "times through the data")
    add_number(training, "--global-batch", 512, "sequences a step, all devices")
    add_number(training, "--batch-size", 4, "sequences that one device takes at once")
    add_number(training, "--lr", 6e-4, "peak learning rate")
    add_number(training, "--warmup", 700, "steps of warm-up")
    add_number(training, "--clip", 1.0, "longest gradient")
    add_number(training, "--weight-decay", 0.1, "pull of the matrices to 0")
    add_number(training, "--seed", 123, "of weights, order and dropout")
    add_number(training, "--eval-every", 250, "steps between evaluations")
    add_number(training, "--eval-sequences", 80, "sequences of an evaluation")
    training.add_argument("--start-context", help="let the trained model go on with this text")


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    out = parser.add_argument_group("checkpoints")
    out.add_argument(
        "--out", type=Path, help="folder for checkpoints and log.jsonl; a run there is resumed"
    )
    add_number(out, "--save-every", 500, "steps between checkpoints")
    add_number(out, "--keep", 3, "checkpoints that are kept")
    out.add_argument(
        "--stop-after", type=int, metavar="STEP", help="save and stop after so many steps"
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
    plan.add_argument("--tokens", type=float, help="tokens to plan for; those of --data if absent")
    plan.add_argument("--devices", type=int, help="devices; the processes of this run if absent")
    speeds = "a laptop 0.1; in bfloat16 A100 312, H100 989"
    add_number(plan, "--tflops", 0.1, f"peak of one device, 10**12 operations a second: {speeds}")
    add_number(plan, "--utilisation", 0.4, "share of it that is reached")
    add_number(plan, "--dollars-an-hour", 0.0, "price of one device")


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
    tokenizer = BPETokenizer.from_gpt2_files(*gpt2_files())
    ids = encode_files(args.make_shards, tokenizer)
    paths = write_token_shards(ids, args.data, args.tokens_a_shard)
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


def train(args: argparse.Namespace, cfg: GPTConfig) -> None:
    """Start or resume the run; only the first of several processes prints."""
    settings = Settings(**{field.name: getattr(args, field.name) for field in fields(Settings)})
    place = join_processes()
    args.out.mkdir(parents=True, exist_ok=True)
    silence = contextlib.redirect_stdout(io.StringIO())
    with silence if place.rank else contextlib.nullcontext():
        run = Run(settings, cfg, place)
        run.start()
        if args.start_context:
            tokenizer = get_tokenizer()
            generate_and_print_sample(run.plain, tokenizer, place.device, args.start_context)


def main(arguments: list[str] | None = None) -> None:
    args = read_arguments(arguments)
    if args.make_shards:
        make_shards(args)
    elif args.dry_run:
        print_plan(args, build_config(args), int(os.environ.get("WORLD_SIZE", 1)))
    else:
        train(args, build_config(args))


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"pretrain.py: {error}")
    leave_processes()
