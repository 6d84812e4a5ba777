"""The code blocks of the pages are tests: pytest doc --doctest-glob="*.rst"."""

collect_ignore_glob = ["*.py", "_build/*", "auto_examples/*", "generated/*", "plots/*"]
