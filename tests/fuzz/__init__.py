"""Seeded fuzz: mutants of good files, and what must never come of them.

A kind of files is a module of this package with ``KIND``, a `fuzz.driver.Kind`; `make fuzz` runs every kind that
`fuzz.__main__` lists, the unit tests a sample of each.
"""
