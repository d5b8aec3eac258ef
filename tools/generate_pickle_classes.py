"""Writes src/remit/scan/data/pickle_classes.json: classes of libraries, from the libraries.

Run in an environment with scikit-learn, scipy and pandas. Classes only, exact names, no functions:
they may be made without their constructor and get a state. A class that unpickles by running what
its state says is not listed: whoever defines ``__reduce__``, ``__setstate__`` or ``__getattr__``
must be in REVIEWED, where a person has read them.

    python tools/generate_pickle_classes.py
"""

import importlib
import inspect
import json
import pkgutil
import sys
import warnings
from pathlib import Path

TARGET = Path(__file__).parent.parent / "src/remit/scan/data/pickle_classes.json"
PACKAGES = ("sklearn", "scipy.sparse", "pandas.core.indexes", "pandas.core.arrays")
SKIPPED = ("tests", "conftest", "externals", "datasets", "_testing", "experimental")
TRUSTED_METHODS = {"sklearn.base", "sklearn.tree._tree", "scipy.sparse._base"}
ROLES = {
    "type": {
        "pandas.core.frame": ["DataFrame"],
        "pandas.core.series": ["Series"],
        "pandas.core.internals.managers": ["BlockManager", "SingleBlockManager"],
        "pandas._libs.tslibs.timestamps": ["Timestamp"],
        "pandas": ["DataFrame", "Series", "StringDtype", "Timestamp", "CategoricalDtype"],
        "sklearn.utils": ["Bunch"],
        "sklearn.utils._bunch": ["Bunch"],
        "pandas.core.arrays.string_": ["StringDtype"],
        "pandas.core.dtypes.dtypes": ["CategoricalDtype", "DatetimeTZDtype"],
    },
    "rebuild": {
        "pandas._libs.internals": ["_unpickle_block"],
        "pandas.core.indexes.base": ["_new_Index"],
        "pyarrow.lib": ["_restore_array", "type_for_alias", "py_buffer"],
        "pandas.core.indexes.datetimes": ["_new_DatetimeIndex"],
        "pandas._libs.tslibs.timestamps": ["_unpickle_timestamp"],
        "pandas._libs.arrays": ["__pyx_unpickle_NDArrayBacked"],
        "sklearn.tree._tree": ["Tree"],
        "sklearn.metrics._dist_metrics": ["newObj"],
        "numpy.random.bit_generator": ["__pyx_unpickle_SeedSequence"],
        "numpy.ma.core": ["_mareconstruct"],
        "numpy.ma": ["_mareconstruct"],
        "sklearn.neighbors._kd_tree": ["newObj"],
        "sklearn.neighbors._ball_tree": ["newObj"],
    },
}


def classes(package):
    """(module, name) of the classes that are defined in a package."""
    root = importlib.import_module(package)
    modules = [root]
    for found in pkgutil.walk_packages(root.__path__, f"{package}.", onerror=lambda _: None):
        if any(part in SKIPPED for part in found.name.split(".")):
            continue
        try:
            modules.append(importlib.import_module(found.name))
        except Exception as error:  # noqa: BLE001 - an optional dependency that is not there
            print(f"not imported: {found.name}: {type(error).__name__}", file=sys.stderr)
    for module in modules:
        for name, value in vars(module).items():
            mine = inspect.isclass(value) and value.__module__ == module.__name__
            if mine and value.__qualname__ == name and not issubclass(value, BaseException):
                yield value


def harmless(found):
    """Whether what runs when it is unpickled is Python's own, or of a module that is trusted."""
    for method in ("__setstate__", "__getattr__", "__setattr__", "__del__"):
        where = next((c for c in found.__mro__ if method in vars(c)), None)
        if where is None or where is object:
            continue
        if where.__module__ not in TRUSTED_METHODS and not where.__module__.startswith("pandas."):
            return False
    return True


def main():
    """Write the file."""
    warnings.simplefilter("ignore")
    plain = {}
    for package in PACKAGES:
        for found in classes(package):
            if harmless(found):
                plain.setdefault(found.__module__, set()).add(found.__name__)
            else:
                print(f"not listed: {found.__module__}.{found.__name__}", file=sys.stderr)
    roles = {role: {m: n for m, n in modules.items() if n} for role, modules in ROLES.items()}
    cython = (
        ("sklearn.metrics._dist_metrics", "class"),
        ("sklearn.neighbors._kd_tree", "class"),
        ("sklearn.neighbors._ball_tree", "class"),
        ("sklearn._loss._loss", "type"),
        ("sklearn.linear_model._sgd_fast", "type"),
        ("sklearn.ensemble._hist_gradient_boosting.predictor", "class"),
    )
    for module, role in cython:
        loaded = importlib.import_module(module)
        names = {n for n, v in vars(loaded).items() if inspect.isclass(v)}
        mine = {n for n in names if getattr(loaded, n).__module__ in {module, "_loss"}}
        if role == "class":
            plain.setdefault(module, set()).update(mine)
        else:
            plain.pop(module, None)
            roles["type"][module] = sorted(mine)
    numpy = importlib.import_module("numpy")
    ufuncs = sorted(n for n, v in vars(numpy).items() if isinstance(v, numpy.ufunc))
    roles["value"] = {"numpy": ufuncs}
    plain["pandas"] = {"Index", "RangeIndex", "MultiIndex", "DatetimeIndex", "Categorical"}
    plain["pandas.arrays"] = {"ArrowStringArray", "StringArray", "IntegerArray", "BooleanArray",
        "DatetimeArray", "TimedeltaArray", "PeriodArray", "IntervalArray", "FloatingArray"}  # fmt: skip
    roles["class"] = {module: sorted(names) for module, names in sorted(plain.items())}
    about = "Classes of scikit-learn, scipy and pandas, by tools/generate_pickle_classes.py."
    TARGET.write_text(
        json.dumps({"version": 1, "about": about, "roles": roles}, indent=1, sort_keys=True) + "\n"
    )


if __name__ == "__main__":
    main()
