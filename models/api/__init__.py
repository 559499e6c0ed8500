"""Structs of the kinds that Callboard acts on, one module per API group, generated."""
