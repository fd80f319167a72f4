"""Peak memory of tensors during a call."""

from collections.abc import Callable

from torch.profiler import ProfilerActivity, profile


def peak_memory(run: Callable[[], object]) -> int:
    """Peak bytes of tensors during `run`, without its inputs."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    held = most = 0
    for event in profiler.profiler.kineto_results.events():
        if event.name() == "[memory]":
            held += event.nbytes()
            most = max(most, held)
    return most
