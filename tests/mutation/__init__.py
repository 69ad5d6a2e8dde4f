"""Measures the tests: a copy of the code is changed in one place at a time, and a test should fail for each change."""
