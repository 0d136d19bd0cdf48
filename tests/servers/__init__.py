"""Servers on this machine that stand for the archive's: they answer as those do, and break down as they do."""
