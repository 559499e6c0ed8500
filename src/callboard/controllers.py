"""What a user's controller is written with: `from callboard.controllers import Create, UpdateStatus, View`. See `Cluster.add`."""

from callboard.actors.usercontroller.view import View
from callboard.actors.usercontroller.wishes import Apply, Create, Delete, EmitEvent, Patch, RequeueAfter, UpdateStatus, Wish

__all__ = ["Apply", "Create", "Delete", "EmitEvent", "Patch", "RequeueAfter", "UpdateStatus", "View", "Wish"]
