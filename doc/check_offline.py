"""Read the built pages: they need no network, their equations are rendered, and each example has its own thumbnail.

python doc/check_offline.py doc/_build
"""

import re
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

PLACEHOLDER = Path(__file__).with_name("_static") / "thumbnails" / "none.svg"
LOADED = {  # element -> attributes whose address a browser loads by itself
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "input": ("src",),
    "base": ("href",),
    "link": ("imagesrcset",),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "video": ("src", "poster"),
    "audio": ("src",),
    "track": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
# relations of links that a browser does not load
FOLLOWED = {"alternate", "author", "canonical", "help", "index", "license", "next", "prev", "search"}
# what a script in the page imports or fetches from elsewhere; others are files of the theme
IN_SCRIPT = re.compile(r"""\b(?:import|from|fetch)\b\s*\(?\s*["'`]((?:https?:)?//[^"'`]+)""")
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """What a page loads, and which of its equations are not rendered."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.thumbnails: list[str] = []
        self.formulas: list[list[str]] = []  # for each equation, the elements and texts in it
        self.open: list[tuple[str, set[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        classes = set(given.get("class", "").split())
        if self.inside("math"):
            self.formulas[-1].append(f"<{tag}>")
        elif "math" in classes:
            self.formulas.append([])
        for name in LOADED.get(tag, ()):
            addresses = given.get(name, "")
            self.loaded += (
                [part.split()[0] for part in addresses.split(",") if part.strip()]
                if name.endswith("srcset")
                else [addresses]
            )
        relations = set(given.get("rel", "").split())
        if tag == "link" and ("stylesheet" in relations or not relations & FOLLOWED):
            self.loaded.append(given.get("href", ""))
        self.loaded += in_style(given.get("style", ""))
        if tag == "img" and self.inside("sphx-glr-thumbcontainer"):
            self.thumbnails.append(given.get("src", ""))
        if tag not in VOID:
            self.open.append((tag, classes))

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        while any(tag == other for other, _ in self.open) and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1][0] == "style":
            self.loaded += in_style(data)
        if self.open and self.open[-1][0] == "script":
            self.loaded += IN_SCRIPT.findall(data)
        if self.inside("math"):
            self.formulas[-1].append(data)

    def inside(self, name: str) -> bool:
        return any(name in classes for _, classes in self.open)


def in_style(css: str) -> list[str]:
    """Addresses that a style sheet loads."""
    css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
    found = re.findall(r"""url\(\s*["']?([^"')]+)|@import\s+["']([^"']+)""", css)
    return [one or other for one, other in found]


def missing(address: str, page: Path) -> str | None:
    """Why a browser without a network cannot load an address from a page; None where it can."""
    parts = urlsplit(address)
    if parts.scheme == "data" or not (parts.path or parts.netloc):
        return None
    if parts.scheme or parts.netloc:
        return "is elsewhere"
    return None if (page.parent / unquote(parts.path)).exists() else "does not exist"


def faults_of(page: Path) -> Iterator[str]:
    """Faults of one page or style sheet."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".css":
        yield from (f"{address} {fault}" for address in in_style(text) if (fault := missing(address, page)))
        return
    content = Page(text)
    yield from (f"{address} {fault}" for address in content.loaded if (fault := missing(address, page)))
    for formula in content.formulas:
        shown = "".join(formula)
        if "<math>" not in formula or "\\" in shown or "<merror>" in formula:
            yield f"equation is not rendered: {shown[:60]!r}"
    for address in content.thumbnails:
        thumbnail = page.parent / unquote(address)
        if thumbnail.exists() and thumbnail.read_bytes() == PLACEHOLDER.read_bytes():
            yield f"{address} is a placeholder: give the example sphinx_gallery_thumbnail_path"


def faults(folder: Path) -> list[str]:
    """All faults of the pages in a folder, each with its file."""
    files = sorted(path for kind in ("*.html", "*.css") for path in folder.rglob(kind))
    if not files:
        return [f"{folder}: no pages"]
    found = []
    for path in files:
        if path.suffix == ".css" or "_static" not in path.relative_to(folder).parts:  # the theme has templates there
            found += [f"{path.relative_to(folder)}: {fault}" for fault in faults_of(path)]
    return found


if __name__ == "__main__":
    found = faults(Path(sys.argv[1]))
    print(*found, f"{len(found)} faults of pages without a network", sep="\n")
    sys.exit(bool(found))
