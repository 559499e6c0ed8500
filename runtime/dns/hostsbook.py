"""Names without a name service: the hosts files of running pods, which list the cluster's Services and are kept up to date.

For clusters whose pods have no network of their own, where nothing can listen at port 53. A hosts file knows addresses of names only: no
SRV records, no names of pods, and names with several addresses are tried in one order.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from pathlib import Path

from callboard.models.dns import DOMAIN, Zone
from callboard.models.messages.dns import ServeNames
from callboard.models.podnames import service_lines
from callboard.runtime.logs import Logger

_log = Logger(component="hosts")


class HostsBook:
    """Which files there are, and what they say. All methods may be called from any thread."""

    def __init__(self, domain: str = DOMAIN) -> None:
        self._domain = domain
        self._zone = Zone(domain)
        self._changed = threading.Condition()
        self._files: dict[str, tuple[str, Path, str]] = {}
        """By uid of the pod: namespace, file, the pod's own lines."""
        self._written: dict[str, str] = {}
        self._addresses: Mapping[str, tuple[str, ...]] = {}
        self._lines: dict[str, str] = {}
        """By namespace, as long as no name changes."""
        self._pending = False
        self._thread: threading.Thread | None = None
        self._closed = False

    def put(self, uid: str, namespace: str, path: Path, own_text: str) -> None:
        """Write a pod's file now, and keep it up to date from now on. Raises OSError."""
        with self._changed:
            self._files[uid] = (namespace, path, own_text)
            self._written.pop(uid, None)
            self._write(uid)

    def drop(self, uid: str) -> None:
        """A pod is no more; its file is left as it is."""
        with self._changed:
            self._files.pop(uid, None)
            self._written.pop(uid, None)

    def tell(self, names: ServeNames) -> None:
        """These are the names now, or what has changed in them; the files follow on a thread of their own."""
        with self._changed:
            if names.whole:
                self._zone = Zone(self._domain)
            for part in names.parts:
                self._zone.put(part.key, part.records)
            self._addresses = self._zone.addresses()
            self._lines.clear()
            self._pending = True
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._follow, name="callboard-hosts", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def close(self) -> None:
        """Write nothing any more. Calling it twice is allowed."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _follow(self) -> None:
        with self._changed:
            while not self._closed:
                if not self._pending:
                    self._changed.wait()
                    continue
                self._pending = False
                for uid in list(self._files):
                    try:
                        self._write(uid)
                    except OSError as problem:  # its pod may be just going
                        _log.warning("a pod's hosts file can't be written", uid=uid, problem=str(problem))

    def _write(self, uid: str) -> None:
        """In place: a container has the file itself mounted, so another one of the same name would not be seen."""
        namespace, path, own = self._files[uid]
        if namespace not in self._lines:
            self._lines[namespace] = service_lines(self._addresses, namespace, self._domain)
        text = own + self._lines[namespace]
        if self._written.get(uid) == text:
            return
        data = text.encode()
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o644)
        try:
            os.pwrite(file, data, 0)  # first the new content, then the end: a reader never finds it empty
            os.ftruncate(file, len(data))
        finally:
            os.close(file)
        self._written[uid] = text
