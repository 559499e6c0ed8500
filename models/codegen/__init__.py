"""Maintainers' tool that writes the API structs."""
