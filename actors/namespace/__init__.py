"""How a namespace ends: its contents first, then itself."""
