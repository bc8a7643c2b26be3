"""A provider in: pull, stage, plan, apply, undo; how a program changes the providers."""
