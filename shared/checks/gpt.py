"""The exercises of chapter 3: what is right, and a hint for what is wrong."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.generation import generate_text_simple, stream_tokens
from shared.gpt import GPTConfig, GPTModel

BLOCK, MODEL = "03_gpt/01_transformer_block", "03_gpt/02_gpt_model"
COUNTING, GENERATING = "03_gpt/03_counting_parameters", "03_gpt/04_generating_text"


def compare_number(answer: Any, right: float, wrong: dict[float, str]) -> str | None:
    """None if the answer is the number, else the hint for a known wrong number or that it is too large or small."""
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return f"expected one number, not {type(answer).__name__}"
    if math.isclose(answer, right, rel_tol=1e-3 if isinstance(right, float) else 1e-12):
        return None
    for number, hint in wrong.items():
        if math.isclose(answer, number, rel_tol=1e-6):
            return hint
    return f"{answer:,} is too {'large' if answer > right else 'small'}"


def judge_row(answer: Any) -> str | None:
    values = torch.as_tensor(answer, dtype=torch.float32).flatten()
    if values.numel() != 4:
        return f"expected four numbers, not {values.numel()}"
    row = torch.tensor([2.0, 4.0, 4.0, 6.0])
    centred = row - row.mean()
    if torch.allclose(values, centred / math.sqrt(2), atol=0.01):
        return None
    if torch.allclose(values, centred / row.std(), atol=0.01):
        return "you divided the squares by n - 1 = 3; GPT-2's variance divides them by n = 4"
    if torch.allclose(values, centred / 2, atol=0.01):
        return "you divided by the variance; divide by its square root"
    if abs(values.mean()) > 0.01:
        return "the mean of your numbers is not 0: subtract the mean, 4, first"
    return "the mean is 0 now, but the variance is not 1"


def judge_feed_forward(answer: Any) -> str | None:
    D = 1024
    return compare_number(answer, 8 * D * D + 5 * D, {
        8 * D * D: "these are the two matrices; each layer has a bias as well",
        4 * D * D + 4 * D: "this is the first layer only; there is one back to the width 1024",
        8 * 768 * 768 + 5 * 768: "this is the count for width 768; GPT-2 medium has width 1024",
        2 * D * D + 2 * D: "the inner layer is four times as wide: 4096",
    })


def judge_rms_norm(answer: Callable[[Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for shape in ((7,), (3, 8), (2, 5, 16)):
        x = 3 * torch.randn(shape, generator=generator) + 1
        original = x.clone()
        out = answer(x)
        if not torch.equal(x, original):
            return "your function changed its input in place; compute a new tensor"
        if not isinstance(out, Tensor) or out.shape != x.shape:
            return f"for an input of shape {shape} the result must be a tensor of that shape"
        if torch.allclose(out.mean(dim=-1), torch.zeros(shape[:-1]), atol=1e-4):
            return "the mean of each token became 0: RMSNorm subtracts nothing (that was layer normalisation)"
        square = out.square().mean(dim=-1)
        if len(shape) > 1 and torch.allclose(out.square().mean(), torch.ones(()), atol=1e-3) \
                and not torch.allclose(square, torch.ones_like(square), atol=1e-3):
            return "the mean square is 1 over all tokens together; take it over the last dimension, dim=-1"
        if torch.allclose(square * shape[-1], torch.ones_like(square), atol=1e-3):
            return "each token has length 1: take the mean of the squares, not their sum"
        if not torch.allclose(square, torch.ones_like(square), atol=1e-3):
            return f"the mean square of a token is {square.flatten()[0]:.3f} and should be 1"
    zeros = answer(torch.zeros(2, 4))
    if not zeros.isfinite().all():
        return "a token of zeros gave nan: add eps = 1e-5 below the root"
    return None


def judge_logits_shape(answer: Any) -> str | None:
    answer = tuple(answer)
    if answer == (3, 20, 1000):
        return None
    if len(answer) != 3:
        return f"logits have three dimensions, batch, tokens and vocabulary, not {len(answer)}"
    return {
        (3, 20, 64): "64 is the width inside the model; the head turns it into one score for each token it knows",
        (3, 128, 1000): "the model does not fill the context up: as many positions come out as tokens went in",
        (20, 3, 1000): "the batch comes first, then the tokens",
    }.get(answer, "the order is batch, tokens, vocabulary")


def judge_first_loss(answer: Any) -> str | None:
    if isinstance(answer, (int, float)) and abs(answer - (math.log(1000) + 0.125)) < 0.006:
        return None
    return compare_number(answer, math.log(1000) + 0.125, {
        round(math.log(1000), 2): "this is ln V, for logits that are all equal; add half the squared spread",
        math.log(1000): "this is ln V, for logits that are all equal; add half the squared spread",
        math.log(1000) + 0.25: "the squared spread counts half",
        math.log(1000) + 0.5: "square the spread, then halve it",
        round(math.log10(1000) + 0.125, 3): "take the natural logarithm: a nat belongs to e, not to 10",
        round(math.log2(1000) + 0.125, 2): "take the natural logarithm: a nat belongs to e, not to 2",
    })


def judge_own_forward(answer: Callable[[GPTModel, Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for n_layers in (1, 3):
        cfg = GPTConfig(vocab_size=17, context_length=8, emb_dim=12, n_heads=3, n_layers=n_layers, drop_rate=0.0)
        model = GPTModel(cfg).eval()
        idx = torch.randint(17, (2, 5), generator=generator)  # (B, T)
        with torch.no_grad():
            right, out = model(idx), answer(model, idx)  # (B, T, V)
            if not isinstance(out, Tensor) or out.shape != right.shape:
                shape = tuple(out.shape) if isinstance(out, Tensor) else type(out).__name__
                return f"for ids of shape (2, 5) the result must have shape (2, 5, 17), not {shape}"
            if not torch.allclose(out, right, atol=1e-5):
                return explain_forward(model, idx, out)
    return None


def explain_forward(model: GPTModel, idx: Tensor, out: Tensor) -> str:
    """Which step a forward pass left out."""
    def run(positions: bool = True, n_blocks: int | None = None, norm: bool = True) -> Tensor:
        x = model.tok_emb(idx)  # (B, T, D)
        if positions:
            x = x + model.pos_emb(torch.arange(idx.shape[1]))  # (B, T, D)
        for block in model.trf_blocks[:n_blocks]:
            x = block(x)  # (B, T, D)
        return model.out_head(model.final_norm(x) if norm else x)  # (B, T, V)

    for hint, left_out in (
        ("the positions are missing: add pos_emb of 0, 1, 2 ... to the token embeddings", run(positions=False)),
        ("the final_norm before the head is missing", run(norm=False)),
        ("the blocks are missing", run(n_blocks=0)),
        ("only the first block ran: each block takes the output of the one before", run(n_blocks=1)),
        ("these are probabilities: return the logits, without a softmax", run().softmax(dim=-1)),
    ):
        if torch.allclose(out, left_out, atol=1e-5):
            return hint
    return "the shape is right, but the numbers are not the model's: compare your steps with section 1"


def judge_medium_block(answer: Any) -> str | None:
    D = 1024
    return compare_number(answer, 12 * D * D + 13 * D, {
        12 * D * D + 10 * D: "queries, keys and values have biases here: 3 x 1024 are missing",
        12 * D * D + 9 * D: "the layer norms are missing: two, each with a scale and a shift",
        12 * D * D: "these are the matrices; add the biases and the layer norms",
        12 * D * D + 11 * D: "each of the two layer norms has a scale and a shift",
        12 * 768 * 768 + 13 * 768: "this is the count for width 768; GPT-2 medium has width 1024",
        24 * (12 * D * D + 13 * D): "this is all 24 blocks; the question is for one",
    })


def judge_xl_bytes(answer: Any) -> str | None:
    n = 1.5576112
    if isinstance(answer, (int, float)) and abs(answer - 16 * n) < 0.06:
        return None
    for bytes_each, hint in ((4, "these are the weights alone"), (8, "AdamW's averages are missing"),
                             (12, "AdamW keeps two averages for each parameter")):
        if isinstance(answer, (int, float)) and abs(answer - bytes_each * n) < 0.06:
            return hint
    return compare_number(answer, 16 * n, {16 * n * 1e9: "divide by 10**9 for gigabytes"})


def judge_swiglu(answer: Callable[[int], int]) -> str | None:
    for D in (3, 64, 100, 768, 1024, 4096):
        h = answer(D)
        if h == 8 * D // 3 and not isinstance(h, float):
            continue
        if h == 4 * D:
            return f"with h = 4 D = {h} three matrices have half as many weights again as our two"
        if h == 8 * D / 3 or isinstance(h, float):
            return f"h must be a whole number, but for D={D} your function gave {h!r}: round down with //"
        if h == -(-8 * D // 3):
            return f"for D={D} you rounded up; round down"
        return f"for D={D} you gave h={h}: then the three have {3 * D * h:,} weights, ours {8 * D * D:,}"
    return None


def judge_cache_bytes(answer: Any) -> str | None:
    right = 2 * 48 * 1600 * 1024 * 4
    return compare_number(answer, right, {
        right // 2: "both keys and values are kept",
        right // 4: "these are numbers; a float32 takes 4 bytes",
        right // 48: "this is one layer; each of the 48 has a cache of its own",
        right * 25: "the 25 heads share the width of 1600; they do not multiply it",
        right // 1024: "this is one token; the text has 1024",
    })


def judge_token_passes(answer: Any) -> str | None:
    without, cached = answer
    if (without, cached) == (85, 13):
        return None
    if (without, cached) == (13, 85):
        return "the order is: without a cache, with a cache"
    if without != 85:
        return {
            99: "you counted one step too many: the first reads 4 tokens, the tenth reads 13",
            95: "the first step reads 4 tokens, before anything was written, and the tenth reads 13",
            140: "the text grows: the first step reads 4 tokens, the tenth 13",
            40: "without a cache each step reads the new tokens too, not only the prompt",
        }.get(without, f"without a cache it is not {without}: add what each of the ten steps reads")
    return {
        14: "the last token is written but never read",
        10: "the prompt must be read too, once",
        9: "the prompt must be read too, once",
    }.get(cached, f"with a cache it is not {cached}: each token is read once, but for the last")


def judge_own_generate(answer: Callable[[GPTModel, Tensor, int, int, int], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for seed, length in ((0, 3), (1, 3), (2, 12), (3, 12)):
        torch.manual_seed(seed)
        model = GPTModel(GPTConfig(vocab_size=23, context_length=8, emb_dim=16, n_heads=2, n_layers=1)).eval()
        idx = torch.randint(23, (1, length), generator=generator)  # (1, T)
        plain = generate_text_simple(model, idx, 12, 8)  # (1, T + 12)
        for eos_id in (plain[0, length + 4].item(), plain[0, length].item(), 999):
            right = torch.cat([idx, *stream_tokens(model, idx, 12, 8, eos_id=eos_id)], dim=1)
            out = answer(model, idx, 12, 8, eos_id)
            if not isinstance(out, Tensor) or out.dim() != 2 or out.shape[0] != 1:
                return "return the ids as a tensor of shape (1, T)"
            if not torch.equal(out, right):
                return explain_generated(idx, out, right, plain, eos_id)
    return None


def explain_generated(idx: Tensor, out: Tensor, right: Tensor, plain: Tensor, eos_id: int) -> str:
    """What a generated text, (1, T), has that the right one has not."""
    if torch.equal(out, plain):
        return "your function does not stop when the model writes eos_id"
    if out.size(1) == right.size(1) + 1 and torch.equal(out[:, :-1], right) and out[0, -1] == eos_id:
        return "the text ends with eos_id: stop before it is appended"
    if torch.equal(out, right[:, idx.size(1):]):
        return "the prompt is missing: return it together with what was written"
    if out.size(1) == right.size(1) - 1:
        return "your function writes one token too few"
    if torch.equal(out[:, :9], right[:, :9]) and right.size(1) > 9:  # the first eight tokens are one context
        return "a text longer than the context goes wrong: read the last context_size tokens, idx[:, -context_size:]"
    return "the tokens differ from greedy ones: take the argmax of the logits at the last position"


EXERCISES = {
    "normalised_row": Exercise(BLOCK, judge_row, (
        "the mean is 4; write down the four distances from it",
        "the variance is the mean of the squared distances; divide the distances by its root")),
    "feed_forward_parameters": Exercise(BLOCK, judge_feed_forward, (
        "the layers are 1024 -> 4096 and 4096 -> 1024",
        "nn.Linear(m, n) has m * n weights and n biases")),
    "rms_norm": Exercise(BLOCK, judge_rms_norm, (
        "x.square().mean(dim=-1, keepdim=True) is the mean square of each token",)),
    "logits_shape": Exercise(MODEL, judge_logits_shape, ("one row of scores for each position of each sequence",)),
    "first_loss": Exercise(MODEL, judge_first_loss, ("ln V + s**2 / 2, with math.log for the natural logarithm",)),
    "own_forward": Exercise(MODEL, judge_own_forward, (
        "start with model.tok_emb(idx) + model.pos_emb(torch.arange(idx.shape[1]))",
        "end with model.out_head(model.final_norm(x))")),
    "medium_block": Exercise(COUNTING, judge_medium_block, (
        "attention: four matrices of D x D, each with a bias of D", "the sum is 12 D**2 + 13 D")),
    "xl_training_bytes": Exercise(COUNTING, judge_xl_bytes, ("4 + 4 + 8 bytes a parameter",)),
    "swiglu_width": Exercise(COUNTING, judge_swiglu, ("solve 3 * D * h = 8 * D * D for h",)),
    "cache_bytes": Exercise(GENERATING, judge_cache_bytes, ("2 x layers x width x tokens x bytes a number",)),
    "token_passes": Exercise(GENERATING, judge_token_passes, (
        "without a cache the steps read 4, 5, ... tokens: ten steps in all",)),
    "own_generate": Exercise(GENERATING, judge_own_generate, (
        "start from generate_text_simple; look at the new token before torch.cat",)),
}
