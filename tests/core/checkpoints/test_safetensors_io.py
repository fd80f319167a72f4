import json
import struct

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from torch import nn

from sora_core.checkpoints.safetensors_io import (
    DTYPES,
    Header,
    load_into,
    mapped_tensor,
    read_header,
    read_tensors,
    write_tensors,
)
from sora_core.errors import WeightsError

SHAPES = st.lists(st.integers(0, 3), max_size=4)
NAMES = st.from_regex(r"[A-Za-z0-9_-]{1,9}(\.[A-Za-z0-9_-]{1,9}){0,2}", fullmatch=True)


@pytest.mark.slow
@given(
    st.dictionaries(NAMES, st.tuples(SHAPES, st.sampled_from(list(DTYPES.values()))), max_size=6)
)
@settings(max_examples=100, deadline=None)
def test_what_is_written_is_what_is_read(tmp_path_factory, kinds):
    path = tmp_path_factory.mktemp("written") / "a.safetensors"
    tensors = {name: torch.randint(0, 2, shape).to(dtype) for name, (shape, dtype) in kinds.items()}
    write_tensors(path, tensors, {"config": '{"width": 8}', "é": "ü"})
    header = Header({k: (v.dtype, tuple(v.shape)) for k, v in tensors.items()}, {})
    assert read_header(path).tensors == header.tensors
    assert read_header(path).metadata == {"config": '{"width": 8}', "é": "ü"}
    for found in (read_tensors(path), load_file(path)):
        assert found.keys() == tensors.keys()
        assert all(
            torch.equal(found[k], v) and found[k].dtype == v.dtype for k, v in tensors.items()
        )


def test_what_the_format_s_own_library_writes_is_read(tmp_path):
    tensors = {"a": torch.randn(3, 4), "b.c": torch.randn(2, dtype=torch.bfloat16)}
    save_file(tensors, tmp_path / "a", {"made": "elsewhere"})
    found = read_tensors(tmp_path / "a", {"a": (3, 4), "b.c": (2,)})
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)


def test_views_and_shared_tensors_are_written_as_they_look(tmp_path):
    base = torch.arange(12.0).reshape(3, 4)
    write_tensors(tmp_path / "a", {"whole": base, "turned": base.T, "row": base[1]})
    found = read_tensors(tmp_path / "a")
    assert torch.equal(found["turned"], base.T)
    assert torch.equal(found["row"], base[1])


def test_values_begin_aligned(tmp_path):
    write_tensors(tmp_path / "a", {"a": torch.ones(1, dtype=torch.uint8), "b": torch.ones(1)})
    raw = (tmp_path / "a").read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    assert length % 8 == 0
    assert json.loads(raw[8 : 8 + length])["b"]["data_offsets"] == [0, 4]


def test_a_prefix_picks_one_model_of_several(tmp_path):
    models = {"one": nn.Linear(2, 3), "two": nn.Linear(3, 1)}
    parts = {f"{k}.{n}": t for k, m in models.items() for n, t in m.state_dict().items()}
    write_tensors(tmp_path / "a", parts)
    with torch.device("meta"):
        empty = nn.Linear(3, 1)
    load_into(empty, tmp_path / "a", "two.")
    x = torch.randn(5, 3)
    assert torch.equal(empty(x), models["two"](x))


def test_a_module_keeps_its_dtype_and_whether_it_trains(tmp_path):
    write_tensors(tmp_path / "a", nn.Linear(2, 3).half().state_dict())
    module = nn.Linear(2, 3, device="meta").requires_grad_(False)
    load_into(module, tmp_path / "a")
    assert (module.weight.dtype, module.weight.requires_grad) == (torch.float32, False)


def test_without_a_list_all_kinds_are_read_but_only_finite_values(tmp_path):
    write_tensors(
        tmp_path / "a", {"count": torch.tensor(3), "x": torch.tensor([1.0, float("nan")])}
    )
    with pytest.raises(WeightsError, match="'x' holds NaN"):
        read_tensors(tmp_path / "a")
    assert read_tensors(tmp_path / "a", prefix="c")["ount"] == 3


@pytest.mark.parametrize("name", ["", "a b", "../a", "a..b", "a/b", "x" * 201, "\N{BULLET}"])
def test_a_name_that_would_not_be_read_is_not_written(tmp_path, name):
    with pytest.raises(WeightsError, match="names a tensor"):
        write_tensors(tmp_path / "a", {name: torch.ones(1)})
    assert list(tmp_path.iterdir()) == []


def test_a_dtype_that_would_not_be_read_is_not_written(tmp_path):
    with pytest.raises(WeightsError, match=r"'x' is torch\.complex64"):
        write_tensors(tmp_path / "a", {"x": torch.ones(1, dtype=torch.complex64)})


def test_a_folder_or_a_missing_file_is_refused_by_name(tmp_path):
    for path in (tmp_path, tmp_path / "none.safetensors", tmp_path / ("x" * 300)):
        with pytest.raises(WeightsError, match=path.name[:30]):
            read_header(path)


def test_a_mapped_tensor_is_its_file_until_its_last_view_goes(tmp_path):
    path = tmp_path / "a.safetensors"
    tensor = mapped_tensor(path, "latent", (2, 3, 5))
    assert not read_tensors(path)["latent"].any()
    tensor[1, 2] = torch.arange(5)
    view = tensor[1]
    assert torch.equal(read_tensors(path, {"latent": (2, 3, 5)})["latent"], tensor)
    del tensor
    assert path.exists()
    assert view[2].tolist() == [0, 1, 2, 3, 4]
    del view
    assert not path.exists()


def test_a_mapped_tensor_larger_than_the_disk_is_refused(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WeightsError, match="No space left"):
        mapped_tensor(tmp_path / "a.safetensors", "latent", (2, 3))
    assert not list(tmp_path.iterdir())
