"""Answers and scores, and intervals that keep their promise."""

import json
import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from small_parts import PLAIN, WITH_INPUT, Tokens

from shared.evaluation import (
    answer_loss,
    exact_match,
    extract_response,
    generate_responses,
    load_responses,
    save_responses,
    score_by_family,
    wilson_interval,
)
from shared.finetuning import create_small_gpt
from shared.gpt import GPTConfig, GPTModel
from shared.instructions import RESPONSE_MARK


@given(answers=st.integers(1, 500), share=st.floats(0, 1), confidence=st.floats(0.5, 0.99))
def test_the_interval_solves_wilsons_equation(answers, share, confidence):
    from statistics import NormalDist

    right = round(share * answers)
    low, high = wilson_interval(right, answers, confidence)
    assert 0 <= low <= right / answers + 1e-12 and right / answers - 1e-12 <= high <= 1
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    for bound in (low, high):
        assert abs(right / answers - bound) == pytest.approx(
            z * math.sqrt(bound * (1 - bound) / answers), abs=1e-6
        )


@given(answers=st.integers(1, 300), right=st.integers(0, 300))
def test_right_and_wrong_are_mirror_images_and_more_confidence_is_wider(answers, right):
    right = min(right, answers)
    low, high = wilson_interval(right, answers)
    other = wilson_interval(answers - right, answers)
    assert other == pytest.approx((1 - high, 1 - low), abs=1e-12)
    wider = wilson_interval(right, answers, 0.99)
    assert wider[0] <= low + 1e-12 and wider[1] >= high - 1e-12


def test_a_known_interval():
    # 10 of 20 at 95%: Newcombe 1998, and statsmodels' proportion_confint(method="wilson")
    assert wilson_interval(10, 20) == pytest.approx((0.2993, 0.7007), abs=1e-4)


def test_the_interval_holds_the_truth_as_often_as_it_promises():
    generator = torch.Generator().manual_seed(0)
    for p in (0.05, 0.3, 0.9):
        seen = (torch.rand(4000, 40, generator=generator) < p).sum(dim=1).tolist()
        held = (
            sum(low <= p <= high for low, high in (wilson_interval(right, 40) for right in seen))
            / 4000
        )
        assert 0.92 < held < 0.99


@pytest.mark.parametrize(
    "right, answers, confidence",
    [(-1, 5, 0.95), (6, 5, 0.95), (0, 0, 0.95), (1, 2, 1.0), (1, 2, 0)],
)
def test_an_impossible_score_is_refused(right, answers, confidence):
    with pytest.raises(
        ValueError, match=f"right={right}.*answers={answers}.*confidence={confidence}"
    ):
        wilson_interval(right, answers, confidence)


def tiny_model():
    torch.manual_seed(0)
    return GPTModel(
        GPTConfig(vocab_size=20, context_length=8, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.5)
    )


def batch(rows, seed):
    generator = torch.Generator().manual_seed(seed)
    inputs, targets = (torch.randint(0, 20, (rows, 6), generator=generator) for _ in range(2))
    targets[:, :3] = -100
    return inputs, targets


def test_the_answer_loss_weighs_tokens_not_batches():
    model, batches = tiny_model(), [batch(1, 1), batch(4, 2)]
    inputs, targets = (torch.cat(parts) for parts in zip(*batches))
    with torch.no_grad():
        expected = F.cross_entropy(model.eval()(inputs).flatten(0, 1), targets.flatten()).item()
    model.train()
    assert answer_loss(model, batches) == pytest.approx(expected, abs=1e-5)
    assert model.training, "the mode should be as before"


def test_masked_tokens_do_not_count_in_the_answer_loss():
    model, (inputs, targets) = tiny_model(), batch(2, 3)
    other = targets.clone()
    other[:, 3:] = -100
    other[:, 5] = targets[:, 5]
    assert answer_loss(model, [(inputs, targets)]) != pytest.approx(
        answer_loss(model, [(inputs, other)]), abs=1e-3
    )
    with pytest.raises(ValueError, match="no target counts"):
        answer_loss(model, [(inputs, torch.full_like(targets, -100))])
    with pytest.raises(ValueError, match="no target counts"):
        answer_loss(model, [])


def test_responses_travel_with_what_made_them(tmp_path):
    path, records = tmp_path / "r.json", [PLAIN, {**PLAIN, "output": "Äpfel"}]
    save_responses(path, records, ["5", "Apfel ß"], {"model": "m", "seed": 1})
    found_records, found_responses, made_by = load_responses(path)
    assert found_records == records and found_responses == ["5", "Apfel ß"]
    assert (
        made_by["model"] == "m" and made_by["seed"] == 1 and made_by["torch"] == torch.__version__
    )
    assert "Äpfel" in path.read_text(encoding="utf-8")


def test_responses_without_their_making_are_refused(tmp_path):
    with pytest.raises(ValueError, match="made_by is empty"):
        save_responses(tmp_path / "r.json", [PLAIN], ["5"], {})
    with pytest.raises(ValueError):
        save_responses(tmp_path / "r.json", [PLAIN], ["5", "6"], {"model": "m"})
    for content in ([PLAIN], {"records": []}):
        (tmp_path / "other.json").write_text(json.dumps(content), encoding="utf-8")
        with pytest.raises(ValueError, match="not written by save_responses"):
            load_responses(tmp_path / "other.json")


# ---- answers


def test_response_is_what_follows_the_prompt_up_to_the_end():
    assert extract_response("Say hi.\n hi <|endoftext|><|endoftext|>", "Say hi.\n") == "hi"
    assert extract_response("Say hi.\n", "Say hi.\n") == ""
    # the mark may also stand in the instruction, so the prompt is cut off by its length
    prompt = f"Repeat: {RESPONSE_MARK}x{RESPONSE_MARK}"
    assert extract_response(prompt + "x", prompt) == "x"
    with pytest.raises(ValueError, match="does not start with the prompt"):
        extract_response("Something else", "Say hi.\n")


def test_grouped_answers_equal_single_ones_and_come_in_order():
    torch.manual_seed(1)
    model = create_small_gpt(128, 40, drop_rate=0.5)
    questions = ["ab", "abcdef", "cd", "x", "zy", "abcdeg"]
    model.train()
    together = generate_responses(model, Tokens(), questions, max_new_tokens=6)
    assert model.training, "the mode is given back"
    assert together == [
        generate_responses(model, Tokens(), [q], max_new_tokens=6)[0] for q in questions
    ]
    assert len(set(together)) > 1


def test_an_answer_ends_at_the_end_token_and_at_the_context():
    model = create_small_gpt(128, 12)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    # all logits equal: the most likely token is 0, which ends the answer
    assert generate_responses(model, Tokens(), ["abc"]) == [""]

    class NoEnd(Tokens):
        eot_token = 127

        def decode(self, ids):
            return "".join("?" if i == 0 else chr(i) for i in ids)

    assert generate_responses(model, NoEnd(), ["abc"]) == ["?" * 9]
    with pytest.raises(ValueError, match="a prompt of 12 tokens leaves no room"):
        generate_responses(model, Tokens(), ["a" * 12])
    assert generate_responses(model, Tokens(), []) == []


def test_each_vocabulary_ends_its_answers_with_its_own_token():
    """A row that ended before the others of its batch goes on with end tokens: they are cut off."""

    class Chat(Tokens):
        eot_token = 2

        def decode(self, ids):
            return "".join("<|im_end|>" if i == 2 else chr(i) for i in ids)

    model = create_small_gpt(128, 12)
    answers = {"abc": "x", "abz": "yyyy"}

    def forward(idx, caches=None):
        logits = torch.zeros(*idx.shape, 128)
        for cache in caches:
            cache.append(*[torch.zeros(len(idx), 4, idx.size(1), 1)] * 2)
        step = caches[0].length - 3
        for row, answer in enumerate(answers.values()):
            token = ord(answer[step]) if step < len(answer) else 2
            logits[row, -1, token] = 1.0
        return logits

    model.forward = forward
    assert generate_responses(model, Chat(), list(answers)) == list(answers.values())
    assert extract_response("Q: x<|im_end|>", "Q:", "<|im_end|>") == "x"
    assert extract_response("Q: x<|im_end|>", "Q:") == "x<|im_end|>"


def test_answering_stops_when_all_have_ended():
    calls = []
    model = create_small_gpt(128, 40)
    with torch.no_grad():
        for weight in model.parameters():
            weight.zero_()
    model.register_forward_hook(lambda *_: calls.append(1))
    generate_responses(model, Tokens(), ["abc", "xyz"])
    assert len(calls) == 1


def test_scores_count_exact_answers_by_family():
    entries = [PLAIN, WITH_INPUT, PLAIN]
    family = {"Add 2 and 3.": "sum", "Name the opposite.": "antonym"}
    scores = score_by_family(
        ["5", "Cold", " 5\n"], entries, lambda entry: family[entry["instruction"]]
    )
    assert scores == {"sum": (2, 2), "antonym": (0, 1)}
    assert exact_match("5", PLAIN) and not exact_match("5.", PLAIN)
    with pytest.raises(ValueError):
        score_by_family(["5"], entries, lambda entry: "sum")
