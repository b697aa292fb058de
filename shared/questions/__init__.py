"""A second reading: ten questions on a chapter and those before it, drawn anew each time.

Each module holds the questions of one chapter: functions that draw one with other numbers.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module

from shared.kit.kept_answers import keep_missed, missed_questions
from shared.kit.quiz import Question, Quiz

CHAPTERS = ("01_data", "02_attention", "03_gpt", "04_pretraining", "05_instruction_finetuning")
TEN = 10
OLDER = 3  # of the ten, from earlier chapters
Draw = Callable[[random.Random], Question]


def questions_of(chapter: str) -> dict[str, Draw]:
    """What can be asked about a chapter, by name.

    Raises ValueError if there is no such chapter.
    """
    if chapter not in CHAPTERS:
        raise ValueError(f"no chapter is named {chapter!r}: choose one of {', '.join(CHAPTERS)}")
    asked = import_module(f"shared.questions.{chapter.split('_', 1)[1]}").QUESTIONS
    return {f"{chapter}.{draw.__name__}": draw for draw in asked}


def reading(chapter: str, missed: set[str], draw: random.Random) -> list[Question]:
    """Ten questions: what was missed first, then this chapter's, a few of those before it.

    A question is asked twice, with other numbers, only if there are not ten.
    """
    own = questions_of(chapter)
    before = CHAPTERS[: CHAPTERS.index(chapter)]
    older = {name: ask for earlier in before for name, ask in questions_of(earlier).items()}
    names = sorted(missed & (set(own) | set(older)))[:TEN]
    fresh = [name for name in own if name not in names]
    past = [name for name in older if name not in names]
    names += draw.sample(past, min(len(past), OLDER, TEN - len(names)))
    names += draw.sample(fresh, min(len(fresh), TEN - len(names)))
    names += draw.choices(list(own), k=TEN - len(names))
    draw.shuffle(names)
    everything = own | older
    return [replace(everything[name](draw), name=name) for name in names]


def second_reading(chapter: str) -> Quiz:
    """Ten questions on "02_attention" and what came before it, to be answered by clicks."""
    drawn = reading(chapter, missed_questions(), random.Random())
    return Quiz(drawn, lambda asked, right: keep_missed(asked.name, not right))
