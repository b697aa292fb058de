"""How processes train one model together: what each reads, how they exchange gradients."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import ConcatDataset, DataLoader, Dataset, DistributedSampler, Subset

from shared.gpt import GPTModel
from shared.kit.shard_manifest import shards_of
from shared.shards import open_token_shards


@dataclass(frozen=True)
class Place:
    """Which of the processes this is, and the device that it has for itself."""

    rank: int
    world_size: int
    device: torch.device


def number_from_torchrun(name: str, absent: int) -> int:
    """A number that torchrun hands to each process. Raises ValueError if it is none."""
    text = os.environ.get(name, str(absent))
    if not text.isdecimal():
        raise ValueError(
            f"the environment has {name}={text!r}, which should be a number: start with torchrun, "
            f"which sets it, or take it out (unset {name})"
        )
    return int(text)


def join_processes() -> Place:
    """Meet the processes that torchrun has started, alone without it: NCCL on GPUs, else gloo.

    Raises ValueError if the numbers from torchrun do not fit together.
    """
    cuda = torch.cuda.is_available()
    device = torch.device("cpu")
    rank = number_from_torchrun("RANK", 0)
    world_size = number_from_torchrun("WORLD_SIZE", 1)
    local_rank = number_from_torchrun("LOCAL_RANK", 0)
    if rank >= world_size:
        raise ValueError(
            f"the environment has RANK={rank} and WORLD_SIZE={world_size}, but ranks count from 0: "
            "start with torchrun, which sets both"
        )
    if cuda:
        if local_rank >= torch.cuda.device_count():
            raise ValueError(
                f"process {local_rank} of this machine has no GPU, there are "
                f"{torch.cuda.device_count()}: give torchrun a smaller --nproc_per_node"
            )
        device = torch.device("cuda", local_rank)
        torch.cuda.set_device(device)
        torch.set_float32_matmul_precision("high")
    if "RANK" not in os.environ:
        return Place(0, 1, device)
    dist.init_process_group("nccl" if cuda else "gloo")
    return Place(dist.get_rank(), dist.get_world_size(), device)


def leave_processes(code: int) -> None:
    """End a process that torchrun has started, once all are done, with this exit code.

    Alone, do nothing.

    The process ends without Python's own clearing up: while that runs, a thread of gloo may let go
    of its last tensor, and the process would crash with its work done (PyTorch issue 190489).
    """
    if not dist.is_initialized():
        return
    dist.barrier()  # a process that leaves early breaks off its connections to the others
    dist.destroy_process_group()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def open_windows(folder: Path, context: int, global_batch: int) -> tuple[Subset, ConcatDataset]:
    """Training windows for whole steps, and the last shard's windows for validation.

    Raises ValueError for too little data, or for a set that is not what its manifest says.
    """
    paths = shards_of(folder)
    if len(paths) < 2:
        raise ValueError(
            f"{folder} holds {len(paths)} shards, but two are needed, the last for validation: "
            "use --make-shards with a smaller --tokens-a-shard"
        )
    windows = open_token_shards(paths[:-1], context)
    steps = len(windows) // global_batch
    if steps == 0:
        raise ValueError(
            f"{len(windows)} windows do not make one step of --global-batch {global_batch}"
        )
    whole_steps = Subset(windows, range(steps * global_batch))  # for any number of processes
    return whole_steps, open_token_shards(paths[-1:], context)


def build_loaders(
    windows: Dataset, val_windows: Dataset, batch_size: int, seed: int, place: Place
) -> tuple[DataLoader, DataLoader]:
    """This process's share of the training windows, shuffled by the seed; all others in order."""
    sampler = DistributedSampler(windows, place.world_size, place.rank, seed=seed)
    pinned = place.device.type == "cuda"

    def load(dataset: Dataset, sampler: DistributedSampler | None = None) -> DataLoader:
        generator = torch.Generator()
        return DataLoader(
            dataset, batch_size, sampler=sampler, pin_memory=pinned, generator=generator
        )

    return load(windows, sampler), load(val_windows)


def in_bfloat16(module: nn.Module, device: torch.device) -> None:
    """Let a module compute in bfloat16 where that is safe; weights and outputs stay float32."""
    forward = module.forward

    def mixed(*inputs: Any) -> torch.Tensor:
        with torch.autocast(device.type, torch.bfloat16):
            outputs = forward(*inputs)
        return outputs.float()

    module.forward = mixed


def shard(model: GPTModel, place: Place, bfloat16: bool) -> None:
    """Spread each block's weights over the devices (FSDP).

    Raises ValueError if torchrun has started no processes.
    """
    if not dist.is_initialized():
        raise ValueError("--fsdp shards over processes: start with torchrun, see --help")
    policy = MixedPrecisionPolicy()
    if bfloat16:
        policy = MixedPrecisionPolicy(
            torch.bfloat16, reduce_dtype=torch.float32, output_dtype=torch.float32
        )
    mesh = dist.init_device_mesh(place.device.type, (place.world_size,))
    for part in (*model.trf_blocks, model):  # the root last: it takes what is left
        fully_shard(part, mesh=mesh, mp_policy=policy)


def exchange_gradients_once_a_step(
    model: nn.Module, set_exchange: Callable[[bool], None], accumulation_steps: int
) -> None:
    """Let the processes exchange gradients only after the last micro-batch of a step."""
    forwards = 0

    def count_forward(module: nn.Module, inputs: Any) -> None:
        nonlocal forwards
        forwards += module.training
        set_exchange(forwards % accumulation_steps == 0)

    model.register_forward_pre_hook(count_forward)


def distribute(
    model: GPTModel, place: Place, accumulation_steps: int, fsdp: bool, bfloat16: bool
) -> nn.Module:
    """The model as all processes train it together: sharded (FSDP), or replicated (DDP)."""
    if fsdp:
        shard(model, place, bfloat16)
        sync = model.set_requires_gradient_sync
        exchange_gradients_once_a_step(model, sync, accumulation_steps)
        return model
    if bfloat16:
        in_bfloat16(model, place.device)
    if place.world_size == 1:
        return model
    on_gpu = place.device.type == "cuda"
    replica = DistributedDataParallel(model, [place.device] if on_gpu else None)

    def set_exchange(exchange: bool) -> None:
        replica.require_backward_grad_sync = exchange

    exchange_gradients_once_a_step(replica, set_exchange, accumulation_steps)
    return replica


def build_optimizer(model: nn.Module, lr: float, weight_decay: float) -> torch.optim.AdamW:
    """AdamW that pulls matrices to 0, not biases and norms.

    Source: Brown et al. 2020, appendix B (betas, decay).
    """
    matrices = [weight for weight in model.parameters() if weight.dim() >= 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    groups = [
        # the schedule notes the initial rate, so a checkpoint has it
        {"params": matrices, "weight_decay": weight_decay, "initial_lr": lr},
        {"params": others, "weight_decay": 0.0, "initial_lr": lr},
    ]
    return torch.optim.AdamW(groups, lr=lr, betas=(0.9, 0.95), fused=True)
