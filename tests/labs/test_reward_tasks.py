"""The tasks: records split by sentence; plurals with their rule, verifier and draws."""

import pytest
import torch

from shared.gpt import GPTConfig, GPTModel
from shared.kit.instruction_records import PLURALS, family_of
from shared.labs.reward_tasks import (
    HELD_OUT,
    TO_LEARN,
    WITHOUT_RULE,
    by_sentence,
    drawn_once,
    drawn_right,
    plural,
    prompt_for,
    right_plural,
)


def test_nouns_to_learn_are_not_held_out_and_have_a_rule():
    everything = [*TO_LEARN, *HELD_OUT, *WITHOUT_RULE]
    assert len(set(everything)) == len(everything)
    assert not (set(TO_LEARN) | set(HELD_OUT)) & set(WITHOUT_RULE)
    assert {"child", "mouse", "sheep", "wolf"} <= set(WITHOUT_RULE) < set(PLURALS)


@pytest.mark.parametrize(
    "noun, expected",
    [
        ("road", "roads"), ("monkey", "monkeys"), ("party", "parties"), ("match", "matches"),
        ("fox", "foxes"), ("brush", "brushes"), ("dress", "dresses"), ("mouse", "mice"),
    ],
)  # fmt: skip
def test_plurals(noun, expected):
    assert plural(noun) == expected


@pytest.mark.parametrize(
    "answer, paid",
    [("boats'", 1), ("boats'.", 1), ("boats', and", 1), ("boats", 0), ("boat'", 0), ("", 0),
     ("cars'", 0), ("the boats'", 0), ("boatss'", 0)],
)  # fmt: skip
def test_the_plural_must_be_whole_and_closed(answer, paid):
    assert right_plural(prompt_for("boat"), answer) == paid


class Tokens:
    eot_token = 0

    def encode(self, text):
        return [ord(c) for c in text]

    def decode(self, ids):
        return "".join(map(chr, ids))


def test_each_prompt_gets_an_answer_and_its_reward():
    torch.manual_seed(0)
    model = GPTModel(GPTConfig(128, 12, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.0))
    prompts = ["ab", "abcd", "cd", "efgh"]
    drawn = drawn_once(model, Tokens(), prompts, lambda prompt, answer: len(prompt) + len(answer))
    assert set(drawn) == set(prompts) and len({answer for answer, _ in drawn.values()}) > 1
    assert all(value == len(prompt) + len(answer) for prompt, (answer, value) in drawn.items())
    assert drawn == drawn_once(model, Tokens(), prompts, lambda p, a: len(p) + len(a))


def test_tasks_are_judged_draw_by_draw():
    torch.manual_seed(0)
    model = GPTModel(GPTConfig(128, 60, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.0))
    judged = []

    def judge(task, answer):
        judged.append((task["n"], answer))
        return float(task["n"])

    rows = drawn_right(model, Tokens(), lambda task: "ab", [{"n": 1}, {"n": 0}], judge, draws=3)
    assert rows.tolist() == [[1, 1, 1], [0, 0, 0]] and len(judged) == 6
    assert len({answer for _, answer in judged}) > 1


def test_tasks_are_split_by_sentence():
    taught, tests, unwritten = by_sentence(("grammar", "passive voice"))
    parts = [taught, sum(tests.values(), []), sum(unwritten.values(), [])]
    inputs = [{task["input"] or task["instruction"] for task in part} for part in parts]
    assert len(taught) == 240 and not (inputs[0] & inputs[1] or inputs[0] & inputs[2])
    assert not inputs[1] & inputs[2]
    assert {name: len(tasks) for name, tasks in tests.items()} == {
        "grammar": 60,
        "passive voice": 48,
    }
    assert all(family_of(task) == name for name in tests for task in tests[name] + unwritten[name])
