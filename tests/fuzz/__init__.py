"""Coverage-guided fuzzing of what reads bytes from elsewhere. `targets` says what must hold, `session` runs it.

python -m fuzz all --seconds 600        with PYTHONPATH=tests, or: make fuzz
python -m fuzz payload --replay FILE    one input again, without the fuzzer
"""
