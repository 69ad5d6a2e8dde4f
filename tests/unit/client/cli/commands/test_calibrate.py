from __future__ import annotations

from dataclasses import replace

import pytest

from obscura_backup_client.cli.exits import ExitCode
from obscura_backup_client.device import calibrated_parameters
from obscura_backup_client.device.directory import StateDirectory
from obscura_backup_client.sealing.kdf_parameters import KdfParameters
from obscura_backup_client.sealing.kdf_timing import Timing
from support.client.speeds import steady
from support.client.terminal import Terminal
from support.table import table


def on_a_device(terminal: Terminal, seconds_per_gib_pass: float, memory_mib: int = 1024) -> Terminal:
    """The same terminal, on a device of this speed and memory."""
    return replace(
        terminal, environment=replace(terminal.environment, measure=steady(seconds_per_gib_pass, memory_mib=memory_mib))
    )


def kept(terminal: Terminal) -> KdfParameters | None:
    return calibrated_parameters.read(StateDirectory(terminal.home / "phone"))


def test_calibrate_saves_its_choice_and_shows_the_measurements(terminal: Terminal) -> None:
    ended = on_a_device(terminal, 2.0).run("calibrate")
    assert ended.exit_code == 0
    assert kept(terminal) == KdfParameters(128 * 1024, 3, 1)
    assert "Chosen: 128 MiB, 3 passes, 750 ms here." in ended.stdout
    assert "about $490: a model" in ended.stdout
    assert [line.split() for line in ended.stderr.splitlines()[1:]] == [
        ["128", "MiB,", "3", "passes", "750", "ms"],
        ["128", "MiB,", "3", "passes", "750", "ms"],
    ]


def test_calibrate_as_json_has_the_measurements(terminal: Terminal) -> None:
    facts = on_a_device(terminal, 2.0).facts("calibrate")
    measurement = {"memory_kib": 128 * 1024, "passes": 3, "lanes": 1, "milliseconds": 750}
    assert facts["ladder"] == [measurement, measurement]
    assert facts["busy"] is None
    assert {name: facts[name] for name in measurement} == measurement
    assert (facts["fit"], facts["target_ms"]) == ("on-target", 750)
    assert facts["estimated_usd_per_billion_guesses"] == pytest.approx(487, abs=1)


def test_a_slow_device_gets_the_default_and_a_hint_to_the_low_memory_profile(terminal: Terminal) -> None:
    said = on_a_device(terminal, 50.0).ok("calibrate")
    assert "the weakest parameters allowed" in said
    assert "--profile low-memory needs half the memory" in said
    assert kept(terminal) == KdfParameters(128 * 1024, 3, 1)


def test_a_slow_device_gets_less_if_the_profile_is_named(terminal: Terminal) -> None:
    assert "--profile" not in on_a_device(terminal, 50.0).ok("calibrate", "--profile", "low-memory")
    assert kept(terminal) == KdfParameters(64 * 1024, 3, 1)


def test_the_named_profile_is_the_minimum(terminal: Terminal) -> None:
    on_a_device(terminal, 50.0).ok("calibrate", "--profile", "desktop")
    assert kept(terminal) == KdfParameters(256 * 1024, 3, 1)


def busy(terminal: Terminal) -> Terminal:
    """The same terminal, on a busy machine."""

    def measure(_parameters: KdfParameters) -> Timing:
        return Timing(8.0, 0.8)

    return replace(terminal, environment=replace(terminal.environment, measure=measure))


def test_a_busy_machine_is_reported_as_text(terminal: Terminal) -> None:
    ended = busy(terminal).run("calibrate")
    assert (
        "Warning: this machine seems busy (the derivations had a processor for only 10% of their time)." in ended.stderr
    )
    assert kept(terminal) == KdfParameters(128 * 1024, 3, 1)


def test_a_busy_machine_is_reported_as_json(terminal: Terminal) -> None:
    assert busy(terminal).facts("calibrate")["busy"] == "the derivations had a processor for only 10% of their time"


def test_the_load_of_the_machine_is_read(terminal: Terminal) -> None:
    loaded = replace(terminal, environment=replace(terminal.environment, load=lambda: 2.0))
    assert "seems busy (2.0 other programs per processor" in on_a_device(loaded, 2.0).run("calibrate").stderr


def test_a_fast_device_gets_the_maximum_and_a_note(terminal: Terminal) -> None:
    assert "the strongest parameters allowed" in on_a_device(terminal, 0.01).ok("calibrate")
    assert kept(terminal) == KdfParameters(256 * 1024, 16, 1)


def test_too_little_memory_is_reported(terminal: Terminal) -> None:
    ended = on_a_device(terminal, 0.5, memory_mib=200).run("calibrate")
    assert "could not allocate more memory" in ended.stdout
    assert "not enough memory" in ended.stderr


def test_a_device_without_memory_for_the_minimum_cannot_seal(terminal: Terminal) -> None:
    ended = on_a_device(terminal, 0.5, memory_mib=10).run("calibrate")
    assert ended.exit_code == ExitCode.UNREADABLE
    assert "[key-derivation-failed]" in ended.stderr
    assert "cannot allocate 128 MiB. --profile low-memory needs 64 MiB." in ended.stderr
    assert kept(terminal) is None


def test_another_target_time_is_used(terminal: Terminal) -> None:
    facts = on_a_device(terminal, 2.0).facts("calibrate", "--target-ms", "1500")
    assert (facts["memory_kib"], facts["milliseconds"]) == (256 * 1024, 1500)


def test_memory_stays_below_the_given_limit(terminal: Terminal) -> None:
    facts = on_a_device(terminal, 1.0).facts("calibrate", "--max-memory", "150")
    assert (facts["memory_kib"], facts["fit"]) == (150 * 1024, "on-target")


def test_less_memory_than_the_default_needs_the_name_of_the_profile(terminal: Terminal) -> None:
    refused = terminal.run("calibrate", "--max-memory", "127")
    assert refused.exit_code == ExitCode.USAGE
    assert "less than the 128 MiB of --profile default" in refused.stderr
    assert kept(terminal) is None
    facts = on_a_device(terminal, 1.0).facts("calibrate", "--max-memory", "100", "--profile", "low-memory")
    assert (facts["memory_kib"], facts["fit"]) == (100 * 1024, "on-target")


@table(
    ("arguments", "says"),
    [
        (["--max-memory", "63"], "The minimum is 64 MiB"),
        (["--max-memory", "0"], "The minimum is 64 MiB"),
        (["--max-memory", "257"], "The maximum is 256 MiB"),
        (["--target-ms", "0"], "50<=x<=10000"),
        (["--target-ms=-1"], "50<=x<=10000"),
        (["--target-ms", "1000000000"], "50<=x<=10000"),
        (["--target-ms", "fast"], "not a valid integer"),
    ],
)
def test_impossible_options_are_usage_errors(terminal: Terminal, arguments: list[str], says: str) -> None:
    ended = terminal.run("calibrate", *arguments)
    assert (ended.exit_code, says in ended.stderr) == (ExitCode.USAGE, True), ended.stderr
    assert kept(terminal) is None


def test_a_damaged_earlier_calibration_is_ignored(terminal: Terminal) -> None:
    (terminal.home / "phone").mkdir()
    (terminal.home / "phone" / "profile.json").write_bytes(b"{")
    on_a_device(terminal, 2.0).ok("calibrate")
    assert kept(terminal) == KdfParameters(128 * 1024, 3, 1)
