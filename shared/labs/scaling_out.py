"""The lab of 04_pretraining/07_scaling_out: what a training holds, takes and costs."""

from collections.abc import Mapping
from dataclasses import replace

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from shared.gpt2_weights import GPT2_SIZES
from shared.kit.plots import BLUE, GREEN, ORANGE, PINK, RED
from shared.planning import Hardware, device_gigabytes, plan_training

# peak in 10**12 operations a second (GPUs: bfloat16), memory in GB, dollars an hour (rounded list
# prices of 2024)
DEVICES = {
    "laptop CPU": (0.1, 16, 0.0),
    "A100 80 GB": (312, 80, 1.75),
    "H100 80 GB": (989, 80, 3.50),
}
GLOBAL_BATCH = 512  # sequences a step, about half a million tokens


def draw_plan(
    size: str,
    device: str,
    devices: int,
    billion_tokens: float,
    utilisation_percent: float,
    batch_size: int,
    sharded: bool,
    mixed: bool,
) -> tuple[Figure, str]:
    """What one device holds, against its memory; and steps, hours and dollars as a table."""
    tflops, capacity, dollars = DEVICES[device]
    cfg = replace(GPT2_SIZES[size], drop_rate=0.0)  # as large runs are trained
    hardware = Hardware(devices, tflops, utilisation_percent / 100, dollars, sharded, mixed)
    plan = plan_training(cfg, billion_tokens * 1e9, GLOBAL_BATCH, batch_size, hardware)
    return memory_figure(device_gigabytes(cfg, batch_size, hardware), capacity), plan_table(plan)


def memory_figure(parts: Mapping[str, float], capacity: float) -> Figure:
    """What one device holds, in GB by part, as one bar against its memory."""
    figure, ax = plt.subplots(figsize=(6.5, 2.2))
    left = 0.0
    for (name, gigabytes), colour in zip(parts.items(), (BLUE, ORANGE, GREEN, PINK)):
        ax.barh([0], [gigabytes], left=left, color=colour, label=f"{name} {gigabytes:.1f}")
        left += gigabytes
    fits = left <= capacity
    ax.axvline(capacity, color=RED, linestyle="--", label=f"memory {capacity}")
    ax.set(
        xlabel="GB on one device",
        yticks=[],
        xlim=(0, 1.1 * max(left, capacity)),
        title=f"{left:.1f} of {capacity} GB: {'fits' if fits else 'does not fit'}",
    )
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.35), ncol=3, frameon=False)
    return figure


def plan_table(plan: Mapping[str, float]) -> str:
    """Steps, time and price of a plan as an HTML table."""
    hours = plan["hours"]
    rows = (
        ("steps of 512 sequences", f"{plan['steps']:,.0f}"),
        ("micro-batches a step on each device", f"{plan['micro-batches a step and device']}"),
        ("operations", f"{plan['operations']:.2e}"),
        ("tokens a second", f"{plan['tokens a second']:,.0f}"),
        ("time", f"{hours:,.1f} hours" if hours < 1000 else f"{hours / 8766:,.1f} years"),
        ("price in 2024, estimated", f"{plan['dollars']:,.0f} dollars"),
    )
    lines = [f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows]
    return f"<table>{''.join(lines)}</table>"
