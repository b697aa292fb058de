"""What figures and tables do with what they are given."""

from shared.kit.plots import table


def test_the_table_escapes_what_models_write():
    assert "<b>" not in table(["x"], [["<b>bold</b>"]]) and "&lt;b&gt;" in table(
        ["x"], [["<b>bold</b>"]]
    )


def test_the_table_keeps_line_breaks_and_numbers():
    shown = table(["a", "b"], [["x\ny", 3]])
    assert "x<br>y" in shown and ">3</td>" in shown and shown.count("<th") == 2
