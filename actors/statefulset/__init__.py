"""The StatefulSet controller: pods with names of their own, that come in order, go in the reverse, and are never there twice."""
