"""Runs a plan on this machine: every step is a process of its own."""
