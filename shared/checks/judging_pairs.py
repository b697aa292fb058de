"""Counts of what follows a stretch of text, and how they go wrong."""

from collections.abc import Mapping


def wrong_counts(found: Mapping, text: str, length: int) -> str | None:
    """What is wrong with the counts of what follows each stretch of a text, if anything."""
    right = counts_after(text, length)
    for stretch, counts in found.items():
        if not isinstance(stretch, str):
            return f"a key is a stretch of text, not {stretch!r}"
        if len(stretch) != length:
            return f"the key {stretch!r} has {len(stretch)} characters instead of {length}"
        if not isinstance(counts, Mapping):
            return f"the value of {stretch!r} must be counts, such as a Counter, not {counts!r}"
        if any(isinstance(n, float) for n in counts.values()):
            return f"counts are whole numbers, but after {stretch!r} you have {dict(counts)}"
    kept = {stretch: {c: n for c, n in counts.items() if n} for stretch, counts in found.items()}
    kept = {stretch: counts for stretch, counts in kept.items() if counts}
    if kept == right:
        return None
    if any("" in counts for counts in kept.values()):
        return "nothing follows the last stretch: the empty string is counted"
    if backwards := mirrored(right, text, length):
        if kept == backwards:
            return "what stands before each stretch was counted, not what comes after it"
    for stretch, counts in right.items():
        if stretch not in kept:
            if left_out := set(stretch) - set("".join(kept)):
                return (
                    f"the stretch {stretch!r} is missing: {min(left_out)!r} is a character like "
                    "any other"
                )
            return (
                f"the stretch {stretch!r} is missing: stretches overlap, one starts at each place"
            )
        if any(len(character) != 1 for character in kept[stretch]):
            return f"after {stretch!r} single characters are counted, not {[*kept[stretch]]}"
        if kept[stretch] != counts:
            if all(n == text.count(stretch + c) for c, n in kept[stretch].items()):
                return f"after {stretch!r} come {counts}: str.count leaves out what overlaps"
            grow = ""
            if {n for counts in kept.values() for n in counts.values()} == {1}:
                grow = ": a count grows by 1 each time its stretch comes again"
            return f"after {stretch!r} come {counts}, not {kept[stretch]}{grow}"
    surplus = min(set(kept) - set(right))
    return f"the stretch {surplus!r} is followed by nothing, or stands nowhere in the text"


def counts_after(text: str, length: int) -> dict[str, dict[str, int]]:
    """How often each character follows each stretch of a text."""
    found: dict[str, dict[str, int]] = {}
    for i in range(length, len(text)):
        counts = found.setdefault(text[i - length : i], {})
        counts[text[i]] = counts.get(text[i], 0) + 1
    return found


def mirrored(right: dict, text: str, length: int) -> dict[str, dict[str, int]]:
    """How often each character stands before each stretch, unless that is the same."""
    turned = counts_after(text[::-1], length)
    before = {stretch[::-1]: counts for stretch, counts in turned.items()}
    return before if before != right else {}
