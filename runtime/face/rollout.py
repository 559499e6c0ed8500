"""The verbs of `c.rollout`: history, undo, pause, resume, restart and status of workloads, with kubectl's rules and words.

They are reads and patches of a client, as in kubectl; what they decide is in `models/rollouts.py` for Deployments, and in
`models/revisedrollouts.py` for kinds that keep ControllerRevisions. Kinds that are not in `ROLLABLE` are refused as kubectl refuses those
that can't be rolled out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from callboard.models import revisedrollouts, rollouts
from callboard.models.base import freeze
from callboard.models.errors import BadRequest, NotFound, WaitTimeout
from callboard.models.messages import api
from callboard.models.rollouts import Progress, Revision
from callboard.models.times import rfc3339
from callboard.runtime.face.contract import Host, Seconds, seconds
from callboard.runtime.face.reading import DEFAULT_TIMEOUT_S, Reading
from callboard.runtime.face.references import Reference, refer

STATUS_TIMEOUT_S = 600.0
ROLLED_BACK = "rolled back"


Patch = tuple[dict[str, Any], ...]


class Undone(msgspec.Struct, frozen=True):
    """What a rollback did: the workload as it is now, and kubectl's words: `rolled back`, or why nothing was to be done."""

    obj: Any
    words: str


class Rollable(msgspec.Struct, frozen=True, kw_only=True):
    """How a kind is rolled out: the resource of its revisions; its history, given those; the JSON patch that goes back to a revision, None
    if that is the present one; how far a rollout is. Only what is `pausable` can be paused and resumed."""

    revisions: str
    history: Callable[[Any, Sequence[Any]], tuple[Revision, ...]]
    back: Callable[[Any, Sequence[Any], int], Patch | None]
    progress: Callable[[Any, int], Progress]
    pausable: bool = False


def _deployment_back(deployment: Any, replica_sets: Sequence[Any], to_revision: int) -> Patch | None:
    target = rollouts.rollback_target(deployment, replica_sets, to_revision)
    same = rollouts.same_template(rollouts.template_of(target), deployment.spec.template)
    return None if same else rollouts.rollback_patch(deployment, target)


def _revised_back(workload: Any, revisions: Sequence[Any], to_revision: int) -> Patch | None:
    template = revisedrollouts.rollback_template(workload, revisions, to_revision)
    return None if template == workload.spec.template else revisedrollouts.rollback_patch(template)


ROLLABLE = {
    "Deployment": Rollable(
        revisions="replicasets.apps", history=rollouts.history_of, back=_deployment_back, progress=rollouts.progress_of, pausable=True
    ),
    "StatefulSet": Rollable(
        revisions="controllerrevisions.apps",
        history=revisedrollouts.history_of,
        back=_revised_back,
        progress=revisedrollouts.progress_of_stateful_set,
    ),
    "DaemonSet": Rollable(
        revisions="controllerrevisions.apps",
        history=revisedrollouts.history_of,
        back=_revised_back,
        progress=revisedrollouts.progress_of_daemon_set,
    ),
}
"""By kind; the kinds of group apps are meant."""


class Rollouts:
    """The rollouts of one namespace's workloads; see `Cluster.rollout`."""

    def __init__(self, reading: Reading, host: Host, namespace: str) -> None:
        self._reading, self._host, self._namespace = reading, host, namespace

    def history(self, what: Any, revision: int | None = None, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> tuple[Revision, ...]:
        """The revisions that a workload can go back to, oldest first: number, change cause (annotation `kubernetes.io/change-cause`) and
        template each. With `revision` only this one.

        Raises:
            NotFound: there is no such workload or revision.
            BadRequest: the kind has no history.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     [(one.revision, one.change_cause) for one in s.rollout.history("deployment/web")]
        [(1, '')]
        """
        workload, kind = self._workload(what, timeout, "no history viewer has been implemented for {quoted}")
        history = kind.history(workload, self._revisions(workload, kind, timeout))
        return history if revision is None else (rollouts.at_revision(history, revision),)

    def undo(self, what: Any, to_revision: int = 0, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Undone:
        """Give a workload the template of an earlier revision again (0: of the one before the newest). It becomes the newest revision.

        Raises:
            NotFound: there is no such revision any more.
            BadRequest: the workload is paused, or the kind can't be rolled back.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     _ = s.patch("deployment/web", {"spec": {"template": {"metadata": {"labels": {"colour": "blue"}}}}})
        ...     _ = s.wait("deployment/web")
        ...     print(s.rollout.undo("deployment/web").words)
        ...     _ = s.rollout.status("deployment/web")
        ...     [one.revision for one in s.rollout.history("deployment/web")]
        rolled back
        [2, 3]
        """
        workload, kind = self._workload(what, timeout, "no rollbacker has been implemented for {quoted}")
        patch = kind.back(workload, self._revisions(workload, kind, timeout), to_revision)
        if patch is None:
            return Undone(workload, rollouts.skipped_words(to_revision))
        return Undone(self._patch(workload, patch, "json", timeout), ROLLED_BACK)

    def pause(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """Let changes of a Deployment's template have no effect until it is resumed; returns the Deployment.

        Raises:
            BadRequest: it is paused already, or the kind can't be paused.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     _ = c.apply("examples/web.yaml")
        ...     c.rollout.pause("deployment/web").spec.paused
        True
        """
        deployment = self._pausable(what, timeout, "{resource} {name} pausing is not supported")
        if _is_paused(deployment):
            raise BadRequest(f"{self._named(deployment)} is already paused")
        return self._patch_spec(deployment, {"paused": True}, timeout)

    def resume(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """Let a paused Deployment roll out what was changed meanwhile; returns the Deployment.

        Raises:
            BadRequest: it is not paused, or the kind can't be.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.rollout.pause("deployment/web")
        ...     bool(s.rollout.resume("deployment/web").spec.paused)
        False
        """
        deployment = self._pausable(what, timeout, "{resource} {name} resuming is not supported")
        if not _is_paused(deployment):
            raise BadRequest(f"{self._named(deployment)} is not paused")
        return self._patch_spec(deployment, {"paused": False}, timeout)

    def restart(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Any:
        """Replace all pods of a workload as a rollout does, by an annotation of its template; returns the workload.

        Raises:
            BadRequest: it is paused, was restarted within this second, or the kind can't be restarted.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     before = [pod.metadata.uid for pod in s.list("pods")]
        ...     _ = s.rollout.restart("deployment/web")
        ...     _ = s.rollout.status("deployment/web")
        ...     s.settle()
        ...     any(pod.metadata.uid in before for pod in s.list("pods"))
        False
        """
        workload, _kind = self._workload(what, timeout, "{resource} {name} restarting is not supported")
        if _is_paused(workload):
            raise BadRequest(f"{self._named(workload)} can't restart paused deployment (run rollout resume first)")
        now = rfc3339(self._host.now())
        if _restarted_at(workload) == now:
            words = "if restart has already been triggered within the past second, please wait before attempting to trigger another"
            raise BadRequest(f"failed to create patch for {workload.metadata.name}: {words}")
        return self._patch_spec(workload, {"template": {"metadata": {"annotations": {rollouts.RESTARTED_AT: now}}}}, timeout)

    def status(
        self,
        what: Any,
        *,
        revision: int = 0,
        wait: bool = True,
        tell: Callable[[str], object] | None = None,
        timeout: Seconds | None = None,
    ) -> str:
        """Wait until a workload is rolled out; returns kubectl's last line. `tell` is called with each line that is new; `wait=False`
        returns the present one at once. `revision`: fail if another one is rolled out. `timeout`: None means ten minutes.

        Raises:
            WaitTimeout: it is not rolled out in time, or has made no progress for its progressDeadlineSeconds.
            Conflict: another revision is rolled out than the one asked for.
            BadRequest: the kind has no rollout, or none with this strategy.
            NotFound: there is no such workload, or it was deleted meanwhile.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     _ = c.apply("examples/web.yaml")
        ...     c.rollout.status("deployment/web", timeout="30s")
        'deployment "web" successfully rolled out'
        """
        timeout_s = STATUS_TIMEOUT_S if timeout is None else seconds(timeout)
        workload, kind = self._workload(what, timeout_s, "no status viewer has been implemented for {kind}")
        progress = kind.progress(workload, revision)
        told = ""

        def over() -> bool:
            nonlocal progress, told
            try:
                progress = kind.progress(self._reading.get(workload), revision)
            except NotFound:
                progress = Progress(False, f"{self._named(workload)}: object has been deleted", NotFound)
                return True
            if tell is not None and progress.words != told and progress.failure is None:
                tell(progress.words)
            told = progress.words
            return progress.done or progress.failure is not None

        if wait and not self._host.await_change(self._refer(workload), over, timeout_s):
            raise WaitTimeout(f"timed out waiting for the condition after {timeout_s:g} s: {progress.words}")
        if progress.failure is not None:
            raise progress.failure(progress.words)
        return progress.words

    # -- shared ---------------------------------------------------------------------------------------------------------------------

    def _refer(self, what: Any) -> Reference:
        return refer(what, self._host.scheme(), self._namespace)

    def _workload(self, what: Any, timeout: Seconds, refusal: str) -> tuple[Any, Rollable]:
        reference = self._refer(what)
        resource = reference.resource
        kind = ROLLABLE.get(resource.kind) if resource.group == "apps" else None
        if kind is None:
            raise self._refusal(reference, refusal)
        return self._reading.get(what, timeout=timeout), kind

    def _pausable(self, what: Any, timeout: Seconds, refusal: str) -> Any:
        workload, kind = self._workload(what, timeout, refusal)
        if not kind.pausable:
            raise self._refusal(self._refer(what), refusal)
        return workload

    @staticmethod
    def _refusal(reference: Reference, words: str) -> BadRequest:
        resource = reference.resource
        quoted = f'{{"{resource.group}" "{resource.kind}"}}'
        kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
        return BadRequest(words.format(quoted=quoted, kind=kind, resource=reference.resource_name, name=f'"{reference.name}"'))

    def _revisions(self, workload: Any, kind: Rollable, timeout: Seconds) -> list[Any]:
        """Revisions with the labels of the workload's selector; whose they are is judged by their owner references."""
        selector = workload.spec.selector if workload.spec is not None else None
        labels = selector.match_labels if selector is not None else {}
        wanted = ",".join(f"{key}={value}" for key, value in labels.items())
        return self._reading.list(kind.revisions, selector=wanted, namespace=workload.metadata.namespace, timeout=timeout)

    def _patch_spec(self, workload: Any, spec: dict[str, Any], timeout: Seconds) -> Any:
        return self._patch(workload, {"spec": spec}, "merge", timeout)

    def _patch(self, workload: Any, patch: Any, type_: api.PatchType, timeout: Seconds) -> Any:
        return self._reading._patch(self._refer(workload), freeze(patch), type_, timeout)

    def _named(self, workload: Any) -> str:
        return f'{self._refer(workload).resource_name} "{workload.metadata.name}"'


def _is_paused(workload: Any) -> bool:
    return bool(workload.spec is not None and getattr(workload.spec, "paused", False))


def _restarted_at(workload: Any) -> str:
    template = workload.spec.template if workload.spec is not None else None
    annotations = template.metadata.annotations if template is not None and template.metadata is not None else {}
    return str(annotations.get(rollouts.RESTARTED_AT, ""))


__all__ = ["ROLLABLE", "Progress", "Revision", "Rollable", "Rollouts", "Undone"]
