"""What a GPT costs: parameters, memory, operations.

Written from 03_gpt/03_counting_parameters: change it there.
"""

from shared.gpt import GPTConfig


def count_parameters(cfg: GPTConfig) -> dict[str, int]:
    """Parameters of a GPTModel's parts, by arithmetic; their sum is the model's."""
    V = cfg.vocab_size
    C = cfg.context_length
    D = cfg.emb_dim
    L = cfg.n_layers
    qkv = 3 * D * D
    if cfg.qkv_bias:
        qkv += 3 * D
    out_proj = D * D + D
    output_head = V * D
    if cfg.tie_weights:
        output_head = 0  # it is the token table
    return {
        "token embedding": V * D,
        "position embedding": C * D,
        "attention": L * (qkv + out_proj),
        "feed-forward": L * (2 * 4 * D * D + 4 * D + D),  # two matrices and their biases
        "layer norms": L * 4 * D + 2 * D,  # a scale and a shift each: two a block, one at the end
        "output head": output_head,
    }


def activation_bytes(cfg: GPTConfig, B: int, T: int, bytes_each: int = 4) -> int:
    """Bytes that a training pass over (B, T) tokens keeps for its backward pass.

    Small ones are left out. `bytes_each` is the size of a number, 2 in mixed precision; the loss
    keeps its own in float32 all the same.
    """
    BTD = B * T * cfg.emb_dim  # numbers in one tensor (B, T, D)
    norms = 4 * BTD  # input and output of a block's two layer norms
    attention = 4 * BTD  # queries, keys, values, and attention's output
    feed_forward = 8 * BTD  # four times as wide, before and after GELU
    block = norms + attention + feed_forward
    ends = 2 * BTD  # input and output of the last layer norm
    if cfg.drop_rate > 0:
        block += 2 * BTD  # the masks of two dropouts
        block += 3 * B * cfg.n_heads * T * T  # weights after softmax, their mask, after dropout
        ends += BTD  # the mask of the embeddings' dropout
    log_probs = 4 * B * T * cfg.vocab_size  # inside the loss, always float32
    return bytes_each * (cfg.n_layers * block + ends) + log_probs


def training_bytes(cfg: GPTConfig, B: int, T: int) -> dict[str, int]:
    """Bytes that training in float32 with AdamW holds, on batches of (B, T) tokens."""
    weights = 4 * sum(count_parameters(cfg).values())
    return {"weights": weights, "gradients": weights, "AdamW": 2 * weights,
            "activations": activation_bytes(cfg, B, T)}


def kv_cache_bytes(n_layers: int, n_kv_heads: int, head_dim: int, tokens: int, batch: int = 1,
                   bytes_each: int = 4) -> int:
    """Bytes of the keys and values of so many tokens in each of `batch` texts.

    Raises ValueError for a number below 1.
    """
    numbers = {"n_layers": n_layers, "n_kv_heads": n_kv_heads, "head_dim": head_dim,
               "tokens": tokens, "batch": batch, "bytes_each": bytes_each}
    for name, number in numbers.items():
        if number < 1:
            raise ValueError(f"{name}={number} must be at least 1")
    return 2 * n_layers * n_kv_heads * head_dim * tokens * batch * bytes_each


def flops_per_token(cfg: GPTConfig, T: int) -> int:
    """Floating-point operations for each of T tokens in a forward pass; backward takes twice."""
    D = cfg.emb_dim
    block = 4 * D * D + 8 * D * D  # attention's four matrices, the feed-forward network's two
    output_head = D * cfg.vocab_size
    attention = 2 * T * D  # products for the scores and for the mix of values
    return 2 * (cfg.n_layers * (block + attention) + output_head)  # multiply and add


# Written by `python -m shared.kit.course copy`: 5f66ef661c05
