"""The exercises of 05_instruction_finetuning/08_finetune_a_real_model."""

from collections.abc import Callable

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, near, plain, wrong_number, wrong_type
from shared.llama import LlamaConfig, LlamaModel
from shared.lora import adapter_weights, apply_lora, count_trainable, set_adapter


def llama(emb_dim: int, n_heads: int, n_kv_heads: int, n_layers: int) -> LlamaConfig:
    """A configuration with a small vocabulary."""
    return LlamaConfig(
        vocab_size=11,
        context_length=8,
        emb_dim=emb_dim,
        n_heads=n_heads,
        n_kv_heads=n_kv_heads,
        n_layers=n_layers,
        hidden_dim=3 * emb_dim,
    )


@asks_for_function
def judge_adapter_size(answer: Callable[[LlamaConfig, int], int]) -> str | None:
    for cfg, rank in ((llama(24, 6, 2, 3), 2), (llama(48, 4, 1, 2), 5), (llama(16, 2, 2, 4), 3)):
        model = LlamaModel(cfg)
        apply_lora(model, ("W_query", "W_value"), rank, alpha=1)
        right, _ = count_trainable(model)
        D, layers = cfg.emb_dim, cfg.n_layers
        values = D // cfg.n_heads * cfg.n_kv_heads  # their width
        slips = {
            layers * rank * 4 * D: "values are narrower than queries: they have n_kv_heads heads, "
            "each of width emb_dim / n_heads",
            layers * rank * (3 * D + cfg.n_kv_heads): "the values' width is n_kv_heads heads "
            "times the width of a head, emb_dim / n_heads",
            rank * (3 * D + values): "that is one block; there are cfg.n_layers",
            layers * rank * 2 * D: "that is A alone; B has (d_out, r) numbers",
            layers * rank * (D + values): "that is B alone; A has (r, d_in) numbers",
            layers
            * rank
            * 2
            * (D + values): "values go from emb_dim to their width: the two sides "
            "of their matrices differ",
            layers * D * (D + values): "that is what full finetuning of these matrices trains; "
            "LoRA trains A and B only",
        }
        how = "blocks, times rank, times the sides of both matrices"
        if hint := wrong_number(answer(cfg, rank), right, slips, how=how):
            return hint
    return None


RECORDS = [
    ("Where do fish live?", "", "In water."),
    ("Name the opposite.", "hot", "cold"),
    (" where do fish LIVE? ", "", "On trees."),
    ("Name the opposite.", "up", "down"),
    ("Name the opposite.", "hot", "cold"),
    ("Where do fish live?", "", "In water."),
    ("Name the opposite.", "Hot ", "warm"),
]
RIGHT_PAIRS = [(0, 2), (1, 6), (2, 5), (4, 6)]


def as_records(rows: list[tuple[str, str, str]]) -> list[dict[str, str]]:
    """Rows as records."""
    return [dict(zip(("instruction", "input", "output"), row, strict=True)) for row in rows]


@asks_for_function
def judge_contradictions(answer: Callable[[list[dict[str, str]]], list]) -> str | None:
    records = as_records(RECORDS)
    kept = as_records(RECORDS)
    found = answer(records)
    if records != kept:
        return "your function changed the records: compare copies of the texts"
    if hint := wrong_type(found, (list, tuple, set), "a list of pairs (i, j)"):
        return hint
    pairs = [tuple(pair) if isinstance(pair, (list, tuple)) else pair for pair in found]
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        return "each entry must be a pair (i, j) of positions"
    given = {tuple(plain(i) for i in pair) for pair in pairs}
    if any(not isinstance(i, int) for pair in given for i in pair):
        return "each entry must be a pair (i, j) of positions, whole numbers from 0"
    if any(i >= j for i, j in given):
        return "each pair is named once, with i < j"
    missing = [pair for pair in RIGHT_PAIRS if pair not in given]
    for i, j in sorted(given - set(RIGHT_PAIRS)):
        if not (0 <= i < len(RECORDS) and j < len(RECORDS)):
            return f"there is no record {j}: positions count from 0"
        if RECORDS[i][2] == RECORDS[j][2]:
            return f"({i}, {j}) have the same output: that is a repetition, no contradiction"
        if RECORDS[i][1].strip().lower() != RECORDS[j][1].strip().lower():
            return f"({i}, {j}) have different inputs, so they are different questions"
        return f"({i}, {j}) are different questions"
    if not missing:
        again = answer(as_records(RECORDS[:2]))
        return None if len(again) == 0 else "records without a contradiction give an empty list"
    i, j = missing[0]
    return (
        f"({i}, {j}) is missing: {RECORDS[i]} and {RECORDS[j]}. Capitals and outer spaces do not "
        "count, and the two need not be neighbours"
    )


@asks_for_function
def judge_with_strength(
    answer: Callable[[dict[str, Tensor], float], dict[str, Tensor]],
) -> str | None:
    torch.manual_seed(7)
    model = LlamaModel(llama(24, 6, 2, 2)).eval()
    apply_lora(model, ("W_query", "W_value"), rank=3, alpha=6)
    weights = {name: torch.randn(w.shape) for name, w in adapter_weights(model).items()}
    kept = {name: weight.clone() for name, weight in weights.items()}
    changes = products(kept)
    for strength in (0.5, 0.0, 2.0):
        scaled = answer(weights, strength)
        if any(not torch.equal(weights[name], kept[name]) for name in kept):
            return "your function changed the matrices that it was given: make new ones"
        if not isinstance(scaled, dict) or set(scaled) != set(kept):
            return "it must return a dictionary with the same names, A and B of every layer"
        if not all(isinstance(weight, Tensor) for weight in scaled.values()):
            return "each value must be a tensor"
        if {n: w.shape for n, w in scaled.items()} != {n: w.shape for n, w in kept.items()}:
            return "the shapes must stay as they are"
        set_adapter(model, scaled)
        for name, product in products(scaled).items():
            if near(product, strength * changes[name]):
                continue
            if near(product, strength**2 * changes[name]):
                return f"A and B both grew, so B A counts {strength**2:g} times, not {strength:g}"
            if near(product, changes[name]):
                return f"the change of {name} is what it was: scale it as well"
            return f"the change B A of {name} must count {strength:g} times"
    return None


def products(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """B A of each layer."""
    names = [name.removesuffix(".A") for name in weights if name.endswith(".A")]
    return {name: weights[f"{name}.B"] @ weights[f"{name}.A"] for name in names}


EXERCISES = {
    "adapter_size": Exercise(
        judge_adapter_size,
        "A matrix of (d_out, d_in) gets A with r x d_in numbers and B with d_out x r.",
        "The queries' matrix is (D, D); the values' has n_kv_heads * D / n_heads rows.",
    ),
    "contradictions": Exercise(
        judge_contradictions, "Two loops: over all j, and for each over all i before it."
    ),
    "with_strength": Exercise(
        judge_with_strength,
        "The change is B A times a constant. What happens to it if B alone is multiplied?",
    ),
}
