"""What a model learned is in its buffers: who writes them, has the model that they describe."""

import copy
import io
import pickle
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap
from torch.optim.swa_utils import AveragedModel
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from wavelit_plugin.errors import ConfigError
from wavelit_plugin.model import ChannelLayout, WaveLiT, WaveLiTConfig

KNOBS: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 2,
    "width": 8,
    "heads": 2,
    "depth": 1,
    "levels": 3,
    "least_tokens": 16,
    "conditions": 1,
    "layout": ChannelLayout(fields=2, constants=1),
}
Step = Callable[..., WaveLiT]


def batch(size: int, seed: int, count: int = 3) -> tuple[Tensor, Tensor]:
    rng = torch.Generator().manual_seed(seed)
    u = torch.randn(count, 3, size, size, generator=rng)
    return 2 + 3 * u, torch.randn(count, 1, generator=rng)


def model_of(seed: int, size: int, steps: int) -> WaveLiT:
    """A model after some training steps on a grid; three of 100 samples freeze its statistics."""
    return copy.deepcopy(trained(seed, size, steps))


@cache
def trained(seed: int, size: int, steps: int) -> WaveLiT:
    torch.manual_seed(seed)
    model = WaveLiT(WaveLiTConfig(**KNOBS)).train()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    for step in range(steps):
        u, condition = batch(size, 10 * seed + step, 100)
        model(seed + u, condition, target=seed - u[:, :2]).square().mean().backward()
    return model.eval()


def by_load_state_dict(held: WaveLiT, given: WaveLiT) -> nn.Module:
    held.load_state_dict(given.state_dict())
    return held


def by_assignment(held: WaveLiT, given: WaveLiT) -> nn.Module:
    held.load_state_dict(copy.deepcopy(given.state_dict()), assign=True)
    return held


def by_average(held: WaveLiT, given: WaveLiT) -> nn.Module:
    average = AveragedModel(held)
    average.update_parameters(given)
    return average


def by_average_of_buffers(held: WaveLiT, given: WaveLiT) -> nn.Module:
    average = AveragedModel(held, avg_fn=lambda _old, new, _count: new, use_buffers=True)
    average.update_parameters(held)
    average.update_parameters(given)
    return average


def by_hand(held: WaveLiT, given: WaveLiT) -> nn.Module:
    with torch.no_grad():
        for own, other in zip(
            (*held.parameters(), *held.buffers()),
            (*given.parameters(), *given.buffers()),
            strict=True,
        ):
            own.copy_(other)
    return held


def by_data(held: WaveLiT, given: WaveLiT) -> nn.Module:
    for own, other in zip(
        (*held.parameters(), *held.buffers()), (*given.parameters(), *given.buffers()), strict=True
    ):
        own.data.copy_(other.data)
    return held


def by_numpy(held: WaveLiT, given: WaveLiT) -> nn.Module:
    for name, value in held.state_dict().items():
        value.numpy()[...] = given.state_dict()[name].numpy()
    return held


def by_state_dict_in_place(held: WaveLiT, given: WaveLiT) -> nn.Module:
    """As distributed checkpoints do."""
    for name, value in held.state_dict().items():
        value.copy_(given.state_dict()[name])
    return held


def by_meta(held: WaveLiT, given: WaveLiT) -> nn.Module:
    with torch.device("meta"):
        empty = WaveLiT(held.config)
    empty = empty.to_empty(device="cpu").eval()
    empty.load_state_dict(given.state_dict())
    return empty


def by_to_empty(held: WaveLiT, given: WaveLiT) -> nn.Module:
    held.to_empty(device="cpu").load_state_dict(given.state_dict())
    return held


def by_deepcopy(_held: WaveLiT, given: WaveLiT) -> nn.Module:
    return copy.deepcopy(given)


def by_pickle(_held: WaveLiT, given: WaveLiT) -> nn.Module:
    loaded: nn.Module = pickle.loads(pickle.dumps(given))  # noqa: S301
    return loaded


def by_saving_the_module(_held: WaveLiT, given: WaveLiT) -> nn.Module:
    file = io.BytesIO()
    torch.save(given, file)
    file.seek(0)
    loaded: nn.Module = torch.load(file, weights_only=False)
    return loaded


class Functional(nn.Module):
    """The weights and buffers of one model in the code of another."""

    def __init__(self, held: WaveLiT, given: WaveLiT) -> None:
        super().__init__()
        self.held, self.given = held, given

    def forward(self, u: Tensor, condition: Tensor) -> Tensor:
        given = {**dict(self.given.named_parameters()), **dict(self.given.named_buffers())}
        out: Tensor = functional_call(self.held, given, (u, condition))
        return out


WAYS: list[Callable[[WaveLiT, WaveLiT], nn.Module]] = [
    by_load_state_dict,
    by_assignment,
    by_average,
    by_average_of_buffers,
    by_hand,
    by_data,
    by_numpy,
    by_state_dict_in_place,
    by_meta,
    by_to_empty,
    by_deepcopy,
    by_pickle,
    by_saving_the_module,
    Functional,
]
# of other training grids, levels in use, frozen or not, or not trained at all
STATES = [(1, 8, 3), (2, 16, 1), (3, 32, 3), (4, 8, 0)]


def assert_same_answers(one: nn.Module, other: nn.Module) -> None:
    for size in (8, 16, 32, 12):
        u, condition = batch(size, 99)
        with torch.no_grad():
            assert_close(one(u, condition), other(u, condition), rtol=0.0, atol=0.0)


@pytest.mark.filterwarnings("ignore:the evaluated data do not fit")
@pytest.mark.usefixtures("without_shape_check")
@settings(max_examples=60, deadline=None, derandomize=True)
@given(way=st.sampled_from(WAYS), before=st.sampled_from(STATES), after=st.sampled_from(STATES))
def test_every_way_of_writing_buffers_gives_the_model_that_they_describe(
    way: Callable[[WaveLiT, WaveLiT], nn.Module],
    before: tuple[int, int, int],
    after: tuple[int, int, int],
) -> None:
    held, given = model_of(*before), model_of(*after)
    with torch.no_grad():
        held(*batch(16, 5))  # so that what it had is in use
    expected = WaveLiT(given.config).eval()
    expected.load_state_dict(given.state_dict())
    assert_same_answers(way(held, given).eval(), expected)


def test_the_states_of_this_test_differ() -> None:
    models, (u, condition) = [model_of(*state) for state in STATES], batch(16, 99)
    with torch.no_grad():
        outputs = [model(u, condition) for model in models]
    assert len({float(out.sum()) for out in outputs}) == len(STATES)
    assert [model.normalizer.frozen for model in models] == [True, False, True, False]


def test_a_graph_made_for_another_training_grid_fails_instead_of_answering() -> None:
    torch.compiler.reset()
    held, given = model_of(1, 8, 1), model_of(2, 16, 1)
    compiled: Callable[..., Tensor] = torch.compile(held, backend="eager", fullgraph=True)
    u, condition = batch(16, 99)
    with torch.no_grad():
        compiled(u, condition)
        by_data(held, given)
        with pytest.raises(RuntimeError, match="the training grid was written since"):
            compiled(u, condition)
        held.eval()
        assert_close(compiled(u, condition), given(u, condition), rtol=1e-5, atol=1e-5)


def test_models_of_one_training_grid_are_evaluated_together() -> None:
    models, (u, condition) = [model_of(seed, 8, 1) for seed in (1, 2)], batch(16, 99)

    def call(parameters: dict[str, Tensor], buffers: dict[str, Tensor]) -> Tensor:
        out: Tensor = functional_call(models[0], (parameters, buffers), (u, condition))
        return out

    with torch.no_grad():
        found = vmap(call)(*stack_module_state(models))
        expected = torch.stack([model(u, condition) for model in models])
        assert_close(found, expected, rtol=1e-4, atol=1e-4)
        models[1] = model_of(2, 16, 1)
        with pytest.raises(
            ConfigError, match=r"need one training grid, got \[\(8, 8\), \(16, 16\)\]"
        ):
            vmap(call)(*stack_module_state(models))


def as_before(model: WaveLiT) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.named_buffers()}


def a_look_at_the_shape(model: WaveLiT) -> None:
    with torch.no_grad():
        model(*batch(16, 0))


def a_look_with_gradients(model: WaveLiT) -> None:
    model(*batch(16, 0))


def an_inference(model: WaveLiT) -> None:
    with torch.inference_mode():
        model(*batch(16, 0))


def a_sanity_check(model: WaveLiT) -> None:
    model.eval()(*batch(16, 0)).sum().backward()
    model.train()


def a_learning_rate_finder(model: WaveLiT) -> None:
    kept = copy.deepcopy(model.state_dict())
    for seed in range(4):
        u, condition = batch(16, seed, 100)
        model(u, condition, target=u[:, :2]).sum().backward()
    model.load_state_dict(kept)


def constant_data(model: WaveLiT) -> None:
    u, condition = torch.full((4, 3, 16, 16), 0.1), torch.ones(4, 1)
    model(u, condition, target=u[:, :2]).sum().backward()


@pytest.mark.filterwarnings("ignore:the scale of the output is not known")
@pytest.mark.parametrize(
    "call",
    [
        a_look_at_the_shape,
        a_look_with_gradients,
        an_inference,
        a_sanity_check,
        a_learning_rate_finder,
        constant_data,
    ],
)
def test_nothing_is_learned_but_by_a_training_step(call: Callable[[WaveLiT], None]) -> None:
    looked_at, plain = (WaveLiT(WaveLiTConfig(**KNOBS)).train() for _ in range(2))
    plain.load_state_dict(looked_at.state_dict())
    before = as_before(looked_at)
    call(looked_at)
    for name, value in looked_at.named_buffers():
        if "conditions" not in name and "condition_" not in name:
            assert_close(value, before[name], rtol=0.0, atol=0.0, msg=name)
    looked_at.load_state_dict(plain.state_dict())
    for model in (looked_at, plain):
        u, condition = batch(8, 1)
        model(u, condition, target=u[:, :2]).sum().backward()
    for name, value in plain.named_buffers():
        assert_close(dict(looked_at.named_buffers())[name], value, rtol=0.0, atol=0.0, msg=name)


def test_a_step_that_is_computed_again_is_learned_from_once() -> None:
    plain, again = (WaveLiT(WaveLiTConfig(**KNOBS)).train() for _ in range(2))
    again.load_state_dict(plain.state_dict())
    u, condition = batch(8, 1)
    plain(u, condition, target=u[:, :2]).sum().backward()
    out: Any = checkpoint(again, u, condition, target=u[:, :2], use_reentrant=False)
    out.sum().backward()
    for (name, one), (_, other) in zip(again.named_buffers(), plain.named_buffers(), strict=True):
        assert_close(one, other, rtol=0.0, atol=0.0, msg=name)
    for (name, p), (_, q) in zip(again.named_parameters(), plain.named_parameters(), strict=True):
        assert p.grad is not None
        assert q.grad is not None
        assert_close(p.grad, q.grad, rtol=0.0, atol=0.0, msg=name)


def test_a_reentrant_checkpoint_hides_training_steps_and_is_named() -> None:
    model = WaveLiT(WaveLiTConfig(**KNOBS)).train()
    u, condition = batch(8, 1)
    u.requires_grad_()
    out: Any = checkpoint(model, u, condition, use_reentrant=True)
    with pytest.warns(UserWarning, match="use_reentrant=True, which hides its training steps"):
        out.sum().backward()
    assert int(model.normalizer.inputs.samples) == 0


def test_steps_that_wait_for_their_gradients_together_are_all_learned_from() -> None:
    """Two halves of a batch, one backward pass."""
    model, once = (WaveLiT(WaveLiTConfig(**KNOBS)).train() for _ in range(2))
    u, condition = batch(8, 1, 8)
    halves = [
        model(part, rows, target=part[:, :2])
        for part, rows in zip(u.split(4), condition.split(4), strict=True)
    ]
    sum(half.sum() for half in halves).backward()
    once(u, condition, target=u[:, :2]).sum().backward()
    for (name, one), (_, other) in zip(model.named_buffers(), once.named_buffers(), strict=True):
        assert_close(one, other, msg=name)


def test_a_functional_training_step_writes_the_buffers_that_it_was_given() -> None:
    model = WaveLiT(WaveLiTConfig(**KNOBS)).train()
    own, other = as_before(model), as_before(model)
    u, condition = batch(8, 1)
    out = functional_call(
        model, {**dict(model.named_parameters()), **other}, (u, condition), {"target": u[:, :2]}
    )
    out.sum().backward()
    for name, value in model.named_buffers():
        assert_close(value, own[name], rtol=0.0, atol=0.0, msg=name)
    assert other["normalizer.training_grid"].tolist() == [8, 8]
    assert int(other["normalizer.inputs.samples"]) == 3


@pytest.mark.usefixtures("without_shape_check")
def test_compiled_training_learns_as_plain_training_does_in_one_graph() -> None:
    torch.compiler.reset()
    plain, model = (WaveLiT(WaveLiTConfig(**KNOBS)).train() for _ in range(2))
    model.load_state_dict(plain.state_dict())
    compiled: Callable[..., Tensor] = torch.compile(model, fullgraph=True, backend="aot_eager")
    for seed in range(3):  # frozen after the second
        u, condition = batch(8, seed, 200)
        for call in (plain, compiled):
            call(u, condition, target=u[:, :2]).square().mean().backward()
    for (name, one), (_, other) in zip(model.named_buffers(), plain.named_buffers(), strict=True):
        assert_close(one, other, msg=name)
    for (name, p), (_, q) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        assert p.grad is not None
        assert q.grad is not None
        assert_close(p.grad, q.grad, rtol=1e-4, atol=1e-5, msg=name)
