"""Where pins live: the bundle's ``tools.lock`` rules, the state directory keeps first sights.

It is replaced as a whole (:mod:`.files`) under an exclusive lock on ``tools.lock.guard``, because
several Guards may share it.
"""

from pathlib import Path

from remit.core.files import write_atomically
from remit.core.locks import exclusive
from remit.guard.errors import GuardError
from remit.policy.pins import Lock, PinnedServer, dump_lock, parse_lock


class PinStore:
    """Pins of servers. An unreadable file blocks: reading it raises.

    Args:
        bundle_lock: pins shipped with the bundle; they are never overridden.
        path: ``tools.lock`` of the state directory; may not exist yet.
    """

    def __init__(self, bundle_lock: Lock | None, path: Path) -> None:
        self._bundle = bundle_lock
        self._path = path

    def _state(self) -> Lock:
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            return Lock(servers={})
        except OSError as error:
            raise GuardError(
                f"the pins in `{self._path}` cannot be read: {error.strerror}",
                code="pins.unreadable",
                hint="repair or restore the file; Guard does not pin anew over it",
            ) from error
        return parse_lock(data)

    def get(self, server: str) -> PinnedServer | None:
        """The pin of ``server``; ``None`` on first sight.

        Raises:
            RemitError: the file cannot be read or is damaged.
        """
        if self._bundle is not None and server in self._bundle.servers:
            return self._bundle.servers[server]
        return self._state().servers.get(server)

    def others(self, server: str) -> tuple[PinnedServer, ...]:
        """Pins of all other servers."""
        servers = {**self._state().servers, **(self._bundle.servers if self._bundle else {})}
        return tuple(value for key, value in servers.items() if key != server)

    def save(self, pinned: PinnedServer) -> None:
        """Pin a server in the state directory, replacing its earlier pin.

        Raises:
            RemitError: the file cannot be written.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with exclusive(self._path.with_name(self._path.name + ".guard")):
                lock = self._state()
                data = dump_lock(Lock(servers={**lock.servers, pinned.id: pinned}))
                write_atomically(self._path, data)
        except OSError as error:
            raise GuardError(
                f"the pins cannot be written to `{self._path}`: {error.strerror}",
                code="pins.unwritable",
            ) from error
