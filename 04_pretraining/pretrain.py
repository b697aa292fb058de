"""Pretrain a GPT on one device or on many machines, with the same train_model as the notebooks.

  on this machine, one process        python pretrain.py --data shards --out runs/first
  on the 8 GPUs of one machine        torchrun --standalone --nproc_per_node=8 pretrain.py --data shards --out runs/gpus
  on 10 such machines, on each        torchrun --nnodes=10 --nproc_per_node=8 --rdzv_backend=c10d \\
                                        --rdzv_endpoint=FIRST_MACHINE:29500 pretrain.py --data shards --out SHARED
  make shards of text files           python pretrain.py --make-shards a.txt b.txt --data shards
  see what it would take              python pretrain.py --size gpt2 --tokens 10e9 --devices 8 --tflops 312 --dry-run

Interrupted (killed, too), it goes on where it was when started again with the same --out, on any number of processes.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_optimizer_state_dict
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, Subset

from shared.checkpoints import check_fit, list_checkpoints, read_checkpoint, save_checkpoint
from shared.gpt import GPTConfig, GPTModel
from shared.gpt2_weights import GPT2_SIZES
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.planning import Hardware, accumulation_for, device_gigabytes, plan_training
from shared.schedules import attach_clipping, attach_schedule
from shared.shards import open_token_shards, write_token_shards
from shared.training import generate_and_print_sample, train_model
from shared.training_state import TrainingState, random_states


def read_arguments(arguments: list[str] | None = None) -> argparse.Namespace:
    """The command line. Every option has a default but --data and --out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    model = parser.add_argument_group("model")
    model.add_argument("--size", choices=list(GPT2_SIZES), default="gpt2", help="one of GPT-2's sizes (default: gpt2)")
    for name, what in (("layers", "blocks"), ("heads", "heads in each"), ("width", "numbers a token"),
                       ("context", "tokens that the model sees"), ("vocabulary", "different tokens")):
        model.add_argument(f"--{name}", type=int, help=f"{what}; as in --size unless given")
    model.add_argument("--dropout", type=float, default=0.0, help="share of numbers dropped (default: 0)")
    data = parser.add_argument_group("data")
    data.add_argument("--data", type=Path, help="folder of token shards; the last one is kept for validation")
    data.add_argument("--make-shards", type=Path, nargs="+", metavar="TEXT",
                      help="write the shards of these UTF-8 text files into --data with GPT-2's tokenizer, then stop")
    data.add_argument("--tokens-a-shard", type=int, default=100_000_000, help="size of a shard (default: 100 million)")
    run = parser.add_argument_group("training")
    run.add_argument("--epochs", type=int, default=1, help="times through the data (default: 1)")
    run.add_argument("--global-batch", type=int, default=512, help="sequences a step, all devices (default: 512)")
    run.add_argument("--batch-size", type=int, default=4, help="sequences that one device takes at once (default: 4)")
    run.add_argument("--lr", type=float, default=6e-4, help="peak learning rate (default: 6e-4)")
    run.add_argument("--warmup", type=int, default=700, help="steps of warm-up (default: 700)")
    run.add_argument("--clip", type=float, default=1.0, help="longest gradient (default: 1)")
    run.add_argument("--weight-decay", type=float, default=0.1, help="pull of the matrices to 0 (default: 0.1)")
    run.add_argument("--seed", type=int, default=123, help="of weights, order and dropout (default: 123)")
    run.add_argument("--eval-every", type=int, default=250, help="steps between evaluations (default: 250)")
    run.add_argument("--eval-sequences", type=int, default=80, help="sequences of an evaluation (default: 80)")
    run.add_argument("--start-context", default="", help="let the trained model go on with this text")
    out = parser.add_argument_group("checkpoints")
    out.add_argument("--out", type=Path, help="folder for checkpoints and log.jsonl; a run there is resumed")
    out.add_argument("--save-every", type=int, default=500, help="steps between checkpoints (default: 500)")
    out.add_argument("--keep", type=int, default=3, help="checkpoints that are kept (default: 3)")
    out.add_argument("--stop-after", type=int, metavar="STEP", help="save and stop when so many steps are done")
    engine = parser.add_argument_group("engine")
    engine.add_argument("--fsdp", action="store_true", help="shard the model over the devices (it outgrows one)")
    engine.add_argument("--bfloat16", action="store_true", help="mixed precision, for devices that are fast at it")
    engine.add_argument("--compile", action="store_true", help="torch.compile: faster steps after a slow first one")
    plan = parser.add_argument_group("plan")
    plan.add_argument("--dry-run", action="store_true", help="print the plan and stop; needs no --data with --tokens")
    plan.add_argument("--tokens", type=float, help="tokens to plan for (default: those of --data)")
    plan.add_argument("--devices", type=int, help="devices to plan for (default: the processes of this run)")
    plan.add_argument("--tflops", type=float, default=0.1, help="peak of one device, 10**12 operations a second "
                      "(default: 0.1, a laptop; A100 312, H100 989, both in bfloat16)")
    plan.add_argument("--utilisation", type=float, default=0.4, help="share of it that is reached (default: 0.4)")
    plan.add_argument("--dollars-an-hour", type=float, default=0.0, help="price of one device (default: 0)")
    found = parser.parse_args(arguments)
    if found.data is None and not (found.dry_run and found.tokens):
        parser.error("--data is needed, or --dry-run with --tokens")
    if not (found.out or found.dry_run or found.make_shards):
        parser.error("--out is needed: the folder for checkpoints")
    return found


def build_config(args: argparse.Namespace) -> GPTConfig:
    """GPT-2's configuration of the chosen size, with what the command line changes."""
    changes = {"n_layers": args.layers, "n_heads": args.heads, "emb_dim": args.width, "context_length": args.context,
               "vocab_size": args.vocabulary, "drop_rate": args.dropout}
    return replace(GPT2_SIZES[args.size], **{name: value for name, value in changes.items() if value is not None})


@dataclass(frozen=True)
class Place:
    """Which of the processes this is, and the device that it has for itself."""

    rank: int
    world_size: int
    device: torch.device


def join_processes() -> Place:
    """Meet the other processes that torchrun has started; alone without it. NCCL on GPUs, gloo on processors."""
    cuda = torch.cuda.is_available()
    local_rank = int(os.environ.get("LOCAL_RANK", 0))
    device = torch.device("cuda", local_rank) if cuda else torch.device("cpu")
    if cuda:
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    if "RANK" not in os.environ:
        return Place(0, 1, device)
    dist.init_process_group("nccl" if cuda else "gloo")
    return Place(dist.get_rank(), dist.get_world_size(), device)


def read_texts(paths: list[Path]) -> Iterator[int]:
    """GPT-2's token ids of text files; each file is a document and begins with the end-of-text token."""
    tokenizer = get_tokenizer()
    for path in paths:
        yield tokenizer.eot_token
        yield from tokenizer.encode_ordinary(path.read_text(encoding="utf-8"))


def build_loaders(args: argparse.Namespace, cfg: GPTConfig, place: Place) -> tuple[DataLoader, DataLoader]:
    """The training windows of this process, and all validation windows. Raises ValueError for too little data."""
    paths = sorted(args.data.glob("shard_*.npy"))
    if len(paths) < 2:
        raise ValueError(f"{args.data} holds {len(paths)} shards, but two are needed, the last for validation: "
                         "use --make-shards with a smaller --tokens-a-shard")
    windows, val_windows = (open_token_shards(part, cfg.context_length) for part in (paths[:-1], paths[-1:]))
    steps = len(windows) // args.global_batch
    if steps == 0:
        raise ValueError(f"{len(windows)} windows do not make one step of --global-batch {args.global_batch}")
    windows = Subset(windows, range(steps * args.global_batch))  # whole steps, whatever the number of processes
    sampler = DistributedSampler(windows, place.world_size, place.rank, seed=args.seed)
    pinned = place.device.type == "cuda"
    return (DataLoader(windows, args.batch_size, sampler=sampler, pin_memory=pinned, generator=torch.Generator()),
            DataLoader(val_windows, args.batch_size, pin_memory=pinned, generator=torch.Generator()))


def in_bfloat16(module: nn.Module, device: torch.device) -> None:
    """Let a module compute in bfloat16 where that is safe; its weights and its outputs stay float32."""
    forward = module.forward

    def mixed(*inputs: Any) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            outputs = forward(*inputs)
        return outputs.float()

    module.forward = mixed


def distribute(model: GPTModel, args: argparse.Namespace, place: Place, accumulation_steps: int) -> nn.Module:
    """The model as all processes train it together: replicated (DDP), or sharded (FSDP)."""
    if args.compile:
        model.compile()
    if args.bfloat16 and not args.fsdp:
        in_bfloat16(model, place.device)
    if place.world_size == 1 and not args.fsdp:
        return model
    if not dist.is_initialized():
        raise ValueError("--fsdp shards over processes: start with torchrun, see --help")
    if args.fsdp:
        policy = MixedPrecisionPolicy()
        if args.bfloat16:
            policy = MixedPrecisionPolicy(torch.bfloat16, reduce_dtype=torch.float32, output_dtype=torch.float32)
        mesh = dist.init_device_mesh(place.device.type, (place.world_size,))
        for part in (*model.trf_blocks, model):  # the root last: it takes what is left
            fully_shard(part, mesh=mesh, mp_policy=policy)
        set_sync = model.set_requires_gradient_sync
    else:
        model = DistributedDataParallel(model, [place.device] if place.device.type == "cuda" else None)

        def set_sync(sync: bool) -> None:
            model.require_backward_grad_sync = sync

    forwards = 0

    def exchange_gradients_once_a_step(module: nn.Module, inputs: Any) -> None:
        nonlocal forwards
        forwards += module.training
        set_sync(forwards % accumulation_steps == 0)

    model.register_forward_pre_hook(exchange_gradients_once_a_step)
    return model


def build_optimizer(model: nn.Module, args: argparse.Namespace) -> torch.optim.AdamW:
    """AdamW that pulls matrices to 0, not biases and norms. Source: Brown et al. 2020, appendix B (betas, decay)."""
    weights = list(model.parameters())
    groups = [{"params": [w for w in weights if w.dim() >= 2], "weight_decay": args.weight_decay},
              {"params": [w for w in weights if w.dim() < 2], "weight_decay": 0.0}]
    for group in groups:
        group["initial_lr"] = args.lr  # the schedule notes it, so a checkpoint has it
    return torch.optim.AdamW(groups, lr=args.lr, betas=(0.9, 0.95), fused=True)


@dataclass
class Whole:
    """A model or an optimizer gathered from all processes, as save_checkpoint wants it."""

    content: dict[str, Any]
    cfg: GPTConfig

    def state_dict(self) -> dict[str, Any]:
        return self.content


class Run:
    """One training: what is called after each step, and how it is saved and resumed."""

    def __init__(self, args: argparse.Namespace, cfg: GPTConfig, place: Place) -> None:
        self.args, self.cfg, self.place, self.stopping = args, cfg, place, False
        self.accumulation_steps = accumulation_for(args.global_batch, args.batch_size, place.world_size)
        self.train_loader, self.val_loader = build_loaders(args, cfg, place)
        self.steps_an_epoch = len(self.train_loader) // self.accumulation_steps
        self.total_steps = args.epochs * self.steps_an_epoch
        torch.manual_seed(args.seed)
        self.plain = GPTModel(cfg)
        self.state, saved = self.read_last()
        self.model = distribute(self.plain.to(place.device), args, place, self.accumulation_steps)
        self.optimizer = build_optimizer(self.model, args)
        if saved is not None:
            set_optimizer_state_dict(self.model, self.optimizer, saved["optimizer"],
                                     options=StateDictOptions(full_state_dict=True))
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = args.lr
        done = self.state.global_step + 1
        attach_clipping(self.optimizer, self.model, args.clip)
        attach_schedule(self.optimizer, max(self.total_steps, done + 1), min(args.warmup, self.total_steps - 1),
                        args.lr / 10, first_step=done)
        self.draw_anew(done)
        self.state.random = self.state.epoch_random = random_states(self.train_loader)
        self.clock = time.perf_counter()

    def read_last(self) -> tuple[TrainingState, dict[str, Any] | None]:
        """The last checkpoint's state, for this number of processes, and its content; the weights are loaded."""
        checkpoints = list_checkpoints(self.args.out)
        if not checkpoints:
            return TrainingState(), None
        saved = read_checkpoint(checkpoints[-1])
        check_fit(checkpoints[-1], saved, self.plain)
        state = TrainingState(**saved["state"])
        done = state.global_step + 1
        if state.tokens_seen != done * self.args.global_batch * self.cfg.context_length:
            raise ValueError(f"{self.args.out} made {done} steps with --global-batch "
                             f"{state.tokens_seen // done // self.cfg.context_length}, not {self.args.global_batch}: "
                             "keep it, or begin a new run with another --out")
        self.plain.load_state_dict(saved["model"])
        state.epoch, steps = divmod(done, self.steps_an_epoch)
        state.batch = steps * self.accumulation_steps
        state.tokens_seen //= self.place.world_size
        print(f"resumed after step {state.global_step} from {checkpoints[-1].name}")
        return state, saved

    def draw_anew(self, step: int) -> None:
        """Seed this process's dropout for a step, so that a resumed run draws the same."""
        torch.manual_seed((self.args.seed * 1_000_003 + step) * 10_007 + self.place.rank)

    def save(self, state: TrainingState) -> None:
        """Gather the run from all processes; the first one writes it."""
        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights, moments = get_state_dict(self.model, self.optimizer, options=options)
        if self.place.rank == 0:
            state = replace(state, tokens_seen=state.tokens_seen * self.place.world_size)
            save_checkpoint(self.args.out / f"step_{state.global_step:08d}.pt", Whole(weights, self.cfg),
                            Whole(moments, self.cfg), state)
            for old in list_checkpoints(self.args.out)[: -self.args.keep]:
                old.unlink()

    def after_step(self, state: TrainingState) -> None:
        """Log the step, save if it is time, and stop all processes together if one was told to."""
        args, done = self.args, state.global_step + 1
        numbers = torch.tensor([state.loss, float(self.stopping)], dtype=torch.float64, device=self.place.device)
        if self.place.world_size > 1:
            dist.all_reduce(numbers)  # the sum over the processes
        stop = numbers[1] > 0 or done == args.stop_after
        if self.place.rank == 0:
            now = time.perf_counter()
            line = {"step": state.global_step, "loss": numbers[0].item() / self.place.world_size,
                    "tokens": done * args.global_batch * self.cfg.context_length,
                    "tokens_a_second": args.global_batch * self.cfg.context_length / (now - self.clock)}
            self.clock = now
            with open(args.out / "log.jsonl", "a", encoding="utf-8") as log:
                log.write(json.dumps(line) + "\n")
        if stop or done % args.save_every == 0 or done == self.total_steps:
            self.save(state)
        self.draw_anew(done)
        if stop:
            raise KeyboardInterrupt

    def start(self) -> None:
        """Train to the end, or until a signal asks to stop."""
        def stop(*_: Any) -> None:
            self.stopping = True  # after this step, by all processes together

        before = {name: signal.signal(name, stop) for name in (signal.SIGTERM, signal.SIGINT)}
        args = self.args
        try:
            train_model(self.model, self.train_loader, self.val_loader, self.optimizer, self.place.device, args.epochs,
                        args.eval_every, max(1, args.eval_sequences // args.batch_size), None, None,
                        accumulation_steps=self.accumulation_steps, state=self.state, after_step=self.after_step,
                        progress=self.place.rank == 0)
        finally:
            for name, handler in before.items():
                signal.signal(name, handler)
        if args.start_context:
            generate_and_print_sample(self.plain, get_tokenizer(), self.place.device, args.start_context)


def print_plan(args: argparse.Namespace, cfg: GPTConfig, world_size: int) -> None:
    """What the run would take: one line for each number."""
    tokens = args.tokens
    if tokens is None:
        loader = build_loaders(args, cfg, Place(0, 1, torch.device("cpu")))[0]
        tokens = args.epochs * len(loader.dataset) * cfg.context_length
    hardware = Hardware(args.devices or world_size, args.tflops, args.utilisation, args.dollars_an_hour, args.fsdp,
                        args.bfloat16)
    for name, number in plan_training(cfg, tokens, args.global_batch, args.batch_size, hardware).items():
        print(f"{name:34} {number:.3g}" if number >= 1e15 else f"{name:34} {number:,.{0 if number >= 100 else 2}f}")
    for name, size in device_gigabytes(cfg, args.batch_size, hardware).items():
        print(f"  of these, {name:22} {size:,.2f}")


def main(arguments: list[str] | None = None) -> None:
    args = read_arguments(arguments)
    if args.make_shards:
        paths = write_token_shards(read_texts(args.make_shards), args.data, args.tokens_a_shard)
        print(f"wrote {len(paths)} shards into {args.data}")
        return
    cfg = build_config(args)
    if args.dry_run:
        print_plan(args, cfg, int(os.environ.get("WORLD_SIZE", 1)))
        return
    place = join_processes()
    args.out.mkdir(parents=True, exist_ok=True)
    with open(os.devnull, "w", encoding="utf-8") as nowhere, \
            contextlib.redirect_stdout(nowhere if place.rank else sys.stdout):
        Run(args, cfg, place).start()
    if dist.is_initialized():
        dist.destroy_process_group()


if __name__ == "__main__":
    try:
        main()
    except (ValueError, OSError, FloatingPointError) as error:
        sys.exit(f"pretrain.py: {error}")
