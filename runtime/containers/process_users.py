"""As which user a real container runs: what its securityContext asks for, and whether that is possible here. Pure.

A container that asks for nothing, and whose image has no user of its own, runs as the user of the cluster. Only root may choose another
one. Source of the rules: kubernetes pkg/kubelet/kuberuntime/security_context.go (verifyRunAsNonRoot) and security_context_others.go.
"""

from __future__ import annotations

from callboard.models.api import core

ROOT = 0


class UserRefused(Exception):
    """The container can't run as the user that it asks for: a CreateContainerConfigError, with words for whoever wrote the pod."""


def user_of(
    pod: core.Pod, container: core.Container, our_uid: int, our_gid: int, image_user: tuple[int, int] | None = None
) -> tuple[int, ...] | None:
    """User id, group id and further group ids to run a container as; None: as the cluster itself. `image_user` is the user and group of its
    image; where another can't be chosen, it counts for nothing.

    Raises:
        UserRefused: it must not run as root and would, or it asks for a user or group that only root can give it.
    """
    own = container.security_context or core.SecurityContext()
    shared = (pod.spec.security_context if pod.spec is not None else None) or core.PodSecurityContext()
    asked_uid = shared.run_as_user if own.run_as_user is None else own.run_as_user
    asked_gid = shared.run_as_group if own.run_as_group is None else own.run_as_group
    not_root = shared.run_as_non_root if own.run_as_non_root is None else own.run_as_non_root
    about = f'(pod: "{pod.metadata.name}_{pod.metadata.namespace}({pod.metadata.uid})", container: {container.name})'
    if asked_uid is None and image_user is not None and our_uid == ROOT:
        asked_uid = image_user[0]
        asked_gid = image_user[1] if asked_gid is None else asked_gid
    if not_root and asked_uid == ROOT:
        raise UserRefused(f"container's runAsUser breaks non-root policy {about}")
    if not_root and asked_uid is None and our_uid == ROOT:
        raise UserRefused(f"container has runAsNonRoot and image will run as root {about}")
    uid = our_uid if asked_uid is None else asked_uid
    gid = our_gid if asked_gid is None and asked_uid in (None, our_uid) else (asked_gid or ROOT)
    if our_uid != ROOT:
        for field, asked, ours in (("runAsUser", uid, our_uid), ("runAsGroup", gid, our_gid)):
            if asked != ours:
                words = f"the cluster's own is {ours}, and only root can choose another; leave it out, or run the cluster as root"
                raise UserRefused(f"{field} {asked} is not possible here: {words} {about}")
        return None  # further groups would only matter with files of others
    groups = dict.fromkeys((*shared.supplemental_groups, *(() if shared.fs_group is None else (shared.fs_group,))))
    if (uid, gid) == (our_uid, our_gid) and not groups:
        return None
    return (uid, gid, *groups)
