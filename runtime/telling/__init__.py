"""How a failure is told: in words, by what caused it, as a picture."""
