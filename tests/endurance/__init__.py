"""Proofs that take long: a year of hours, a thousand kills, and what runs short.

Each module is a command that prints Markdown and ends with 1 if a limit is not held; the stage
`endurance` of `.ci/run` runs them all.
"""
