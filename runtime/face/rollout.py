"""The verbs of `c.rollout`: history, undo, pause, resume, restart and status of Deployments, with kubectl's rules and words.

They are reads and patches of a client, as in kubectl; what they decide is in `models/rollouts.py`. Kinds other than Deployment are refused
as kubectl refuses kinds that can't be rolled out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from callboard.models import rollouts
from callboard.models.api.apps import Deployment, ReplicaSet
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


class Undone(msgspec.Struct, frozen=True):
    """What a rollback did: the Deployment as it is now, and kubectl's words: `rolled back`, or why nothing was to be done."""

    obj: Deployment
    words: str


class Rollouts:
    """The rollouts of one namespace's Deployments; see `Cluster.rollout`."""

    def __init__(self, reading: Reading, host: Host, namespace: str) -> None:
        self._reading, self._host, self._namespace = reading, host, namespace

    def history(self, what: Any, revision: int | None = None, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> tuple[Revision, ...]:
        """The revisions that a Deployment can go back to, oldest first: number, change cause (annotation `kubernetes.io/change-cause`) and
        template each. With `revision` only this one.

        Raises:
            NotFound: there is no such Deployment or revision.
            BadRequest: the kind has no history.

        >>> from callboard import Simulation
        >>> with Simulation(nodes=1, seed=1) as s:
        ...     _ = s.apply("examples/web.yaml")
        ...     _ = s.wait("deployment/web")
        ...     [(one.revision, one.change_cause) for one in s.rollout.history("deployment/web")]
        [(1, '')]
        """
        deployment = self._deployment(what, timeout, "no history viewer has been implemented for {quoted}")
        history = rollouts.history_of(deployment, self._replica_sets(deployment, timeout))
        return history if revision is None else (rollouts.at_revision(history, revision),)

    def undo(self, what: Any, to_revision: int = 0, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Undone:
        """Give a Deployment the template of an earlier revision again (0: of the one before the newest). It becomes the newest revision.

        Raises:
            NotFound: there is no such revision any more.
            BadRequest: the Deployment is paused, or the kind can't be rolled back.

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
        deployment = self._deployment(what, timeout, "no rollbacker has been implemented for {quoted}")
        target = rollouts.rollback_target(deployment, self._replica_sets(deployment, timeout), to_revision)
        template = deployment.spec.template if deployment.spec is not None else None
        if rollouts.same_template(rollouts.template_of(target), template):
            return Undone(deployment, rollouts.skipped_words(to_revision))
        return Undone(self._patch(deployment, rollouts.rollback_patch(deployment, target), "json", timeout), ROLLED_BACK)

    def pause(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Deployment:
        """Let changes of a Deployment's template have no effect until it is resumed; returns the Deployment.

        Raises:
            BadRequest: it is paused already, or the kind can't be paused.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     _ = c.apply("examples/web.yaml")
        ...     c.rollout.pause("deployment/web").spec.paused
        True
        """
        deployment = self._deployment(what, timeout, "{resource} {name} pausing is not supported")
        if _is_paused(deployment):
            raise BadRequest(f"{_named(deployment)} is already paused")
        return self._patch_spec(deployment, {"paused": True}, timeout)

    def resume(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Deployment:
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
        deployment = self._deployment(what, timeout, "{resource} {name} resuming is not supported")
        if not _is_paused(deployment):
            raise BadRequest(f"{_named(deployment)} is not paused")
        return self._patch_spec(deployment, {"paused": False}, timeout)

    def restart(self, what: Any, *, timeout: Seconds = DEFAULT_TIMEOUT_S) -> Deployment:
        """Replace all pods of a Deployment as a rollout does, by an annotation of its template; returns the Deployment.

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
        deployment = self._deployment(what, timeout, "{resource} {name} restarting is not supported")
        if _is_paused(deployment):
            raise BadRequest(f"{_named(deployment)} can't restart paused deployment (run rollout resume first)")
        now = rfc3339(self._host.now())
        if _restarted_at(deployment) == now:
            words = "if restart has already been triggered within the past second, please wait before attempting to trigger another"
            raise BadRequest(f"failed to create patch for {deployment.metadata.name}: {words}")
        return self._patch_spec(deployment, {"template": {"metadata": {"annotations": {rollouts.RESTARTED_AT: now}}}}, timeout)

    def status(
        self,
        what: Any,
        *,
        revision: int = 0,
        wait: bool = True,
        tell: Callable[[str], object] | None = None,
        timeout: Seconds | None = None,
    ) -> str:
        """Wait until a Deployment is rolled out; returns kubectl's last line. `tell` is called with each line that is new; `wait=False`
        returns the present one at once. `revision`: fail if another one is rolled out. `timeout`: None means ten minutes.

        Raises:
            WaitTimeout: it is not rolled out in time, or has made no progress for its progressDeadlineSeconds.
            Conflict: another revision is rolled out than the one asked for.
            BadRequest: the kind has no rollout.
            NotFound: there is no such Deployment, or it was deleted meanwhile.

        >>> from callboard import Cluster
        >>> with Cluster(nodes=1) as c:
        ...     _ = c.apply("examples/web.yaml")
        ...     c.rollout.status("deployment/web", timeout="30s")
        'deployment "web" successfully rolled out'
        """
        timeout_s = STATUS_TIMEOUT_S if timeout is None else seconds(timeout)
        deployment = self._deployment(what, timeout_s, "no status viewer has been implemented for {kind}")
        progress = rollouts.progress_of(deployment, revision)
        told = ""

        def over() -> bool:
            nonlocal progress, told
            try:
                progress = rollouts.progress_of(self._reading.get(deployment), revision)
            except NotFound:
                progress = Progress(False, f"{_named(deployment)}: object has been deleted", NotFound)
                return True
            if tell is not None and progress.words != told and progress.failure is None:
                tell(progress.words)
            told = progress.words
            return progress.done or progress.failure is not None

        if wait and not self._host.await_change(self._refer(deployment), over, timeout_s):
            raise WaitTimeout(f"timed out waiting for the condition after {timeout_s:g} s: {progress.words}")
        if progress.failure is not None:
            raise progress.failure(progress.words)
        return progress.words

    # -- shared ---------------------------------------------------------------------------------------------------------------------

    def _refer(self, what: Any) -> Reference:
        return refer(what, self._host.scheme(), self._namespace)

    def _deployment(self, what: Any, timeout: Seconds, refusal: str) -> Deployment:
        reference = self._refer(what)
        if reference.resource.kind != "Deployment":
            resource = reference.resource
            quoted = f'{{"{resource.group}" "{resource.kind}"}}'
            kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
            name = f'"{reference.name}"'
            raise BadRequest(refusal.format(quoted=quoted, kind=kind, resource=reference.resource_name, name=name))
        found = self._reading.get(what, timeout=timeout)
        assert isinstance(found, Deployment)
        return found

    def _replica_sets(self, deployment: Deployment, timeout: Seconds) -> list[ReplicaSet]:
        """ReplicaSets with the labels of the Deployment's selector; whose they are is judged by their owner references."""
        selector = deployment.spec.selector if deployment.spec is not None else None
        labels = selector.match_labels if selector is not None else {}
        wanted = ",".join(f"{key}={value}" for key, value in labels.items())
        return self._reading.list("replicasets.apps", selector=wanted, namespace=deployment.metadata.namespace, timeout=timeout)

    def _patch_spec(self, deployment: Deployment, spec: dict[str, Any], timeout: Seconds) -> Deployment:
        return self._patch(deployment, {"spec": spec}, "merge", timeout)

    def _patch(self, deployment: Deployment, patch: Any, type_: api.PatchType, timeout: Seconds) -> Deployment:
        patched = self._reading._patch(self._refer(deployment), freeze(patch), type_, timeout)
        assert isinstance(patched, Deployment)
        return patched


def _is_paused(deployment: Deployment) -> bool:
    return bool(deployment.spec is not None and deployment.spec.paused)


def _named(deployment: Deployment) -> str:
    return f'deployments.apps "{deployment.metadata.name}"'


def _restarted_at(deployment: Deployment) -> str:
    template = deployment.spec.template if deployment.spec is not None else None
    annotations = template.metadata.annotations if template is not None and template.metadata is not None else {}
    return str(annotations.get(rollouts.RESTARTED_AT, ""))


__all__ = ["Progress", "Revision", "Rollouts", "Undone"]
