"""What is said of a release in several places is the same."""

import re
from pathlib import Path

import pytest

import skdopamine

ROOT = Path(__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(not (ROOT / "CITATION.cff").exists(), reason="needs a checkout or a source archive")


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def field(name: str) -> str:
    (value,) = re.findall(rf'^{name}: "?([^"\n]+)"?$', read("CITATION.cff"), re.MULTILINE)
    return value


def test_changelog_and_citation_have_the_version_and_its_date() -> None:
    released = re.findall(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d\d-\d\d)$", read("CHANGELOG.md"), re.MULTILINE)
    assert released[0] == (skdopamine.__version__, field("date-released"))
    assert field("version") == skdopamine.__version__


def test_changelog_has_a_place_for_what_comes_next() -> None:
    headings = re.findall(r"^## (.*)$", read("CHANGELOG.md"), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert len(headings) == len(set(headings))


def test_package_and_citation_have_the_same_words() -> None:
    project = read("pyproject.toml")
    for name in ("license", "description"):
        (value,) = re.findall(rf'^{name} = "(.*)"$', project, re.MULTILINE)
        assert value in (field("license"), field("abstract").removesuffix("."))
    (keywords,) = re.findall(r"^keywords = \[(.*)\]$", project, re.MULTILINE)
    assert re.findall(r'"(.*?)"', keywords) == re.findall(r"^  - ([a-z -]+)$", read("CITATION.cff"), re.MULTILINE)


@pytest.mark.skipif(not (ROOT / ".ci").exists(), reason="needs a checkout")
def test_the_wheel_is_tried_on_each_python_that_is_named() -> None:
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', read("pyproject.toml"))
    (tried,) = re.findall(r"^for version in (.*); do$", read(".ci/run"), re.MULTILINE)
    assert named == tried.split()
    assert f'requires-python = ">={named[0]}"' in read("pyproject.toml")
