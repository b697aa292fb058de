"""What chapter 4 taught, asked again."""

import math
import random

from shared.kit.quiz import Question, question


def perplexity(draw: random.Random) -> Question:
    k = draw.choice((2, 4, 8, 20, 100))
    text = f"A model gives every true token a chance of 1 in {k}. Its perplexity?"
    wrong = (f"{math.log(k):.2f}", f"{math.log2(k):.2f}", f"{1 / k:.2f}")
    because = f"e to the mean loss, and the loss is ln {k}."
    return question(draw, text, k, wrong, because)


def bits(draw: random.Random) -> Question:
    nats = draw.choice((1.0, 1.5, 2.0, 2.5, 3.0))
    text = f"A loss of {nats} nats a character, in bits?"
    wrong = (nats * math.log(2), nats, nats / 8, 2**nats)
    right = f"{nats / math.log(2):.2f}"
    return question(draw, text, right, [f"{w:.2f}" for w in wrong], "Nats divided by ln 2 = 0.69.")


def count_steps(draw: random.Random) -> Question:
    size, epochs = draw.choice((2, 4, 8)), draw.randint(3, 12)
    windows = size * draw.randint(10, 60) + draw.randint(1, size - 1)
    text = (
        f"{windows} windows, batches of {size}, the last one dropped if it is not full,"
        f" {epochs} epochs. Steps of the optimizer?"
    )
    right = windows // size * epochs
    wrong = ((windows // size + 1) * epochs, windows * epochs, windows // size)
    because = f"{windows // size} batches an epoch, a step each."
    return question(draw, text, right, wrong, because)


def tokens_a_step(draw: random.Random) -> Question:
    B, T, A = draw.choice((2, 4, 8)), draw.choice((256, 1024)), draw.choice((4, 8, 16))
    text = f"Batches of {B} windows of {T:,} tokens, gradients of {A} batches summed for one step."
    text += " Tokens a step?"
    wrong = (B * T, A * T, A * B, B * T + A)
    return question(draw, text, A * B * T, wrong, f"{A} * {B} * {T:,}.")


def training_memory(draw: random.Random) -> Question:
    millions = draw.choice((100, 124, 162, 355))
    text = (
        f"{millions} million weights in float32 are trained with AdamW. How many megabytes is that,"
        " activations aside?"
    )
    wrong = (4 * millions, 8 * millions, 12 * millions)
    because = "4 bytes each for the weight, its gradient, and AdamW's two means."
    return question(draw, text, 16 * millions, wrong, because)


def which_epoch(draw: random.Random) -> Question:
    best = draw.randint(2, 4)
    losses = [round(3.0 + 0.3 * abs(e - best) + 0.01 * draw.randint(0, 9), 2) for e in range(1, 7)]
    text = (
        f"The training loss falls all the way, the validation losses are {losses}. Which is kept?"
    )
    names = [f"the model after epoch {e}" for e in range(1, 7)]
    wrong = (names[5], names[0], names[best])
    because = "Where the validation loss is lowest. After that it learns its text by heart."
    return question(draw, text, names[best - 1], wrong, because)


def temperature(draw: random.Random) -> Question:
    apart, t = draw.choice((2, 4, 6)), draw.choice((0.5, 2.0))
    text = f"Two logits are {apart} apart. At temperature {t} one token is likelier by a factor of"
    powers = {p: f"e^{p:g}" for p in (apart / t, apart * t, apart, apart + t)}
    because = f"The logits are divided by {t}: e to the power of {apart} / {t}."
    return question(draw, text, powers.pop(apart / t), list(powers.values()), because)


def top_k(draw: random.Random) -> Question:
    chances = draw.choice(((50, 30, 15, 5), (40, 30, 20, 10), (60, 20, 12, 8), (45, 30, 15, 10)))
    text = f"The chances are {', '.join(f'{c} %' for c in chances)}. With top-k = 2 the first gets"
    kept = chances[0] + chances[1]
    wrong = (f"{chances[0]} %", "50.0 %", f"{100 * chances[0] / (kept + chances[2]):.1f} %")
    right = f"{100 * chances[0] / kept:.1f} %"
    return question(draw, text, right, wrong, f"{chances[0]} of the {kept} that are kept.")


def top_p(draw: random.Random) -> Question:
    chances, p = (50, 25, 15, 10), draw.choice((40, 60, 70, 80, 95))
    kept = next(n for n in range(1, 5) if sum(chances[:n]) >= p)
    text = f"The chances are 50 %, 25 %, 15 %, 10 %. How many tokens does top-p = {p / 100} keep?"
    because = f"The fewest that together reach {p} %: {sum(chances[:kept])} %."
    return question(draw, text, kept, [n for n in range(1, 5) if n != kept], because)


def quantized_size(draw: random.Random) -> Question:
    millions = draw.choice((64, 128, 640))
    text = f"{millions} million weights in 4 bits, and for each block of 32 a scale in 16 bits."
    text += " How many megabytes?"
    wrong = (millions // 2, millions, 2 * millions, millions // 2 + millions // 32)
    because = f"{millions} / 2 for the weights, {millions} / 32 * 2 for the scales."
    return question(draw, text, millions // 2 + millions // 16, wrong, because)


QUESTIONS = (
    perplexity,
    bits,
    count_steps,
    tokens_a_step,
    training_memory,
    which_epoch,
    temperature,
    top_k,
    top_p,
    quantized_size,
)
