"""Argon2id, remembered for as long as the tests run: nothing about a key is made cheaper, it is only not made twice."""

from __future__ import annotations

from functools import cache

from obscura_backup_client.sealing.kdf import argon2id

# The salts of tests come from `counting_random`, so that tests that do the same ask for the same keys.
cached_argon2id = cache(argon2id)
