"""A long job whose server is killed resumes where it stopped; Sora Jobs lists and clears it."""

import random

import pytest

from tools.client import Graph
from tools.host import Server
from tools.kill_long_job import JOB_VARIANTS, JOBS, killed, ran, workflow


@pytest.mark.parametrize("variant", JOB_VARIANTS)
def test_a_killed_server_leaves_no_trace_in_the_result(tmp_path, variant):
    assert killed(tmp_path, 2 if variant == "chain" else 1, random.Random(1), variant)


def listed(server: Server, clear: str = "nothing") -> str:
    graph: Graph = {"jobs": {"class_type": "SoraJobs", "inputs": {"clear": clear}}}
    return server.client.run(graph).outputs()["jobs"]["text"][0]


@pytest.mark.usefixtures("tiny")
def test_jobs_are_listed_with_what_they_show_and_cleared_by_name(server):
    ran(server, workflow("chain"))
    line = listed(server)
    name = line.split()[0]
    assert "finished, 11 parts" in line
    assert "64x64, 16 s: a red ball rolls to the left" in line
    assert name not in listed(server, name)
    assert not (server.output / JOBS / name).exists()
