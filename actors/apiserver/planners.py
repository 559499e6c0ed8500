"""Which planner decides which request. Used by the actor."""

from __future__ import annotations

from callboard.actors.apiserver.deletion import plan_delete
from callboard.actors.apiserver.eventsink import plan_event
from callboard.actors.apiserver.eviction import plan_evict
from callboard.actors.apiserver.planning import Planner
from callboard.actors.apiserver.shortways import plan_bind, plan_lease, plan_status
from callboard.actors.apiserver.writes import plan_apply, plan_create, plan_patch, plan_update
from callboard.models.messages.api import (
    ApplyObject,
    BindPod,
    CreateObject,
    DeleteObject,
    EvictPod,
    PatchObject,
    RecordEvent,
    RenewLease,
    UpdateObject,
    WriteStatus,
)
from callboard.models.messages.base import Request

PLANNERS: dict[type[Request], Planner] = {
    CreateObject: plan_create,
    UpdateObject: plan_update,
    PatchObject: plan_patch,
    ApplyObject: plan_apply,
    DeleteObject: plan_delete,
    EvictPod: plan_evict,
    WriteStatus: plan_status,
    BindPod: plan_bind,
    RenewLease: plan_lease,
    RecordEvent: plan_event,
}
