"""The check of the figures on the pages finds what is wrong, and finds nothing in the pages as they are."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "doc" / "check_figures.py"

pytestmark = pytest.mark.skipif(not SCRIPT.exists(), reason="needs the documentation")

TABLE = """# Speed: medians, seeds: 5

| set | ours | change |
| --- | --- | --- |
| iris | 0.9732 | +1.33 |
| hitters | 0.4818 | -3.41 |

- Mean: 4,784 (target >= 777: **met**)

- Date: 2026-11-27 20:06 UTC
- Versions: numpy 2.4
"""
LARGE = (
    "| set | ours |\n| --- | --- |\n" + "".join(f"| set_{k} | 0.{700 + k} |\n" for k in range(40)) + "\n- Mean: 12.5\n"
)
BENCHMARKS = """# Benchmarks

(benchmark-speed)=
## Speed

```{include} ../benchmarks/results/speed.md
```

(benchmark-large)=
## Large

```{include} ../benchmarks/results/large.md
```
"""


@pytest.fixture
def check():
    spec = importlib.util.spec_from_file_location("check_figures", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def root(tmp_path):
    files = {
        "benchmarks/results/speed.md": TABLE,
        "benchmarks/results/large.md": LARGE,
        "doc/benchmarks.md": BENCHMARKS,
        "doc/decisions/0007-why.md": "# Why\n\nIt took 31 updates.\n",
        "doc/user_guide/page.rst": "Page\n====\n",
        "README.md": "# Package\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def faults(check, root, text, name="README.md"):
    (root / name).write_text(text, encoding="utf-8")
    return check.faults(root)


LINK = "[table](benchmarks/results/speed.md)"
RIGHT = [
    "97.3 % on iris",  # as a percentage
    "97.32 points",
    "0.973",
    "+1.3 and -3.41",
    "behind by 3.4 points",
    "4,784 evaluations in 5 runs",
    "measured on 2026-11-27",
    "`n=77`, Python 3.11, Kaneko (1999), and F1",
]
WRONG = {
    "97.4 % on iris": "97.4 is",
    "0.972": "0.972 is",
    "-1.33": "-1.33 is",
    "+3.41": "+3.41 is",
    "3 points": "3 is",  # -3.41 rounds to it, but so does much else
    "4,785 evaluations": "4,785 is",
    "777": "777 is",  # a target
    "numbers 2.4": "2.4 is",  # a version
    "measured on 2026-11-26": "2026-11-26 is not the date",
}


@pytest.mark.parametrize("text", RIGHT)
def test_figures_of_the_cited_table_pass(check, root, text):
    assert faults(check, root, f"{text} ({LINK}).\n") == []


@pytest.mark.parametrize(("text", "told"), WRONG.items())
def test_a_wrong_figure_is_told_with_file_line_and_table(check, root, text, told):
    (fault,) = faults(check, root, f"# Title\n\n{text} ({LINK}).\n")
    assert fault.startswith(f"README.md:3: {told}")
    assert "benchmarks/results/speed.md" in fault


@pytest.mark.parametrize(
    "cited", ["[x](benchmarks/results/none.md)", "[x](doc/decisions/0042-none.md)", "decision 0042"]
)
def test_a_missing_file_is_told(check, root, cited):
    (fault,) = faults(check, root, f"97.3 % ({cited})\n")
    assert "does not exist" in fault


@pytest.mark.parametrize("unit", [" %", " points", " times", " s", " seconds", " MB", " Lyapunov times"])
def test_a_figure_without_a_table_is_told(check, root, unit):
    (fault,) = faults(check, root, f"It is 97{unit}.\n")
    assert fault == "README.md:1: states 97 and cites no table"


def test_each_row_item_and_paragraph_cites_for_itself(check, root):
    text = f"| a | 1.33 % | {LINK} |\n| b | 1.33 % | |\n\n- 1.33 % {LINK}\n- 1.33 %\n\n1.33 % {LINK}\n\n1.33 %\n"
    assert [fault.split(":")[1] for fault in faults(check, root, text)] == ["2", "5", "9"]


def test_code_is_not_looked_at(check, root):
    assert faults(check, root, "```python\nx = 5  # 5 %\n```\n\n`5 %`\n") == []
    page = ">>> 7 % 3\n1\n\nSo::\n\n    5 %\n\n.. math:: 5 %\n\n.. code-block:: text\n\n   5 %\n\n``5 %``\n"
    assert faults(check, root, page, "doc/user_guide/page.rst") == []


def test_what_a_doctest_above_has_needs_no_table(check, root):
    page = ">>> 1 / 4\n0.25\n\nIt is 25 %.\n\n>>> 1\n1\n\nIt is 25 %.\n"
    assert [fault.split(":")[1] for fault in faults(check, root, page, "doc/user_guide/page.rst")] == ["9"]


@pytest.mark.parametrize(
    "text",
    [
        f"<!-- setting: 24, 90 -->\nOver 24 steps, of 90 %: 1.33 ({LINK}).\n",
        f"| 24 steps <!-- setting: 24, 90 --> | 90 % | {LINK} |\n",
        "<!-- setting: 90 -->\nIntervals of 90 %.\n",
    ],
)
def test_numbers_of_the_setting_are_listed(check, root, text):
    assert faults(check, root, text) == []
    assert faults(check, root, text.replace("setting", "set")) != []


def test_a_setting_that_is_not_there_is_told(check, root):
    (fault,) = faults(check, root, "<!-- setting: 24 -->\nOver some steps.\n")
    assert "24" in fault


PAGE = """Page
====

It has 97.3 % (:ref:`benchmark-speed`).

.. setting: 90

Of 90 % it has 1.33 (:ref:`here <benchmark-speed>`); after 31 updates (:doc:`/decisions/0007-why`).

* an item of 4,784 (``benchmarks/results/speed.md``)

.. list-table::
   :widths: 30 70

   * - 97.3 %
     - :ref:`benchmark-speed`
   * - 97.3 % of 60

       .. setting: 60
     - :ref:`benchmark-speed`

.. plot:: plots/x.py
   :alt: 5 %

   A caption with 1.33 points, from :ref:`benchmark-speed`.
"""


def test_pages_in_restructuredtext_cite_by_label(check, root):
    assert faults(check, root, PAGE, "doc/user_guide/page.rst") == []


@pytest.mark.parametrize(
    ("right", "wrong", "line"),
    [
        ("97.3 % (:ref", "97.4 % (:ref", 4),
        ("1.33 (", "1.34 (", 8),
        ("31 updates", "32 updates", 8),
        ("4,784", "4,785", 10),
        ("97.3 %\n", "97.4 %\n", 15),
        ("of 60", "of 61", 17),
        ("1.33 points", "1.34 points", 25),
        (".. setting: 90\n", "", 7),
    ],
)
def test_a_wrong_figure_in_restructuredtext_is_told(check, root, right, wrong, line):
    assert PAGE.count(right) == 1
    found = faults(check, root, PAGE.replace(right, wrong), "doc/user_guide/page.rst")
    assert {fault.split(":")[1] for fault in found} == {str(line)}


def test_of_a_large_table_the_named_rows_count(check, root):
    cite = "[table](benchmarks/results/large.md)"
    assert faults(check, root, f"On set_7 it is 0.707, on average 12.5 ({cite}).\n") == []
    (fault,) = faults(check, root, f"On set_7 it is 0.708, on average 12.5 ({cite}).\n")
    assert "0.708" in fault


def test_the_first_row_of_a_table_names_rows_too(check, root):
    it_is = "0.707 ([table](benchmarks/results/large.md))"
    table = f"| what | set_{{}} |\n| --- | --- |\n| it | {it_is} |\n\n"
    text = f"{table.format(7)}It is {it_is}.\n\n{table.format(8)}"
    assert [fault.split(":")[1] for fault in faults(check, root, text)] == ["5", "9"]


def test_each_table_in_restructuredtext_has_its_own_first_row(check, root):
    it_is = "0.707 (:ref:`benchmark-large`)"
    table = f".. list-table::\n\n   * - what\n     - set_{{}}\n   * - it\n     - {it_is}\n\n"
    page = f"{table.format(7)}{table.format(8)}{table.format(7)}It is {it_is}.\n"
    found = faults(check, root, page, "doc/user_guide/page.rst")
    assert [fault.split(":")[1] for fault in found] == ["12", "22"]


@pytest.mark.skipif(not (ROOT / "benchmarks" / "results").exists(), reason="a source archive has no benchmarks")
def test_the_pages_as_they_are(check):
    assert check.faults(ROOT) == []
