"""Files of torch: read without running code, and put into a module."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor, nn

from wavelit_plugin.data.store import load_tensors
from wavelit_plugin.errors import DataError
from wavelit_plugin.files import disk_errors

# where trainers keep the weights of the model among other things
_PLACES = ("model_state_dict", "state_dict", "model")


def read_torch(path: Path) -> dict[str, Any]:
    """Return the dictionary in a file of torch, on the CPU; nothing in it is run.

    Raises:
        DataError: it is damaged, holds objects that only running code could make, or no dictionary.
    """
    return load_tensors(path, advice="save the model's state_dict alone")


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the weights in a safetensors file, or in a state_dict or checkpoint of torch.

    Raises:
        DataError: the file is damaged or holds none.
    """
    if is_safetensors(path):
        try:
            with disk_errors(path):
                return load(path.read_bytes())
        except SafetensorError as error:
            raise DataError(f"{path} is damaged ({error}); copy it again") from error
    held = read_torch(path)
    for place in _PLACES:
        if isinstance(held.get(place), Mapping):
            held = held[place]
            break
    found = {name: value for name, value in held.items() if isinstance(value, Tensor)}
    if not found:
        raise DataError(f"{path} holds no weights; save the model's state_dict")
    return found


def is_safetensors(path: Path) -> bool:
    """Whether a file begins with a length and a JSON object, as safetensors files do."""
    with disk_errors(path), path.open("rb") as file:
        return file.read(9)[8:] == b"{"


def is_torch(path: Path) -> bool:
    """Whether a file begins as a zip archive does, which torch writes."""
    if not path.is_file():
        return False
    with disk_errors(path), path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04"


def fill(module: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Load weights into a module; a prefix that all names share and the module lacks is dropped.

    Raises:
        DataError: names or shapes are not those of the module.
    """
    own = module.state_dict()
    found = without_prefix(state, own)
    wrong = sorted(found.keys() ^ own.keys())
    wrong += sorted(name for name in found.keys() & own.keys() if _apart(found[name], own[name]))
    if wrong:
        raise DataError(
            f"{path} does not hold the weights of the module: {', '.join(wrong[:3])} "
            f"({len(wrong)} in all) are missing, unknown or of another shape; build the module as "
            "it was built for training, with the same fields"
        )
    module.load_state_dict(found)


def without_prefix(state: Mapping[str, Tensor], own: Mapping[str, object]) -> dict[str, Tensor]:
    """Return the weights under the module's names where only a prefix tells them apart.

    >>> list(without_prefix({"model.a": torch.ones(1), "loss.b": torch.ones(1)}, {"a": 0}))
    ['a']
    """
    if not own or own.keys() <= state.keys():
        return dict(state)
    first = next(iter(own))
    prefixes = [name.removesuffix(first) for name in state if name.endswith(f".{first}")]
    prefix = next((p for p in prefixes if all(p + name in state for name in own)), "")
    part = {n.removeprefix(prefix): value for n, value in state.items() if n.startswith(prefix)}
    return part if prefix else dict(state)


def _apart(one: Tensor, other: object) -> bool:
    return not isinstance(other, Tensor) or one.shape != other.shape
