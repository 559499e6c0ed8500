"""Immutable API objects, messages, and the pure functions on them. Imports nothing else of Callboard."""
