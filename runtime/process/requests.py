"""What the process daemon can be asked for by the main program: each method returns the request's number at once. See `client.py`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from callboard.runtime.process.confinement import Confinement, Limits
from callboard.runtime.process.protocol import ProcessAnswer

Callback = Callable[[ProcessAnswer], None]


class Requests:
    """The requests, for who can send one."""

    def _request(self, op: str, callback: Callback | None, **fields: Any) -> int:
        raise NotImplementedError

    def start_container(
        self,
        container_id: str,
        node: str,
        argv: Sequence[str],
        env: Mapping[str, str],
        cwd: str,
        log_path: str | Path,
        callback: Callback | None = None,
        user: Sequence[int] | None = None,
        *,
        confinement: Confinement | None = None,
        limits: Limits | None = None,
    ) -> int:
        """Answered by `Started` or `StartFailed`. `env` is the whole environment (give it a PATH); output is appended to `log_path`;
        `user` is a user id, a group id and further group ids, for who may choose them. Where `confinement` is given, `cwd` and the user are
        as the container sees them."""
        fields: dict[str, Any] = {"argv": list(argv), "env": dict(env), "cwd": cwd, "log_path": str(log_path)}
        if user is not None:
            fields["user"] = list(user)
        if confinement is not None:
            fields["confinement"] = msgspec.to_builtins(confinement)
        if limits is not None:
            fields["limits"] = msgspec.to_builtins(limits)
        return self._request("start", callback, container_id=container_id, node=node, **fields)

    def execute(
        self,
        container_id: str,
        argv: Sequence[str],
        stdin: bytes,
        timeout_s: float,
        output_limit_bytes: int,
        callback: Callback | None = None,
        *,
        patient: bool = False,
    ) -> int:
        """Carry a command out beside a running container: with its environment, working directory and user. Answered by `CommandEnded`, or
        `RequestFailed` if the container doesn't run. Of each output stream so many bytes are kept. Where too
        many are under way, a `patient` one waits for its turn. Raises `BrokenFrame`."""
        fields = {"argv": list(argv), "stdin": stdin, "timeout_s": timeout_s, "limit": output_limit_bytes, "patient": patient}
        return self._request("exec", callback, container_id=container_id, **fields)

    def start_helper(self, name: str, module: str, arguments: Sequence[str], callback: Callback | None = None) -> int:
        """Start `module.main(arguments)` as a child of the daemon, where it runs; it ends with the daemon, and what it prints goes to
        `<state_dir>/<name>.log`. Answered by `HelperStarted`, also if one of this name runs already; `HelperEnded` may follow."""
        return self._request("start_helper", callback, name=name, module=module, arguments=list(arguments))

    def signal(self, container_id: str, signum: int, callback: Callback | None = None) -> int:
        """Send a signal to the container's process group, or to the program of a confined one (SIGKILL to all of it). Answered by
        `Signalled`."""
        return self._request("signal", callback, container_id=container_id, signum=int(signum))

    def kill_node(self, node: str, callback: Callback | None = None) -> int:
        """SIGKILL all containers of a node at once. Answered by `NodeKilled`, followed by their `Exited`."""
        return self._request("kill_node", callback, node=node)

    def list(self, node: str = "", callback: Callback | None = None) -> int:
        """What runs, and what has ended and isn't forgotten, on a node ("": on all). Answered by `Listed`."""
        return self._request("list", callback, node=node)

    def usage(self, container_ids: Sequence[str], callback: Callback | None = None) -> int:
        """What the processes of these containers use now. Answered by `UsageMeasured`."""
        return self._request("usage", callback, container_ids=[*container_ids])

    def forget(self, container_id: str, callback: Callback | None = None) -> int:
        """Drop the record of an ended container. Answered by `Forgotten`."""
        return self._request("forget", callback, container_id=container_id)
