"""What chapter 5 taught, asked again."""

import random

from shared.kit.quiz import Question, question


def lengths(draw: random.Random) -> list[int]:
    """Three records' lengths, in tokens, all different."""
    return draw.sample(range(5, 30), 3)


def ignored_targets(draw: random.Random) -> Question:
    drawn = lengths(draw)
    longest = max(drawn)
    text = (
        f"Records of {drawn[0]}, {drawn[1]} and {drawn[2]} tokens are padded to one batch. The end"
        " of each is a target, no prompt is masked. How many targets are -100?"
    )
    right = sum(longest - n for n in drawn)
    wrong = (right + 3, right - 2, 3 * longest - right, right + 2)
    because = f"Rows are {longest} long; a record has as many targets as it has tokens."
    return question(draw, text, right, wrong, because)


def ignored_in_the_loss(draw: random.Random) -> Question:
    rows, ignored = draw.choice((40, 60, 80)), draw.choice((10, 15, 25))
    text = f"A batch holds {rows} targets, {ignored} of them -100. The mean loss is over"
    wrong = (rows, ignored, rows + ignored)
    because = "Cross entropy leaves a target of -100 out, of the sum and of the count."
    return question(draw, text, rows - ignored, wrong, because)


def lora_parameters(draw: random.Random) -> Question:
    L, D, r = draw.choice((4, 12, 24)), draw.choice((128, 768, 1024)), draw.choice((4, 8, 16))
    text = f"LoRA of rank {r} on queries and values of {L} blocks of width {D}. Trained numbers?"
    wrong = (L * 2 * D * D, L * 2 * r * D, L * 4 * 2 * r * D, L * r * D)
    because = f"Two matrices a block, each with {r} * {D} numbers in A and as many in B."
    return question(draw, text, L * 2 * 2 * r * D, wrong, because)


def lora_scale(draw: random.Random) -> Question:
    r, times = draw.choice((4, 8, 16)), draw.choice((1, 2, 4))
    more = 2 * r
    text = f"Rank {r} with alpha {r * times}. Which alpha keeps the scale at rank {more}?"
    wrong = (r * times, r * times // 2, more * times * 2, times)
    because = f"The scale is alpha / rank, here {times}."
    return question(draw, text, more * times, wrong, because)


def merged(draw: random.Random) -> Question:
    r = draw.choice((4, 8, 64))
    text = (
        f"An adapter of rank {r} is merged into the weights. What does it cost at each token now?"
    )
    wrong = (f"{r} more products a layer", "twice the work", "two more layers")
    because = "W + scale * BA is a matrix of the same shape as W."
    return question(draw, text, "nothing", wrong, because)


def forgetting(draw: random.Random) -> Question:
    task = draw.choice(("sorting words", "one customer's style", "translating dates"))
    text = f"The base is frozen, an adapter learns {task} alone. What becomes of the old answers?"
    right = "they can be lost while the adapter is on, and are back when it is off"
    wrong = (
        "they stay, since no weight of the base changed",
        "they are lost for good",
        "they become better",
    )
    because = "The output is that of base and adapter together; replay of old records limits it."
    return question(draw, text, right, wrong, because)


def wider_test(draw: random.Random) -> Question:
    n, times = draw.choice((50, 100, 200)), draw.choice((2, 3))
    text = f"A score on {n} records has a wide interval. How many make it {times} times as narrow?"
    wrong = (times * n, n + times, 2 * times**2 * n)
    because = f"The width falls with the root of the number: {times}^2 * {n}."
    return question(draw, text, times**2 * n, wrong, because)


def dpo_at_the_start(draw: random.Random) -> Question:
    beta = draw.choice((0.05, 0.1, 0.5))
    text = (
        f"DPO with beta = {beta}, before the first step: the model is its own reference. The loss?"
    )
    wrong = ("0", f"{beta}", "0.500", "1.000")
    because = "All margins are 0, whatever beta is, and -ln sigmoid(0) = ln 2."
    return question(draw, text, "0.693", wrong, because)


def advantage(draw: random.Random) -> Question:
    right = draw.randint(1, 7)
    text = (
        f"Of 8 answers to a prompt {right} are right: reward 1, the others 0. What is a right one's"
        " reward above the group's mean?"
    )
    wrong = (f"{right}/8", "1", f"{right - 8}/8", "1/8")
    because = f"1 - {right}/8. The rarer it is, the more it counts."
    return question(draw, text, f"{8 - right}/8", wrong, because)


def silent_group(draw: random.Random) -> Question:
    reward = draw.choice((0, 1))
    text = "Four groups of answers with their rewards. From which is nothing learned?"
    mixed = [[1, 0, 0, 0], [1, 1, 0, 1], [0, 1, 1, 0]]
    because = "All advantages are 0 where all answers are paid alike."
    return question(draw, text, [reward] * 4, mixed, because)


def hole(draw: random.Random) -> Question:
    a, b, c = sorted(draw.sample("abcdefgh", 3))
    text = (
        f"The task: sort the letters {c}{a}{b}. The reward asks only whether an answer's letters"
        " are in order. Which answer is paid and wrong?"
    )
    wrong = (f"{a}{b}{c}", f"{c}{b}{a}", f"{b}{a}{c}")
    because = "It is in order and holds other letters. A model finds what is paid."
    return question(draw, text, f"{a}{a}{a}", wrong, because)


QUESTIONS = (
    ignored_targets,
    ignored_in_the_loss,
    lora_parameters,
    lora_scale,
    merged,
    forgetting,
    wider_test,
    dpo_at_the_start,
    advantage,
    silent_group,
    hole,
)
