"""What a GPT of a given size costs: parameters, memory, operations.

Written from 03_gpt/03_counting_parameters: change it there.
"""

from shared.gpt import GPTConfig


def count_parameters(cfg: GPTConfig) -> dict[str, int]:
    """Parameters of a GPTModel's parts, by arithmetic; their sum is the model's."""
    V, C, D, L = cfg.vocab_size, cfg.context_length, cfg.emb_dim, cfg.n_layers
    return {
        "token embedding": V * D,
        "position embedding": C * D,
        "attention": L * (3 * (D * D + D * cfg.qkv_bias) + D * D + D),
        "feed-forward": L * (2 * 4 * D * D + 4 * D + D),
        "layer norms": L * 4 * D + 2 * D,
        "output head": 0 if cfg.tie_weights else V * D,
    }


def activation_bytes(cfg: GPTConfig, B: int, T: int, bytes_each: int = 4) -> int:
    """Bytes that a training pass over (B, T) tokens keeps for its backward pass, small ones left out.

    `bytes_each` is the size of a number, 2 in mixed precision; the loss keeps its own in float32 all the same.
    """
    BTD, dropout = B * T * cfg.emb_dim, cfg.drop_rate > 0
    block = 18 * BTD + 3 * B * cfg.n_heads * T * T if dropout else 16 * BTD
    ends = (3 if dropout else 2) * BTD
    return bytes_each * (cfg.n_layers * block + ends) + 4 * B * T * cfg.vocab_size


def training_bytes(cfg: GPTConfig, B: int, T: int) -> dict[str, int]:
    """Bytes that training in float32 with AdamW holds, on batches of (B, T) tokens."""
    weights = 4 * sum(count_parameters(cfg).values())
    return {"weights": weights, "gradients": weights, "AdamW": 2 * weights,
            "activations": activation_bytes(cfg, B, T)}


def flops_per_token(cfg: GPTConfig, T: int) -> int:
    """Floating-point operations of a forward pass over T tokens, for each token; backward takes twice as many."""
    D = cfg.emb_dim
    weights = cfg.n_layers * 12 * D * D + D * cfg.vocab_size  # all matrices that a token is multiplied with
    return 2 * (weights + cfg.n_layers * 2 * T * D)


# Written by `python -m shared.kit.course copy`: 279749610fb1
