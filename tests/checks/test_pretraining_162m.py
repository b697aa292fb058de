"""The exercises of 04_pretraining/03_pretraining_162m."""

from harness import exercise_tests


def stop_at(losses, patience, late=0, last_only=False, at_the_end=None):
    best = 0
    for i, loss in enumerate(losses):
        if loss < losses[best] or (last_only and i and loss < losses[i - 1]):
            best = i
        if i - best >= patience + late:
            return i
    return len(losses) - 1 if at_the_end is None else at_the_end


RIGHT = {"training_memory": 23.21, "evaluations": 18, "stop_at": stop_at}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("training_memory", "weights alone", 5.8, "weights alone"),
    ("training_memory", "one mean", 17.4, "two means"),
    ("training_memory", "GB", 24.92, "2\\*\\*30"),
    ("training_memory", "bytes", 1_557_611_200 * 16, "in bytes"),
    ("training_memory", "a guess", 100, "four numbers"),
    ("evaluations", "without the first", 17, "step 0"),
    ("evaluations", "every step", 90, "fifth"),
    ("evaluations", "a guess", 45, "multiples"),
    ("stop_at", "one too late", lambda x, p: stop_at(x, p, late=1), "too late"),
    ("stop_at", "the loss before", lambda x, p: stop_at(x, p, last_only=True), "best loss so far"),
    ("stop_at", "no end", lambda x, p: stop_at(x, p, at_the_end=-1), "last position"),
]

test_answers, test_tables = exercise_tests("pretraining_162m", RIGHT, WRONG)
