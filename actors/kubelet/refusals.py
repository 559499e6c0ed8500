"""What a kubelet tells of a container that could not be started, as Events. Pure.

Sources: kubernetes pkg/kubelet/images/image_manager.go (EnsureImageExists, imagePullPrecheck), pkg/kubelet/kuberuntime/
kuberuntime_container.go (startContainer), pkg/kubelet/events/event.go.
"""

from __future__ import annotations

PULL_FAILED = "ErrImagePull"
IN_BACK_OFF = "ImagePullBackOff"
NEVER_PULLED = "ErrImageNeverPull"
INVALID_NAME = "InvalidImageName"
Told = tuple[str, str, str]
"""An Event's type, reason and message."""


def told_of(image: str, reason: str, message: str) -> tuple[Told, ...]:
    """The Events about a start that the runtime refused. Of an image first what is the matter with it, then the error by its name; after a
    pull that failed, that the next one waits, as its pod's next sync finds."""
    if reason == PULL_FAILED:
        return (
            ("Warning", "Failed", f'Failed to pull image "{image}": {message}'),
            ("Warning", "Failed", f"Error: {PULL_FAILED}"),
            ("Normal", "BackOff", f'Back-off pulling image "{image}"'),
            ("Warning", "Failed", f"Error: {IN_BACK_OFF}"),
        )
    if reason == NEVER_PULLED:
        return ("Warning", NEVER_PULLED, message), ("Warning", "Failed", f"Error: {NEVER_PULLED}")
    if reason == INVALID_NAME:
        return ("Warning", "InspectFailed", message), ("Warning", "Failed", f"Error: {INVALID_NAME}")
    return (("Warning", "Failed", f"Error: {message}"),)
