"""What the container runtimes of one cluster's nodes have in common: where they are, what this machine allows, who helps them."""

from __future__ import annotations

from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeoutError
from pathlib import Path
from typing import Any, Protocol

from callboard.models.dns import DOMAIN
from callboard.models.images import ImageTable
from callboard.runtime.containers.process_addresses import AddressPool, cell_pool, loopback_pool
from callboard.runtime.containers.process_hostports import HostPorts
from callboard.runtime.helpers.link import HelperError
from callboard.runtime.isolation.levels import Level
from callboard.runtime.network.driver import NetworkDriver
from callboard.runtime.process import podfiles
from callboard.runtime.process.client import ProcessDaemon
from callboard.runtime.process.installed import Installed
from callboard.runtime.process.podfiles import PodFiles

START_LIMIT_S = 20.0


class HostsKeeper(Protocol):
    """Who keeps the names of Services in pods' hosts files up to date, where there is no name service (level C1)."""

    def put(self, uid: str, namespace: str, path: Path, own_text: str) -> None:
        """Write this pod's file and keep it up to date; `own_text` is what it says anyway."""

    def drop(self, uid: str) -> None:
        """The pod is no more."""


class Place:
    """See this module's docstring.

    `network` is None where pods have loopback addresses (levels C1 and C0); `images` says which program an image is (by
    default none is known, so that every container needs a command); `cluster_dns` is the
    address of the cluster's name service, "" where there is none.
    """

    def __init__(
        self,
        daemon: ProcessDaemon,
        level: Level,
        network: NetworkDriver | None = None,
        images: ImageTable | None = None,
        cluster_dns: str = "",
        domain: str = DOMAIN,
        hosts: HostsKeeper | None = None,
    ) -> None:
        self.daemon = daemon
        self.state_dir = daemon.state_dir
        self.level = level
        self.network = network
        self.images = images or ImageTable(Installed())
        self.cluster_dns = cluster_dns
        self.domain = domain
        self.hosts = hosts
        self.host_ports = HostPorts(network, daemon.block) if network is not None else None
        self.files = PodFiles(self.state_dir, self._start_helper) if level.confined else None
        """Who writes pods' folders and mounts in them; None at level C0, where nothing is mounted."""

    def addresses(self, index: int) -> AddressPool:
        """The addresses of the node with this index and its pods. Raises ValueError where there are none."""
        return cell_pool(index) if self.level.network else loopback_pool(self.daemon.block, index)

    def close(self) -> None:
        """Let go of the helper for pods' files; the network is closed by whoever made it."""
        if self.files is not None:
            self.files.close()

    def _start_helper(self) -> None:
        """Have the process daemon start the pods helper. Raises `HelperError`."""
        started: Future[Any] = Future()
        arguments = [str(self.state_dir / f"{podfiles.HELPER}.sock")]
        self.daemon.start_helper(podfiles.HELPER, podfiles.MODULE, arguments, started.set_result)
        try:
            words = getattr(started.result(START_LIMIT_S), "message", "")
        except FutureTimeoutError:
            raise HelperError(f"the process daemon did not start the {podfiles.HELPER} helper within {START_LIMIT_S:g} s") from None
        if words:
            raise HelperError(words)
