"""The kill matrix: real bugs of Kubernetes as patches of this program, and whether the harness notices.

A harness is judged by what it kills. Product code has no switches for this: a mutant is text that is exchanged while a fresh worker process
imports the module.
"""
