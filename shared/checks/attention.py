"""The exercises of chapter 2."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks import Exercise

AVERAGING, QUERIES = "02_attention/01_averaging_the_past", "02_attention/02_queries_keys_values"
CAUSAL, MULTI = "02_attention/03_causal_attention", "02_attention/04_multi_head"


def draw(*shape: int, seed: int = 0) -> Tensor:
    """Random numbers of a shape, the same on every call."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def wrong_form(result: Any, shape: tuple[int, ...], what: str = "the result") -> str | None:
    """What is wrong with the type, shape or finiteness of a result, if anything."""
    if not isinstance(result, Tensor):
        return f"{what} must be a tensor, not {type(result).__name__}"
    if tuple(result.shape) != shape:
        return f"{what} has shape {tuple(result.shape)}, expected {shape}"
    if result.isnan().any():
        return f"{what} holds NaN: is there a row in which everything is masked, or a division by zero?"
    return None


def near(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.float(), b.float(), atol=1e-4)


def leak_hint(function: Callable[[Tensor], Tensor], x: Tensor) -> str | None:
    """A hint if changing token t of x, (B, T, D), moves an output before t."""
    before = function(x)
    for t in range(1, x.size(1)):
        changed = x.clone()
        changed[:, t] = draw(x.size(0), x.size(2), seed=99)
        if not near(function(changed)[:, :t], before[:, :t]):
            return f"the future leaks: changing token {t} moves outputs before it. Mask before the softmax, with -inf"
    return None


def future(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).triu(1)


def judge_causal_mean_by_hand(answer: Any) -> str | None:
    rows = torch.as_tensor(answer, dtype=torch.float)
    right = torch.tensor([[2.0, 0], [3, 3], [2, 3], [2, 3]])
    if hint := wrong_form(rows, (4, 2), "your list"):
        return hint
    if near(rows, right[-1].expand(4, 2)):
        return "every row is the mean of all four tokens: a row may use only the tokens up to itself"
    if near(rows, torch.tensor([[2.0, 0], [6, 6], [6, 9], [8, 12]])):
        return "these are the running sums: divide row t by the number of tokens it has seen, t + 1"
    wrong = [t for t in range(4) if not near(rows[t], right[t])]
    return f"row {wrong[0]} is not the mean of tokens 0 to {wrong[0]}" if wrong else None


def judge_decay_scores(answer: Callable) -> str | None:
    for T in (3, 6):
        scores = answer(T)
        if hint := wrong_form(scores, (T, T), "the scores"):
            return hint
        weights = scores.softmax(dim=-1)
        if (weights.triu(1) > 0).any():
            return "some weight lies on the future: fill everything above the diagonal with -inf"
        ratio = weights[-1, 1] / weights[-1, 0]
        if abs(ratio - 2) > 1e-3:
            return (f"each token should weigh twice as much as the one before it, yours weighs {ratio:.2f} times as "
                    "much. Softmax takes exponentials: which score doubles a weight?")
        if not near(weights, torch.tensor(2.0).pow(torch.arange(T)).expand(T, T).tril()
                    / (2.0 ** torch.arange(1, T + 1) - 1).unsqueeze(1)):
            return "the last row begins well, but another row or step does not halve"
    return None


def judge_causal_mean(answer: Callable) -> str | None:
    for shape in ((2, 5, 3), (1, 1, 4), (3, 9, 1)):
        x = draw(*shape)
        y = answer(x)
        if hint := wrong_form(y, shape) or leak_hint(answer, x):
            return hint
        if not near(y[:, 0], x[:, 0]):
            return "the first output must be the first token itself: it has seen nothing else"
        if not near(answer(torch.ones(shape)), torch.ones(shape)):
            return "the mean of equal tokens must be that token: divide by the tokens seen so far, 1, 2, 3, ..."
        if not near(y[:, -1], x.mean(dim=1)):
            return "the last output must be the mean of all tokens"
    return None


def judge_scaled_scores(answer: Any) -> str | None:
    scores = torch.as_tensor(answer, dtype=torch.float)
    if hint := wrong_form(scores, (3,), "your list"):
        return hint
    if near(scores, torch.tensor([2.0, 4, 0])):
        return "these are the dot products; they are not scaled yet"
    if near(scores, torch.tensor([0.5, 1, 0])):
        return "you divided by the width 4: divide by its square root"
    if near(scores, torch.tensor([1.0, 2, 0]).softmax(dim=0)):
        return "these are the weights after softmax: the question asks for the scaled scores before it"
    return None if near(scores, torch.tensor([1.0, 2, 0])) else "work out q.k for each key, then divide by sqrt(4)"


def judge_previous_token(answer: Any) -> str | None:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        return "give two matrices as a tuple: (W_q, W_k)"
    for W, name in zip(answer, ("W_q", "W_k")):
        if hint := wrong_form(W, (6, 6), name):
            return hint
    W_q, W_k = (W.float() for W in answer)
    weights = (W_q @ W_k.T / 6**0.5).softmax(dim=-1)  # (T, T): x is the identity
    before = weights.diagonal(-1)
    if (before > 0.9).all():
        return None
    if (weights.diagonal()[1:] > before).all():
        return "the tokens look at themselves: the key of token s must fit the query of token s + 1"
    if (weights.diagonal(1)[1:] > before[:-1]).all():
        return "the tokens look at the one after them: the shift goes the other way"
    if (weights[1:].argmax(dim=-1) == torch.arange(5)).all():
        return f"the right tokens, but too softly: the least weight is {before.min():.2f}. Make the scores larger"
    return "row t of the weights should have its largest entry at t - 1"


def judge_attend(answer: Callable) -> str | None:
    for B, T, S, K, D in ((2, 5, 5, 4, 4), (1, 3, 7, 16, 2), (3, 1, 4, 64, 5)):
        q, k, v = draw(B, T, K, seed=1), draw(B, S, K, seed=2), draw(B, S, D, seed=3)
        out = answer(q, k, v)
        if hint := wrong_form(out, (B, T, D)):
            return hint
        if not near(answer(q, k, torch.ones(B, S, D)), torch.ones(B, T, D)):
            return "values that are all 1 must give 1: the weights of each query must sum to one over the keys"
        order = torch.arange(S).flip(0)
        if not near(answer(q, k[:, order], v[:, order]), out):
            return "shuffling keys and values together must change nothing: does a key still meet its own value?"
        if near(out, F.scaled_dot_product_attention(q, k, v, scale=1.0)):
            return "the scores are not divided by the square root of the width K"
        if not near(out, F.scaled_dot_product_attention(q, k, v)):
            return "the numbers differ from softmax(q k' / sqrt(K)) v: which size do you divide by?"
    return None


def judge_window_mask(answer: Any) -> str | None:
    if hint := wrong_form(answer, (5, 5), "the mask"):
        return hint
    everything = torch.ones(5, 5, dtype=torch.bool)
    right, mask = everything.triu(1) | everything.tril(-3), answer.bool()
    if mask.equal(right):
        return None
    if mask.equal(~right):
        return "the mask is inverted: True must mark what is hidden"
    if mask.diagonal().any():
        return "the diagonal is hidden, but every token sees itself"
    if not mask[future(5)].all():
        return "part of the future is visible: everything above the diagonal must be True"
    return f"row 4 hides {int(mask[4].sum())} tokens; it sees itself and the two before it, so it must hide 2"


def judge_who_leaks(answer: Any) -> str | None:
    letters = {str(letter).strip().upper() for letter in answer}
    if not letters <= set("ABCD"):
        return "give a set of letters from A to D"
    if "B" in letters:
        return "B does not leak: exp(-1e9) is zero in floating point, so it is as good as -inf"
    if "D" in letters:
        return "D does not leak: its second division cancels the denominator that had seen the future"
    if "A" not in letters:
        return "A: softmax divides by the exponentials of the future too. Is that undone afterwards?"
    if "C" not in letters:
        return "C: over which dimension does it normalise? Who shares the denominator?"
    return None


def judge_causal_forward(answer: Callable) -> str | None:
    for B, T, D, K in ((2, 6, 8, 8), (1, 9, 12, 4), (3, 1, 5, 7)):
        x, (W_q, W_k, W_v) = draw(B, T, D, seed=1), (draw(D, K, seed=s) for s in (2, 3, 4))
        out = answer(x, W_q, W_k, W_v)
        if hint := wrong_form(out, (B, T, K)) or leak_hint(lambda x, W=(W_q, W_k, W_v): answer(x, *W), x):
            return hint
        same = x[:, :1].expand(-1, T, -1)
        if not near(answer(same, W_q, W_k, W_v), same @ W_v):
            return "equal tokens must give their own value: the weights of each row must sum to one"
        q, k, v = x @ W_q, x @ W_k, x @ W_v
        if near(out, F.scaled_dot_product_attention(q, k, v, is_causal=True)):
            continue
        if near(out, F.scaled_dot_product_attention(q, k, v, is_causal=True, scale=1.0)):
            return "causal, but not scaled: divide the scores by the square root of K"
        if near(out, F.scaled_dot_product_attention(k, q, v, is_causal=True)):
            return "queries and keys are swapped: rows belong to the token that looks"
        return "causal, with rows that sum to one, but the numbers differ from softmax(q k' / sqrt(K)) v"
    return None


def judge_count_parameters(answer: Any) -> str | None:
    count, D = int(answer), 1600
    if count == 4 * D**2:
        return "the four matrices are counted, the biases are not"
    if count == 4 * D**2 + D:
        return "only out_proj's biases are counted: queries, keys and values have biases too"
    if count in (25 * 4 * (D**2 + D), 25 * 4 * D**2):
        return "the heads share out the width: 25 heads do not multiply anything"
    return None if count == 4 * D**2 + 4 * D else "count four matrices of D x D and four biases of D"


def judge_split_and_merge(answer: Any) -> str | None:
    if not isinstance(answer, (tuple, list)) or len(answer) != 2:
        return "give two functions as a tuple: (my_split, my_merge)"
    split, merge = answer
    for B, H, T, K in ((2, 3, 5, 4), (1, 2, 2, 2), (3, 1, 4, 6)):
        x = draw(B, T, H * K)
        heads = split(x, H)
        if hint := wrong_form(heads, (B, H, T, K), "the split"):
            return hint
        if not near(heads, torch.stack(x.split(K, dim=-1), dim=1)):
            return "right shape, but tokens are mixed: head h of token t holds numbers h*K to h*K + K - 1 of token t"
        whole = merge(heads)
        if hint := wrong_form(whole, (B, T, H * K), "the merged tensor"):
            return hint
        if not near(whole, x):
            return "merging what was split must give the same tensor back: is there a transpose before the reshape?"
    return None


def judge_multi_head_forward(answer: Callable) -> str | None:
    for B, T, H, K in ((2, 5, 3, 4), (1, 7, 2, 8), (3, 1, 4, 2)):
        D = H * K
        x, W = draw(B, T, D, seed=1), [draw(D, D, seed=s) / D**0.5 for s in (2, 3, 4, 5)]
        out = answer(x, *W, H)
        if hint := wrong_form(out, (B, T, D)) or leak_hint(lambda x, W=W, H=H: answer(x, *W, H), x):
            return hint
        q, k, v = (x @ w for w in W[:3])

        def reference(heads: int, scale: float | None = None, out: bool = True, qkv: tuple = (q, k, v), W: list = W):
            cut = [part.unflatten(-1, (heads, -1)).transpose(1, 2) for part in qkv]
            mixed = F.scaled_dot_product_attention(*cut, is_causal=True, scale=scale).transpose(1, 2).flatten(2)
            return mixed @ W[3] if out else mixed

        if near(out, reference(H)):
            continue
        if near(out, reference(H, out=False)):
            return "the last product, with W_out, is missing"
        if near(out, reference(1)):
            return "this is one wide head: cut queries, keys and values into num_heads before the scores"
        if near(out, reference(H, scale=D**-0.5)):
            return "the scores are divided by the root of D: each head is only K = D / num_heads wide"
        if near(out, reference(H, scale=1.0)):
            return "the scores are not scaled: divide them by the square root of K"
        return "causal and of the right shape, but the numbers differ: are the heads split and merged right?"
    return None


def judge_grouped(answer: Callable) -> str | None:
    for B, H, G, T, K in ((2, 4, 2, 5, 4), (1, 6, 3, 4, 2), (2, 3, 1, 6, 8), (1, 2, 2, 3, 4)):
        q, k, v = draw(B, H, T, K, seed=1), draw(B, G, T, K, seed=2), draw(B, G, T, K, seed=3)
        out = answer(q, k, v)
        if hint := wrong_form(out, (B, H, T, K)):
            return hint
        every, tiled = (torch.arange(H) // (H // G), torch.arange(H) % G)
        if near(out, F.scaled_dot_product_attention(q, k[:, every], v[:, every], is_causal=True)):
            continue
        if near(out, F.scaled_dot_product_attention(q, k[:, tiled], v[:, tiled], is_causal=True)):
            return "query heads take turns, 0, 1, 0, 1: the first H / G of them must share head 0"
        if near(out, F.scaled_dot_product_attention(q, k[:, every], v[:, every])):
            return "the right groups, but the future leaks: is_causal=True is missing"
        return "each group of H / G query heads must attend, causally, with its own head of keys and values"
    return None


EXERCISES = {
    "causal_mean_by_hand": Exercise(AVERAGING, judge_causal_mean_by_hand, ("Row 1 is ((2 + 4) / 2, (0 + 6) / 2).",)),
    "decay_scores": Exercise(AVERAGING, judge_decay_scores, ("exp(ln 2) = 2, so each step adds ln 2 to the score.",)),
    "causal_mean": Exercise(AVERAGING, judge_causal_mean, ("x.cumsum(dim=1) adds up along the tokens.",)),
    "scaled_scores": Exercise(QUERIES, judge_scaled_scores, ("The first dot product is 2*1 + 0*3 + 1*0 + 1*0 = 2.",)),
    "previous_token": Exercise(QUERIES, judge_previous_token, ("Row s of W_k is the key of token s.",)),
    "attend": Exercise(QUERIES, judge_attend, ("q @ k.transpose(-2, -1), scale, softmax over the last dimension.",)),
    "window_mask": Exercise(CAUSAL, judge_window_mask, ("triu(1) is the future; tril(-3) is three or more back.",)),
    "who_leaks": Exercise(CAUSAL, judge_who_leaks, (
        "Change the whole last row and column of the scores: which earlier rows of weights move?",)),
    "causal_forward": Exercise(CAUSAL, judge_causal_forward, ("masked_fill(mask, -torch.inf) before the softmax.",)),
    "count_parameters": Exercise(MULTI, judge_count_parameters, ("nn.Linear(D, D) has D * D + D parameters.",)),
    "split_and_merge": Exercise(MULTI, judge_split_and_merge, ("view to (B, T, H, K) first, then transpose.",)),
    "multi_head_forward": Exercise(MULTI, judge_multi_head_forward, ("Project, split, attend, merge, project.",)),
    "grouped": Exercise(MULTI, judge_grouped, ("repeat_interleave repeats each head as often as you say.",)),
}
