"""Callboard: a Kubernetes control plane made of actors, to embed, pause, break on purpose and replay."""
