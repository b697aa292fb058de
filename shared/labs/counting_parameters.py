"""The lab of 03_gpt/03_counting_parameters: what a GPT of a given size costs."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from shared.counting import activation_bytes, count_parameters, flops_per_token, kv_cache_bytes
from shared.gpt import GPTConfig
from shared.kit.plots import BLUE, ORANGE, PINK, SKY

NIGHT = 8 * 3600  # seconds
# bytes a parameter: to run; to train: weights, gradients, AdamW (0: cannot be trained); and bytes a
# number among the activations
PRECISIONS = {
    "float32": (4, (4, 4, 8), 4),
    "bfloat16, mixed": (2, (4, 4, 8), 2),
    "int8, to run only": (1, (0, 0, 0), 0),
}


def memory_bars(cfg: GPTConfig, precision: str, batch: int) -> dict[str, list[float]]:
    """GB to run and to train, by part: {"weights": [run, train], ...}."""
    run, train, activation = PRECISIONS[precision]
    n = sum(count_parameters(cfg).values()) / 1e9
    activations = 0.0
    if activation:
        activations = activation_bytes(cfg, batch, cfg.context_length, activation) / 1e9
    return {
        "weights": [n * run, n * train[0]],
        "gradients": [0, n * train[1]],
        "AdamW": [0, n * train[2]],
        "activations": [0, activations],
    }


def draw_calculator(
    layers: int,
    heads: int,
    head_width: int,
    context: int,
    vocabulary: int,
    tied: bool,
    bias: bool,
    dropout: bool,
    precision: str,
    batch: int,
    cpu: float,
) -> tuple[Figure, str]:
    """A GPT's parameters and memory as bars; its operations and speed; cpu in GFLOP/s."""
    cfg = GPTConfig(
        vocabulary,
        context,
        heads * head_width,
        heads,
        layers,
        drop_rate=0.1 if dropout else 0.0,
        qkv_bias=bias,
        tie_weights=tied,
    )
    figure = size_figure(cfg, memory_bars(cfg, precision, batch))
    cache = cache_bytes(cfg, precision, batch)
    return figure, calculator_table(cfg, cpu, cache)


def size_figure(cfg: GPTConfig, memory: Mapping[str, Sequence[float]]) -> Figure:
    """Parameters by part, and the GB of `memory_bars`, as bars."""
    parts = count_parameters(cfg)
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 2.8), gridspec_kw={"wspace": 0.25})
    bars = left.barh(list(parts), [n / 1e6 for n in parts.values()], color=BLUE)
    left.bar_label(bars, [f" {n / 1e6:,.1f}" for n in parts.values()])
    left.margins(x=0.2)
    left.invert_yaxis()
    left.set(
        xlabel="parameters (million)",
        title=f"width {cfg.emb_dim:,}: {sum(parts.values()):,} parameters",
    )
    start = [0.0, 0.0]
    for (part, sizes), colour in zip(memory.items(), (BLUE, SKY, ORANGE, PINK)):
        right.barh(["to run", "to train"], sizes, left=start, color=colour, label=part)
        start = [a + b for a, b in zip(start, sizes)]
    right.invert_yaxis()
    right.set(xlabel="memory (GB)", title=f"{start[0]:,.2f} GB to run, {start[1]:,.2f} GB to train")
    right.legend(
        ncols=4, loc="upper center", bbox_to_anchor=(0.4, -0.25), frameon=False, fontsize=8
    )
    return figure


def cache_bytes(cfg: GPTConfig, precision: str, batch: int) -> int:
    """Keys and values of a batch of full contexts; never in int8, which is for weights alone."""
    each = max(2, PRECISIONS[precision][0])
    head_dim = cfg.emb_dim // cfg.n_heads
    return kv_cache_bytes(
        cfg.n_layers, cfg.n_heads, head_dim, cfg.context_length, batch, bytes_each=each
    )


def calculator_table(cfg: GPTConfig, cpu: float, cache: int) -> str:
    """A GPT's parameters as a tree, what its training takes and what its writing keeps, in HTML."""
    forward = flops_per_token(cfg, cfg.context_length)
    per_second = cpu * 1e9 / (3 * forward)
    rows = (
        ("operations a token, forward and backward", f"{3 * forward / 1e9:,.2f} GFLOP"),
        (f"training on a CPU of {cpu:,.0f} GFLOP/s", f"at most {per_second:,.0f} tokens a second"),
        ("in a night of eight hours", f"at most {per_second * NIGHT / 1e6:,.1f} million tokens"),
        ("keys and values of the batch, while it writes", f"{cache / 1e6:,.1f} MB"),
    )
    table = "".join(f"<tr><td>{name}</td><td>{value}</td></tr>" for name, value in rows)
    both = f"{parameter_tree(cfg)}<table>{table}</table>"
    return f'<div style="display:flex;flex-wrap:wrap;gap:2em">{both}</div>'


def parameter_tree(cfg: GPTConfig) -> str:
    """The parameters of a GPTModel as a tree of its modules, in HTML."""
    parts = count_parameters(cfg)
    L = cfg.n_layers
    final_norm = 2 * cfg.emb_dim
    att = parts["attention"] // L
    ff = parts["feed-forward"] // L
    norms = (parts["layer norms"] - final_norm) // L
    rows = (
        ("GPTModel", sum(parts.values())),
        ("├─ tok_emb", parts["token embedding"]),
        ("├─ pos_emb", parts["position embedding"]),
        (f"├─ trf_blocks: {L} x", att + ff + norms),
        ("│  ├─ att", att),
        ("│  ├─ ff", ff),
        ("│  └─ norm1, norm2", norms),
        ("├─ final_norm", final_norm),
        ("└─ out_head" + (" (= tok_emb)" if cfg.tie_weights else ""), parts["output head"]),
    )
    lines = "\n".join(f"{name:24}{number:>16,}" for name, number in rows)
    return f'<pre style="line-height:1.3;margin:0">{lines}</pre>'
