"""What the tester and the plugin in the processes that it starts say to each other."""

from typing import Final

CONTEXT: Final = "MUTATION_TEST_FILE"  # the test file to which what runs is charged
SETTINGS: Final = "MUTATION_COVERAGE_SETTINGS"  # the file by which processes that a test starts record, too
DURATIONS: Final = "MUTATION_DURATIONS"  # where to write what each test file took, in seconds
LIMITS: Final = "MUTATION_LIMITS"  # for each test file, how many seconds one of its tests may take
TIMED_OUT: Final = 124  # the exit code of a test that took longer
