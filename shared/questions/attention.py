"""What chapter 2 taught, asked again."""

import random

from shared.kit.quiz import Question, question


def mean_of_values(draw: random.Random) -> Question:
    first = draw.choice((1, 3))  # quarters
    a, b = 4 * draw.randint(1, 4), 4 * draw.randint(1, 4)
    text = (
        f"A token gives the weights {first / 4} and {(4 - first) / 4} to the values ({a}, 0) and"
        f" (0, {b}). Its output?"
    )
    right = (first * a // 4, (4 - first) * b // 4)
    wrong = (((4 - first) * a // 4, first * b // 4), (a, b), (right[1], right[0]), (sum(right), 0))
    return question(draw, text, right, wrong, "Each value times its weight, then the sum.")


def equal_scores(draw: random.Random) -> Question:
    T, t = 8, draw.randint(3, 6)
    text = (
        f"All scores are equal, the mask is causal. What weight does token {t} of {T}, counted from"
        " 1, give to the first one?"
    )
    wrong = (f"1/{T}", f"1/{t - 1}", f"1/{t + 1}", "0")
    because = f"It may look at {t} tokens, itself among them, and finds them all alike."
    return question(draw, text, f"1/{t}", wrong, because)


def softmax_of_two(draw: random.Random) -> Question:
    k = draw.choice((2, 3, 4, 9))
    text = f"Two scores, one of them larger by ln {k}. The weight of the larger one?"
    wrong = (f"{k - 1}/{k}", f"1/{k}", f"1/{k + 1}", "1")
    because = f"The weights are as {k} to 1, and sum to 1."
    return question(draw, text, f"{k}/{k + 1}", wrong, because)


def who_leaks(draw: random.Random) -> Question:
    early, late = sorted(draw.sample(range(1, 9), 2))
    earlier, later = sorted(draw.sample(range(1, 9), 2))
    text = "One token is changed, and one output moves. Which of these is a leak?"

    def moved(token: int, output: int) -> str:
        return f"token {token} changed, output {output} moved"

    wrong = (moved(early, late), moved(earlier, earlier), moved(earlier, later), moved(late, late))
    because = "An output may depend on its own token and on those before it, on none after it."
    return question(draw, text, moved(late, early), wrong, because)


def mask_too_late(draw: random.Random) -> Question:
    text = "The causal mask sets weights to 0 after the softmax, and does no more. What is wrong?"
    right = "rows do not sum to 1, and later tokens still change the weights"
    wrong = (
        "later values are added to the output",
        "nothing: it is the same as -inf before the softmax",
        "the first row becomes NaN",
    )
    because = "The softmax has already divided by a sum that holds the scores of the future."
    return question(draw, text, right, wrong, because)


def score_shape(draw: random.Random) -> Question:
    B, H, T, K = draw.sample((2, 3, 4, 5, 8, 12, 16), 4)
    text = f"B = {B}, H = {H} heads, T = {T} tokens, K = {K} numbers a head. The scores' shape?"
    wrong = ((B, H, T, K), (B, H, K, K), (B, T, H, H))
    because = "In each head every token's query meets every token's key."
    return question(draw, text, (B, H, T, T), wrong, because)


def divisor(draw: random.Random) -> Question:
    K, H = draw.choice((16, 64)), draw.choice((2, 4, 12))
    text = f"Width {K * H}, {H} heads. By what are the scores divided before the softmax?"
    wrong = (f"sqrt({K * H})", K, f"sqrt({H})", H)
    because = f"By the root of the width of one head, {K * H} / {H} = {K}."
    return question(draw, text, f"sqrt({K})", wrong, because)


def more_heads(draw: random.Random) -> Question:
    how = draw.choice(("doubled", "halved", "made four times as large"))
    text = f"The number of heads is {how}, the width stays. The number of parameters?"
    wrong = ("doubles", "halves", "grows fourfold")
    because = "The heads share one width: more of them are narrower ones."
    return question(draw, text, "stays", wrong, because)


def attention_parameters(draw: random.Random) -> Question:
    D = draw.choice((64, 128, 256, 768))
    text = (
        f"Width {D}; queries, keys and values without biases, an output projection with one. How"
        " many parameters?"
    )
    wrong = (3 * D * D, 4 * D * D, 3 * D * D + D, 4 * D * D + 4 * D)
    because = f"Four matrices of {D} times {D}, and {D} biases."
    return question(draw, text, 4 * D * D + D, wrong, because)


def longer_text(draw: random.Random) -> Question:
    times = draw.choice((2, 3, 4, 10))
    text = f"A text gets {times} times as long. How many times as many scores are there?"
    because = "Every token meets every token: the number grows with the square."
    return question(draw, text, times**2, (times, 2 * times + 1, times**3), because)


QUESTIONS = (
    mean_of_values,
    equal_scores,
    softmax_of_two,
    who_leaks,
    mask_too_late,
    score_shape,
    divisor,
    more_heads,
    attention_parameters,
    longer_text,
)
