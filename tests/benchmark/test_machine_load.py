"""The load of the machine, as MLflow gets it."""

import sys
import time
from types import SimpleNamespace

from talkbench.benchmark import machine_load
from talkbench.benchmark.machine_load import MIB, MachineLoad


def test_samples_have_names_of_mlflow_and_seconds_as_steps(monkeypatch):
    cuda = SimpleNamespace(
        is_initialized=lambda: True,
        device_count=lambda: 2,
        memory_reserved=lambda device: device,  # the first is not used
        mem_get_info=lambda device: (30 * MIB, 40 * MIB),
    )
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(cuda=cuda))
    samples = MachineLoad(int((time.time() - 100) * 1000)).stop()
    values = {name: value for name, value, _, _ in samples}
    assert set(values) == {
        "system/cpu_utilization_percentage",
        "system/system_memory_usage_megabytes",
        "system/system_memory_usage_percentage",
        "system/process_memory_usage_megabytes",
        "system/gpu_1_memory_usage_megabytes",
        "system/gpu_1_memory_usage_percentage",
    }
    assert values["system/gpu_1_memory_usage_megabytes"] == 10
    assert values["system/gpu_1_memory_usage_percentage"] == 25
    assert {step for *_, step in samples} <= {100, 101, 102}


def test_what_was_taken_is_not_given_again(monkeypatch):
    monkeypatch.setattr(machine_load, "EVERY", 0.01)
    load = MachineLoad(0)
    assert load.stop()
    assert load.taken() == []
