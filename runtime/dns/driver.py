"""The main program's side of the dns helper. All methods may be called from any thread, and none blocks.

The driver remembers what it was told, and says it all anew to a helper that was lost and started again.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Protocol

from callboard.models.messages.dns import NamesPart, ServeNames
from callboard.runtime.dns.messages import LeaveNode, ServeNode, TellNames
from callboard.runtime.helpers.link import HelperError, HelperFailed, HelperLink
from callboard.runtime.helpers.wire import Done
from callboard.runtime.logs import Logger

HELPER = "dns"
MODULE = "callboard.runtime.dns.helper"
START_LIMIT_S = 20.0
_log = Logger(component="dns")


class HelperHost(Protocol):
    """What the driver needs of the process daemon's driver."""

    @property
    def state_dir(self) -> Path:
        """The folder of the helpers' sockets."""

    def start_helper(self, name: str, module: str, arguments: list[str], callback: Any) -> Any:
        """Start a helper where none of that name runs; answered by `HelperStarted` or a message with words."""


class DnsDriver:
    """Names inside the pods of one cluster, by packets. `address` is where they are answered in every node's namespace."""

    def __init__(self, daemon: HelperHost, address: str) -> None:
        self._daemon = daemon
        self._address = address
        self._lock = threading.RLock()  # what is remembered and what is asked change together, or a helper would be told of what is gone
        self._parts: dict[str, NamesPart] = {}
        self._namespaces: tuple[str, ...] = ()
        self._told = False
        self._nodes: dict[str, str] = {}
        with self._lock:  # the link's thread may be connected before there is a `_link`
            self._link = HelperLink(HELPER, daemon.state_dir, self._start, Done, again=self._say_all)

    def tell(self, names: ServeNames) -> None:
        """These are the names now, or what has changed in them."""
        with self._lock:
            if names.whole:
                self._parts.clear()
                self._told = True
            self._namespaces = names.namespaces
            for part in names.parts:
                if part.records:
                    self._parts[part.key] = part
                else:
                    self._parts.pop(part.key, None)
            self._link.ask(TellNames(names.whole, names.namespaces, names.parts), self._answered)

    def serve_node(self, node: str, netns: str) -> None:
        """Answer in this node's namespace, which is bound at `netns` inside the cell. To be called again whenever it was made anew."""
        with self._lock:
            self._nodes[node] = netns
            self._link.ask(ServeNode(node, netns), self._answered)

    def leave_node(self, node: str) -> None:
        """Let go of a node's namespace, also of one that a former main program had served."""
        with self._lock:
            self._nodes.pop(node, None)
            self._link.ask(LeaveNode(node), self._answered)

    def close(self) -> None:
        """Let go of the helper, which goes on with what it was told. Calling it twice is allowed."""
        self._link.close()

    # -- the link's thread

    def _start(self) -> None:
        """Have the process daemon start the helper. Raises `HelperError`."""
        started: Future[Any] = Future()
        self._daemon.start_helper(HELPER, MODULE, [str(self._daemon.state_dir), self._address], started.set_result)
        try:
            answer = started.result(START_LIMIT_S)
        except TimeoutError:
            raise HelperError(f"the process daemon did not start the dns helper within {START_LIMIT_S:g} s") from None
        words = getattr(answer, "message", "")
        if words:
            raise HelperError(words)

    def _say_all(self, _link: HelperLink) -> None:
        """Tell a helper that may know nothing all that it should know."""
        with self._lock:
            if self._told:
                self._link.ask(TellNames(True, self._namespaces, tuple(self._parts.values())), self._answered)
            for node, netns in self._nodes.items():
                self._link.ask(ServeNode(node, netns), self._answered)

    def _answered(self, answer: Any, _descriptors: list[int]) -> None:
        if isinstance(answer, HelperFailed):
            _log.warning("the dns helper could not do what it was asked", problem=answer.message)
