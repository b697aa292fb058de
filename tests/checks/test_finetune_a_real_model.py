"""The exercises of 05_instruction_finetuning/08_finetune_a_real_model."""

from harness import exercise_tests


def values(cfg):
    return cfg.emb_dim // cfg.n_heads * cfg.n_kv_heads


def size(cfg, rank):
    return cfg.n_layers * rank * (3 * cfg.emb_dim + values(cfg))


def pairs(question=lambda r: (r["instruction"].strip().lower(), r["input"].strip().lower()),
          differ=lambda a, b: a["output"] != b["output"], near=99, swap=False):  # fmt: skip
    def contradictions(records):
        found = []
        for j, later in enumerate(records):
            for i, earlier in enumerate(records[:j]):
                same = question(earlier) == question(later)
                if same and differ(earlier, later) and j - i <= near:
                    found.append((j, i) if swap else (i, j))
        return found

    return contradictions


def spoil(records):
    for record in records:
        record["instruction"] = record["instruction"].strip().lower()
    return pairs()(records)


def strength(a=lambda w, s: w, b=lambda w, s: s * w, keep=lambda name: True):
    def with_strength(weights, s):
        return {n: b(w, s) if n.endswith(".B") else a(w, s) for n, w in weights.items() if keep(n)}

    return with_strength


def in_place(weights, s):
    for name, weight in weights.items():
        if name.endswith(".B"):
            weight.mul_(s)
    return weights


RIGHT = {"adapter_size": size, "contradictions": pairs(), "with_strength": strength()}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("adapter_size", "values as wide as queries", lambda c, r: c.n_layers * r * 4 * c.emb_dim,
     "narrower"),
    ("adapter_size", "heads for their width",
     lambda c, r: c.n_layers * r * (3 * c.emb_dim + c.n_kv_heads), "times the width of a head"),
    ("adapter_size", "one block", lambda c, r: r * (3 * c.emb_dim + values(c)), "one block"),
    ("adapter_size", "A alone", lambda c, r: c.n_layers * r * 2 * c.emb_dim, "A alone"),
    ("adapter_size", "B alone", lambda c, r: c.n_layers * r * (c.emb_dim + values(c)), "B alone"),
    ("adapter_size", "full finetuning",
     lambda c, r: c.n_layers * c.emb_dim * (c.emb_dim + values(c)), "full finetuning"),
    ("adapter_size", "SmolLM2's number for all", lambda c, r: 460_800, "sides of both"),
    ("contradictions", "the input left out", pairs(lambda r: r["instruction"].strip().lower()),
     "different inputs"),
    ("contradictions", "repetitions as well", pairs(differ=lambda a, b: True), "same output"),
    ("contradictions", "capitals count",
     pairs(lambda r: (r["instruction"].strip(), r["input"].strip())), "Capitals"),
    ("contradictions", "outer spaces count",
     pairs(lambda r: (r["instruction"].lower(), r["input"].lower())), "outer spaces"),
    ("contradictions", "neighbours alone", pairs(near=2), "neighbours"),
    ("contradictions", "the later first", pairs(swap=True), "i < j"),
    ("contradictions", "all pairs", pairs(lambda r: 0), "different"),
    ("contradictions", "changes them", spoil, "changed the records"),
    ("with_strength", "A and B", strength(a=lambda w, s: s * w), "both grew"),
    ("with_strength", "nothing", strength(b=lambda w, s: w), "what it was"),
    ("with_strength", "added", strength(b=lambda w, s: w + s), "must count"),
    ("with_strength", "in place", in_place, "changed the matrices"),
    ("with_strength", "B alone returned", strength(keep=lambda n: n.endswith(".B")), "same names"),
    ("with_strength", "one layer", strength(b=lambda w, s: w * (s if len(w) == 24 else 1)),
     "what it was"),
    ("with_strength", "divided", strength(b=lambda w, s: w / (s + 1)), "must count"),
]  # fmt: skip

test_answers, test_tables = exercise_tests("finetune_a_real_model", RIGHT, WRONG)
