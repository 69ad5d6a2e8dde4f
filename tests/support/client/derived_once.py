"""Argon2id with a cache for the time of the tests: keys are the same, but each is derived once."""

from __future__ import annotations

from functools import cache

from obscura_backup_client.sealing.kdf import argon2id

# The salts of tests come from `counting_random`, so that tests that do the same ask for the same keys.
cached_argon2id = cache(argon2id)
