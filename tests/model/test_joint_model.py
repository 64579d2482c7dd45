"""A joint model: each data set sees a WaveLiT, and names decide what two data sets share."""

import copy
import re
import runpy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.testing import assert_close

from wavelit_plugin.errors import ConfigError, DataError
from wavelit_plugin.model import ChannelLayout, JointWaveLiT, Member, WaveLiT, WaveLiTConfig

OWN_WEIGHTS = ("persistence", "embed.phase.weight")

assert_exact = partial(assert_close, rtol=0.0, atol=0.0)


def member(
    *names: str,
    constants: Sequence[str] = (),
    frames: int = 1,
    frames_out: int = 1,
    **knobs: Any,
) -> Member:
    layout = ChannelLayout(
        fields=len(names),
        constants=len(constants),
        names=names,
        frames=frames,
        frames_out=frames_out,
    )
    channels = {"in_channels": layout.in_channels, "out_channels": layout.out_channels}
    sizes = {"width": 8, "heads": 2, "depth": 1, "pyramid_scales": 2}
    config = WaveLiTConfig(layout=layout, **{**channels, **sizes, **knobs})
    return Member(config=config, constants=tuple(constants))


WAVES = member("pressure", "vx", constants=("density",), boundary=("wall", "periodic"))
FLOW = member("vx", "dye", "pressure", frames=2, boundary="periodic", conditions=1)
LONG = member("dye", frames_out=2, boundary="open")


def batch_of(config: WaveLiTConfig, rng: torch.Generator, size: int = 6) -> tuple[Tensor, Tensor]:
    space = tuple(range(size, size + config.ndim))
    draw = (config.in_channels, config.out_channels)
    x, y = (torch.randn(3, n, *space, dtype=torch.float64, generator=rng) for n in draw)
    return 2.0 + 3.0 * x, 5.0 * y


def condition_of(config: WaveLiTConfig) -> Tensor | None:
    if not config.conditions:
        return None
    return torch.arange(3 * config.conditions, dtype=torch.float64).view(3, -1)


@pytest.fixture
def joint(awake: Callable[[nn.Module], nn.Module], rng: torch.Generator) -> JointWaveLiT:
    """Three data sets, float64, every weight away from its start, statistics measured."""
    found = JointWaveLiT({"waves": WAVES, "flow": FLOW, "long": LONG}).double()
    awake(found)
    for name, its in found.members.items():
        found.fit_statistics(name, [batch_of(its.config, rng)])
    return found


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_a_joint_model_of_one_data_set_is_a_wavelit_also_in_its_gradients(
    ndim: int, rng: torch.Generator
) -> None:
    only = member("a", "b", constants=("c",), frames=2, ndim=ndim, boundary="wall")
    torch.manual_seed(1)
    joint = JointWaveLiT({"only": only}).double()
    torch.manual_seed(1)
    plain = WaveLiT(only.config).double()
    x, y = batch_of(only.config, rng)
    found, expected = joint(x, "only", target=y), plain(x, target=y)
    assert_exact(found, expected)
    for output in (found, expected):
        (output - y).square().sum().backward()
    # each weight once: as many numbers, and the same norm of all gradients
    counts = [sum(p.numel() for p in m.parameters()) for m in (joint, plain)]
    assert counts[0] == counts[1]
    norms = [
        torch.stack([p.grad.square().sum() for p in m.parameters() if p.grad is not None]).sum()
        for m in (joint, plain)
    ]
    assert float(norms[1]) > 0
    assert_close(*norms)


def test_the_gradient_of_a_shared_weight_is_the_sum_over_its_data_sets(
    joint: JointWaveLiT, rng: torch.Generator
) -> None:
    plains = {name: joint.member(name) for name in joint.members}
    for name, its in joint.members.items():
        x, y = batch_of(its.config, rng)
        for output in (
            joint(x, name, condition_of(its.config)),
            plains[name](x, condition_of(its.config)),
        ):
            (output - y).square().mean().backward()
    gradients = {
        (name, weight): p.grad
        for name, plain in plains.items()
        for weight, p in plain.named_parameters()
        if p.grad is not None
    }
    whole = "feed_forward.expand.weight"
    found = dict(joint.named_parameters())
    blocks = [gradients[name, f"trunk.blocks.0.{whole}"] for name in plains]
    key = f"shared.trunk/blocks/0/{whole.replace('.', '/')}"
    assert_close(found[key].grad, torch.stack(blocks).sum(0))
    # the head's rows of vx: 16 = 4 coefficients a channel, second field of one and first of other
    rows = (
        gradients["waves", "head.linear.weight"][4:8],
        gradients["flow", "head.linear.weight"][:4],
    )
    assert_close(found["shared.head/linear/weight@vx:next1"].grad, sum(rows))
    # the columns of the pressure: first channel of the waves, third of the flow
    columns = (
        gradients["waves", "embed.linear.weight"][:, :4],
        gradients["flow", "embed.linear.weight"][:, 8:12],
    )
    assert_close(found["shared.embed/linear/weight@pressure:value"].grad, sum(columns))


def test_every_weight_of_a_data_set_gets_a_gradient_and_no_other_does(
    joint: JointWaveLiT, rng: torch.Generator
) -> None:
    x, y = batch_of(WAVES.config, rng)
    (joint(x, "waves") - y).square().mean().backward()
    without = [name for name, p in joint.named_parameters() if p.grad is None]
    assert without
    # what only the flow, with its condition and its two frames, or the dye has
    marks = ("dye", "change", "@flow", "@long", "offset", "axis1", "next2")
    assert all(any(mark in name for mark in marks) for name in without), without
    with_gradient = [name for name, p in joint.named_parameters() if p.grad is not None]
    assert not any(mark in name for mark in marks for name in with_gradient)


@pytest.mark.parametrize("name", ["waves", "flow", "long"])
def test_the_plain_model_of_a_data_set_gives_the_same_to_the_bit(
    name: str, joint: JointWaveLiT, rng: torch.Generator, tmp_path: Path
) -> None:
    config = joint.members[name].config
    x, y = batch_of(config, rng)
    joint.train()(x, name, condition_of(config), target=y)  # which sets the trained grid
    joint.eval()
    finer, _ = batch_of(config, rng, size=13)  # resampled to the trained grid
    plain = joint.member(name)
    assert not plain.training
    for u in (x, finer):
        expected = joint(u, name, condition_of(config))
        assert_exact(plain(u, condition_of(config)), expected)
    plain.save(tmp_path / "plain.safetensors")
    loaded = WaveLiT.load(tmp_path / "plain.safetensors")
    assert_exact(loaded(x, condition_of(config)), joint(x, name, condition_of(config)))
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.add_(1.0)
    assert_exact(loaded(x, condition_of(config)), joint(x, name, condition_of(config)))


def test_the_order_of_the_fields_does_not_matter_names_do(
    joint: JointWaveLiT, rng: torch.Generator
) -> None:
    turned = member("vx", "pressure", constants=("density",), boundary=("wall", "periodic"))
    joint.adopt("turned", turned)
    x, y = batch_of(WAVES.config, rng)
    joint.fit_statistics("waves", [(x, y)])
    joint.fit_statistics("turned", [(x[:, [1, 0, 2]], y[:, [1, 0]])])
    shells = [joint.shells[f"@{name}"] for name in ("turned", "waves")]
    with torch.no_grad():
        persistence, phase = ([s.get_parameter(weight) for s in shells] for weight in OWN_WEIGHTS)
        persistence[0].copy_(persistence[1][[1, 0]])
        phase[0].copy_(phase[1])
    expected = joint.eval()(x, "waves")[:, [1, 0]]
    # float64, sums in another order
    assert_close(joint(x[:, [1, 0, 2]], "turned"), expected, rtol=1e-10, atol=1e-10)


def test_a_data_set_of_known_names_is_adopted_without_a_new_weight(
    joint: JointWaveLiT, rng: torch.Generator
) -> None:
    before = {name: p.clone() for name, p in joint.shared.items()}
    joint.adopt("new", member("dye", "vx", constants=("pressure",), boundary="wall"))
    assert joint.shared.keys() == before.keys()
    for name, parameter in joint.shared.items():
        assert_exact(parameter, before[name])
    x, _ = batch_of(joint.members["new"].config, rng)
    assert joint.eval()(x, "new").dtype == torch.float64


def test_the_ends_of_an_axis_that_no_data_set_had_add_nothing(rng: torch.Generator) -> None:
    joint = JointWaveLiT({"around": member("u", boundary="periodic")}).double()
    joint.adopt("walls", member("u", boundary=("periodic", "wall")))
    positions = [p for name, p in joint.shared.items() if "position" in name and "axis" in name]
    assert len(positions) == 1
    assert not positions[0].any()
    x, y = batch_of(joint.members["walls"].config, rng)
    joint(x, "walls", target=y).square().sum().backward()
    assert positions[0].grad is not None  # it can be learnt later


def test_unknown_names_are_refused_by_name_and_nothing_is_added(joint: JointWaveLiT) -> None:
    before = sorted(joint.state_dict())
    with pytest.raises(ConfigError, match=r"no data set had salt, heat; use add_member"):
        joint.adopt("sea", member("vx", "salt", constants=("heat",)))
    # the density was a constant, and the pressure was never given in three frames
    assert joint.unknown(member("density")) == ("density:next1",)
    assert joint.unknown(member("pressure", frames=3)) == ("pressure:change2",)
    with pytest.raises(ConfigError, match="it has conditions; use add_member"):
        joint.adopt("sea", member("vx", conditions=2))
    assert sorted(joint.state_dict()) == before
    joint.add_member("sea", member("vx", "salt", constants=("heat",)))
    assert joint.unknown(member("salt", constants=("heat",))) == ()


def test_every_tensor_is_saved_moved_and_trained_once(joint: JointWaveLiT) -> None:
    parameters = list(joint.parameters())
    assert len({id(p) for p in parameters}) == len(parameters)
    pointers = [t.data_ptr() for t in joint.state_dict().values() if t.numel()]
    assert len(set(pointers)) == len(pointers)
    counted = sum(p.numel() for p in parameters)
    plains = [sum(p.numel() for p in joint.member(name).parameters()) for name in joint.members]
    assert max(plains) < counted < sum(plains)


def test_the_optimizer_and_a_copy_and_another_precision_reach_what_is_lent(
    joint: JointWaveLiT, rng: torch.Generator
) -> None:
    x, y = batch_of(WAVES.config, rng)
    first = joint(x, "waves")
    copied = copy.deepcopy(joint)
    optimizer = torch.optim.AdamW(joint.parameters(), lr=1e-2)
    (first - y).square().mean().backward()
    optimizer.step()
    assert not torch.equal(joint(x, "waves"), first)
    assert_exact(copied(x, "waves"), first)
    single = copied.float()
    assert single(x.float(), "waves").dtype == torch.float32
    # float32 has 7 digits, three of which the products of weights at random take
    assert_close(single(x.float(), "waves").double(), first, rtol=1e-3, atol=1e-3)
    copied.double().load_state_dict(joint.state_dict(), assign=True)
    assert_exact(copied(x, "waves"), joint(x, "waves"))


def test_activation_checkpointing_changes_no_gradient(rng: torch.Generator) -> None:
    gradients = []
    x, y = batch_of(WAVES.config, rng)
    for checkpointing in (False, True):
        torch.manual_seed(2)
        its = Member(
            config=WAVES.config.changed(activation_checkpointing=checkpointing),
            constants=WAVES.constants,
        )
        joint = JointWaveLiT({"waves": its, "others": LONG}).double()
        output = joint(x, "waves", target=y)
        other, its_target = batch_of(LONG.config, torch.Generator().manual_seed(0))
        joint(other, "others", target=its_target)
        (output - y).square().mean().backward()
        gradients.append({n: p.grad for n, p in joint.named_parameters() if p.grad is not None})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        assert_close(gradients[1][name], gradient)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_loaded_joint_model_is_the_saved_one_to_the_bit(
    dtype: torch.dtype, joint: JointWaveLiT, rng: torch.Generator, tmp_path: Path
) -> None:
    joint.to(dtype).eval()
    joint.save(str(tmp_path / "joint.safetensors"))
    loaded = JointWaveLiT.load(tmp_path / "joint.safetensors")
    assert not loaded.training
    assert loaded.members == joint.members
    assert loaded.state_dict().keys() == joint.state_dict().keys()
    for name, value in loaded.state_dict().items():
        assert_exact(value, joint.state_dict()[name])
    for name, its in joint.members.items():
        x = batch_of(its.config, rng)[0].to(dtype)
        condition = condition_of(its.config)
        condition = None if condition is None else condition.to(dtype)
        assert_exact(loaded(x, name, condition), joint(x, name, condition))


def test_a_file_of_the_other_kind_says_who_reads_it(joint: JointWaveLiT, tmp_path: Path) -> None:
    joint.save(tmp_path / "joint.safetensors")
    joint.member("waves").save(tmp_path / "plain.safetensors")
    with pytest.raises(DataError, match=r"holds a JointWaveLiT; use JointWaveLiT\.load, then"):
        WaveLiT.load(tmp_path / "joint.safetensors")
    with pytest.raises(DataError, match=r"holds a WaveLiT; use WaveLiT\.load"):
        JointWaveLiT.load(tmp_path / "plain.safetensors")
    content = (tmp_path / "joint.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match="not a complete safetensors file"):
        JointWaveLiT.load(tmp_path / "cut.safetensors")


def test_names_that_python_or_torch_use_otherwise_are_names_too(tmp_path: Path) -> None:
    joint = JointWaveLiT({"items": member("a.b", "keys"), "data.set": member("a%2Eb", "forward")})
    assert set(joint.members) == {"items", "data.set"}
    joint.save(tmp_path / "joint.safetensors")
    keys = [key for key in load_file(tmp_path / "joint.safetensors") if "embed/linear/w" in key]
    assert len(keys) == 4
    assert JointWaveLiT.load(tmp_path / "joint.safetensors").members == joint.members


def test_members_that_cannot_share_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least one data set"):
        JointWaveLiT({})
    with pytest.raises(ConfigError, match=r"one width, but b has 16 and the others 8"):
        JointWaveLiT({"a": member("u"), "b": member("u", width=16)})
    with pytest.raises(ConfigError, match="one ndim"):
        JointWaveLiT({"a": member("u"), "b": member("u", ndim=1)})
    joint = JointWaveLiT({"waves": member("u")})
    with pytest.raises(ConfigError, match="a data set waves already"):
        joint.add_member("waves", member("u"))
    with pytest.raises(ConfigError, match=r"unknown data set .*'wave'; did you mean 'waves'"):
        joint(torch.zeros(1, 1, 8, 8), "wave")


def test_channels_without_a_name_of_their_own_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"names \(\) for 1 fields; name each"):
        Member(config=WaveLiTConfig(in_channels=1, out_channels=1))
    with pytest.raises(ConfigError, match="1 constant channels, got the names"):
        Member(config=WAVES.config)
    with pytest.raises(ConfigError, match="rename u"):
        member("u", constants=("u",))
    with pytest.raises(ConfigError, match="the empty one"):
        member("u", "")
    static = WaveLiTConfig(
        in_channels=1, out_channels=1, layout=ChannelLayout(fields=0, constants=1)
    )
    with pytest.raises(ConfigError, match="fields that are continued"):
        Member(config=static, constants=("u",))


def test_the_example_of_the_document_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: torch.Generator
) -> None:
    document = Path(__file__).parents[2] / "docs" / "joint.md"
    (code,) = re.findall(r"```python\n(.*?)```", document.read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "example.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    u, y, x = (torch.randn(2, channels, 16, 16, generator=rng) for channels in (3, 2, 2))
    found = runpy.run_path("example.py", {"u": u, "y": y, "loader": [(x, y)]})
    assert found["prediction"].shape == y.shape
    assert set(found["joint"].members) == {"waves", "flow", "sea", "brine"}
    assert WaveLiT.load("waves.safetensors").config == found["joint"].members["waves"].config


def test_a_data_set_may_do_without_places(rng: torch.Generator) -> None:
    without = Member(
        config=WAVES.config.changed(absolute_position=False), constants=WAVES.constants
    )
    joint = JointWaveLiT({"waves": WAVES, "even": without}).double()
    x, y = batch_of(WAVES.config, rng)
    for name in joint.members:
        joint.fit_statistics(name, [(x, y)])
        assert joint(x, name).shape == y.shape
    assert joint.member("even").embed.position is None
    assert joint.member("waves").embed.position is not None
