"""The course's instruction records: twenty families of short tasks whose answers can be recomputed."""

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from shared.kit.downloads import DATA_FOLDER

DATA_PATH = DATA_FOLDER / "instruction-data.json"
RECORDS_PER_FAMILY = 55  # 20 families make 1,100 records
LORA_FAMILIES = ("passive voice", "comparative")  # may be kept from the finetuning and taught to an adapter

Record = dict[str, str]
Item = tuple[str, ...]

# ---- Words that the families look up. A question has one accepted answer: the one in its table. ----

CAPITALS = {
    "Austria": "Vienna", "Canada": "Ottawa", "China": "Beijing", "Cuba": "Havana", "Denmark": "Copenhagen",
    "Egypt": "Cairo", "Finland": "Helsinki", "France": "Paris", "Germany": "Berlin", "Greece": "Athens",
    "Hungary": "Budapest", "Ireland": "Dublin", "Italy": "Rome", "Japan": "Tokyo", "Kenya": "Nairobi",
    "Norway": "Oslo", "Peru": "Lima", "Poland": "Warsaw", "Portugal": "Lisbon", "Spain": "Madrid",
}
ANTONYMS = {
    "hot": "cold", "tall": "short", "happy": "sad", "big": "small", "fast": "slow", "rich": "poor",
    "strong": "weak", "young": "old", "full": "empty", "early": "late", "clean": "dirty", "wet": "dry",
    "near": "far", "easy": "difficult", "cheap": "expensive", "noisy": "quiet", "wide": "narrow",
    "deep": "shallow", "thick": "thin", "true": "false",
}
SYNONYMS = {
    "large": "big", "glad": "happy", "quick": "fast", "smart": "clever", "wealthy": "rich", "ill": "sick",
    "silent": "quiet", "furious": "angry", "scared": "afraid", "simple": "easy", "little": "small",
    "odd": "strange", "weary": "tired", "begin": "start", "finish": "end", "purchase": "buy", "shut": "close",
    "gift": "present", "correct": "right", "tale": "story",
}
PAST_TENSES = {
    "sing": "sang", "write": "wrote", "eat": "ate", "go": "went", "buy": "bought", "bring": "brought",
    "teach": "taught", "drink": "drank", "swim": "swam", "speak": "spoke", "give": "gave", "take": "took",
    "find": "found", "drive": "drove", "walk": "walked", "play": "played", "open": "opened", "carry": "carried",
    "wash": "washed", "cook": "cooked",
}
PLURALS = {
    "child": "children", "mouse": "mice", "foot": "feet", "tooth": "teeth", "man": "men", "woman": "women",
    "knife": "knives", "leaf": "leaves", "wolf": "wolves", "city": "cities", "baby": "babies", "box": "boxes",
    "bus": "buses", "church": "churches", "potato": "potatoes", "sheep": "sheep", "apple": "apples",
    "dog": "dogs", "teacher": "teachers", "window": "windows",
}
COMPARATIVES = {
    "tall": "taller", "fast": "faster", "strong": "stronger", "young": "younger", "cheap": "cheaper",
    "small": "smaller", "cold": "colder", "large": "larger", "wide": "wider", "nice": "nicer", "big": "bigger",
    "hot": "hotter", "thin": "thinner", "happy": "happier", "easy": "easier", "noisy": "noisier",
    "early": "earlier", "good": "better", "bad": "worse", "beautiful": "more beautiful",
}
SPELLINGS = {
    "recieve": "receive", "becuase": "because", "tommorow": "tomorrow", "beleive": "believe", "thier": "their",
    "adress": "address", "begining": "beginning", "definately": "definitely", "diffrent": "different",
    "enviroment": "environment", "goverment": "government", "grammer": "grammar", "libary": "library",
    "neccessary": "necessary", "occured": "occurred", "peice": "piece", "seperate": "separate",
    "suprise": "surprise", "untill": "until", "wierd": "weird",
}
CATEGORIES = {
    "an apple": "a fruit", "a banana": "a fruit", "a pear": "a fruit", "a lemon": "a fruit", "a cherry": "a fruit",
    "a carrot": "a vegetable", "a potato": "a vegetable", "an onion": "a vegetable", "a cabbage": "a vegetable",
    "a radish": "a vegetable", "a dog": "an animal", "a cat": "an animal", "a horse": "an animal",
    "a sheep": "an animal", "an owl": "an animal", "a car": "a vehicle", "a bus": "a vehicle",
    "a train": "a vehicle", "a truck": "a vehicle", "a bicycle": "a vehicle",
}
# Only words that a common reading gives one part of speech: not "cook", "clean" or "cold".
PARTS_OF_SPEECH = {
    "apple": "a noun", "city": "a noun", "child": "a noun", "teacher": "a noun", "river": "a noun",
    "kitchen": "a noun", "sister": "a noun", "write": "a verb", "sing": "a verb", "teach": "a verb",
    "speak": "a verb", "bring": "a verb", "choose": "a verb", "learn": "a verb", "happy": "an adjective",
    "tall": "an adjective", "noisy": "an adjective", "hungry": "an adjective", "beautiful": "an adjective",
    "strong": "an adjective",
}
SIMILES = {
    "brave": "a lion", "busy": "a bee", "cold": "ice", "white": "snow", "light": "a feather", "quiet": "a mouse",
    "sly": "a fox", "strong": "an ox", "stubborn": "a mule", "proud": "a peacock", "slow": "a snail",
    "clear": "crystal", "sweet": "honey", "free": "a bird", "gentle": "a lamb", "wise": "an owl",
    "hungry": "a wolf", "flat": "a pancake", "black": "coal", "good": "gold",
}
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)
REVERSIBLE_WORDS = (
    "apple baby bag bird book boot bread bus cake car cat chair child city coal cow desk door farm fish fox garden "
    "gift glass gold green hand horse house ice king lamp leaf lion milk moon mouse music night onion owl pear rain "
    "ring river school ship snow song soup star sun table tea tooth train tree wall water window wolf"
).split()
CONVERSIONS = {
    ("kilometers", "meters"): 1000, ("meters", "centimeters"): 100, ("kilograms", "grams"): 1000,
    ("hours", "minutes"): 60, ("weeks", "days"): 7, ("feet", "inches"): 12,
}
CONVERTED_VALUES = ("2", "3", "4", "5", "6", "7", "8", "9", "10", "1.5", "2.5")

# ---- Parts of the sentences that four families rewrite. ----

NAMES = ("Anna", "Tom")  # the only subjects that keep their capital inside a sentence
SINGULAR_PEOPLE = ("Anna", "Tom", "My sister", "The teacher")
PLURAL_PEOPLE = ("My friends", "The children")
PRONOUNS = ("He", "She", "We", "They")
PLURAL_SUBJECTS = (*PLURAL_PEOPLE, "We", "They", "The shops", "The windows", "The plates")
THIRD_PERSONS = {
    "walk": "walks", "sing": "sings", "drink": "drinks", "play": "plays", "go": "goes", "watch": "watches",
    "study": "studies", "have": "has",
}
# No verb whose past is spelled as its base: "Tom read a book." would need no correction.
HABITS = (
    "walk to school", "sing a song every night", "drink milk every morning", "play football after school",
    "go to the park on Sundays", "watch a film every week", "study music at school", "have two cats",
)
STATES = (
    (("The soup", "The water", "The plates"), ("hot", "cold", "warm")),
    (("The door", "The shops", "The windows"), ("open", "closed", "new")),
    (("The house", "The car", "The kitchen"), ("clean", "dirty", "big")),
    (("My sister", "Tom", "The children"), ("happy", "hungry", "tired")),
)
PARTICIPLES = {
    "opened": "opened", "washed": "washed", "painted": "painted", "carried": "carried", "cleaned": "cleaned",
    "wrote": "written", "ate": "eaten",
}
# An object that ends in "s" is a plural here, so there is no "bus" among them.
PAST_ACTIONS = (
    "opened the door", "opened the windows", "washed the car", "washed the plates", "painted the house",
    "painted the windows", "carried the bag", "carried the boxes", "cleaned the kitchen", "cleaned the plates",
    "wrote the letters", "ate the apples",
)


def digest(text: str) -> bytes:
    """Bytes that look random and are the same on each machine and Python version."""
    return hashlib.sha256(text.encode("utf-8")).digest()


def lookup(table: dict[str, str], sentence: str) -> Callable[[str], str]:
    """A solver that fills `sentence` with a word and its entry in `table`."""
    return lambda word: sentence.format(word, table[word])


def single_items(words: list[str] | dict[str, str]) -> list[Item]:
    """Each word as an item of one slot."""
    return [(word,) for word in words]


def drawn_numbers(name: str, count: int, low: int, high: int) -> list[list[int]]:
    """Distinct lists of `count` distinct numbers from `low` to `high`."""
    draws = []
    for index in range(2 * RECORDS_PER_FAMILY):
        numbers = list(dict.fromkeys(low + byte % (high - low + 1) for byte in digest(f"{name} {index}")))[:count]
        if numbers not in draws:
            draws.append(numbers)
    return draws


# ---- Sentences ----


def inside(subject: str) -> str:
    """The subject as written inside a sentence."""
    return subject if subject in NAMES else subject[0].lower() + subject[1:]


def split_habit(sentence: str) -> tuple[str, str, str]:
    """Subject, base verb and rest of a sentence such as 'Tom walks to school.', its verb right or wrong."""
    bases = {third: base for base, third in THIRD_PERSONS.items()} | {base: base for base in THIRD_PERSONS}
    for subject in (*SINGULAR_PEOPLE, *PLURAL_PEOPLE, *PRONOUNS):
        if sentence.startswith(subject + " "):
            verb, rest = sentence[len(subject) + 1 :].split(" ", 1)
            return subject, bases[verb], rest.removesuffix(".")
    raise ValueError(f"no known subject in {sentence!r}")


def habit_sentences(right: bool) -> list[str]:
    """All sentences on habits, with verbs that agree with their subjects or with verbs that do not."""
    sentences = []
    for subject in (*SINGULAR_PEOPLE, *PLURAL_PEOPLE, *PRONOUNS):
        for habit in HABITS:
            verb, rest = habit.split(" ", 1)
            form = verb if (subject in PLURAL_SUBJECTS) == right else THIRD_PERSONS[verb]
            sentences.append(f"{subject} {form} {rest}.")
    return sentences


def state_sentences() -> list[str]:
    """All sentences on states, such as 'The soup is hot.'."""
    return [
        f"{subject} {'are' if subject in PLURAL_SUBJECTS else 'is'} {adjective}."
        for subjects, adjectives in STATES
        for subject in subjects
        for adjective in adjectives
    ]


def statements(name: str) -> list[Item]:
    """Sentences in which states and habits take turns, so that both are well represented."""
    habits = sorted(habit_sentences(right=True), key=lambda sentence: digest(name + sentence))
    return single_items([sentence for pair in zip(state_sentences(), habits) for sentence in pair])


def correct_agreement(sentence: str) -> str:
    """The sentence with a verb that agrees with its subject."""
    subject, base, rest = split_habit(sentence)
    return f"{subject} {base if subject in PLURAL_SUBJECTS else THIRD_PERSONS[base]} {rest}."


def negate(sentence: str) -> str:
    """The sentence with 'not'."""
    if state := re.fullmatch(r"(.+) (is|are) (\w+)\.", sentence):
        return f"{state[1]} {state[2]} not {state[3]}."
    subject, base, rest = split_habit(sentence)
    return f"{subject} {'do' if subject in PLURAL_SUBJECTS else 'does'} not {base} {rest}."


def ask(sentence: str) -> str:
    """The sentence as a question that yes or no answers."""
    if state := re.fullmatch(r"(.+) (is|are) (\w+)\.", sentence):
        return f"{state[2].capitalize()} {inside(state[1])} {state[3]}?"
    subject, base, rest = split_habit(sentence)
    return f"{'Do' if subject in PLURAL_SUBJECTS else 'Does'} {inside(subject)} {base} {rest}?"


def make_passive(sentence: str) -> str:
    """The passive of a sentence such as 'Tom washed the car.'."""
    parts = re.fullmatch(rf"(.+) ({'|'.join(PARTICIPLES)}) the (\w+)\.", sentence)
    if parts is None:
        raise ValueError(f"no known verb in {sentence!r}")
    subject, verb, thing = parts.groups()
    auxiliary = "were" if thing.endswith("s") else "was"
    return f"The {thing} {auxiliary} {PARTICIPLES[verb]} by {inside(subject)}."


# ---- Other answers ----


def classify(word: str) -> str:
    """The category of a thing, with articles: 'An apple is a fruit.'."""
    named = next(thing for thing in CATEGORIES if thing.split(" ")[1] == word)
    return f"{named.capitalize()} is {CATEGORIES[named]}."


def next_name(unit: str, name: str) -> str:
    """The day or month after another; Sunday and December are followed by the first of their kind."""
    names = {"day": DAYS, "month": MONTHS}[unit]
    return f"The {unit} after {name} is {names[(names.index(name) + 1) % len(names)]}."


def convert(value: str, unit: str, target: str) -> str:
    """The value in the target unit, in exact decimals."""
    result = Decimal(value) * CONVERSIONS[unit, target]
    return f"{value} {unit} is equal to {result.normalize():f} {target}."


def add(first: str, second: str) -> str:
    """The sum of two whole numbers."""
    return f"{first} + {second} = {int(first) + int(second)}."


def compare(first: str, second: str) -> str:
    """The larger of two whole numbers, and the smaller."""
    small, large = sorted((int(first), int(second)))
    return f"{large} is larger than {small}."


def sort_numbers(numbers: str) -> str:
    """The numbers from smallest to largest."""
    return ", ".join(sorted(numbers.split(", "), key=int))


def reverse(word: str) -> str:
    """The word spelled backwards."""
    return f"The word '{word}' reversed is '{word[::-1]}'."


# ---- Families ----


@dataclass(frozen=True)
class Family:
    """One kind of task: its prompts as pairs (instruction, input), what fills their slots, and its solver."""

    name: str
    items: list[Item]
    solve: Callable[..., str]
    prompts: tuple[tuple[str, str], ...]


_CALENDAR_ITEMS = [("day", day) for day in DAYS] + [("month", month) for month in MONTHS]
_CONVERSION_ITEMS = [(value, *units) for value in CONVERTED_VALUES for units in CONVERSIONS]
_PASSIVE_ITEMS = single_items([
    f"{subject} {action}." for subject in (*SINGULAR_PEOPLE, *PLURAL_PEOPLE) for action in PAST_ACTIONS
])
_ADDITION_ITEMS = [(str(a), str(b)) for a, b in drawn_numbers("addition", 2, 2, 20)]
_COMPARISON_ITEMS = [(str(a), str(b)) for a, b in drawn_numbers("comparison", 2, 1, 20)]
_SORTING_ITEMS = single_items([
    ", ".join(map(str, numbers)) for numbers in drawn_numbers("sorting", 3, 1, 20) if numbers != sorted(numbers)
])

_TABLE = (
    Family("capital", single_items(CAPITALS), lookup(CAPITALS, "The capital city of {} is {}."), (
        ("What is the name of the capital of {0}?", ""),
        ("Which city is the capital of {0}?", ""),
        ("Name the capital of {0}.", ""),
    )),
    Family("antonym", single_items(ANTONYMS), lookup(ANTONYMS, "An antonym of '{}' is '{}'."), (
        ("Which word is the opposite of '{0}'?", ""),
        ("Give an antonym of '{0}'.", ""),
        ("Name the opposite of the following word.", "{0}"),
    )),
    Family("synonym", single_items(SYNONYMS), lookup(SYNONYMS, "A synonym of '{}' is '{}'."), (
        ("What is a synonym of '{0}'?", ""),
        ("Which word means nearly the same as '{0}'?", ""),
        ("Give a synonym of the following word.", "{0}"),
    )),
    Family("past tense", single_items(PAST_TENSES), lookup(PAST_TENSES, "The past tense of '{}' is '{}'."), (
        ("What is the past tense of the verb '{0}'?", ""),
        ("Put the verb '{0}' into the past tense.", ""),
        ("Give the past tense of the following verb.", "{0}"),
    )),
    Family("plural", single_items(PLURALS), lookup(PLURALS, "The plural of '{}' is '{}'."), (
        ("What is the plural of the noun '{0}'?", ""),
        ("Write the plural form of '{0}'.", ""),
        ("Give the plural of the following noun.", "{0}"),
    )),
    Family("comparative", single_items(COMPARATIVES), lookup(COMPARATIVES, "The comparative of '{}' is '{}'."), (
        ("What is the comparative of '{0}'?", ""),
        ("Give the comparative form of '{0}'.", ""),
        ("Write the adjective '{0}' in its comparative form.", ""),
    )),
    Family("spelling", single_items(SPELLINGS), lookup(SPELLINGS, "The correct spelling of '{}' is '{}'."), (
        ("Correct the spelling of '{0}'.", ""),
        ("How should '{0}' be spelled?", ""),
        ("Correct the spelling of the following word.", "{0}"),
    )),
    Family("category", single_items([thing.split(" ")[1] for thing in CATEGORIES]), classify, (
        ("Classify '{0}' as a fruit, a vegetable, an animal or a vehicle.", ""),
        ("What kind of thing is '{0}': a fruit, a vegetable, an animal or a vehicle?", ""),
        ("Is the following a fruit, a vegetable, an animal or a vehicle?", "{0}"),
    )),
    Family("part of speech", single_items(PARTS_OF_SPEECH), lookup(PARTS_OF_SPEECH, "The word '{}' is {}."), (
        ("Is '{0}' a noun, a verb or an adjective?", ""),
        ("Name the part of speech of '{0}'.", ""),
        ("Is the following word a noun, a verb or an adjective?", "{0}"),
    )),
    Family("simile", single_items(SIMILES), lookup(SIMILES, "As {} as {}."), (
        ("Complete the well-known simile: as {0} as ...", ""),
        ("Finish the well-known comparison 'as {0} as'.", ""),
        ("Write a well-known simile with the adjective '{0}'.", ""),
    )),
    Family("calendar", _CALENDAR_ITEMS, next_name, (
        ("What {0} comes just after {1}?", ""),
        ("Name the {0} that follows {1}.", ""),
        ("Which {0} is right after {1}?", ""),
    )),
    Family("grammar", single_items(habit_sentences(right=False)), correct_agreement, (
        ("Correct the verb in this sentence: {0}", ""),
        ("Correct the grammar of the following sentence.", "{0}"),
        ("Make the verb agree with its subject.", "{0}"),
    )),
    Family("negation", statements("negation"), negate, (
        ("Make this sentence negative: {0}", ""),
        ("Make the following sentence negative.", "{0}"),
        ("Add 'not' to the following sentence.", "{0}"),
    )),
    Family("question", statements("question"), ask, (
        ("Turn this sentence into a question: {0}", ""),
        ("Turn the following sentence into a question.", "{0}"),
        ("Write a question that asks whether this is so.", "{0}"),
    )),
    Family("passive voice", _PASSIVE_ITEMS, make_passive, (
        ("Put this sentence into the passive voice: {0}", ""),
        ("Put the following sentence into the passive voice.", "{0}"),
        ("Change the following sentence from active to passive.", "{0}"),
    )),
    Family("conversion", _CONVERSION_ITEMS, convert, (
        ("Change {0} {1} into {2}.", ""),
        ("How many {2} are there in {0} {1}?", ""),
        ("Express {0} {1} in {2}.", ""),
    )),
    Family("addition", _ADDITION_ITEMS, add, (
        ("What is {0} + {1}?", ""),
        ("Add {0} and {1}.", ""),
        ("Calculate the sum of {0} and {1}.", ""),
    )),
    Family("comparison", _COMPARISON_ITEMS, compare, (
        ("Which number is larger, {0} or {1}?", ""),
        ("Compare the numbers {0} and {1}.", ""),
        ("Name the larger of {0} and {1}.", ""),
    )),
    Family("sorting", _SORTING_ITEMS, sort_numbers, (
        ("Sort these numbers from smallest to largest: {0}", ""),
        ("Sort the following numbers from smallest to largest.", "{0}"),
        ("Put the following numbers in increasing order.", "{0}"),
    )),
    Family("reversal", single_items(REVERSIBLE_WORDS), reverse, (
        ("Reverse the letters of the word '{0}'.", ""),
        ("Spell '{0}' backwards.", ""),
        ("Write the following word backwards.", "{0}"),
    )),
)
FAMILIES = tuple(family.name for family in _TABLE)


def _pattern(template: str) -> str:
    """A regular expression that reads a template's slots back as groups s0, s1 and so on."""
    return re.sub(r"\\\{(\d)\\\}", r"(?P<s\1>.+?)", re.escape(template))


_PATTERNS = tuple(
    # No template holds a line break, so one expression can read both texts of a prompt.
    (family, re.compile(f"{_pattern(instruction)}\n{_pattern(text)}"))
    for family in _TABLE
    for instruction, text in family.prompts
)


def _parse(record: Record) -> tuple[Family, list[str]]:
    """The family of a record and what fills its slots; ValueError when no template fits."""
    prompt = f"{record['instruction']}\n{record['input']}"
    for family, pattern in _PATTERNS:
        if match := pattern.fullmatch(prompt):
            return family, [text for _, text in sorted(match.groupdict().items())]
    raise ValueError(f"no family has the prompt {prompt!r}")


def family_of(record: Record) -> str:
    """The name of the record's family, read from its prompt; ValueError when no template fits."""
    return _parse(record)[0].name


def check_record(record: Record) -> None:
    """None when the record's answer is the true one; ValueError with the reason otherwise."""
    if list(record) != ["instruction", "input", "output"]:
        raise ValueError(f"expected the keys instruction, input, output, got {list(record)}")
    family, slots = _parse(record)
    try:
        expected = family.solve(*slots)
    except (ArithmeticError, LookupError, StopIteration, ValueError) as error:
        raise ValueError(f"{family.name}: no answer is known for {slots}") from error
    if record["output"] != expected:
        raise ValueError(f"{family.name}: expected {expected!r} for {slots}, got {record['output']!r}")


def _family_records(family: Family) -> list[Record]:
    """A family's records, first each item once, then each again in another phrasing, until there are enough."""
    items = sorted(family.items, key=lambda item: digest(f"{family.name} {item}"))
    records = []
    for turn in range(len(family.prompts)):
        for index, item in enumerate(items):
            instruction, text = family.prompts[(index + turn) % len(family.prompts)]
            output = family.solve(*item)
            records.append({"instruction": instruction.format(*item), "input": text.format(*item), "output": output})
    return records[:RECORDS_PER_FAMILY]


def tasks_of(name: str) -> list[list[Record]]:
    """All that a family can ask, one list for each of its items: the same question in all its phrasings.

    The items come in the family's order. Raises ValueError for an unknown family.
    """
    family = next((family for family in _TABLE if family.name == name), None)
    if family is None:
        raise ValueError(f"no family is named {name!r}: there are {', '.join(FAMILIES)}")
    return [
        [
            {"instruction": instruction.format(*item), "input": text.format(*item), "output": family.solve(*item)}
            for instruction, text in family.prompts
        ]
        for item in family.items
    ]


def generate_records() -> list[Record]:
    """All records in file order: rounds of one record a family, each round shuffled by a hash.

    Rounds give each part of a split in file order the same mix of families. The last rounds ask for facts
    that earlier ones asked for in other words, and for sentences and numbers that are new.
    """
    rounds = zip(*(_family_records(family) for family in _TABLE), strict=True)
    return [record for members in rounds for record in sorted(members, key=lambda r: digest(json.dumps(r)))]


def main(path: Path = DATA_PATH) -> None:
    """None; writes all records as JSON to `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(generate_records(), indent=2, ensure_ascii=False) + "\n"
    path.write_text(text, encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()


def names_last_word(answer: str, record: Record) -> bool:
    """Whether the last word of the record's output is one of the answer's words, in any case."""
    expected = re.findall(r"\w+", record["output"].casefold())
    return bool(expected) and expected[-1] in re.findall(r"\w+", answer.casefold())
