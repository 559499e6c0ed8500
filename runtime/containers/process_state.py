"""What a process container runtime remembers on disk, and how it finds again what runs when it starts.

One small file per sandbox, `<state>/nodes/<node>/sandboxes/<life>/<uid>.json`, beside the pods' folders and out of reach of a pod that
keeps to its own. It outlives the runtime's process and the whole program; the process daemon knows which containers really run.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import msgspec

from callboard.models.api import core
from callboard.models.base import decode_hook
from callboard.models.messages.runtime import ContainerExited
from callboard.runtime.logs import Logger
from callboard.runtime.process.folders import remove_tree
from callboard.runtime.process.podfolder import VolumeError, pod_folder, remove_pod_folder
from callboard.runtime.process.protocol import ContainerRecord, Exited

CONTAINER_SCHEME = "process://"
LIFE_NAME = "life"
LOST_MESSAGE = "The container could not be located: the process daemon that it ran under has ended"
_log = Logger(component="process")


class ContainerNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """The newest attempt of one container. `kill_at_s` (seconds since the epoch) is set once it has been asked to end."""

    name: str
    attempt: int
    kill_at_s: float = 0.0


class SandboxNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """One sandbox as it is stored; `pod` is the API object that it was made for."""

    uid: str
    ip: str
    pod: core.Pod
    containers: tuple[ContainerNote, ...] = ()


class Found(msgspec.Struct, frozen=True):
    """One container of a sandbox that was found again; `exited` is None while it runs, `pid` 0 if its daemon is gone."""

    note: ContainerNote
    container_id: str
    pid: int
    started_at_s: float
    exited: ContainerExited | None


class Adopted(msgspec.Struct, frozen=True):
    """A sandbox that was found again, with the newest attempt of each container."""

    note: SandboxNote
    containers: tuple[Found, ...]


def container_id(uid: str, name: str, attempt: int) -> str:
    """The id of a container: it can be decoded, so what a daemon knows tells whose it is."""
    return f"{CONTAINER_SCHEME}{uid}/{name}/{attempt}"


def parse_container_id(text: str) -> tuple[str, str, int] | None:
    """(pod uid, container name, attempt) of an id; None if it is none of ours."""
    uid, _, rest = text.removeprefix(CONTAINER_SCHEME).partition("/")
    name, _, attempt = rest.partition("/")
    if not text.startswith(CONTAINER_SCHEME) or not uid or not name or not attempt.isdigit():
        return None
    return uid, name, int(attempt)


def exited_of(record: ContainerRecord | Exited) -> ContainerExited:
    """How a container ended, in the kubelet's terms."""
    parsed = parse_container_id(record.container_id)
    uid, name, _ = parsed if parsed is not None else ("", "", 0)
    return ContainerExited(
        uid,
        name,
        record.container_id,
        record.exit_code,
        record.signal,
        record.started_at_s,
        record.finished_at_s,
        "OOMKilled" if record.oom_killed else "Completed" if record.exit_code == 0 else "Error",
    )


def lost(uid: str, name: str, identity: str, now_s: float, started_at_s: float = 0.0) -> ContainerExited:
    """The end of a container that nobody knows any more, as Kubernetes tells it."""
    return ContainerExited(uid, name, identity, 137, 9, started_at_s, now_s, "ContainerStatusUnknown", LOST_MESSAGE)


def adopt(
    notes: Iterable[SandboxNote], records: Iterable[ContainerRecord], now_s: float
) -> tuple[tuple[Adopted, ...], tuple[ContainerRecord, ...]]:
    """Match what is stored with what the daemon knows.

    Returns the sandboxes with their newest containers, and all other containers: they are to be killed and forgotten.
    """
    by_pod: dict[str, dict[str, ContainerRecord]] = {}
    newest: dict[tuple[str, str], int] = {}
    strangers: list[ContainerRecord] = []
    known = {note.uid: note for note in notes}
    for record in records:
        parsed = parse_container_id(record.container_id)
        if parsed is None or parsed[0] not in known:
            strangers.append(record)
            continue
        uid, name, attempt = parsed
        by_pod.setdefault(uid, {})[record.container_id] = record
        newest[uid, name] = max(attempt, newest.get((uid, name), -1))
    adopted = []
    for note in known.values():
        of_pod = by_pod.get(note.uid, {})
        found = _newest_of(note, of_pod, newest, now_s)
        adopted.append(Adopted(note, found))
        current = {one.container_id for one in found}
        strangers += [record for identity, record in of_pod.items() if identity not in current]
    return tuple(adopted), tuple(strangers)


def _newest_of(
    note: SandboxNote, records: dict[str, ContainerRecord], newest: dict[tuple[str, str], int], now_s: float
) -> tuple[Found, ...]:
    noted = {container.name: container for container in note.containers}
    names = dict.fromkeys([*noted, *(name for uid, name in newest if uid == note.uid)])
    found = []
    for name in names:
        attempt = newest.get((note.uid, name), -1)
        own = noted.get(name)
        if own is None or own.attempt < attempt:  # the program ended between the start and the note of it
            own = ContainerNote(name, attempt)
        identity = container_id(note.uid, name, own.attempt)
        record = records.get(identity)
        if record is None:
            found.append(Found(own, identity, 0, 0.0, lost(note.uid, name, identity, now_s)))
        else:
            ended = None if record.running else exited_of(record)
            found.append(Found(own, identity, record.pid, record.started_at_s, ended))
    return tuple(found)


# Files; all of this blocks, so it is called on a worker's thread


class Home(msgspec.Struct, frozen=True):
    """Where a node's pods have their files. `life` counts the power cuts of the node: what a runtime of an earlier one still writes
    about its sandboxes lands where nobody looks."""

    state_dir: Path
    node: str
    life: int = 0

    def pod(self, uid: str) -> Path:
        """The folder of a pod. Raises `VolumeError` if its uid can't be a folder's name."""
        return pod_folder(self.state_dir, self.node, uid)

    @property
    def folder(self) -> Path:
        """The folder of the node."""
        return self.pod("x").parent.parent

    @property
    def notes(self) -> Path:
        """The folder of the sandboxes' files."""
        return self.folder / "sandboxes" / str(self.life)


def home_of(state_dir: str | Path, node: str) -> Home:
    """The node's present life. Raises OSError."""
    home = Home(Path(state_dir), node)
    try:
        return Home(home.state_dir, node, int((home.folder / LIFE_NAME).read_text()))
    except FileNotFoundError:
        return home


def abandon_node(state_dir: str | Path, node: str) -> None:
    """Forget all sandboxes of a node whose power was cut: called by `Cluster` after the node's containers were killed. Raises OSError.

    When the node is switched on again, its runtime is empty, as a real node's would be, and removes the folders that are left.
    """
    home = home_of(state_dir, node)
    home.folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    _write(home.folder / LIFE_NAME, f"{home.life + 1}\n".encode())


def store_note(home: Home, note: SandboxNote) -> None:
    """Write a sandbox's file, atomically. Raises OSError."""
    home.notes.mkdir(mode=0o700, parents=True, exist_ok=True)
    _write(home.notes / f"{home.pod(note.uid).name}.json", msgspec.json.encode(note))


def remove_note(home: Home, uid: str) -> None:
    """Remove a sandbox's file; if there is none, nothing happens. Raises OSError."""
    (home.notes / f"{home.pod(uid).name}.json").unlink(missing_ok=True)


def load_notes(home: Home, remove_pod: Callable[[Path], None] = remove_pod_folder) -> tuple[SandboxNote, ...]:
    """Read the sandboxes of a node, and remove what belongs to none, pods' folders by `remove_pod`. A file that can't be read counts as
    none. Raises OSError."""
    notes = []
    for path in sorted(home.notes.glob("*.json")):
        try:
            notes.append(msgspec.json.decode(path.read_bytes(), type=SandboxNote, dec_hook=decode_hook))
        except (OSError, msgspec.MsgspecError) as error:
            _log.warning("a sandbox's file can't be read; its pod is started anew", file=str(path), reason=str(error))
            path.unlink(missing_ok=True)
    known = {note.uid for note in notes}
    for place, kept, remove in (
        (home.folder / "pods", known, remove_pod),
        (home.folder / "sandboxes", {home.notes.name}, lambda folder: remove_tree(str(folder))),
    ):
        with contextlib.suppress(FileNotFoundError):
            for folder in place.iterdir():
                if folder.name not in kept:
                    _removed_or_told(remove, folder)
    return tuple(notes)


def _removed_or_told(remove: Callable[[Path], None], folder: Path) -> None:
    """What can't be removed now is no reason to take the pods that are there for lost."""
    try:
        remove(folder)
    except (OSError, VolumeError) as problem:
        _log.warning("a folder that belongs to no pod can't be removed", folder=str(folder), reason=str(problem))


def _write(path: Path, content: bytes) -> None:
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)  # environments hold secrets
    with os.fdopen(descriptor, "wb") as out:
        out.write(content)
    os.replace(new, path)
