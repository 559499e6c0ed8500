"""Mutants of the Job controller."""

from __future__ import annotations

from callboard.runtime.chaos.mutants.mutant import Mutant, Patch

COUNTING = "callboard.actors.job.counting"
DECISION = "callboard.actors.job.decision"
ACTOR = "callboard.actors.job.actor"

JOBS: tuple[Mutant, ...] = (
    Mutant(
        id="M30",
        title="a Job counts a finished pod twice: when it has asked for the finalizer, and when its view of pods still shows that",
        issue="k8s#105200, k8s#130103",
        oracle="an end counts once",
        patches=(
            Patch(
                COUNTING,
                "        return [uid for uid in uids if (pod := self.pods.get(uid)) is not None and is_tracked(pod)]",
                "        return []",
            ),
            Patch(
                ACTOR,
                "    def same_child(self,",
                "    def _views_of(self, key: str) -> Any:\n        return (self.jobs,)\n\n    def same_child(self,",
            ),
        ),
    ),
    Mutant(
        id="M31",
        title="a Job is declared finished before the pods that were created have been seen, and nobody looks at it again",
        issue="k8s#109485",
        oracle="jobs are done",
        patches=(
            Patch(
                DECISION,
                "        return not any(is_tracked(pod) for pod in self.view.pods)",
                "        return True",
            ),
            Patch(DECISION, "        return _after_the_end(view, ended, now)", "        return ()"),
        ),
    ),
)
