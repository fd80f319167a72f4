"""What the nodes sample with models of the host belongs to a version, on which resume keys hang."""

import asyncio

from sora_nodes.nodes import SoraExtension

from tools.results_version import changed, host_numbers, read_record


def test_the_recorded_numbers_of_the_hosts_models_are_those_of_this_version(pack, tmp_path):
    listed = asyncio.run(SoraExtension().get_node_list())
    classes = {node.define_schema().node_id: node for node in listed}
    names = changed(read_record(host=True)[1], host_numbers(classes.__getitem__, pack, tmp_path))
    assert not names, (
        f"{names} have changed: raise RESULTS_VERSION in sora_core/resume/version.py, then run "
        "`python -m tools.results_version`, so that no job resumes with parts that do not fit"
    )
