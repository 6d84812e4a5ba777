"""Check the docstrings of everything public with numpydoc; print what is wrong and exit with 1 if anything is."""

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator

from numpydoc.validate import validate

import skdopamine

IGNORED = {
    "GL01",  # the summary stands on the line of the opening quotes
    "ES01",  # a summary line can be all there is to say
    "SA01",  # "See Also" is for names that have relatives
    "RT02",  # a returned value may carry a name, as in scikit-learn ("self : object")
}
IGNORED_IN_METHODS = {"EX01"}  # the example of the class shows its methods


def public_modules() -> Iterator[str]:
    yield skdopamine.__name__
    for module in pkgutil.iter_modules(skdopamine.__path__):
        if not module.name.startswith("_"):
            yield f"{skdopamine.__name__}.{module.name}"


def public_objects(module_name: str) -> Iterator[tuple[str, set[str]]]:
    """The import path of each public name, and of each method that is our own, with the checks to leave out."""
    module = importlib.import_module(module_name)
    for name in module.__all__:
        obj = getattr(module, name)
        if not (inspect.isclass(obj) or inspect.isroutine(obj)):
            continue
        yield f"{module_name}.{name}", IGNORED
        if not inspect.isclass(obj):
            continue
        for method_name, method in inspect.getmembers(obj, inspect.isroutine):
            ours = (getattr(method, "__module__", None) or "").startswith(skdopamine.__name__)
            if ours and not method_name.startswith("_"):
                yield f"{module_name}.{name}.{method_name}", IGNORED | IGNORED_IN_METHODS


def main() -> int:
    paths = [entry for module_name in public_modules() for entry in public_objects(module_name)]
    faults = [
        f"{path}: {code} {message}"
        for path, ignored in paths
        for code, message in validate(path)["errors"]
        if code not in ignored
    ]
    print(*faults, f"{len(paths)} public docstrings, {len(faults)} faults", sep="\n")
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
