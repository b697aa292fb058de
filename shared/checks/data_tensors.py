"""The judges of 03_dataloader and 04_embeddings."""

import random
import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks.data_text import wrong_number

# 03_dataloader


def judge_count_windows(answer: Any) -> str | None:
    return wrong_number(answer, 30, {
        29: "29 misses the window that starts at token 0: the last start divided by the stride, and one more",
        31: "31 is one too many: does the last window, with its target, still fit?",
        936: "936 is the number for stride 1: here a window starts every 32 tokens",
        15: "15 is the number for windows that do not overlap; here the stride is 32",
    })


def judge_count_batches(count: Callable[[int, int, int, int, bool], int]) -> str | None:
    rng = random.Random(0)
    examples = [(10, 4, 4, 1, True), (9, 4, 4, 1, True), (5, 4, 1, 3, True), (5, 4, 1, 3, False)]
    for _ in range(500):
        context = rng.randint(1, 12)
        n, drop_last = context + rng.randint(1, 60), rng.random() < 0.5
        examples.append((n, context, rng.randint(1, 9), rng.randint(1, 7), drop_last))
    for n, T, stride, B, drop_last in examples:
        starts = sum(start + T + 1 <= n for start in range(0, n, stride))
        right = starts // B if drop_last else -(-starts // B)
        found = count(n, T, stride, B, drop_last)
        case = f"{n} tokens, context {T}, stride {stride}, batch size {B}, drop_last={drop_last}"
        if not isinstance(found, int):
            return f"{case}: the number of batches is a whole number, not {found!r}"
        if found == right:
            continue
        if drop_last and found == -(-starts // B):
            return f"{case}: {right}, not {found}: with drop_last a last batch that is not full does not count"
        if not drop_last and found == starts // B:
            return f"{case}: {right}, not {found}: without drop_last a last batch counts even if it is not full"
        no_target = (n - T) // stride + 1
        if found == (no_target // B if drop_last else -(-no_target // B)):
            return f"{case}: {right}, not {found}: a window needs one token more, for its last target"
        if not drop_last and starts % B == 0 and found == right + 1:
            return f"{case}: {right}, not {found}: {starts} windows fill {right} batches, and none is left for one more"
        return f"{case}: {right}, not {found}"
    return None


def judge_windows(windows: Callable[[list[int], int, int], Iterable]) -> str | None:
    rng = random.Random(0)
    for _ in range(200):
        T, stride = rng.randint(1, 6), rng.randint(1, 6)
        ids = [rng.randrange(100) for _ in range(T + rng.randint(1, 20))]
        right = [(ids[i : i + T], ids[i + 1 : i + T + 1]) for i in range(0, len(ids) - T, stride)]
        answer = windows(list(ids), T, stride)
        if not isinstance(answer, Iterable):
            return f"it must return a list of pairs (input, target), not {type(answer).__name__}"
        answer = list(answer)
        for pair in answer:
            if not isinstance(pair, (list, tuple)) or len(pair) != 2 or isinstance(pair[0], int):
                return f"the answer is one list of pairs (input, target), one pair a window, but holds {pair!r}"
            if not all(isinstance(part, (list, tuple)) for part in pair):
                return f"input and target are each a list of {T} ids, but a pair came back as {pair!r}"
        found = [(list(x), list(y)) for x, y in answer]
        if found != right:
            return f"{len(ids)} tokens, context {T}, stride {stride}: {wrong_windows(found, right, T)}"
    return None


def wrong_windows(found: list[tuple[list, list]], right: list[tuple[list, list]], T: int) -> str:
    """What is wrong with the windows that came back."""
    if found and all(x == y for x, y in found):
        return "the targets are the inputs: shift them by one token"
    for i, ((x, y), (inputs, targets)) in enumerate(zip(found, right)):
        if (x, y) == (targets, inputs):
            return f"in window {i} input and target have changed places: the input is {inputs}"
        if x == inputs and y[:1] != targets[:1]:
            return f"in window {i} the input is {x}: the target must be {targets}, beginning one token later, not {y}"
        if (len(x), len(y)) != (T, T):
            return f"window {i} has {len(x)} inputs and {len(y)} targets: both must have {T}"
    if any((len(x), len(y)) != (T, T) for x, y in found):
        return f"the last window is cut short: input and target must both have {T} tokens"
    if len(found) != len(right):
        return f"the number of windows that fit is {len(right)}, but {len(found)} came back"
    i = next(i for i in range(len(right)) if found[i] != right[i])
    return f"window {i} must be {right[i]}, not {found[i]}"


# 04_embeddings


def judge_embedding_parameters(answer: Any) -> str | None:
    return wrong_number(answer, 50_257 * 768 + 1_024 * 768, {
        50_257 * 768: "that is the token table alone: the positions have a table too",
        50_257 * 768 * 1_024: "the tables are added, not multiplied: each is rows times columns",
        50_257 * 768 + 1_024: "a position has a whole vector of 768 numbers, not one number",
    })


def wrong_tensor(found: Any, right: Tensor) -> str | None:
    """What is wrong with the type or the shape of a result, if anything."""
    if not isinstance(found, Tensor):
        return f"the result must be a tensor, not {type(found).__name__}"
    if found.shape != right.shape:
        return f"the result has shape {tuple(found.shape)}, expected {tuple(right.shape)}"
    return None


def judge_one_hot_lookup(lookup: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(0)
    for B, T, V, D in ((1, 1, 2, 3), (2, 5, 7, 3), (3, 4, 4, 4)):
        ids = torch.randint(V, (B, T), generator=generator)  # (B, T)
        weight = torch.randn(V, D, generator=generator)  # (V, D)
        found, right = lookup(ids, weight), weight[ids]  # (B, T, D)
        if isinstance(found, Tensor) and found.shape == (B, T, V) and V != D:
            return f"the result has shape {tuple(found.shape)}: these are the one-hot rows; multiply them by the table"
        if hint := wrong_tensor(found, right):
            return hint
        if not torch.allclose(found, right):
            if V == D and torch.allclose(found, F.one_hot(ids, V).float() @ weight.T):
                return "the table was transposed: a one-hot row times the table (V, D) picks a row"
            return f"ids {ids[0].tolist()} do not give the rows {ids[0].tolist()} of the table"
    weight = torch.tensor([[1.0, 2.0], [torch.nan, torch.nan]])  # (V, D): 0 times nan is nan, so a product shows it
    if not lookup(torch.zeros(1, 2, dtype=torch.long), weight).isnan().all():
        return "the rows are right, but they were picked by index: here they come from one-hot rows times the table"
    return None


def judge_embed_tokens(embed: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(0)
    token_table, pos_table = torch.randn(11, 4, generator=generator), torch.randn(6, 4, generator=generator)
    for B, T in ((1, 1), (2, 4), (4, 4), (3, 6)):
        ids = torch.randint(11, (B, T), generator=generator)  # (B, T)
        tokens, positions = token_table[ids], pos_table[:T]  # (B, T, D), (T, D)
        found = embed(ids, token_table, pos_table)
        if hint := wrong_tensor(found, tokens):
            return hint
        if torch.allclose(found, tokens + positions):
            continue
        if torch.allclose(found, tokens):
            return "the position vectors are missing: row t of pos_table is added at position t"
        if B == T and torch.allclose(found, tokens + positions.unsqueeze(1)):
            return "the positions were added along the batch: all tokens of row b got the vector of position b"
        return f"for ids of shape {(B, T)} the result is not the token vector plus the vector of its position"
    try:
        embed(torch.zeros(1, 7, dtype=torch.long), token_table, pos_table)
    except ValueError as error:
        named = {"7", "6"} <= set(re.findall(r"\d+", str(error)))
        return None if named else f"7 tokens, 6 positions: the message must name both numbers, but is {str(error)!r}"
    except Exception as error:
        return f"7 tokens with a table of 6 positions should raise ValueError, but raised {type(error).__name__}"
    return "7 tokens do not fit into a table of 6 positions: raise ValueError and name both numbers"
