"""The course as a map of exercises: what is done, and how to begin anew.

python -m shared.checks.desk                  # the map
python -m shared.checks.desk forget           # begin anew
python -m shared.checks.desk forget 05_lora   # one notebook alone
"""

import argparse

from shared.checks import exercises
from shared.kit.kept_answers import keep_missed, kept_answer, missed_questions, topic
from shared.kit.repository import notebook_paths, short_name


def course_map() -> None:
    """Print every notebook with its exercises: a full circle for each that is done."""
    chapter = ""
    for path in notebook_paths():
        if path.parent.name != chapter:
            chapter = path.parent.name
            print(chapter)
        name = topic(path)
        done = sum(kept_answer(f"{name}/{exercise}") is not None for exercise in exercises(name))
        print(f"    {path.stem:32}{'●' * done}{'○' * (len(exercises(name)) - done)}")


def forget(notebook: str | None = None) -> None:
    """Forget the kept answers of one notebook, "05_lora", or of all, and what was missed.

    Raises ValueError if there is no such notebook.
    """
    chosen = [p for p in notebook_paths() if notebook in (None, p.stem, topic(p), short_name(p))]
    if not chosen:
        raise ValueError(f"no notebook is named {notebook!r}: give its name, as 05_lora")
    for path in chosen:
        for exercise in exercises(topic(path)):
            answer = kept_answer(f"{topic(path)}/{exercise}")
            if answer:
                answer.unlink(missing_ok=True)
    for question in missed_questions() if notebook is None else ():
        keep_missed(question, False)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m shared.checks.desk", description="What is done of the course's exercises."
    )
    parser.add_argument("what", nargs="?", choices=["map", "forget"], default="map")
    parser.add_argument("notebook", nargs="?", help="forget this one alone, as 05_lora")
    given = parser.parse_args()
    if given.what == "map":
        course_map()
        return
    try:
        forget(given.notebook)
    except ValueError as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
