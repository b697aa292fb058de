"""The faster reader says what the `gguf` package's own says."""

import numpy as np
from gguf import GGUFReader

from shared.kit.gguf_file import GGUFFile
from shared.kit.real_model import write_stand_in


def test_all_settings_and_tensors_are_those_of_the_package(tmp_path):
    write_stand_in(tmp_path / "model.gguf")
    ours, theirs = GGUFFile(tmp_path / "model.gguf"), GGUFReader(tmp_path / "model.gguf")
    assert list(ours.fields) == list(theirs.fields) and len(ours.fields) > 20
    for name, field in theirs.fields.items():
        assert ours.fields[name].contents() == field.contents(), name
    assert len(ours.tensors) == len(theirs.tensors) > 20
    for our_tensor, their_tensor in zip(ours.tensors, theirs.tensors):
        assert our_tensor.name == their_tensor.name
        assert our_tensor.tensor_type == their_tensor.tensor_type
        assert np.array_equal(our_tensor.data, their_tensor.data)
    # a piece of a memmap is one itself, and that is what makes the package's reader slow
    assert type(ours.data) is np.ndarray and isinstance(theirs.data, np.memmap)
