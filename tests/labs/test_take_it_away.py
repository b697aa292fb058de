"""The lab on packing: sizes are arithmetic, F32 changes nothing, the packed model answers."""

import re

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from shared.gguf_weights import gguf_tokenizer
from shared.kit.real_model import write_stand_in
from shared.labs.take_it_away import block_figure, packed_answers
from shared.llama import LlamaConfig, LlamaModel


@pytest.fixture(scope="module")
def pieces(tmp_path_factory):
    path = tmp_path_factory.mktemp("lab") / "stand_in.gguf"
    write_stand_in(path)
    tokenizer = gguf_tokenizer(path)
    torch.manual_seed(1)
    return LlamaModel(LlamaConfig(tokenizer.n_vocab, 64, 64, 4, 2, 2, 96)).eval(), tokenizer


def run(pieces, matrices, table, question="the user"):
    return list(
        packed_answers(*pieces, lambda text: f"<|im_start|>{text}", matrices, table, question)
    )


def test_sizes_and_moves_follow_the_choice(pieces):
    model, _ = pieces
    before = [weight.clone() for weight in model.parameters()]
    for matrices, table, bits in (("F32", "F32", 32), ("Q8_0", "Q4_1", 8.5), ("Q4_1", "F32", 5)):
        results = run(pieces, matrices, table)
        figures = [part for part, _ in results if isinstance(part, Figure)]
        label = figures[-1].axes[0].get_legend().get_texts()[0].get_text()
        numbers = sum(
            weight.numel()
            for name, weight in model.named_parameters()
            if weight.dim() == 2 and name not in ("tok_emb.weight", "out_head.weight")
        )
        assert label == f"matrices: {numbers * bits / 8e6:,.2f} MB"
        moved = re.search(r"matrices ([\d.]+)%, token table ([\d.]+)%", results[-1][1])
        assert (float(moved[1]) == 0) is (matrices == "F32")
        assert (float(moved[2]) == 0) is (table == "F32")
        assert "Answer:" in results[-1][1]
    assert all(torch.equal(old, new) for old, new in zip(before, model.parameters()))


def test_an_empty_question_is_refused(pieces):
    with pytest.raises(ValueError, match="no question"):
        run(pieces, "F32", "F32", " ")


def test_the_block_is_drawn_twice():
    block = np.random.default_rng(1).normal(0, 0.1, (1, 32)).astype(np.float32)
    figure = block_figure(block)
    eight, four = (ax.lines[0].get_ydata() for ax in figure.axes)
    assert np.abs(eight - block[0]).max() < 0.002 < np.abs(four - block[0]).max()
