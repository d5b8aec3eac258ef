"""A disk in memory that can lose what was not synced. The model is the weakest that POSIX allows.

* Data of a file: everything up to its last fsync or fdatasync is there. Of the writes after it,
  any 512-byte sector may be there or not; a size may have grown without its data (zeros).
* Names of a directory: everything up to the last fsync of the directory is there. Of the later
  creations, renames and removals, each may be there or not, independently.
* A truncation that was not synced may be there or not.
"""

import errno
from pathlib import Path

from remit.audit.errors import Locked

SECTOR = 512


class Node:
    """One file: bytes now, bytes that are safe, and what happened between."""

    def __init__(self):
        self.data = b""
        self.safe = b""
        self.pending = []

    def copy(self):
        node = Node()
        node.data, node.safe, node.pending = self.data, self.safe, list(self.pending)
        return node


class SimDisk:
    """Implements the ``Filesystem`` port. ``log`` records every change, for replaying."""

    def __init__(self):
        self.nodes = {}
        self.names_now = {}
        self.names_safe = {}
        self.names_pending = []
        self.directories = set()
        self.handles = {}
        self.locked = set()
        self.next_handle = 3
        self.log = []
        self.failures = {}
        self.counts = {}

    # ---- the port

    def _step(self, call, *arguments):
        number = self.counts[call] = self.counts.get(call, 0) + 1
        failure = self.failures.get((call, number))
        if failure is not None:
            if call == "write" and isinstance(failure, float):
                return failure
            raise OSError(failure, errno.errorcode[failure])
        self.log.append((call, *arguments))
        return None

    def lock(self, path):
        if path in self.locked:
            raise Locked("locked")
        self.locked.add(path)
        handle = self.next_handle
        self.next_handle += 1
        self.handles[handle] = path
        return handle

    def make_directory(self, path):
        self.directories.add(path)

    def names(self, path):
        return sorted(p.name for p in self.names_now if p.parent == path)

    def read(self, path):
        inode = self.names_now.get(path)
        return None if inode is None else self.nodes[inode].data

    def size(self, path):
        data = self.read(path)
        return -1 if data is None else len(data)

    def open(self, path):
        if path not in self.names_now:
            self._step("open", path)
            inode = max(self.nodes, default=0) + 1
            self.nodes[inode] = Node()
            self.names_now[path] = inode
            self.names_pending.append(("add", path, inode))
        handle = self.next_handle
        self.next_handle += 1
        self.handles[handle] = self.names_now[path]
        return handle

    def write(self, handle, data):
        share = self._step("write", self.handles[handle], bytes(data))
        if share is not None:
            data = data[: int(len(data) * share)]
            self.log.append(("write", self.handles[handle], bytes(data)))
        node = self.nodes[self.handles[handle]]
        node.pending.append(("write", len(node.data), bytes(data)))
        node.data += data
        return len(data)

    def fdatasync(self, handle):
        self._step("fdatasync", self.handles[handle])
        self._sync(self.handles[handle])

    def fsync(self, handle):
        self._step("fsync", self.handles[handle])
        self._sync(self.handles[handle])

    def _sync(self, inode):
        node = self.nodes[inode]
        node.safe, node.pending = node.data, []

    def truncate(self, handle, size):
        node = self.nodes[self.handles[handle]]
        if size == len(node.data):
            return
        self._step("truncate", self.handles[handle], size)
        node.pending.append(("truncate", size, b""))
        node.data = node.data[:size].ljust(size, b"\0")

    def allocate(self, handle, size):
        self._step("allocate", self.handles[handle], size)
        self.nodes[self.handles[handle]].data = bytes(size)

    def seal(self, handle):
        self._step("seal", self.handles[handle])

    def close(self, handle):
        target = self.handles.pop(handle)
        self.locked.discard(target)

    def rename(self, source, target):
        self._step("rename", source, target)
        inode = self.names_now.pop(source)
        self.names_now[target] = inode
        self.names_pending.append(("rename", source, target, inode))

    def unlink(self, path):
        if path in self.names_now:
            self._step("unlink", path)
            self.names_pending.append(("remove", path))
            del self.names_now[path]

    def sync_directory(self, path):
        self._step("sync_directory", path)
        kept = []
        for change in self.names_pending:
            where = change[2].parent if change[0] == "rename" else change[1].parent
            if where == path:
                _apply(self.names_safe, change)
            else:
                kept.append(change)
        self.names_pending = kept

    # ---- the power

    def replay(self, steps):
        """A new disk after the first ``steps`` entries of the log."""
        disk = SimDisk()
        handles = {}
        for call, *arguments in self.log[:steps]:
            if call in {"ack", "signed"}:
                continue
            if call == "open":
                disk.open(arguments[0])
            elif call in {"rename", "unlink", "sync_directory"}:
                getattr(disk, call)(*arguments)
            else:
                inode = arguments[0]
                handle = handles.get(inode)
                if handle is None:
                    handle = handles[inode] = disk.next_handle
                    disk.next_handle += 1
                    disk.handles[handle] = inode
                getattr(disk, call)(handle, *arguments[1:])
        return disk

    def power_cut(self, random):
        """One disk that may be found after the power was cut now."""
        found = SimDisk()
        names = dict(self.names_safe)
        for change in self.names_pending:
            if random.random() < 0.5:
                _apply(names, change)
        found.names_now, found.names_safe = names, dict(names)
        for inode in set(names.values()):
            node = Node()
            node.data = node.safe = self._survives(self.nodes[inode], random)
            found.nodes[inode] = node
        return found

    def _survives(self, node, random):
        data = bytearray(node.safe)
        how = random.choice(("none", "all", "some", "some", "prefix"))
        if how == "none":
            return bytes(data)
        stop = random.randrange(len(node.pending) + 1) if how == "prefix" else len(node.pending)
        for kind, at, written in node.pending[:stop]:
            if kind == "truncate":
                if how == "all" or random.random() < 0.5:
                    del data[at:]
                    data.extend(bytes(at - len(data)))
                continue
            end = at + len(written)
            if how == "some" and random.random() < 0.3:
                end = at + random.randrange(len(written) + 1)
            data.extend(bytes(max(end - len(data), 0)))
            sector = at - at % SECTOR
            while sector < end:
                low, high = max(sector, at), min(sector + SECTOR, end)
                if how != "some" or random.random() < 0.7:
                    data[low:high] = written[low - at : high - at]
                sector += SECTOR
        return bytes(data)


def _apply(names, change):
    if change[0] == "add":
        names[change[1]] = change[2]
    elif change[0] == "remove":
        names.pop(change[1], None)
    else:
        _, source, target, inode = change
        if names.get(source) == inode:
            del names[source]
        names[target] = inode


HOME = Path("/log")
