"""Bars of a benchmark: what was promised, and whether it held."""

import sys

import click


def report(verdicts: list[tuple[bool, str]]) -> None:
    """Print each bar and whether it is met; end with status 1 if one is not."""
    for met, words in verdicts:
        click.echo(f"{'ok  ' if met else 'MISS'} {words}")
    if not all(met for met, _ in verdicts):
        sys.exit(1)
