"""Check that the figures on README and the pages are those of the tables that they cite; exit with 1 if any is not.

A paragraph, a list item or a row of a table that states a measured figure cites where it comes from: a file of
`benchmarks/results` by its path, a section of `benchmarks.md` by its label, or a decision record by its number. Then

* each number of it has to be in what it cites, rounded to the digits given, or as a percentage;
* one significant digit has to be exact, since any table has something that rounds to 3;
* a sign that is written has to be the sign in the table;
* of a table of more than 12 rows only those count that are named: the element, or the first row of its own table, has
  the text of their first cell.

A number with a unit of measurement (%, points, times, seconds, MB, Lyapunov times) and no citation is a fault, unless
the doctest above it has that number.

Numbers that describe the setting, and are not in the table, are listed: `<!-- setting: 24, 90 -->` in Markdown, in the
element or on the line before it; in reStructuredText the comment `.. setting: 24, 90` before it, or in the row. Code,
doctests, equations, dates of publication and version numbers are not looked at.
"""

import re
import sys
import unicodedata
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
INCLUDING = ("contributing.md", "whats_new.md")  # pages that only include another file
MANY_ROWS = 12  # rows of larger tables have to be named

NUMBER = re.compile(r"(?<![\w.,])(?:(?<![-+])[-+])?(?:\d+(?:,\d{3})*(?:\.\d+)?|\.\d+)(?:e[-+]?\d+)?(?!\w|[.,]\d)")
FIGURE = re.compile(rf"({NUMBER.pattern})\s*(?:%|(?:points?|times|s|ms|seconds?|minutes?|hours?|MB|GB|Lyapunov)\b)")
PERCENT = re.compile(rf"({NUMBER.pattern})(?=(?:,? (?:and|or|to)? ?(?:{NUMBER.pattern}))*\s*(?:%|points?\b))")
DATE = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
RESULTS = re.compile(r"benchmarks/results/(\w+\.md)")
DECISION = re.compile(r"\bdecisions?[/ ](\d{4})\b", re.IGNORECASE)
LABEL = re.compile(r"(?::ref:|\{ref\})`(?:[^`<]*<)?([\w-]+)>?`")
SETTING = re.compile(r"(?:<!--|\.\.) setting: ([^\n]*?) *(?:-->|$)", re.MULTILINE)

NOT_LOOKED_AT = re.compile(
    r"<!--.*?-->"
    r"|``.*?``|(?::[\w:]+:)?`[^`]*`_?_?"  # code, roles
    r"|(?<=\])\([^)]*\)"  # targets of links
    r"|https?://\S+|arXiv:[\d.]+"
    r"|\[\d+\]_"  # footnotes
    r"|^\s*\.\. setting:[^\n]*"
    r"|\b(?:[Pp]ython|scikit-learn|numpy|scipy|pandas|torch|skdopamine|reservoirpy|\w*[Vv]ersions?) \d+(?:\.\d+)*"
    r"|\b(?:19|20)\d\d\b(?![-,.]\d)|\b0\d{3}\b|\b\d+(?:\.\d+){2,}\b"  # years, decisions, versions
    r"|^\s*(?:#\.|\d+\.) ",  # numbers of items
    re.DOTALL | re.MULTILINE,
)
WITHOUT_TEXT = ("autosummary", "code-block", "currentmodule", "image", "include", "math", "plot", "toctree")


class Element(NamedTuple):
    """A paragraph, a list item, or a row of a table."""

    line: int
    text: str
    run: str = ""  # the example above it, which is a doctest
    head: str = ""  # the first row of its table


class Table(NamedTuple):
    """What is cited: numbers of the text, and rows (name, numbers) that count where they are named."""

    numbers: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    date: str


# ---- pages -----------------------------------------------------------------------------------------------------------


def markdown(text: str) -> Iterator[Element]:
    """Elements of a page in Markdown."""
    open_lines: list[str] = []
    comment, head, start, fenced = "", "", 0, False
    for row, line in enumerate([*text.splitlines(), ""], start=1):
        fence, own = line.lstrip().startswith("```"), line.startswith("|")
        ends = fence or fenced or own or not line.strip() or re.match(r"\s*(?:[-*+]|\d+\.) |#", line)
        if ends and open_lines:
            yield Element(start, comment + "\n".join(open_lines))
            open_lines, comment = [], ""
        head = head if own else ""
        fenced ^= fence
        if fence or fenced or not line.strip():
            continue
        if re.fullmatch(r"\s*<!--.*-->", line):
            comment = f"{line} "
        elif own:
            yield Element(row, comment + line, head=head)
            comment, head = "", head or line
        else:
            start = start if open_lines else row
            open_lines.append(line)


def indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def without_code(lines: list[str]) -> list[str]:
    """Lines of a page in reStructuredText, of which those of blocks of code, comments and options are emptied."""
    kept: list[str] = []
    skipped: int | None = None  # deeper lines are skipped
    literal = options = False
    for line in lines:
        blank = not line.strip()
        if skipped is not None and (blank or indent(line) > skipped):
            kept.append("")
            continue
        skipped = None
        options = not blank and options and re.match(r"\s+:[\w-]+:", line) is not None
        directive = re.match(r"\s*\.\. ([\w-]+)::\s*(\S*)", line)
        if directive and (directive[1] not in WITHOUT_TEXT or (directive[1] == "plot" and directive[2])):
            options, literal = True, False
            kept.append("")
        elif directive or (line.lstrip().startswith(".. ") and not SETTING.search(line)):
            skipped = indent(line)
            kept.append("")
        elif options or re.fullmatch(r'\s*([=\-~^"*+#])[=\-~^"*+# ]+', line):
            kept.append("")
        else:
            kept.append(line)
            literal = line.rstrip().endswith("::") and not SETTING.search(line)
            skipped = indent(line) if literal else None
    return kept


def examples_above(lines: list[str]) -> list[str]:
    """The last doctest above each line."""
    above, inside, last = [], False, ""
    for line in lines:
        starts = line.lstrip().startswith(">>>")
        if starts or (inside and line.strip()):
            last = f"{last if inside else ''}\n{line}"
        inside = bool(line.strip()) and (inside or starts)
        above.append(last)
    return above


def restructured(text: str) -> Iterator[Element]:
    """Elements of a page in reStructuredText."""
    lines = text.splitlines()
    above = examples_above(lines)
    tables = {row for row, line in enumerate(lines, start=1) if re.match(r"\s*\.\. [\w-]+::", line)}  # where any begins
    open_lines: list[str] = []
    comment, head, start, row_of_table = "", "", 0, -1
    for row, line in enumerate([*without_code(lines), "", "end"], start=1):
        inside = row_of_table >= 0 and row not in tables and (not line.strip() or indent(line) > row_of_table)
        begins = re.match(r"\s*(?:[-*+]|\d+\.|#\.) |\.\. |end$", line)
        ends = not inside and (row_of_table >= 0 or not line.strip() or begins)
        if ends and open_lines:
            block = "\n".join(open_lines)
            head = head if row_of_table >= 0 else ""
            yield Element(start, comment + block, above[start - 1], head)
            open_lines, comment, head = [], "", head or (block if row_of_table >= 0 else "")
        head = "" if row in tables else head
        if not inside:
            row_of_table = indent(line) if re.match(r"\s*\* - ", line) else -1
        if SETTING.search(line) and not inside:
            comment = f"{line}\n"
        elif line.strip():
            start = start if open_lines else row
            open_lines.append(line)


def elements(page: Path) -> Iterator[Element]:
    text = page.read_text(encoding="utf-8")
    return markdown(text) if page.suffix == ".md" else restructured(text)


def pages(root: Path) -> list[Path]:
    """README and all pages written by hand."""
    doc = root / "doc"
    found = [*doc.glob("*.md"), *doc.glob("*.rst"), *doc.glob("user_guide/*.rst")]
    checked = [page for page in found if page.name not in INCLUDING]
    return [root / "README.md", *sorted(checked)]


# ---- what they cite --------------------------------------------------------------------------------------------------


@cache
def tables_by_label(root: Path) -> dict[str, list[str]]:
    """Files of results that stand below each label of `benchmarks.md`."""
    labels: dict[str, list[str]] = {}
    waiting: list[str] = []
    files: list[str] = []
    for line in (root / "doc" / "benchmarks.md").read_text(encoding="utf-8").splitlines():
        if match := re.fullmatch(r"\(([\w-]+)\)=", line):
            waiting.append(match[1])
        elif line.startswith("#"):
            files = []
            labels |= dict.fromkeys(waiting, files)
            waiting = []
        elif match := re.search(r"\{include\}.*/(\w+\.md)$", line):
            files.append(match[1])
    return labels


def cited(text: str, root: Path) -> list[Path]:
    """Files that an element cites, whether they exist or not."""
    labels = tables_by_label(root)
    names = RESULTS.findall(text) + [name for label in LABEL.findall(text) for name in labels.get(label, [])]
    records = root / "doc" / "decisions"
    found = [next(iter(records.glob(f"{number}-*.md")), records / f"{number}.md") for number in DECISION.findall(text)]
    return list(dict.fromkeys([root / "benchmarks" / "results" / name for name in names] + found))


@cache
def read_table(path: Path) -> Table:
    text = path.read_text(encoding="utf-8")
    date = re.search(r"^- Date: (\S+)", text, re.MULTILINE)
    text = re.sub(r"^- (?:Date|Versions|Machine|Command):.*$", "", text, flags=re.MULTILINE)
    text = re.sub(r"\(target [^)]*\)", "", text)  # what was aimed at was not measured
    rows = [re.split(r"\s*\|\s*", line.strip("| \n")) for line in re.findall(r"^\|.*$", text, re.MULTILINE)]
    large = len(rows) > MANY_ROWS + 2
    rest = re.sub(r"^\|.*$", "", text, flags=re.MULTILINE) if large else text
    named = tuple((row[0], numbers(" ; ".join(row))) for row in rows) if large else ()
    return Table(numbers(rest), named, date[1] if date else "")


def numbers(text: str) -> tuple[str, ...]:
    return tuple(NUMBER.findall(text))


def words(text: str) -> str:
    """The words of a text in lower case, between spaces, without accents."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return f" {' '.join(re.findall(r'[a-z0-9%_]+(?:[.-][a-z0-9_]+)*', plain))} "


def in_force(table: Table, text: str) -> Iterator[str]:
    """Numbers of a table that an element may state: of large tables those of the rows that it names."""
    yield from table.numbers
    for name, values in table.rows:
        if any(known in words(text) for known in (words(name), words(re.split(r",| \(", name)[0])) if known.strip()):
            yield from values


# ---- comparing -------------------------------------------------------------------------------------------------------


def value(number: str) -> Decimal:
    return Decimal(number.replace(",", ""))


def significant_digits(number: str) -> int:
    return len(re.sub(r"e.*|\D", "", number).lstrip("0"))


def states(said: str, found: str, percent: bool) -> bool:
    """Whether a number on a page is this one of a table, rounded."""
    ours, theirs = value(said), value(found)
    if said[0] not in "+-":
        theirs = abs(theirs)
    half = Decimal("0.5").scaleb(int(ours.as_tuple().exponent)) if significant_digits(said) > 1 else 0
    return abs(theirs - ours) <= half or (percent and abs(100 * theirs - ours) <= half)


def listed(element: Element) -> list[str]:
    """Numbers that describe the setting, as the element says."""
    return [number.strip() for found in SETTING.findall(element.text) for number in found.split(", ")]


def faults_of(element: Element, root: Path) -> Iterator[str]:
    """What is wrong with an element."""
    text, setting = NOT_LOOKED_AT.sub(" ", element.text), listed(element)
    dates, text = DATE.findall(text), DATE.sub(" ", text)
    said = numbers(text)
    yield from (f"lists {number} as a setting, but does not have it" for number in setting if number not in said)
    files = cited(element.text, root)
    missing = [path for path in files if not path.exists()]
    yield from (f"cites {path.relative_to(root)}, which does not exist" for path in missing)
    if missing:
        return
    if not files:
        run = numbers(element.run)
        known = {number for number in FIGURE.findall(text) if any(states(number, other, True) for other in run)}
        uncited = [number for number in FIGURE.findall(text) if number not in known.union(setting)]
        yield from (f"states {number} and cites no table" for number in uncited)
        return
    tables = [read_table(path) for path in files]
    names = ", ".join(str(path.relative_to(root)) for path in files)
    where = f"{names}, of large tables in the rows that it names" if any(table.rows for table in tables) else names
    found = {number for table in tables for number in in_force(table, f"{element.head} {element.text}")}
    percent = {found.start() for found in PERCENT.finditer(text)}
    for match in NUMBER.finditer(text):
        number, is_percent = match.group(), match.start() in percent
        if number not in setting and not any(states(number, other, is_percent) for other in found):
            yield f"{number} is not in {where}"
    yield from (f"{date} is not the date of {names}" for date in dates if date not in [table.date for table in tables])


def faults(root: Path, of: Iterable[Path] | None = None) -> list[str]:
    """All faults of these pages, each with file and line."""
    return [
        f"{page.relative_to(root)}:{element.line}: {fault}"
        for page in (pages(root) if of is None else of)
        for element in elements(page)
        for fault in faults_of(element, root)
    ]


def main() -> int:
    found = faults(ROOT, [Path(name).resolve() for name in sys.argv[1:]] or None)
    print(*found, f"{len(pages(ROOT))} pages, {len(found)} faults", sep="\n")
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
