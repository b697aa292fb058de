"""A LlamaModel as a folder of Hugging Face.

Written from 05_instruction_finetuning/11_take_it_away: change it there.
"""

import re
from pathlib import Path
from typing import Any

import tokenizers
from safetensors.torch import save_file
from torch import Tensor, nn

from shared.bpe import GPT2_PATTERN
from shared.folders import new_folder, write_json
from shared.gguf_weights import SMOLLM_PATTERN
from shared.llama import LlamaModel
from shared.lora import lora_layers
from shared.tokenizer import BPETokenizer
from shared.vocabulary import visible_bytes

LLAMA_PARTS = {
    # ours: theirs; {} is the number of the block
    "tok_emb": "model.embed_tokens",
    "trf_blocks.{}.norm1": "model.layers.{}.input_layernorm",
    "trf_blocks.{}.att.W_query": "model.layers.{}.self_attn.q_proj",
    "trf_blocks.{}.att.W_key": "model.layers.{}.self_attn.k_proj",
    "trf_blocks.{}.att.W_value": "model.layers.{}.self_attn.v_proj",
    "trf_blocks.{}.att.out_proj": "model.layers.{}.self_attn.o_proj",
    "trf_blocks.{}.norm2": "model.layers.{}.post_attention_layernorm",
    "trf_blocks.{}.ff.gate": "model.layers.{}.mlp.gate_proj",
    "trf_blocks.{}.ff.up": "model.layers.{}.mlp.up_proj",
    "trf_blocks.{}.ff.down": "model.layers.{}.mlp.down_proj",
    "final_norm": "model.norm",
    "out_head": "lm_head",
}


def hugging_face_name(part: str) -> str:
    """The name of a part of ours in transformers' Llama: "tok_emb" -> "model.embed_tokens".

    Raises ValueError for a part that it has not.
    """
    number = re.search(r"\d+", part)
    pattern = re.sub(r"\d+", "{}", part, count=1)
    if pattern not in LLAMA_PARTS:
        raise ValueError(f"transformers' Llama has no part like {part!r}, only like "
                         f"{sorted(LLAMA_PARTS)}: is this a LlamaModel?")
    return LLAMA_PARTS[pattern].format(number[0] if number else "")


PATTERN_NAMES = {GPT2_PATTERN: "gpt-2", SMOLLM_PATTERN: "smollm"}  # how others call them


def check_export(model: nn.Module, tokenizer: BPETokenizer) -> None:
    """Raise ValueError, with the remedy, for a model or tokenizer that would not arrive whole."""
    if not isinstance(model, LlamaModel):
        raise ValueError(f"a {type(model).__name__} cannot leave as a Llama: export a LlamaModel; "
                         "a GPTModel leaves through save_gpt2")
    if lora_layers(model):
        raise ValueError(f"{len(lora_layers(model))} layers have an adapter, which would be lost: "
                         "merge it first, or save it alone with save_for_peft")
    for name, weight in model.named_parameters():
        if not weight.isfinite().all():
            raise ValueError(f"{name} holds numbers that are not finite: export a model from "
                             "before its training failed")
    if model.cfg.vocab_size != tokenizer.n_vocab:
        raise ValueError(f"the model has {model.cfg.vocab_size} tokens, the tokenizer "
                         f"{tokenizer.n_vocab}: take the tokenizer that the model learned with")
    if tokenizer.eot_token is None:
        raise ValueError(f"the vocabulary has no token {tokenizer.form.end_token!r}, so no answer "
                         "would ever end: give it a form whose end_token it has")
    if tokenizer.form.pattern not in PATTERN_NAMES:
        raise ValueError(f"other programs have no name for the pattern {tokenizer.form.pattern!r}: "
                         "use GPT2_PATTERN or SMOLLM_PATTERN")


def head_is_tied(model: LlamaModel) -> bool:
    """Whether head and token table are one matrix; merging an adapter of the head parts them."""
    return model.out_head.weight is model.tok_emb.weight


def hugging_face_llama(model: LlamaModel) -> dict[str, Tensor]:
    """The weights under the names of transformers' Llama; a tied head has none of its own."""
    weights = {}
    for name, weight in model.state_dict().items():
        part, _, _ = name.rpartition(".")  # without ".weight" or ".scale"
        if part != "out_head" or not head_is_tied(model):
            weights[f"{hugging_face_name(part)}.weight"] = weight.cpu().contiguous()
    return weights


def hugging_face_config(model: LlamaModel, end_id: int) -> dict[str, Any]:
    """The content of config.json."""
    cfg = model.cfg
    return {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float32",
        "vocab_size": cfg.vocab_size, "max_position_embeddings": cfg.context_length,
        "hidden_size": cfg.emb_dim, "head_dim": cfg.emb_dim // cfg.n_heads,
        "num_attention_heads": cfg.n_heads, "num_key_value_heads": cfg.n_kv_heads,
        "num_hidden_layers": cfg.n_layers, "intermediate_size": cfg.hidden_dim,
        "rope_theta": cfg.rope_base,
        "rope_parameters": {"rope_type": "default", "rope_theta": cfg.rope_base},
        "rms_norm_eps": cfg.norm_eps, "tie_word_embeddings": head_is_tied(model),
        "hidden_act": "silu", "attention_bias": False, "mlp_bias": False,
        "bos_token_id": None, "eos_token_id": end_id, "pad_token_id": None,
    }


def visible_tokens(tokenizer: BPETokenizer) -> list[str]:
    """All tokens by id, each byte as a visible character. Raises ValueError if two are alike."""
    name_of = {byte: character for character, byte in visible_bytes().items()}
    names = ["".join(name_of[byte] for byte in token) for token in tokenizer.token_bytes]
    for name, token_id in tokenizer.special_tokens.items():
        names[token_id] = name
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two tokens are written {twice!r}, and other programs know tokens by "
                         "their text: train the vocabulary without one of them")
    return names


def fast_tokenizer(tokenizer: BPETokenizer) -> tokenizers.Tokenizer:
    """The same tokenizer as an object of the package `tokenizers`, which writes tokenizer.json."""
    names = visible_tokens(tokenizer)
    vocabulary = {name: token_id for token_id, name in enumerate(names)}
    merges = [(names[a], names[b]) for a, b in tokenizer.merges]
    fast = tokenizers.Tokenizer(tokenizers.models.BPE(vocab=vocabulary, merges=merges))
    steps = [tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)]  # with GPT-2's pattern
    if tokenizer.form.pattern == SMOLLM_PATTERN:
        steps.insert(0, tokenizers.pre_tokenizers.Digits(individual_digits=True))
    fast.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(steps)
    fast.decoder = tokenizers.decoders.ByteLevel()
    fast.add_special_tokens([tokenizers.AddedToken(name, normalized=False, special=True)
                             for name in tokenizer.special_tokens])
    return fast


def model_card(name: str, base: str, licence: str, data: str, changes: str) -> str:
    """The text of README.md: what the model is made of, and under which licence it may be used.

    Raises ValueError for a part that is left blank.
    """
    parts = {"name": name, "base": base, "licence": licence, "data": data, "changes": changes}
    for part, text in parts.items():
        if not text.strip():
            raise ValueError(f"{part} is blank: who takes the model must know it; if there is "
                             "nothing to say, say so in words")
    return (f"---\nlicense: {licence}\nbase_model: {base}\n---\n\n# {name}\n\n"
            f"Made from {base}, which its authors published under the licence {licence}.\n\n"
            f"**Changed:** {changes}\n\n**Data:** {data}\n")


def save_llama(model: LlamaModel, tokenizer: BPETokenizer, folder: str | Path, card: str,
               chat_template: str = "") -> None:
    """Write model and tokenizer as a folder of Hugging Face, all of it or nothing.

    `card` becomes README.md. Raises ValueError for what would not arrive whole, FileExistsError
    for a folder that is not empty.
    """
    check_export(model, tokenizer)
    end = tokenizer.eot_token
    words = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": tokenizer.form.end_token,
             "model_max_length": model.cfg.context_length, "clean_up_tokenization_spaces": False}
    if chat_template:
        words["chat_template"] = chat_template

    def fill(part: Path) -> None:
        save_file(hugging_face_llama(model), part / "model.safetensors", metadata={"format": "pt"})
        write_json(part / "config.json", hugging_face_config(model, end))
        write_json(part / "generation_config.json", {"eos_token_id": end, "do_sample": False})
        fast_tokenizer(tokenizer).save(str(part / "tokenizer.json"))
        write_json(part / "tokenizer_config.json", words)
        (part / "README.md").write_text(card, encoding="utf-8")

    new_folder(folder, fill)


# Written by `python -m shared.kit.course copy`: d6e626478b0b
