"""The frames that fooled some proxy or server, as a table, for both eras.

Each frame tries to get the tool `forbidden` run (or to confuse whoever judges), and carries a mark
by which the server's own log shows whether it came through.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.rig.wire import MODERN, modern_meta

OWN, NULL, ANY, ECHOED, QUIET = "own", "null", "any", "echoed", "quiet"


@dataclass(frozen=True, slots=True)
class Frame:
    """One attack.

    `make(request_id, mark)` gives the bytes of the line without its line feed. `answer`: who must
    be answered: OWN (the request's id), NULL (an error under id null), ANY (one of both),
    ECHOED (whatever id the frame gave itself), QUIET (nothing to answer: silence is right). `bites`: a careless server runs it when nothing stands
    in between, which a test proves. `forwardable`: Guard may forward it in a harmless form.
    """

    name: str
    make: Callable[[int, str], bytes]
    answer: str
    bites: bool = False
    forwardable: bool = False


def table(era: str) -> list[Frame]:
    """Return all frames of an era."""
    return list(_frames(era))


def _frames(era: str) -> Iterator[Frame]:
    modern = era == MODERN
    meta = modern_meta() if modern else None

    def params(**members: Any) -> dict[str, Any]:
        return {**members, **({"_meta": meta} if meta else {})}

    def call(
        request_id: Any, mark: str, name: Any = "forbidden", tool_args: Any = None
    ) -> dict[str, Any]:
        arguments = {"message": mark} if tool_args is None else tool_args
        return {
            "jsonrpc": "2.0",
            "id": request_id,
            "method": "tools/call",
            "params": params(name=name, arguments=arguments),
        }

    def text(value: Any) -> bytes:
        return json.dumps(value).encode()

    def edit(change: Callable[[dict[str, Any], str], Any]) -> Callable[[int, str], bytes]:
        """Give the maker of a call to `echo` that was changed."""

        def make(request_id: int, mark: str) -> bytes:
            frame = call(request_id, mark, "echo")
            changed = change(frame, mark)
            return text(frame if changed is None else changed)

        return make

    def swap(old: str, new: str, name: str = "echo") -> Callable[[int, str], bytes]:
        """Give the maker of a call whose text was changed; MARK stands for the mark."""

        def make(request_id: int, mark: str) -> bytes:
            source = json.dumps(call(request_id, mark, name))
            assert old.replace("MARK", mark) in source, (old, source)
            changed = source.replace(old.replace("MARK", mark), new.replace("MARK", mark), 1)
            return changed.encode("utf-8", "surrogateescape")

        return make

    def both(between: bytes) -> Callable[[int, str], bytes]:
        return lambda i, m: text(call(i, m, "echo")) + between + text(call(i + 50_000_000, m))

    # Batches
    yield Frame("batch of one", lambda i, m: text([call(i, m)]), ANY, bites=True)
    yield Frame(
        "batch of two", lambda i, m: text([call(i, m, "echo"), call(i + 1, m)]), ANY, bites=True
    )
    yield Frame("empty batch", lambda i, m: b"[]", ANY)
    yield Frame("batch in batch", lambda i, m: text([[call(i, m)]]), ANY)

    # Ids
    yield Frame(
        "no id",
        lambda i, m: text({k: v for k, v in call(i, m).items() if k != "id"}),
        QUIET,
        bites=True,
    )
    for label, value in [
        ("null", None),
        ("true", True),
        ("false", False),
        ("float", 1.5),
        ("list", [1]),
        ("object", {"a": 1}),
    ]:
        yield Frame(f"id {label}", lambda i, m, v=value: text(call(v, m)), ANY, bites=True)
    for literal in ("1.0", "1e2", "-0.0", "1E400", "NaN", "01", "+1", "0x1", "1_000"):
        yield Frame(
            f"id {literal}",
            lambda i, m, v=literal: text(call("ID", m)).replace(b'"ID"', v.encode()),
            NULL,
        )
    yield Frame("id of 500 digits", lambda i, m: text(call(10**500 - 1, m)), NULL)
    yield Frame(
        "id of 5000 digits", lambda i, m: text(call("ID", m)).replace(b'"ID"', b"9" * 5000), NULL
    )
    yield Frame("id a megabyte long", lambda i, m: text(call("x" * (1 << 20), m)), ECHOED)
    yield Frame("id lone surrogate", swap('"id": ', '"id": "\\ud800", "x": ', "forbidden"), ANY)

    # More or less than one value on a line
    for label, between in [
        ("nothing", b""),
        ("space", b" "),
        ("comma", b","),
        ("record separator", b"\x1e"),
        ("nul", b"\x00"),
        ("semicolon", b";"),
        ("carriage return", b"\r"),
        ("form feed", b"\x0c"),
        ("next line", b"\xc2\x85"),
        ("line separator", b"\xe2\x80\xa8"),
    ]:
        yield Frame(
            f"two values, {label} between",
            both(between),
            ANY,
            bites=label not in {"form feed", "next line"},
        )
    for label, tail in [
        ("text", b" trailing"),
        ("brace", b"}"),
        ("comma", b","),
        ("nul", b"\x00"),
        ("comment", b" // x"),
    ]:
        yield Frame(f"trailing {label}", lambda i, m, t=tail: text(call(i, m, "echo")) + t, ANY)
    yield Frame("byte order mark", lambda i, m: b"\xef\xbb\xbf" + text(call(i, m)), ANY, bites=True)
    yield Frame("utf-16", lambda i, m: text(call(i, m)).decode().encode("utf-16-le"), ANY)
    yield Frame("utf-16 with mark", lambda i, m: text(call(i, m)).decode().encode("utf-16"), ANY)
    yield Frame("utf-32", lambda i, m: text(call(i, m)).decode().encode("utf-32-be"), ANY)

    # A raw carriage return is white space to JSON and the end of a line to a careless server
    def wrapped(breaker: bytes, method: str) -> Callable[[int, str], bytes]:
        def make(request_id: int, mark: str) -> bytes:
            inner = text(call(request_id + 50_000_000, mark))
            outer = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params(a="IN")}
            return text(outer).replace(b'"IN"', breaker + inner + breaker)

        return make

    if not modern:
        yield Frame("cr smuggling in ping", wrapped(b"\r", "ping"), OWN, True, True)
    yield Frame("cr smuggling in tools/list", wrapped(b"\r", "tools/list"), OWN, True, True)

    def in_arguments(request_id: int, mark: str) -> bytes:
        inner = text(call(request_id + 50_000_000, mark))
        outer = call(request_id, mark, "echo", {"message": "IN"})
        return text(outer).replace(b'"IN"', b"\r" + inner + b"\r")

    yield Frame("cr smuggling in an argument", in_arguments, OWN, True, True)

    def in_meta(request_id: int, mark: str) -> bytes:
        inner = text(call(request_id + 50_000_000, mark))
        outer = call(request_id, "harmless", "echo")
        outer["params"]["_meta"] = {**(meta or {}), "example.com/a": "IN"}
        return text(outer).replace(b'"IN"', b"\r" + inner + b"\r")

    yield Frame("cr smuggling in _meta of a permitted call", in_meta, OWN, True, True)

    # Duplicate keys, at every depth, also spelt differently
    for label, old, new in [
        ("method", '"method": "tools/call"', '"method": "ping", "method": "tools/call"'),
        ("params", '"params": {', '"params": {"name": "echo"}, "params": {'),
        ("jsonrpc", '"jsonrpc": "2.0"', '"jsonrpc": "2.0", "jsonrpc": "2.0"'),
        ("id", '"id": ', '"id": 5, "id": '),
        ("name", '"name": "forbidden"', '"name": "echo", "name": "forbidden"'),
        ("name reversed", '"name": "forbidden"', '"name": "forbidden", "name": "echo"'),
        ("arguments", '"arguments": {', '"arguments": {"message": "x"}, "arguments": {'),
        ("argument", '"message": ', '"message": "innocent", "message": '),
        (
            "escaped name",
            '"name": "forbidden"',
            '"name": "echo", "n\\u0061me": "forbidden"',
        ),
        ("deep", '"message": "MARK"', '"message": {"a": [{"b": 1, "b": 2}]}, "mark": "MARK"'),
    ]:
        runs = label != "name reversed"
        yield Frame(f"duplicate {label}", swap(old, new, "forbidden"), ANY, bites=runs)

    # Keys in another case, which some JSON libraries take for the same
    for key in ("Method", "METHOD", "method\u200b", "metho\u0501"):
        yield Frame(
            f"key {key!a}",
            lambda i, m, k=key: json.dumps(
                {**call(i, m), "method": "ping", k: "tools/call"}, ensure_ascii=False
            ).encode(),
            ANY,
            bites=key.casefold() == "method",
        )
    for key in ("Params", "PARAMS", "param\u017f"):
        yield Frame(
            f"key {key!a}",
            lambda i, m, k=key: json.dumps(
                {**call(i, m, "echo"), k: params(name="forbidden", arguments={"message": m})},
                ensure_ascii=False,
            ).encode(),
            ANY,
            bites=True,
        )
    for key in ("Name", "NAME", "nAme", "na\u0301me"):
        yield Frame(
            f"params key {key!a}",
            edit(lambda f, m, k=key: f["params"].update({k: "forbidden"})),
            ANY,
            bites=key.casefold() == "name",
        )
    for key in ("Arguments", "ARGUMENTS", "argument\u017f"):
        yield Frame(
            f"params key {key!a}",
            edit(lambda f, m, k=key: f["params"].update({k: {"message": "other"}})),
            ANY,
        )
    yield Frame("key Id", edit(lambda f, m: f.update(Id=7)), ANY)
    yield Frame("key JSONRPC", edit(lambda f, m: f.update(JSONRPC="1.0")), ANY)
    yield Frame(
        "argument Message", edit(lambda f, m: f["params"]["arguments"].update(Message="other")), ANY
    )
    yield Frame("unknown member", edit(lambda f, m: f.update(extra=1)), ANY)
    yield Frame("unknown params member", edit(lambda f, m: f["params"].update(extra=1)), ANY)
    yield Frame("call and answer in one", edit(lambda f, m: f.update(result={})), ANY)
    yield Frame(
        "call and error in one", edit(lambda f, m: f.update(error={"code": 1, "message": "x"})), ANY
    )

    # Text that is not text
    for label, data in [
        ("invalid utf-8", b"\xff"),
        ("overlong utf-8", b"\xc0\xaf"),
        ("utf-8 surrogate", b"\xed\xa0\x80"),
        ("truncated utf-8", b"\xe2\x82"),
        ("latin-1", b"caf\xe9"),
    ]:
        yield Frame(
            label,
            lambda i, m, d=data: text(call(i, m, "echo")).replace(m.encode(), m.encode() + d),
            ANY,
        )
        yield Frame(
            f"{label} beside a forbidden name",
            lambda i, m, d=data: text(call(i, m)).replace(m.encode(), m.encode() + d),
            ANY,
            bites=True,
        )
    for label, escape in [
        ("high", "\\ud800"),
        ("low", "\\udc00"),
        ("reversed pair", "\\udc00\\ud800"),
        ("cut pair", "\\ud83dx"),
    ]:
        yield Frame(f"lone surrogate, {label}", swap("MARK", "MARK" + escape), ANY)
    yield Frame("lone surrogate in a key", swap('"message"', '"mess\\ud800age"'), ANY)
    for label, char in [("tab", b"\t"), ("nul", b"\x00"), ("escape", b"\x1b"), ("vt", b"\x0b")]:
        yield Frame(
            f"raw {label} in a string",
            lambda i, m, c=char: text(call(i, m, "echo")).replace(m.encode(), m.encode() + c),
            ANY,
        )

    # Numbers
    for literal in (
        "NaN",
        "Infinity",
        "-Infinity",
        "1e400",
        "-1e400",
        "9" * 5000,
        "1" + "0" * 400 + ".5",
    ):
        short = literal if len(literal) < 12 else f"{literal[:5]}… ({len(literal)})"
        yield Frame(
            f"number {short}", swap('"message": "MARK"', f'"message": {literal}, "m": "MARK"'), ANY
        )

    # JSON that is not JSON
    for label, old, new in [
        ("comment", '"method"', '/* x */ "method"'),
        ("single quotes", '"tools/call"', "'tools/call'"),
        ("trailing comma", '"MARK"}', '"MARK",}'),
        ("unquoted key", '"method":', "method:"),
        ("missing brace", '"jsonrpc": "2.0", ', '"jsonrpc": "2.0", {'),
    ]:
        yield Frame(f"not json: {label}", swap(old, new), ANY)
    for label, line in [
        ("scalar", b"42"),
        ("string", b'"tools/call"'),
        ("null", b"null"),
        ("empty object", b"{}"),
        ("text", b"hello"),
        ("http", b"POST /mcp HTTP/1.1"),
        ("header framing", b"Content-Length: 52"),
        ("binary", bytes(range(11, 256))),
    ]:
        yield Frame(f"line: {label}", lambda i, m, d=line: d, ANY)

    # Names that a careless server takes for `forbidden`
    for name in (
        "forbidden",
        "FORBIDDEN",
        "Forbidden",
        "forbidden ",
        " forbidden",
        "forbidden\t",
        "forbidden\n",
        "forbidden\u00a0",
        "forbidden\u200b",
        "\ufeffforbidden",
        "forbidden\u0000",
        "\uff46orbidden",
        "forb\u0131dden",
        "forbidde\u0578",
        "forb\u00eddden",
    ):
        eats = name.strip("\x00 ").casefold() not in {
            "forb\u0131dden",
            "forbidde\u0578",
            "forb\u00eddden",
        }
        yield Frame(f"name {name!a}", lambda i, m, n=name: text(call(i, m, n)), OWN, bites=eats)
    for name in (
        "rec/forbidden",
        "rec__forbidden",
        "mcp__rec__forbidden",
        "../forbidden",
        "echo/../forbidden",
        "echo\u0000forbidden",
        "",
        "x" * 5000,
        "tool.call",
        "__class__",
        '"}, "name": "forbidden',
        "echo'); DROP TABLE tools;--",
        "*",
        "echo\u202eneddibrof",
    ):
        yield Frame(f"name {name[:24]!a}", lambda i, m, n=name: text(call(i, m, n)), OWN)
    for value in (7, None, ["forbidden"], {"name": "forbidden"}, True, 1.5):
        yield Frame(f"name is {value!a}", lambda i, m, v=value: text(call(i, m, v)), OWN)
    yield Frame("no name", edit(lambda f, m: f["params"].pop("name") and None), OWN)

    # Arguments against the pinned schema
    for label, arguments in [
        ("unknown", {"message": "MARK", "extra": 1}),
        ("missing", {}),
        ("wrong type", {"message": 5}),
        ("null", {"message": None}),
        ("object", {"message": {"toString": "MARK"}}),
        ("prototype", {"message": "MARK", "__proto__": {"admin": True}}),
        ("engine attribute", {"message": "MARK", "fulfilled": ["x"]}),
    ]:
        yield Frame(
            f"arguments {label}",
            lambda i, m, a=arguments: text(call(i, m, "echo", a)).replace(b"MARK", m.encode()),
            OWN,
        )
    yield Frame(
        "unknown argument where the schema is open",
        lambda i, m: text(call(i, m, "open_schema", {"a": "x", "b": m})),
        OWN,
    )
    for value in ([], [["message", "x"]], "message", 5, True):
        yield Frame(
            f"arguments are {value!a}", lambda i, m, v=value: text(call(i, m, "echo", v)), OWN
        )
    yield Frame("arguments are null", edit(lambda f, m: f["params"].update(arguments=None)), OWN)

    # Depth and size
    for depth in (300, 5_000, 200_000):
        deep = "[" * depth + "]" * depth
        yield Frame(
            f"nesting of {depth} in an argument",
            swap('"message": "MARK"', f'"message": "MARK", "deep": {deep}'),
            ANY,
        )
    yield Frame("nesting of 200000 alone", lambda i, m: b"[" * 200_000, ANY)
    yield Frame(
        "nesting of 100000 objects",
        swap('"message": "MARK"', '"message": ' + '{"a":' * 100_000 + '"MARK"' + "}" * 100_000),
        ANY,
    )
    yield Frame(
        "nesting in _meta",
        edit(
            lambda f, m: f["params"].update(_meta={**(meta or {}), "example.com/x": _nested(900)})
        ),
        ANY,
    )
    yield Frame("larger than the limit", swap("MARK", "MARK" + "x" * (5 << 20)), ANY)
    yield Frame("much larger than the limit", swap("MARK", "MARK" + "x" * (40 << 20)), ANY)
    yield Frame(
        "larger than the limit, id at the end",
        lambda i, m: (
            b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"forbidden","arguments":{"message":"'
            + m.encode()
            + b"x" * (5 << 20)
            + f'"}}}},"id":{i}}}'.encode()
        ),
        ANY,
    )
    yield Frame(
        "a million keys",
        swap(
            '"message": "MARK"', '"message": "MARK"' + "".join(f',"k{n}":0' for n in range(200_000))
        ),
        ANY,
    )

    # The envelope
    for label, value in [("missing", None), ("1.0", "1.0"), ("number", 2.0), ("space", "2.0 ")]:

        def version(f: dict[str, Any], m: str, v: Any = value) -> None:
            f["params"]["name"] = "forbidden"
            del f["jsonrpc"]
            if v is not None:
                f["jsonrpc"] = v

        yield Frame(f"jsonrpc {label}", edit(version), ANY, bites=True)
    for value in ([], ["forbidden", {"message": "x"}], None, "forbidden", 5, False):
        yield Frame(f"params are {value!a}", edit(lambda f, m, v=value: f.update(params=v)), ANY)
    for method in (
        "TOOLS/CALL",
        "tools/call ",
        "tools//call",
        "/tools/call",
        "tools/exec",
        "tools.call",
        "rpc.discover",
        "",
        "notifications/tools/call",
        "sampling/createMessage",
        "roots/list",
        "elicitation/create",
        "tools/call\u0000",
    ):
        yield Frame(
            f"method {method!a}",
            lambda i, m, n=method: text({**call(i, m), "method": n}),
            OWN,
        )
    for value in (None, 5, ["tools/call"], {"a": 1}):
        yield Frame(
            f"method is {value!a}", lambda i, m, v=value: text({**call(i, m), "method": v}), ANY
        )
    yield Frame(
        "escaped slash in the method",
        swap('"tools/call"', '"tools\\/call"', "forbidden"),
        OWN,
        bites=True,
    )
    yield Frame(
        "unicode escapes in the name",
        swap('"forbidden"', '"\\u0066orbidden"', "forbidden"),
        OWN,
        bites=True,
    )

    # Eras
    yield Frame(
        "invented requestState", edit(lambda f, m: f["params"].update(requestState="opaque-1")), OWN
    )
    yield Frame(
        "inputResponses to nothing",
        edit(lambda f, m: f["params"].update(inputResponses={"x": {"action": "accept"}})),
        OWN,
    )
    if modern:
        yield Frame(
            "legacy call on a modern connection",
            edit(lambda f, m: f["params"].pop("_meta") and None),
            OWN,
        )
        yield Frame(
            "initialize on a modern connection",
            lambda i, m: text(
                {
                    "jsonrpc": "2.0",
                    "id": i,
                    "method": "initialize",
                    "params": {
                        "protocolVersion": "2025-11-25",
                        "capabilities": {},
                        "clientInfo": {"name": m, "version": "1"},
                    },
                }
            ),
            OWN,
        )
        key = "io.modelcontextprotocol/protocolVersion"
        yield Frame(
            "future version",
            edit(lambda f, m: f["params"].update(_meta={**(meta or {}), key: "2099-01-01"})),
            OWN,
        )
        yield Frame(
            "no capabilities", edit(lambda f, m: f["params"].update(_meta={key: MODERN})), OWN
        )
        yield Frame(
            "duplicate version",
            swap(f'"{key}"', f'"{key}": "2025-11-25", "{key}"', "forbidden"),
            ANY,
            bites=True,
        )
    else:
        yield Frame(
            "modern call on a legacy connection",
            edit(lambda f, m: f["params"].update(name="forbidden", _meta=modern_meta())),
            OWN,
            bites=True,
        )
        yield Frame(
            "initialize again",
            lambda i, m: text(
                {
                    "jsonrpc": "2.0",
                    "id": i,
                    "method": "initialize",
                    "params": {
                        "protocolVersion": "2025-11-25",
                        "capabilities": {},
                        "clientInfo": {"name": m, "version": "1"},
                    },
                }
            ),
            OWN,
        )
    yield Frame("_meta is a list", edit(lambda f, m: f["params"].update(_meta=["x"])), OWN)
    yield Frame(
        "task",
        edit(lambda f, m: f["params"].update(name="forbidden", task={"ttl": 1})),
        OWN,
        bites=True,
    )
    yield Frame(
        "a response nobody asked for",
        lambda i, m: text({"jsonrpc": "2.0", "id": i, "result": {"mark": m}}),
        QUIET,
    )
    yield Frame(
        "an error nobody asked for",
        lambda i, m: text({"jsonrpc": "2.0", "id": 0, "error": {"code": 1, "message": m}}),
        QUIET,
    )
    yield Frame(
        "response to null",
        lambda i, m: text({"jsonrpc": "2.0", "id": None, "result": {"mark": m}}),
        QUIET,
    )
    yield Frame(
        "server notification from the client",
        lambda i, m: text(
            {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"x": m}}
        ),
        QUIET,
    )
    yield Frame(
        "cancel with a tool call inside",
        lambda i, m: text(
            {
                "jsonrpc": "2.0",
                "method": "notifications/cancelled",
                "params": {"requestId": 1, "name": "forbidden", "arguments": {"message": m}},
            }
        ),
        QUIET,
    )


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value
