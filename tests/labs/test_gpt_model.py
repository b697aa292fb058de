"""The operating table leaves out what is cut and nothing else; its numbers, maps and sentences say
what came of it.
"""

import copy
import re

import matplotlib.pyplot as plt
import pytest
import torch

from shared.gpt import GPTConfig, GPTModel
from shared.kit.widgets import png_bytes
from shared.labs.gpt_model import Cut, OperatingTable, heads_of, operate

ALPHABET = " $abcdef\n"
TEXT = "abc def\ncab $ fed\n" * 12


def model(n_layers=2):
    torch.manual_seed(5)
    return GPTModel(GPTConfig(len(ALPHABET), 8, 16, n_heads=2, n_layers=n_layers)).eval()


def ids():
    return torch.randint(len(ALPHABET), (3, 8), generator=torch.Generator().manual_seed(7))


@pytest.fixture(scope="module")
def table():
    return OperatingTable(model(), ALPHABET, TEXT)


def logits(cut, whole=None):
    return operate(whole or model(), ids(), cut)[0]


def test_nothing_cut_is_the_model():
    with torch.no_grad():
        assert torch.allclose(logits(Cut()), model()(ids()), atol=1e-5)


@pytest.mark.parametrize("block", [0, 1])
def test_a_block_off_is_a_model_without_it(block):
    smaller = model()
    del smaller.trf_blocks[block]
    with torch.no_grad():
        assert torch.allclose(logits(Cut(blocks=[block])), smaller(ids()), atol=1e-5)


def test_positions_off_is_a_position_table_of_zeros():
    blank = model()
    with torch.no_grad():
        blank.pos_emb.weight.zero_()
        assert torch.allclose(logits(Cut(positions=True)), blank(ids()), atol=1e-5)


def test_the_last_norm_off_leaves_the_sum_as_it_is():
    bare = model()
    bare.final_norm = torch.nn.Identity()
    with torch.no_grad():
        assert torch.allclose(logits(Cut(last_norm=True)), bare(ids()), atol=1e-5)


@pytest.mark.parametrize("block, head", [(0, 0), (0, 1), (1, 1)])
def test_a_head_off_has_values_of_zero(block, head):
    silent = model()
    with torch.no_grad():
        silent.trf_blocks[block].att.W_value.weight[8 * head : 8 * head + 8] = 0
        assert torch.allclose(logits(Cut(heads=[(block, head)])), silent(ids()), atol=1e-5)


def test_shortcuts_off_leaves_what_the_parts_add():
    whole = model(1)
    block = whole.trf_blocks[0]
    with torch.no_grad():
        x = whole.tok_emb(ids()) + whole.pos_emb(torch.arange(8))
        x = block.ff(block.norm2(block.att(block.norm1(x))))
        expected = whole.out_head(whole.final_norm(x))
    assert torch.allclose(logits(Cut(shortcuts=[0]), whole), expected, atol=1e-5)


def test_without_the_mask_the_future_moves_the_past():
    changed = ids()
    changed[:, -1] = (changed[:, -1] + 1) % len(ALPHABET)
    for cut, leaks in ((Cut(), False), (Cut(mask=True), True)):
        before, after = (operate(model(), x, cut)[0][:, :-1] for x in (ids(), changed))
        assert ((after - before).abs().max() > 1e-3).item() == leaks


@pytest.mark.parametrize(
    "cut, blind",
    [
        (Cut(), False),
        (Cut(positions=True), False),
        (Cut(mask=True), False),
        (Cut(positions=True, mask=True), True),
        (Cut(positions=True, last_norm=True), False),
        (Cut(positions=True, blocks=[0]), True),
        (Cut(positions=True, blocks=[1]), True),
        (Cut(positions=True, shortcuts=[1]), False),
        (Cut(positions=True, heads=[(0, 1)]), False),
        (Cut(mask=True, blocks=[1]), False),
        (Cut(mask=True, shortcuts=[0]), False),
    ],
)
def test_who_is_blind_to_order(table, cut, blind):
    assert (table.measure(cut).order < 1e-4) == blind


def test_the_losses_are_those_of_the_text(table):
    assert table.losses(Cut()).shape == (len(TEXT) // 8 - (len(TEXT) % 8 == 0), 8)
    with torch.no_grad():
        chances = table.model(table.ids[None, :8])[0].softmax(dim=-1)
    first = -chances[range(8), table.ids[1:9]].log()
    assert torch.allclose(table.losses(Cut())[0], first, atol=1e-5)
    outcome = table.measure(Cut())
    assert outcome == table.whole, "the same every time"
    assert outcome.loss == pytest.approx(table.losses(Cut()).mean().item(), abs=1e-5)
    assert 1 / len(ALPHABET) < outcome.surest < 1
    assert len(outcome.written) == 48 and set(outcome.written) <= set(ALPHABET)


def test_an_operation_changes_no_weight(table):
    before = copy.deepcopy(table.model.state_dict())
    table.show(False, False, False, (0,), (1,), ((0, 1),), (0, 1))
    assert all(torch.equal(value, before[name]) for name, value in table.model.state_dict().items())
    plt.close("all")


@pytest.mark.parametrize(
    "moved, said",
    [
        ({}, "Nothing is switched off"),
        ({"positions": False}, r"The loss (rises|falls) by \d\.\d\d"),
        ({"heads": ((1, 0),)}, r"The loss (rises|falls) by \d\.\d\d"),
        ({"positions": False, "mask": False}, "<b>Found one:</b>"),
    ],
)
def test_the_lab_says_what_came_of_it(table, moved, said):
    html, figure = table.show(**moved)
    assert re.search(said, html), html
    assert ("Found" in html) == ("Found" in said)
    assert f"{table.whole.loss:.2f}" in html and png_bytes(figure)


def test_the_maps_show_the_head_asked_for(table):
    shown = dict(heads_of(table.model))["block 2, head 1"]
    _, figure = table.show(mask=False, shown=shown)
    whole, after = (ax.images[0].get_array() for ax in figure.axes)
    _, maps = operate(table.model, table.ids[None, :8], Cut())
    assert torch.allclose(torch.tensor(whole), maps[1][0, 0], atol=1e-5)
    assert whole[0, 1] == 0 < after[0, 1], "only the second map looks ahead"
    assert figure.axes[0].get_ylabel() == "who looks (block 2, head 1)"
    plt.close("all")


@pytest.mark.parametrize("moved", [{"blocks": (1,)}, {"heads": ((1, 0),)}])
def test_what_is_off_has_no_map(table, moved):
    _, figure = table.show(**moved, shown=(1, 0))
    assert figure.axes[1].get_title() == "after the operation: switched off"
    assert figure.axes[1].images[0].get_array().max() == 0
    assert figure.axes[0].images[0].get_array().max() > 0
    plt.close("all")


def test_a_text_that_is_too_short_is_refused():
    with pytest.raises(ValueError, match="8 characters do not fill a context of 8"):
        OperatingTable(model(), ALPHABET, TEXT[:8])
