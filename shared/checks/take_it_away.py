"""The exercises of 05_instruction_finetuning/11_take_it_away."""

from collections.abc import Callable
from typing import Any

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, kind, wrong_list, wrong_number

NAMES = {
    "model.layers.7.mlp.up_proj.weight": "trf_blocks.7.ff.up.weight",
    "model.layers.0.self_attn.o_proj.weight": "trf_blocks.0.att.out_proj.weight",
    "model.layers.12.input_layernorm.weight": "trf_blocks.12.norm1.scale",
    "model.layers.3.post_attention_layernorm.weight": "trf_blocks.3.norm2.scale",
    "model.norm.weight": "final_norm.scale",
    "model.embed_tokens.weight": "tok_emb.weight",
    "lm_head.weight": "out_head.weight",
}


def judge_steps(answer: Any) -> str | None:
    if hint := wrong_list(answer, (4,)):
        return hint
    found = [float(step) for step in answer]
    slips = {
        (-8.0, 3.0, 0.0, 15.0): "the smallest number becomes 0: subtract the minimum first",
        (-5.0, 2.0, 0.0, 10.0): "the smallest number becomes 0: subtract the minimum first",
        (0.0, 7.0, 5.0, 16.0): "16 does not fit into half a byte: the steps run from 0 to 15",
        (0.0, 1.4, 1.0, 3.0): "divide by the scale too: a step is (largest - smallest) / 15",
    }
    if hint := slips.get(tuple(found)):
        return hint
    if found == [0, 7, 5, 15]:
        return None
    if any(step != int(step) for step in found):
        return "steps are whole numbers: round (number - smallest) / scale"
    if min(found) < 0 or max(found) > 15:
        return "four bits hold 0 to 15: the smallest number becomes 0, the largest 15"
    return (
        "each step is (number - smallest) / scale, rounded, with scale = (largest - smallest) / 15"
    )


def judge_file_bytes(answer: Any) -> str | None:
    matrices, table, norms = 968_000 // 32 * 20, 1_000 * 34, 2_000 * 4
    slips = {
        1_000_000 // 32 * 20 + norms: "that packs the token table in Q4_1 too; it stays in Q8_0, "
        "34 bytes a block",
        1_000_000 // 32 * 20 + table + norms: "the token table is counted twice: it is part of "
        "the 1,000,000",
        matrices + table: "the norms are missing: 4 bytes each",
        matrices + table + 2_000: "a number of a norm is a float32: 4 bytes",
        1_002_000 // 2: "half a byte a number forgets scale and minimum of each block",
        968_000 // 2 + 32_000 + norms: "each block also has its scale (and minimum): 20 and 34 "
        "bytes for 32 numbers",
    }
    how = "20 bytes a block of Q4_1, 34 of Q8_0, 4 a number of a norm"
    return wrong_number(answer, matrices + table + norms, slips, how=how)


@asks_for_function
def judge_our_name(answer: Callable[[str], str]) -> str | None:
    for theirs, ours in NAMES.items():
        found = answer(theirs)
        if not isinstance(found, str):
            return f"it must return a name, this is {kind(found)}"
        if found == ours:
            continue
        if found.replace(".scale", ".weight") == ours.replace(".scale", ".weight"):
            return (
                f"for {theirs!r} expected {ours!r}, got {found!r}: norms end in .scale, all else "
                "in .weight"
            )
        if "{}" in found:
            return f"for {theirs!r} the number of the block is missing: got {found!r}"
        return f"for {theirs!r} expected {ours!r}, got {found!r}"
    return None


EXERCISES = {
    "steps": Exercise(
        judge_steps, "The smallest is -1 and the largest 2, so a step is 3 / 15 = 0.2."
    ),
    "file_bytes": Exercise(
        judge_file_bytes,
        "968,000 numbers make 30,250 blocks of Q4_1; the token table makes 1,000 of Q8_0.",
    ),
    "our_name": Exercise(
        judge_our_name,
        "Take the number out with re.sub, look the rest up in the table read backwards, put the "
        "number back with format.",
    ),
}
