import pytest

from remit.scan.pickle.names import allowed, is_dangerous, resolved


def test_no_name_is_a_prefix_and_none_reaches_into_a_module():
    for module, name in allowed():
        assert module
        assert name
        assert "*" not in module + name
        assert "." not in name


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "builtins.getattr", "operator.attrgetter", "numpy.load",
     "pandas.read_pickle", "pandas.eval", "torch.load", "torch.hub.load", "joblib.load",
     "functools.partial", "types.CodeType", "sklearn.utils._testing.run", "numpy.testing.runstring",
     "logging.FileHandler", "io.FileIO", "pathlib.Path.write_text"],
)  # fmt: skip
def test_what_must_never_be_allowed(name):
    module, _, attribute = name.rpartition(".")
    assert (module, attribute) not in allowed()


def test_modules_below_a_dangerous_one_are_dangerous():
    assert is_dangerous("os.path")
    assert is_dangerous("urllib.request")
    assert not is_dangerous("osmium")


def test_renames():
    assert resolved("__builtin__", "xrange", 2) == ("builtins", "range")
    assert resolved("commands", "getoutput", 0) == ("subprocess", "getoutput")
    assert resolved("commands", "getoutput", 4) == ("commands", "getoutput")
