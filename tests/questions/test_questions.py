"""The questions of the second readings: each right choice comes out of an independent computation,
for many draws; a reading asks what was missed, and what was not asked yet.
"""

import random
import re
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader

import shared.questions as questions
from shared.attention import MultiHeadAttention
from shared.bpe import learn_merges
from shared.counting import kv_cache_bytes
from shared.dataloader import GPTDataset
from shared.generation import next_token_probs
from shared.gpt import FeedForward, GPTConfig, GPTModel
from shared.instructions import custom_collate_fn
from shared.kit.kept_answers import missed_questions
from shared.llama import rotary_angles, rotate
from shared.lora import apply_lora, count_trainable
from shared.preferences import dpo_loss
from shared.questions import CHAPTERS, TEN, questions_of, reading, second_reading

EVERYTHING = {name: ask for chapter in CHAPTERS for name, ask in questions_of(chapter).items()}
DRAWS = 25


def drawn(name: str):
    """Each of many draws of a question, with the whole numbers in its text."""
    for seed in range(DRAWS):
        asked = EVERYTHING[name](random.Random(seed))
        text = re.sub(r"(?<=\d),(?=\d{3})", "", asked.text)  # 50,257 in one piece
        yield asked, [int(number) for number in re.findall(r"\d+", text)]


def shown(value) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_draw_has_one_right_choice_among_three_or_four(name):
    for asked, _ in drawn(name):
        assert 3 <= len(asked.choices) <= 4
        assert len(set(asked.choices)) == len(asked.choices)
        assert asked.choices.count(asked.right) == 1
        assert asked.because.endswith(".")


@pytest.mark.parametrize("name", EVERYTHING)
def test_the_right_choice_has_no_place_of_its_own(name):
    places = {asked.choices.index(asked.right) for asked, _ in drawn(name)}
    assert len(places) >= 3


def letters_of(asked):
    return re.search("<code>(.*?)</code>", asked.text)[1]


def with_model(context: int = 64, **changes) -> GPTConfig:
    return replace(GPTConfig(100, context, emb_dim=64, n_heads=4, n_layers=1), **changes)


def tied_saving(V, D):
    def total(tie):
        with torch.device("meta"):
            cfg = with_model(vocab_size=V, emb_dim=D, tie_weights=tie)
            return sum(p.numel() for p in GPTModel(cfg).parameters())

    return total(False) - total(True)


def adapter_numbers(rank, blocks, width):
    with torch.device("meta"):
        model = GPTModel(with_model(emb_dim=width, n_layers=blocks))
        apply_lora(model, ["W_query", "W_value"], rank=rank, alpha=rank)
    return count_trainable(model)[0]


def right_pair(asked):
    pieces = [letters_of(asked)]
    first, second = learn_merges(pieces, 1)[0]
    return chr(first) + chr(second)


def ignored(lengths):
    records = [list(range(1, n + 1)) for n in lengths]
    _, targets = custom_collate_fn(records, pad_token_id=0)
    return int((targets == -100).sum())


def one_pair_at_zero():
    zero = torch.zeros(1)
    return f"{dpo_loss(zero, zero, zero, zero, beta=0.1).mean().item():.3f}"


def chance_of_first(asked):
    chances = [int(c) / 100 for c in re.findall(r"(\d+) %", asked.text)]
    first = next_token_probs(torch.tensor([chances]).log(), top_k=2)[0, 0].item()
    return f"{100 * first:.1f} %"


def kept_by_nucleus(asked):
    share = float(asked.text.split("top-p = ")[1].split()[0])
    probs = next_token_probs(torch.tensor([[0.5, 0.25, 0.15, 0.1]]).log(), top_p=share)
    return int((probs > 0).sum())


def loss_of(chance):
    return F.cross_entropy(torch.tensor([[chance, 1 - chance]]).log(), torch.tensor([0])).item()


def parameters(module):
    return sum(p.numel() for p in module.parameters())


def causal_weights(T):
    later = torch.ones(T, T).triu(1).bool()
    return torch.zeros(T, T).masked_fill(later, -torch.inf).softmax(-1)


def steps(windows, size, epochs):
    return epochs * len(DataLoader(range(windows), size, drop_last=True))


# the right choice, computed in another way from the question and its numbers
INDEPENDENT = {
    "01_data.surprise": lambda q, n: f"{loss_of(n[0] / n[1]):.2f}",
    "01_data.merges_needed": lambda q, n: n[1] - len(bytes(range(256))) - len(["<|endoftext|>"]),
    "01_data.first_merge": lambda q, n: right_pair(q),
    "01_data.targets": lambda q, n: GPTDataset(n[:8], 4, 1)[n[:8].index(n[8])][1].tolist(),
    "01_data.count_windows": lambda q, n: len(GPTDataset(range(n[1]), n[0], n[2])),
    "01_data.count_batches": lambda q, n: len(
        DataLoader(range(n[0]), n[1], drop_last="dropped" in q.text)
    ),
    "01_data.embedded_shape": lambda q, n: tuple(
        nn.Embedding(9, n[2])(torch.zeros(n[0], n[1], dtype=torch.long)).shape
    ),
    "01_data.embedding_numbers": lambda q, n: sum(
        parameters(nn.Embedding(rows, n[2], device="meta")) for rows in n[:2]
    ),
    "02_attention.equal_scores": lambda q, n: (
        f"1/{round(1 / causal_weights(8)[n[0] - 1, 0].item())}"
    ),
    "02_attention.softmax_of_two": lambda q, n: (
        f"{n[0]}/{round(n[0] / torch.tensor([n[0], 1.0]).log().softmax(-1)[0].item())}"
    ),
    "02_attention.attention_parameters": lambda q, n: parameters(
        MultiHeadAttention(n[0], n[0], 8, 0.0, 4)
    ),
    "02_attention.longer_text": lambda q, n: torch.ones(4 * n[0], 4 * n[0]).numel() // 16,
    "03_gpt.feed_forward_parameters": lambda q, n: parameters(FeedForward(n[0])),
    "03_gpt.tied_weights": lambda q, n: tied_saving(*n),
    "03_gpt.cache_numbers": lambda q, n: kv_cache_bytes(n[0], 1, n[1], n[2]) // 4,
    "03_gpt.tokens_run": lambda q, n: (
        sum(n[1] + k for k in range(n[0])) if "without" in q.text else n[1] + (n[0] - 1)
    ),
    "03_gpt.grouped_heads": lambda q, n: (
        kv_cache_bytes(1, n[0], 8, 9) // kv_cache_bytes(1, n[1], 8, 9)
    ),
    "04_pretraining.perplexity": lambda q, n: round(2.718281828 ** loss_of(n[0] / n[1])),
    "04_pretraining.count_steps": lambda q, n: steps(n[0], n[1], n[2]),
    "04_pretraining.tokens_a_step": lambda q, n: torch.zeros(n[2], n[0], n[1]).numel(),
    "04_pretraining.top_k": lambda q, n: chance_of_first(q),
    "04_pretraining.top_p": lambda q, n: kept_by_nucleus(q),
    "05_instruction_finetuning.ignored_targets": lambda q, n: ignored(n[:3]),
    "05_instruction_finetuning.lora_parameters": lambda q, n: adapter_numbers(*n),
    "05_instruction_finetuning.dpo_at_the_start": lambda q, n: one_pair_at_zero(),
}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_the_right_choice_comes_out_of_the_courses_own_code(name):
    for asked, numbers in drawn(name):
        assert asked.right == shown(INDEPENDENT[name](asked, numbers)), asked.text


def test_rotary_scores_move_with_their_distance():
    angles = rotary_angles(64, 8)
    q, k = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))

    def score(places):
        at_q, at_k = (int(place) for place in re.findall(r"at (\d+)", places))
        rows = [rotate(x.view(1, 1, 1, 8), angles[at : at + 1]) for x, at in ((q, at_q), (k, at_k))]
        return (rows[0] * rows[1]).sum().item()

    for asked, numbers in drawn("03_gpt.rotary_distance"):
        before = score(f"query at {numbers[0]}, key at {numbers[1]}")
        same = [c for c in asked.choices if abs(score(c) - before) < 1e-4]
        assert same == [asked.right]


def test_a_token_that_comes_later_leaks():
    for asked, _ in drawn("02_attention.who_leaks"):
        pairs = {c: [int(n) for n in re.findall(r"\d+", c)] for c in asked.choices}
        assert [c for c, (token, output) in pairs.items() if token > output] == [asked.right]


# ---- a reading


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("LLM_COURSE_ANSWERS", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("chapter", CHAPTERS)
def test_a_reading_has_ten_questions_of_its_chapter_and_a_few_older_ones(chapter):
    for seed in range(20):
        names = [asked.name for asked in reading(chapter, set(), random.Random(seed))]
        older = [name for name in names if not name.startswith(chapter)]
        assert len(names) == TEN
        assert len(older) == (0 if chapter == CHAPTERS[0] else questions.OLDER)
        assert all(name < chapter for name in older)
        assert len(set(names)) == min(TEN, len(questions_of(chapter)) + len(older))


def test_two_readings_differ():
    first, second = (reading("03_gpt", set(), random.Random(seed)) for seed in (1, 2))
    assert [q.text for q in first] != [q.text for q in second]


def test_what_was_missed_comes_back_in_the_next_chapter_and_no_later_chapters_question():
    missed = {"01_data.targets", "02_attention.who_leaks", "05_instruction_finetuning.hole", "gone"}
    for seed in range(20):
        names = [asked.name for asked in reading("02_attention", missed, random.Random(seed))]
        assert len(names) == TEN
        assert {"01_data.targets", "02_attention.who_leaks"} <= set(names)
        assert "05_instruction_finetuning.hole" not in names


def test_more_than_ten_missed_are_ten():
    names = [asked.name for asked in reading("04_pretraining", set(EVERYTHING), random.Random(1))]
    assert len(set(names)) == TEN


def test_an_unknown_chapter_is_refused():
    with pytest.raises(ValueError, match="no chapter is named '06_more': choose one of 01_data, "):
        second_reading("06_more")


def test_a_missed_question_is_kept_until_it_is_answered(home):
    quiz = second_reading("01_data")
    name = quiz.asked.name
    quiz.answer(next(c for c in quiz.asked.choices if c != quiz.asked.right))
    assert missed_questions() == {name}
    again = second_reading("02_attention")
    while again.asked.name != name:
        again.answer(again.asked.right)
        again.go_on()
    again.answer(again.asked.right)
    assert missed_questions() == set()
