"""Controllers that users write: `reconcile(view, now) -> actions`."""
