"""Why a wait ran out of time, for its error: what a workload's pods and the Events about them say. Reads through the verbs' host.

The sentence is made by `models/trouble.py`.
"""

from __future__ import annotations

from typing import Any

from callboard.models.errors import ApiError
from callboard.models.kinds import kind_of
from callboard.models.messages import api
from callboard.models.owners import is_controlled_by
from callboard.models.selectors import compile_selector
from callboard.models.trouble import trouble_of
from callboard.runtime.face.contract import Host

WORKLOADS = ("Deployment", "ReplicaSet")
READ_TIMEOUT_S = 2.0


def causes(host: Host, obj: Any) -> str:
    """What keeps a workload from what was waited for; "" if nothing is known, or if the cluster doesn't answer."""
    if obj is None or kind_of(obj) not in WORKLOADS:
        return ""
    selector = obj.spec.selector if obj.spec is not None else None
    if selector is None:
        return ""
    try:
        pods = _list(host, "pods", obj.metadata.namespace)
        makers = [obj, *(one for one in _list(host, "replicasets.apps", obj.metadata.namespace) if is_controlled_by(one, obj))]
        events = _list(host, "events", obj.metadata.namespace)
    except ApiError:  # the caller is about to raise an error of its own, which says more than this one
        return ""
    chosen = compile_selector(selector)
    own = [pod for pod in pods if chosen.matches(pod.metadata.labels)]
    known = {one.metadata.uid: True for one in (*makers, *own)}
    return trouble_of(own, [one for one in events if one.involved_object is not None and one.involved_object.uid in known])


def _list(host: Host, resource: str, namespace: str) -> tuple[Any, ...]:
    answer = host.ask(api.ListObjects, READ_TIMEOUT_S, resource=resource, namespace=namespace)
    assert isinstance(answer, api.Listed)
    return tuple(answer.objects)
