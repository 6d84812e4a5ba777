"""The result tables of the benchmarks, as the plots read them."""

from pathlib import Path

RESULTS = Path(__file__).resolve().parents[2] / "benchmarks" / "results"
OURS, RIVAL, THIRD = "#0b6e99", "#b0b0b0", "#e08a1e"  # told apart in grey, too


def read_table(name: str) -> list[dict[str, str]]:
    """Rows of the table in ``results/<name>.md``, each a dict by column."""
    lines = (RESULTS / f"{name}.md").read_text(encoding="utf-8").splitlines()
    header, _, *rows = ([cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|"))
    return [dict(zip(header, row, strict=True)) for row in rows]
