"""The instruction records are true, distinct, short, and the same on each machine."""

import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from decimal import Decimal

import pytest

from shared.kit import instruction_records as ir

RECORDS = ir.generate_records()
TRAIN, TEST, VALIDATION = RECORDS[:935], RECORDS[935:1045], RECORDS[1045:]

IRREGULAR_PASTS = {
    "sang",
    "wrote",
    "ate",
    "went",
    "bought",
    "brought",
    "taught",
    "drank",
    "swam",
    "spoke",
    "gave",
    "took",
    "found",
    "drove",
}
IRREGULAR_PLURALS = {
    "children",
    "mice",
    "feet",
    "teeth",
    "men",
    "women",
    "knives",
    "leaves",
    "wolves",
    "potatoes",
    "sheep",
}
SINGULAR_SUBJECTS = ("Anna", "Tom", "My sister", "The teacher", "He", "She")
METERS = {"kilometers": Decimal(1000), "meters": Decimal(1), "centimeters": Decimal("0.01")}
KILOGRAMS = {"kilograms": Decimal(1), "grams": Decimal("0.001")}
MINUTES = {
    "minutes": Decimal(1),
    "hours": Decimal(60),
    "days": Decimal(1440),
    "weeks": Decimal(10080),
}
INCHES = {"inches": Decimal(1), "feet": Decimal(12)}


def prompt_of(record):
    """The text of a record's prompt."""
    return f"{record['instruction']} {record['input']}".strip()


def of_family(name):
    """All records of one family."""
    return [record for record in RECORDS if ir.family_of(record) == name]


def quoted(text):
    """The words between straight single quotes."""
    return re.findall(r"'([^']+)'", text)


def sentence_of(record):
    """The sentence that a prompt asks to rewrite."""
    return record["input"] or record["instruction"].split(": ", 1)[1]


def test_records_have_the_alpaca_form_and_are_distinct():
    assert len(RECORDS) == 1100
    assert all(list(record) == ["instruction", "input", "output"] for record in RECORDS)
    prompts = Counter(re.sub(r"\W+", " ", prompt_of(record).lower()) for record in RECORDS)
    assert prompts.most_common(1)[0][1] == 1


def test_each_part_of_the_split_has_its_share_of_each_family():
    assert len(ir.FAMILIES) == len(set(ir.FAMILIES)) == 20
    assert set(ir.LORA_FAMILIES) <= set(ir.FAMILIES)
    for part, low, high in ((TRAIN, 46, 47), (TEST, 5, 7), (VALIDATION, 2, 3)):
        counts = Counter(map(ir.family_of, part))
        assert set(counts) == set(ir.FAMILIES)
        assert all(low <= count <= high for count in counts.values()), counts


def test_held_out_facts_were_trained_in_other_words():
    trained = {record["output"] for record in TRAIN}
    facts = (
        "capital",
        "antonym",
        "synonym",
        "past tense",
        "plural",
        "comparative",
        "spelling",
        "category",
    )
    for record in TEST + VALIDATION:
        if ir.family_of(record) in (*facts, "part of speech", "simile", "calendar"):
            assert record["output"] in trained, record


def test_held_out_sentences_and_sums_are_new():
    trained = {record["output"] for record in TRAIN}
    for record in TEST + VALIDATION:
        if ir.family_of(record) in (
            "negation",
            "question",
            "passive voice",
            "conversion",
            "addition",
            "reversal",
        ):
            assert record["output"] not in trained, record


def test_about_three_in_ten_records_have_an_input():
    assert 0.27 <= sum(bool(record["input"]) for record in RECORDS) / len(RECORDS) <= 0.33


def test_records_are_short_plain_text():
    for record in RECORDS:
        text = " ".join(record.values())
        assert len(text.split()) <= 45
        assert text.isascii() and "!" not in text and '"' not in text and "\n" not in text
        assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text, re.IGNORECASE), text
        assert all(value == value.strip() and "  " not in value for value in record.values())
        if ir.family_of(record) != "sorting":
            assert re.fullmatch(r"[A-Z0-9].*[.?]", record["output"]), record


def test_one_family_only_fits_each_record():
    for record in RECORDS:
        prompt = f"{record['instruction']}\n{record['input']}"
        assert (
            len([family for family, pattern in ir._PATTERNS if pattern.fullmatch(prompt)]) == 1
        ), prompt


def test_check_record_accepts_true_answers_and_no_others():
    answers = defaultdict(list)
    for record in RECORDS:
        ir.check_record(record)
        answers[ir.family_of(record)].append(record["output"])
    for record in RECORDS:
        others = [output for output in answers[ir.family_of(record)] if output != record["output"]]
        for output in (others[0], record["output"] + " ", ""):
            with pytest.raises(ValueError, match="expected"):
                ir.check_record(record | {"output": output})


@pytest.mark.parametrize(
    "instruction",
    [
        "Name the capital of Atlantis.",
        "Add 3 and x.",
        "Change 3 weeks into grams.",
        "Tell me a story.",
        "Turn this sentence into a question: Nobody knows.",
        "Name the day that follows May.",
        "Classify 'stone' as a fruit, a vegetable, an animal or a vehicle.",
    ],
)
def test_check_record_rejects_prompts_without_an_answer(instruction):
    with pytest.raises(ValueError):
        ir.check_record({"instruction": instruction, "input": "", "output": "42."})


def test_check_record_rejects_other_keys():
    with pytest.raises(ValueError, match="keys"):
        ir.check_record({"instruction": "Add 2 and 3.", "output": "2 + 3 = 5."})


def test_sums_comparisons_and_sorted_numbers():
    for record in of_family("addition"):
        first, second = map(int, re.findall(r"\d+", prompt_of(record)))
        assert record["output"] == f"{first} + {second} = {first + second}."
    for record in of_family("comparison"):
        numbers = [int(number) for number in re.findall(r"\d+", prompt_of(record))]
        assert (
            record["output"] == f"{max(numbers)} is larger than {min(numbers)}."
            and len(set(numbers)) == 2
        )
    for record in of_family("sorting"):
        asked, given = (
            [int(n) for n in re.findall(r"\d+", text)]
            for text in (prompt_of(record), record["output"])
        )
        assert Counter(asked) == Counter(given) and len(set(given)) == 3
        assert all(low < high for low, high in zip(given, given[1:]))


def test_conversions():
    for record in of_family("conversion"):
        value, unit, result, target = re.fullmatch(
            r"(\S+) (\w+) is equal to (\S+) (\w+)\.", record["output"]
        ).groups()
        scale = next(scale for scale in (METERS, KILOGRAMS, MINUTES, INCHES) if unit in scale)
        assert Decimal(value) * scale[unit] == Decimal(result) * scale[target]
        assert set(re.findall(r"[\d.]*\d|\w+", prompt_of(record))) >= {value, unit, target}


def test_reversed_words():
    for record in of_family("reversal"):
        word, backwards = quoted(record["output"])
        assert list(word) == list(reversed(backwards))
        assert word in prompt_of(record)


def test_days_and_months_come_in_order():
    names = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday Monday".split()
    names += "January February March April May June July August".split()
    names += "September October November December January".split()
    following = set(zip(names, names[1:]))
    for record in of_family("calendar"):
        unit, before, after = re.fullmatch(
            r"The (day|month) after (\w+) is (\w+)\.", record["output"]
        ).groups()
        assert (before, after) in following
        assert before in prompt_of(record) and before.endswith("day") == (unit == "day")


def regular_plural(word):
    """The plural by the rules of regular nouns."""
    if re.search(r"[^aeiou]y$", word):
        return word[:-1] + "ies"
    return word + ("es" if re.search(r"(s|x|ch|sh)$", word) else "s")


def regular_comparative(word):
    """The comparative by the rules of short adjectives."""
    if word.endswith(("e", "y")):
        return (word if word.endswith("e") else word[:-1] + "ie") + "r"
    doubled = re.fullmatch(r"[^aeiou]+[aeiou][^aeiouwy]", word)
    return word + (word[-1] if doubled else "") + "er"


def test_regular_forms_follow_the_rules_and_irregular_ones_are_listed():
    for verb, past in ir.PAST_TENSES.items():
        assert past in IRREGULAR_PASTS or past == re.sub(r"([^aeiou])y$", r"\1i", verb) + "ed"
    for noun, plural in ir.PLURALS.items():
        assert plural in IRREGULAR_PLURALS or plural == regular_plural(noun)
    for adjective, comparative in ir.COMPARATIVES.items():
        irregular = ("better", "worse", "more beautiful")
        assert comparative in irregular or comparative == regular_comparative(adjective)


def test_answers_are_those_of_the_reviewed_tables():
    tables = {
        "antonym": ir.ANTONYMS,
        "synonym": ir.SYNONYMS,
        "past tense": ir.PAST_TENSES,
        "plural": ir.PLURALS,
        "comparative": ir.COMPARATIVES,
        "spelling": ir.SPELLINGS,
    }
    for family, table in tables.items():
        for record in of_family(family):
            word, answer = quoted(record["output"])
            assert table[word] == answer and word in (
                quoted(prompt_of(record)) or [record["input"]]
            )
    for record in of_family("capital"):
        country, city = re.fullmatch(
            r"The capital city of (\w+) is (\w+)\.", record["output"]
        ).groups()
        assert ir.CAPITALS[country] == city and country in prompt_of(record)


def test_tables_do_not_contradict_themselves_or_each_other():
    for table in (ir.CAPITALS, ir.ANTONYMS, ir.SYNONYMS, ir.SPELLINGS):
        assert len(set(table.values())) == len(table) and not set(table) & set(table.values())
    opposites = {frozenset(pair) for pair in ir.ANTONYMS.items()}
    assert not opposites & {frozenset(pair) for pair in ir.SYNONYMS.items()}
    for wrong, right in ir.SPELLINGS.items():
        assert wrong[0] == right[0] and abs(len(wrong) - len(right)) <= 1
    verbs = {word for word, part in ir.PARTS_OF_SPEECH.items() if part == "a verb"}
    adjectives = {word for word, part in ir.PARTS_OF_SPEECH.items() if part == "an adjective"}
    assert not verbs & (set(ir.PLURALS) | set(ir.COMPARATIVES) | set(ir.SIMILES))
    assert not adjectives & (set(ir.PLURALS) | set(ir.PAST_TENSES))


def test_categories_and_similes_keep_the_word_asked_for():
    for record in of_family("category"):
        thing = record["input"] or quoted(record["instruction"])[0]
        article, kind = re.fullmatch(rf"(An?) {thing} is an? (\w+)\.", record["output"]).groups()
        assert ir.CATEGORIES[f"{article.lower()} {thing}"].split()[1] == kind
    for record in of_family("simile"):
        adjective = record["output"].split()[1]
        assert (
            adjective in prompt_of(record)
            and record["output"] == f"As {adjective} as {ir.SIMILES[adjective]}."
        )


def is_singular(sentence):
    """Whether the subject of a sentence on people is in the third person singular."""
    return sentence.startswith(tuple(subject + " " for subject in SINGULAR_SUBJECTS))


def test_corrected_sentences_agree_and_differ_in_the_verb_only():
    for record in of_family("grammar"):
        asked, given = sentence_of(record).split(), record["output"].split()
        changed = [(old, new) for old, new in zip(asked, given) if old != new]
        assert len(asked) == len(given) and len(changed) == 1
        assert changed[0][1].endswith("s") == is_singular(record["output"])


def test_negations_and_questions_keep_the_words_of_the_statement():
    for family, extra in (("negation", "not"), ("question", "")):
        for record in of_family(family):
            asked = sentence_of(record).rstrip(".").lower().split()
            given = (
                re.sub(rf"[.?]$|\b{extra} " if extra else r"[.?]$", "", record["output"])
                .lower()
                .split()
            )
            added, lost = Counter(given) - Counter(asked), Counter(asked) - Counter(given)
            if "is" in asked or "are" in asked:
                assert not added and not lost, record
            else:
                third = is_singular(sentence_of(record))
                assert set(added) >= {"does" if third else "do"} and sum(lost.values()) == int(
                    third
                ), record
            assert record["output"].endswith("?") == (family == "question")
            order = r"(Is|Are|Do|Does) {}\b.*" if extra == "" else r"{} (is|are|do|does) not .*"
            subject = re.match(r"(The|My) \w+|\w+", sentence_of(record))[0]
            assert re.fullmatch(order.format(subject), record["output"], re.IGNORECASE), record


def test_passive_sentences_swap_subject_and_object():
    for record in of_family("passive voice"):
        subject, verb, thing = re.fullmatch(r"(.+) (\w+) the (\w+)\.", sentence_of(record)).groups()
        pattern = rf"The {thing} (was|were) (\w+) by {subject}\."
        auxiliary, participle = re.fullmatch(pattern, record["output"], re.IGNORECASE).groups()
        assert auxiliary == (
            "were" if thing in ("windows", "plates", "boxes", "apples", "letters") else "was"
        )
        assert participle == {"wrote": "written", "ate": "eaten"}.get(verb, verb)
        assert not re.search(r"by (My|The|anna|tom)", record["output"])


def test_the_committed_file_is_what_the_module_writes(tmp_path):
    path = tmp_path / "data" / "records.json"
    ir.main(path)
    written = path.read_bytes()
    assert written == ir.DATA_PATH.read_bytes(), (
        "run this module again and commit the file it writes"
    )
    assert written.endswith(b"]\n") and b"\r" not in written
    assert json.loads(written) == RECORDS


@pytest.mark.parametrize("seed", ["0", "1"])
def test_the_order_does_not_depend_on_the_hash_seed(seed):
    program = (
        "import json; from shared.kit import instruction_records as ir; "
        "print(json.dumps(ir.generate_records()))"
    )
    environment = os.environ | {"PYTHONHASHSEED": seed}
    run = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    assert json.loads(run.stdout) == RECORDS


@pytest.mark.parametrize("family", ir.FAMILIES)
def test_the_tasks_of_a_family_are_true_and_hold_its_records(family):
    tasks = ir.tasks_of(family)
    for phrasings in tasks:
        assert len(phrasings) == 3 and len({record["output"] for record in phrasings}) == 1
        for record in phrasings:
            ir.check_record(record)
            assert ir.family_of(record) == family
    every = [record for phrasings in tasks for record in phrasings]
    assert all(record in every for record in of_family(family))


def test_the_tasks_of_no_family_are_refused():
    with pytest.raises(ValueError, match="no family is named 'poetry'"):
        ir.tasks_of("poetry")


def test_the_last_word_may_stand_anywhere_in_the_answer():
    record = {"output": "The capital city of Peru is Lima."}
    for answer in ("It is LIMA, of course", "Lima."):
        assert ir.names_last_word(answer, record)
    for answer in ("The capital city of Peru", "Limassol", ""):
        assert not ir.names_last_word(answer, record)
    assert not ir.names_last_word("", {"output": "..."})
