"""URLs of models' servers: one host and port, and lines of `/etc/hosts` that name nothing else."""

from hypothesis import given
from hypothesis import strategies as st

from remit.scan.base import ScanError
from remit.scan.dynamic.endpoint import endpoint

PIECE = st.one_of(
    st.sampled_from(
        ["http://", "https://", "[", "]", ":", "@", "/", "\\", "%00", "\n", " ", "::1"]
    ),
    st.text(max_size=6),
    st.sampled_from(["127.0.0.1", "localhost", "llm.example", "0", "443", "2130706433"]),
)


@given(st.lists(PIECE, max_size=8))
def test_urls(pieces):
    try:
        found = endpoint("".join(pieces))
    except ScanError:
        return
    assert 0 < found.port < 65536
    lines = [line.split() for line in found.hosts.splitlines()]
    assert all(len(line) == 2 and line[0] == "127.0.0.1" for line in lines)
    assert {line[1] for line in lines} <= {"localhost", found.host}
    assert found.uri.startswith(("http://", "https://"))
    assert found.uri.endswith("/")
