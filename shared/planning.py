"""What a training will cost, before it starts.

Written from 04_pretraining/07_scaling_out: change it there.
"""

from dataclasses import dataclass

from shared.counting import activation_bytes, count_parameters, flops_per_token, training_bytes
from shared.gpt import GPTConfig


@dataclass(frozen=True)
class Hardware:
    """Devices of one kind. `utilisation` is the share of the peak speed that a training reaches."""

    devices: int
    tflops: float  # peak of one device, in 10**12 operations a second
    utilisation: float = 0.4
    dollars_an_hour: float = 0.0  # for one device
    sharded: bool = False  # FSDP: each device holds a part of weights, gradients, AdamW's averages
    mixed: bool = False  # bfloat16 where it is safe: nearly half the bytes of activations


def accumulation_for(global_batch: int, batch_size: int, devices: int) -> int:
    """Micro-batches of each device for one step; ValueError if they do not come out even."""
    if min(global_batch, batch_size, devices) < 1 or global_batch % (batch_size * devices):
        raise ValueError(f"global_batch={global_batch} must be a multiple of "
                         f"batch_size={batch_size} times devices={devices}: choose a smaller "
                         "batch_size or another number of devices")
    return global_batch // (batch_size * devices)


def device_gigabytes(cfg: GPTConfig, batch_size: int, hardware: Hardware) -> dict[str, float]:
    """Memory that one device needs, in 10**9 bytes, by what it holds."""
    sizes = training_bytes(cfg, batch_size, cfg.context_length)
    if hardware.mixed:
        sizes["activations"] = activation_bytes(cfg, batch_size, cfg.context_length, bytes_each=2)
    parts = {name: size / 1e9 for name, size in sizes.items()}
    if hardware.sharded:
        for name in ("weights", "gradients", "AdamW"):
            parts[name] /= hardware.devices
    return parts


def plan_training(cfg: GPTConfig, tokens: float, global_batch: int, batch_size: int,
                  hardware: Hardware) -> dict[str, float]:
    """Parameters, steps, operations, hours, dollars and memory of a training on `tokens` tokens."""
    micro_batches = accumulation_for(global_batch, batch_size, hardware.devices)
    tokens_a_step = global_batch * cfg.context_length
    # one forward pass, and a backward pass of twice its operations
    operations = 3 * flops_per_token(cfg, cfg.context_length) * tokens
    speed = hardware.devices * hardware.tflops * 1e12 * hardware.utilisation
    hours = operations / speed / 3600
    return {
        "parameters": sum(count_parameters(cfg).values()),
        "tokens": tokens,
        "tokens a step": tokens_a_step,
        "steps": tokens / tokens_a_step,
        "micro-batches a step and device": micro_batches,
        "operations": operations,
        "tokens a second": speed * tokens / operations,
        "hours": hours,
        "dollars": hours * hardware.devices * hardware.dollars_an_hour,
        "GB a device": sum(device_gigabytes(cfg, batch_size, hardware).values()),
    }


# Written by `python -m shared.kit.course copy`: 720b64a6de12
