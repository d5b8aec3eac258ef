"""System calls of a running process that fail, by strace."""

import contextlib
import signal
import subprocess

import psutil

from tests.rig.waiting import until


@contextlib.contextmanager
def failing(process, inject, *paths):
    """Let a system call of a running process fail, or only on some files."""
    only = [word for path in paths for word in ("-P", str(path))]
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", *only, "-p", str(process.pid)]
    tracer = subprocess.Popen([*trace, "-e", f"inject={inject}"])
    try:
        status = psutil.Process(process.pid)
        tasks = [f"/proc/{process.pid}/task/{thread.id}/status" for thread in status.threads()]
        until(lambda: all("TracerPid:\t0" not in read_text(task) for task in tasks))
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        try:
            tracer.wait(10)
        except subprocess.TimeoutExpired:
            # It sometimes misses the signal while a process that it follows is being killed.
            tracer.kill()
            tracer.wait(10)


def read_text(path):
    """A file of /proc; of a thread that has ended, nothing: a log that was poisoned has no writer."""
    try:
        with open(path) as file:  # noqa: PTH123 - a path of /proc
            return file.read()
    except FileNotFoundError:
        return ""
