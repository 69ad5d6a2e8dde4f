"""Prompts, output and shell completion."""
