"""Runs in the sandbox, with the interpreter of the environment: bounds, the way out, the program.

The standard library only, and any Python 3.11: nothing of Remit is there but this file. What it is
told is a file, because command lines can be read by all:

``listen`` (address and port that lead out), ``socket`` (where to), ``memory`` (bytes of addresses),
``file`` (bytes of a file), ``variables``, ``module`` and ``arguments`` (what to run).
"""

import contextlib
import json
import os
import resource
import runpy
import socket
import sys
import threading
from pathlib import Path
from typing import Any


def main(place: str) -> None:
    """Run what the file at `place` says; it is gone before anything else runs."""
    told: dict[str, Any] = json.loads(Path(place).read_bytes())
    Path(place).unlink()
    for kind, limit in (
        (resource.RLIMIT_AS, told["memory"]),
        (resource.RLIMIT_FSIZE, told["file"]),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(kind, (limit, limit))
    address, port = told["listen"]
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.create_server((address, port), family=family, backlog=64)
    if os.fork() == 0:
        _lead_out(listener, told["socket"])
    listener.close()
    os.environ.update(told["variables"])
    sys.argv = [told["module"], *told["arguments"]]
    runpy.run_module(told["module"], run_name="__main__", alter_sys=True)


def _lead_out(listener: socket.socket, way: str) -> None:
    """Pass every connection on; ends with the sandbox."""
    try:
        while True:
            inner, _ = listener.accept()
            threading.Thread(target=_pass_on, args=(inner, way), daemon=True).start()
    finally:
        os._exit(1)


def _pass_on(inner: socket.socket, way: str) -> None:
    with contextlib.suppress(OSError), inner, socket.socket(socket.AF_UNIX) as outer:
        outer.connect(way)
        back = threading.Thread(target=_pump, args=(outer, inner), daemon=True)
        back.start()
        _pump(inner, outer)
        back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
    with contextlib.suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    main(sys.argv[1])
