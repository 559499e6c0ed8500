"""Durable storage: the journal engine behind the store's durable backend, and the disks it stands on.

A driver thread calls :class:`~callboard.runtime.storage.journal.Journal`; nothing here knows about actors or Kubernetes objects.
"""
