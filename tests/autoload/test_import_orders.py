"""Whatever the user imports first, the host is registered with when its module is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.autoload.conftest import ADAPTER

if TYPE_CHECKING:
    from tests.autoload.conftest import Sandbox

REGISTRY = "mytrainer.models.registry"

# the user's imports, and how the registration then comes about
ORDERS = [
    # PyTorch is imported half-way through a module of the host that is not watched
    ("from mytrainer import utils; import mytrainer.models.registry", "import hook"),
    ("from mytrainer.models.pdemodel import SEEN", "import hook"),
    # PyTorch is imported half-way through the watched module, and nothing is imported after it
    ("import mytrainer.models.registry", "already imported"),
    ("from mytrainer.models import registry", "already imported"),
    # the usual order of a script
    ("import torch; import mytrainer.models.registry", "import hook"),
    ("import torch; from mytrainer.models.pdemodel import SEEN", "import hook"),
    ("import torch.nn; import json; import mytrainer.models.registry", "import hook"),
]


def check_registered(outcome: dict[str, Any], path: str) -> None:
    assert outcome["registry"] == {"UNet": "theirs", "waveliT": "ours"}
    status = outcome["statuses"][REGISTRY]
    assert (status["state"], status["path"], status["reason"]) == ("applied", path, "")
    assert status["names"] == ["waveliT"]


@pytest.mark.parametrize(("order", "path"), ORDERS)
def test_a_third_party_host_is_registered_with(host: Sandbox, order: str, path: str) -> None:
    check_registered(host.outcome(order), path)


@pytest.mark.parametrize(("order", "path"), [ORDERS[0], ORDERS[2], ORDERS[5]])
def test_so_it_is_under_real_pytorch(bare: Sandbox, order: str, path: str) -> None:
    bare.fake_host()
    check_registered(bare.outcome(order), path)


def test_a_module_that_uses_the_registry_already_sees_the_registration(host: Sandbox) -> None:
    code = "import json\nfrom mytrainer.models.pdemodel import SEEN\nprint(json.dumps(SEEN))"
    assert host.value(code) == ["UNet", "waveliT"]


def test_a_half_built_module_is_waited_for(host: Sandbox) -> None:
    # PyTorch is imported, and then something that gives occasion to look for hosts, before the
    # registry exists: acting at once would find nothing to register with
    host.write("colours.py", "")
    host.fake_host("import torch\nimport colours\nMODEL_REGISTRY = {'UNet': 'theirs'}\n")
    for order in ("import mytrainer.models.registry", "from mytrainer.models import pdemodel"):
        hooked = "pdemodel" in order
        path = "import hook" if hooked else "after half-built module"
        check_registered(host.outcome(order), path)


def test_a_host_that_does_not_import_pytorch_and_came_before_it(host: Sandbox) -> None:
    host.write("colours.py", "")
    host.fake_host("MODEL_REGISTRY = {'UNet': 'theirs'}\n")
    code = "import mytrainer.models.registry; import torch; import colours"
    check_registered(host.outcome(code), "already imported")


def test_an_adapter_that_imports_the_host_at_its_top_may_come_first(host: Sandbox) -> None:
    host.write("mytrainer_adapter.py", f"import torch\nimport {REGISTRY}\n{ADAPTER}")
    check_registered(host.outcome("import torch, mytrainer_adapter"), "import hook")


FAILS_ONCE = """
import sys, torch
if not hasattr(sys, "tried"):
    sys.tried = True
    import no_such_colours
MODEL_REGISTRY = {"UNet": "theirs"}
"""


def test_a_host_whose_first_import_fails_is_registered_with_at_the_second(host: Sandbox) -> None:
    host.fake_host(FAILS_ONCE)
    code = """
try:
    import mytrainer.models.registry
except ModuleNotFoundError as error:
    assert error.name == "no_such_colours"
else:
    raise SystemExit("the host's own error was hidden")
import mytrainer.models.registry
"""
    check_registered(host.outcome(code), "import hook")


# another import hook comes first and takes the host's module over, as jaxtyping's does
TAKE_OVER = """
import torch, sys, importlib.machinery as machinery
class TakeOver:
    def find_spec(self, name, path=None, target=None):
        return machinery.PathFinder.find_spec(name, path, target) if "mytrainer" in name else None
import colours
sys.meta_path.insert(0, TakeOver())
import mytrainer.models.registry
"""


def test_a_module_that_another_finder_took_over_is_found_at_the_next_import(host: Sandbox) -> None:
    host.write("colours.py", "")
    host.write("flavours.py", "")
    check_registered(host.outcome(TAKE_OVER + "import flavours\n"), "already imported")


# specs as an interpreter might have them: without importlib's mark, or of a class with slots,
# which cannot be swapped for one that notices when the mark goes
UNMARKED = """
class Spec:
    __slots__ = ("name", "loader", "parent", "submodule_search_locations")
"""
UNSWAPPABLE = """
class Spec:
    __slots__ = ("name", "loader", "parent", "submodule_search_locations")
    _initializing = property(lambda self: "MODEL_REGISTRY" not in globals())
"""
OTHER_SPEC = """
own = Spec()
for slot in Spec.__slots__:
    setattr(own, slot, getattr(__spec__, slot))
__spec__ = own
import torch
import colours
MODEL_REGISTRY = {'UNet': 'theirs'}
"""


@pytest.mark.parametrize("spec", [UNMARKED, UNSWAPPABLE], ids=["unmarked", "unswappable"])
def test_where_the_end_of_an_import_cannot_be_heard_of_the_next_serves(
    host: Sandbox, spec: str
) -> None:
    host.write("colours.py", "")
    host.write("flavours.py", "")
    host.fake_host(spec + OTHER_SPEC)
    code = "import mytrainer.models.registry\n"
    early = host.outcome(code)
    assert early["registry"] == {"UNet": "theirs"}
    check_registered(host.outcome(code + "import flavours\n"), "next import (fallback)")


def test_the_stack_tells_a_half_built_module_where_there_is_no_mark(sandbox: Sandbox) -> None:
    sandbox.write(
        "unmarked.py",
        "import json, sys\nfrom wavelit_plugin.autoload.watch import half_built\n"
        "class NoMark: pass\n__spec__ = NoMark()\n"
        "inside = half_built(sys.modules[__name__])\n"
        "def later(): return half_built(sys.modules[__name__])\n",
    )
    code = "import unmarked, json; print(json.dumps([unmarked.inside, unmarked.later()]))"
    assert sandbox.value(code) == [True, False]


ASKED = """
import sys
from wavelit_plugin.autoload.records import Registration
def go(module):
    yield Registration(name=f"half-built: {sys.modules['torch'].__spec__._initializing}", undo=int)
"""


def test_a_host_that_is_complete_before_pytorch_is_registered_with_after_it(
    sandbox: Sandbox,
) -> None:
    # adapters import what needs PyTorch, which is half-built when it calls the entry point
    sandbox.write("earlytrainer.py", "")
    sandbox.write("colours.py", "")
    sandbox.write("early.py", ASKED)
    sandbox.announce("earlytrainer = early:go")
    code = "import earlytrainer, torch, colours"
    status = sandbox.outcome(code)["statuses"]["earlytrainer"]
    assert (status["state"], status["path"]) == ("applied", "already imported")
    assert status["names"] == ["half-built: False"]


BASE_MODEL = """
import torch
class BaseModel(torch.nn.Module):
    _models = {}
    def __init_subclass__(cls, name=None, **options):
        super().__init_subclass__(**options)
        cls._name = name
        BaseModel._models[name.lower()] = cls
"""


def test_a_built_in_host_that_imports_pytorch_half_way_is_registered_with(bare: Sandbox) -> None:
    bare.write("neuralop/__init__.py", "__version__ = '2.0.0'\n")
    bare.write("neuralop/models/__init__.py", "")
    bare.write("neuralop/models/base_model.py", BASE_MODEL)
    code = "from neuralop.models.base_model import BaseModel; assert 'wavelit' in BaseModel._models"
    status = bare.outcome(code)["statuses"]["neuralop.models.base_model"]
    assert (status["state"], status["path"]) == ("applied", "already imported")
