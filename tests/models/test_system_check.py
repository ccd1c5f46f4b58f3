from pathlib import Path

import pytest
import torch

from seqcap.errors import SettingsError
from seqcap.models.system_check import check_own_system
from seqcap.models.systems import SYSTEMS

MODULE = """\
import torch
from torch import nn
from seqcap.models.branch import Branch
from seqcap.models.cnn import CNN_COMPONENT
from seqcap.models.system import System

class Mean(Branch):
    def __init__(self, channels, bins, emotion_count):
        super().__init__()
        self.dense = nn.Linear(channels * bins, emotion_count)

    def encode(self, maps, step_counts, previous=None, trace=None):
        return maps.permute(0, 2, 1, 3).flatten(2), None

    def decide(self, features, step_counts, trace=None):
        return self.dense(features.sum(1) / step_counts[:, None])

def make(emotion_count, settings):
    return System(CNN_COMPONENT, [lambda channels, bins: Mean(channels, bins, emotion_count)])
"""
RIGHT = "return self.dense(features.sum(1) / step_counts[:, None])"


def message(name: str) -> str:
    with pytest.raises(SettingsError) as told:
        check_own_system(name, emotion_count=3)
    text = str(told.value)
    assert "\n" not in text
    return text.removeprefix(f"system '{name}': ")


@pytest.fixture
def changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """The system with a line of it changed, under a name of its own."""
    before, after = request.param
    assert before in MODULE
    name = f"own_{abs(hash(request.param))}"
    (tmp_path / f"{name}.py").write_text(MODULE.replace(before, after))
    monkeypatch.syspath_prepend(tmp_path)
    return f"{name}:make"


@pytest.mark.parametrize("changed", [("", "")], indirect=True)
def test_a_system_that_works_passes_and_leaves_the_random_state_alone(changed: str) -> None:
    before = torch.get_rng_state()
    check_own_system(changed, emotion_count=3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    "name",
    [
        # 131 million parameters take seconds.
        pytest.param(name, marks=pytest.mark.slow if name == "CNN_Cap" else ())
        for name in SYSTEMS
    ],
)
def test_the_papers_systems_would_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"seqcap.models.systems.{name}", SYSTEMS[name].build, raising=False)
    check_own_system(f"seqcap.models.systems:{name}", emotion_count=3)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        (("make(emotion_count, settings)", "make(emotions)"), "building it raised TypeError"),
        (("make(", "build("), "has no attribute 'make'"),
        (("import torch\n", "import torch_\n"), "No module named 'torch_'"),
        (("import torch\n", "1 / 0\n"), "ZeroDivisionError('division by zero')"),
        (("import torch\n", "import torch torch\n"), "SyntaxError("),
        (("def make", "make = 3\ndef other"), "a int came; a function that takes"),
        (("return System(", "return nn.Identity() or System("), "it gave a Identity; a function"),
        ((RIGHT, "return None"), "a step of training raised TypeError: "),
        (("nn.Linear(channels", "nn.Linear(2 * channels"), "training raised RuntimeError"),
        ((RIGHT, "return features[:, 0, :7]"), "it gave (1, 3, 7); logits (branch, "),
        ((RIGHT, RIGHT + " / 0"), "its logits are not finite"),
        ((RIGHT, f"{RIGHT}.detach()"), "no weight has part in its logits"),
        ((RIGHT, "return self.dense(features.mean(1))"), "padding changes its logits by up to "),
    ],
    indirect=["changed"],
)  # fmt: skip
def test_a_mistake_is_one_line_with_the_way_out(changed: str, told: str) -> None:
    assert told in message(changed)


@pytest.mark.parametrize("changed", [(RIGHT, RIGHT.replace("dense", "dens"))], indirect=True)
def test_the_line_of_a_mistake_is_named(changed: str) -> None:
    place = MODULE.splitlines().index(f"        {RIGHT}") + 1
    module = changed.partition(":")[0]
    assert f"object has no attribute 'dens' ({module}.py, line {place}); " in message(changed)
