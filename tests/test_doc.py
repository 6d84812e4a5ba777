"""The pages of the documentation name everything that they are to name; nothing is built for that."""

import importlib
import re
from pathlib import Path

import pytest
from sklearn.neural_network import MLPRegressor

import skdopamine

ROOT = Path(__file__).resolve().parents[1]
DOC = ROOT / "doc"
MODULES = (
    "skdopamine",
    "skdopamine.checkpoint",
    "skdopamine.control",
    "skdopamine.datasets",
    "skdopamine.evaluation",
    "skdopamine.inspection",
    "skdopamine.onnx",
)

RESULTS = ROOT / "benchmarks" / "results"
LOOKED_UP = {"index", "glossary", "choose"}  # pages to look something up in: no job of their own
WITHOUT_PLOT = {"keeping", "arrays"}  # files and kinds of arrays have no curve; the few figures of arrays are a table

pytestmark = pytest.mark.skipif(not (DOC / "api.rst").exists(), reason="needs the documentation")
needs_results = pytest.mark.skipif(not RESULTS.exists(), reason="needs a checkout: a source archive has no benchmarks")


def read(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def listed_names() -> dict[str, list[str]]:
    """Names in the autosummary tables of api.rst, by module."""
    names: dict[str, list[str]] = {}
    module, inside = "", False
    for line in read(DOC / "api.rst").splitlines():
        if match := re.fullmatch(r"\.\. currentmodule:: (\S+)", line):
            module = match[1]
        if line and not line.startswith(" "):
            inside = line == ".. autosummary::"
        elif inside and (match := re.fullmatch(r" +([A-Za-z_]\w*)", line)):
            names.setdefault(module, []).append(match[1])
    return names


@pytest.mark.parametrize("module", MODULES)
def test_api_page_lists_exactly_the_public_names(module: str) -> None:
    listed = listed_names()[module]
    assert sorted(listed) == sorted(importlib.import_module(module).__all__)


def test_api_page_lists_no_other_module() -> None:
    assert set(listed_names()) == set(MODULES)


@needs_results
def test_benchmarks_page_shows_each_result_table_once() -> None:
    shown = re.findall(r"^```\{include\} \.\./benchmarks/results/(\S+)$", read(DOC / "benchmarks.md"), re.MULTILINE)
    assert sorted(shown) == sorted(path.name for path in RESULTS.glob("*.md"))


@needs_results
def test_each_result_table_tells_its_command() -> None:
    for path in RESULTS.glob("*.md"):
        assert re.search(r"^- Command: `python benchmarks/\w+\.py", read(path), re.MULTILINE), path.name


def test_index_of_decisions_links_each_of_them() -> None:
    linked = re.findall(r"^\| \[\d{4}\]\(([^)]+)\) \|", read(DOC / "decisions" / "README.md"), re.MULTILINE)
    assert linked == sorted(path.name for path in (DOC / "decisions").glob("0*.md"))


@needs_results
def test_plots_read_tables_that_exist() -> None:
    for script in (DOC / "plots").glob("[!_]*.py"):
        names = re.findall(r'read_table\("(\w+)"\)', read(script))
        assert names, script.name
        assert all((RESULTS / f"{name}.md").exists() for name in names), script.name


def test_page_of_parameters_names_what_scikit_learns_networks_do_not_have() -> None:
    own = [skdopamine.DopamineMLPRegressor, skdopamine.DopamineMLPPolicy, skdopamine.DopamineESNForecaster]
    wanted = {name for estimator in own for name in estimator().get_params()} | {"class_weight"}
    text = read(DOC / "parameters.md")
    table = "".join(re.findall(r"^\| (`\w+`(?:, `\w+`)*) \|", text, re.MULTILINE))
    named = set(re.findall(r"`(\w+)`", table))
    assert wanted - set(MLPRegressor().get_params()) <= named


def test_each_page_of_the_guide_is_in_its_index() -> None:
    pages = {path.stem for path in (DOC / "user_guide").glob("*.rst")} - {"index"}
    index = read(DOC / "user_guide" / "index.rst")
    assert set(re.findall(r":doc:`(\w+)`", index)) == pages
    assert set(re.findall(r"^   (\w+)$", index, re.MULTILINE)) == pages


def code_that_is_not_run(text: str) -> list[str]:
    """Lines of literal blocks in reStructuredText that are Python but not an example that is run."""
    return re.findall(r"^ +(?:from \w[\w.]* import|import \w).*$", text, re.MULTILINE)


@pytest.mark.parametrize(
    "path", [DOC / "getting_started.rst", DOC / "faq.rst", *sorted((DOC / "user_guide").glob("*.rst"))], ids=str
)
def test_code_of_the_guide_is_run(path: Path) -> None:
    text = re.sub(r"^\.\. plot::\n(?:(?: +.*)?\n)+", "", read(path), flags=re.MULTILINE)  # run by each build
    assert not code_that_is_not_run(text)
    assert ".. code-block:: python" not in text
    assert path.stem in LOOKED_UP or ">>> " in text


@pytest.mark.parametrize("page", sorted((DOC / "user_guide").glob("*.rst")), ids=lambda path: path.stem)
def test_each_page_of_the_guide_has_its_parts(page: Path) -> None:
    text = read(page)
    if page.stem in LOOKED_UP:
        return
    titles = re.findall(r"^(\S.*)\n(?:=+|-+)$", text, re.MULTILINE)
    assert titles[-2:] == ["When not to", "Sources"]
    assert "Use this page " in text.split("\n\n" + titles[1])[0]
    has_plot = re.search(r"^\.\. plot::", text, re.MULTILINE) is not None
    assert has_plot == (page.stem not in WITHOUT_PLOT)
    assert re.search(r"\(\d{4}\)|https://", text.split("\nSources\n")[1])


@needs_results
def test_each_results_file_that_the_guide_names_exists() -> None:
    for page in (DOC / "user_guide").glob("*.rst"):
        for name in re.findall(r"benchmarks/results/(\w+\.md)", read(page)):
            assert (RESULTS / name).exists(), f"{page.name}: {name}"


def test_names_beside_the_symbols_are_those_of_the_code() -> None:
    table = read(DOC / "user_guide" / "method.rst").split("Credit: weight perturbation")[0]
    names = re.findall(r"``(\w+)``", table)
    code = "\n".join(read(path) for path in (ROOT / "skdopamine").rglob("*.py"))
    assert len(names) >= 10
    assert [name for name in names if not re.search(rf"\b{name}\b", code)] == []
