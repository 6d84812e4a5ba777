"""Settings of the Sphinx build: see README.md. Nothing is fetched from a network while the pages are built."""

import re
import sys
import warnings
from pathlib import Path
from typing import Any

import ziamath
from docutils import nodes
from sphinx.application import Sphinx

import skdopamine

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # for mathml.py

# ---- the project -----------------------------------------------------------------------------------------------------

project = "skdopamine"
author = "The skdopamine developers"
copyright = f"2026, {author}"
release = version = skdopamine.__version__

# ---- what is read ----------------------------------------------------------------------------------------------------

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "mathml",  # equations, without MathJax and so without a network
    "numpydoc",
    "myst_parser",  # the markdown pages: decisions, benchmarks, changes
    "matplotlib.sphinxext.plot_directive",  # plots of the benchmark tables, drawn from plots/*.py
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["_templates"]
exclude_patterns = [
    "_build",
    "_templates",
    "README.md",  # is about this folder
    "decisions/README.md",  # is included in decisions/index.md
    "auto_examples/**/*.ipynb",  # sphinx-gallery writes these beside the pages
    "auto_examples/**/*.py",
    "generated/backreferences",  # fragments that the gallery includes
]
smartquotes = False  # values such as "auto" are to be copied
toc_object_entries_show_parents = "hide"  # fit(), not DopamineMLPClassifier.fit()
nitpicky = True  # every reference has to resolve; those into scikit-learn do so below
suppress_warnings = ["config.cache"]  # settings below hold functions, which cannot be compared between builds

# ---- the API pages ---------------------------------------------------------------------------------------------------

autosummary_generate = True
autodoc_typehints = "none"  # the docstrings tell the types
autodoc_member_order = "bysource"
numpydoc_show_class_members = False  # the template lists the methods
numpydoc_class_members_toctree = False
numpydoc_xref_param_type = False
add_module_names = False

# ---- markdown --------------------------------------------------------------------------------------------------------

myst_heading_anchors = 3

# ---- plots and examples ----------------------------------------------------------------------------------------------

plot_formats = ["svg"]
plot_html_show_source_link = False
plot_html_show_formats = False
plot_include_source = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    "filename_pattern": r"[\\/]plot_",  # these are run; the others are shown as they are
    "abort_on_example_error": True,
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skdopamine",),
    "reference_url": {"skdopamine": None},  # names in the code link to the API pages
    "download_all_examples": False,
    "remove_config_comments": True,
    "show_memory": False,
    "write_computation_times": False,  # that page would load scripts from elsewhere
    "min_reported_time": 1,  # seconds
    "show_signature": False,
    "default_thumb_file": str(HERE / "_static" / "thumbnails" / "none.svg"),  # check_offline.py refuses it
}

# ---- what is written -------------------------------------------------------------------------------------------------

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = f"skdopamine {version}"
html_static_path = ["_static", str(Path(ziamath.__file__).with_name("fonts"))]  # the font of the equations
html_logo = "_static/logo.svg"  # beside the name in html_theme_options, in colours for a light and a dark page
html_favicon = "_static/favicon.svg"
html_css_files = ["custom.css"]
html_show_sourcelink = False
html_context = {"default_mode": "auto"}  # light or dark as the system has it
# These have no pages below them to show at the side.
html_sidebars = {
    page: []
    for page in ("getting_started", "parameters", "benchmarks", "faq", "comparison", "contributing", "whats_new")
}
html_theme_options = {
    "logo": {"text": "skdopamine"},
    "navbar_end": ["theme-switcher"],  # light, dark, or as the system has it
    "navbar_persistent": ["search-button"],  # the field would not fit beside the links on a laptop
    "header_links_before_dropdown": 4,
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "footer_start": ["copyright"],
    "footer_end": ["sphinx-version"],
}
copybutton_prompt_text = r">>> |\.\.\. "  # a copied example holds neither prompts nor output
copybutton_prompt_is_regexp = True

# Examples and plots may not warn; matplotlib's non-interactive backend says so when a script calls show().
warnings.filterwarnings("ignore", message=".*non-interactive.*", category=UserWarning)

SCIKIT_LEARN = "https://scikit-learn.org/stable/modules/generated"


def resolve_scikit_learn(app: Sphinx, env: Any, node: Any, content: Any) -> nodes.reference | None:
    """Link a name of scikit-learn to its page, whose address follows from the name: no inventory to download."""
    target = node.get("reftarget", "")
    if node.get("refdomain") != "py" or not target.startswith("sklearn."):
        return None
    return nodes.reference("", "", content, internal=False, refuri=f"{SCIKIT_LEARN}/{target}.html")


def tidy_inherited(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Turn scikit-learn's references into its own user guide and glossary into plain text."""
    if (getattr(obj, "__module__", None) or "").startswith("sklearn."):
        lines[:] = [re.sub(r":(?:ref|term):`([^`<]+?)(?:\s*<[^`>]+>)?`", r"\1", line) for line in lines]


def escape_underscores(app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]) -> None:
    """Escape fitted attributes in shapes, ``(n, n_features_in_)``, which docutils takes for links."""
    for i, line in enumerate(lines):
        if " of shape (" in line and "`" not in line:
            lines[i] = re.sub(r"\b(\w+)_(?=[,)])", r"\1\\_", line)


def adapt_included(app: Sphinx, path: Any, docname: str, content: list[str]) -> None:
    """Adapt a markdown file of the repository to the page that includes it.

    The title of a result table becomes its caption. A link from the root of the repository into this folder stays one;
    a link to another file becomes its name, since that file is no page.
    """
    if docname == "benchmarks":
        content[0] = re.sub(r"^# (.*)", r"*\1*", content[0], count=1)
    elif docname in ("contributing", "whats_new"):

        def page(match: re.Match[str]) -> str:
            text, target = match.groups()
            if re.match(r"[a-z]+:|#", target):
                return match.group()
            if target.startswith("doc/decisions"):
                return f"[{text}]({target.removeprefix('doc/').replace('README.md', 'index.md')})"
            pages = {"CHANGELOG.md": "whats_new.md", "CONTRIBUTING.md": "contributing.md"}
            return f"[{text}]({pages[target]})" if target in pages else text

        content[0] = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", page, content[0])


def title_script(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the page of a script whose docstring has no title one: its file name."""
    if docname.startswith("auto_examples/") and not re.search(r"^={3,}$", source[0], re.MULTILINE):
        name = docname.removeprefix("auto_examples/") + ".py"
        label = f".. _sphx_glr_auto_examples_{name}:\n"
        source[0] = source[0].replace(label, f"{label}\n{name}\n{'=' * len(name)}\n", 1)


def setup(app: Sphinx) -> None:
    app.connect("source-read", title_script)
    app.connect("missing-reference", resolve_scikit_learn)
    app.connect("autodoc-process-docstring", tidy_inherited)
    app.connect("autodoc-process-docstring", escape_underscores, priority=900)  # after numpydoc
    app.connect("include-read", adapt_included)
