"""The bounded ring of keys that expire: API Events. Bookkeeping of `Keyspace`; the objects themselves lie with all others."""

from __future__ import annotations

from heapq import heappop, heappush


class EphemeralKeys:
    """Which keys are ephemeral, and when each is over. The oldest written make room when there are more than `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._expires_at_s: dict[str, float] = {}
        self._due: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._expires_at_s)

    def __contains__(self, key: str) -> bool:
        return key in self._expires_at_s

    def touch(self, key: str, expires_at_s: float) -> None:
        """The key was written: it moves to the newest end and expires then."""
        self._expires_at_s.pop(key, None)
        self._expires_at_s[key] = expires_at_s
        heappush(self._due, (expires_at_s, key))
        if len(self._due) > 4 * max(self.limit, len(self._expires_at_s)):
            self._due = sorted((moment, one) for one, moment in self._expires_at_s.items())

    def expiry_of(self, key: str) -> float | None:
        """When a key is over, in seconds since the epoch; None if it is not among them."""
        return self._expires_at_s.get(key)

    def forget(self, key: str) -> None:
        """The key was removed, or is an ordinary one now."""
        self._expires_at_s.pop(key, None)

    def surplus(self) -> list[str]:
        """The oldest keys beyond the limit."""
        count = len(self._expires_at_s) - self.limit
        if count <= 0:
            return []
        oldest = iter(self._expires_at_s)
        return [next(oldest) for _ in range(count)]

    def expired(self, now_s: float) -> list[str]:
        """The keys whose time is over, the longest overdue first. They stay here until forgotten."""
        found = []
        while self._due and self._due[0][0] <= now_s:
            moment, key = heappop(self._due)
            if self._expires_at_s.get(key) == moment:
                found.append(key)
        return found
