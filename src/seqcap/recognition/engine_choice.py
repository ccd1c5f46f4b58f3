"""Which engine runs a model: onnxruntime where its folder has graphs, torch otherwise."""

from collections.abc import Iterator
from contextlib import contextmanager

from seqcap.errors import CheckpointError, MissingExtraError, SettingsError
from seqcap.recognition.engine import Engine
from seqcap.recognition.model_description import ModelDescription
from seqcap.recognition.model_folder import check_model_folder, has_graphs


def choose_engine(
    model: ModelDescription, device: str, engine: str
) -> tuple[ModelDescription, Engine]:
    """Chooses what runs a model that was read from a folder.

    Args:
        model: As `load_description` gives it.
        device: As `Recognizer.from_pretrained` takes it.
        engine: "auto", "onnx" or "torch", as `Recognizer.from_pretrained` takes it.

    Returns:
        The model, with its network if torch runs it, and its engine.

    Raises:
        CheckpointError: The folder has no graphs, and `engine` is "onnx".
        SettingsError: An unknown engine, or one that cannot run on the device.
        MissingExtraError: Torch is needed and not installed.
    """
    if engine not in ("auto", "onnx", "torch"):
        raise SettingsError(f"engine '{engine}'; auto, onnx or torch is expected")
    folder = check_model_folder(model.folder)
    graphs = has_graphs(folder)
    can_run = device in ("auto", "cpu")
    if engine == "onnx" and not graphs:
        raise CheckpointError(
            f"{folder}: no graphs here; 'seqcap export' writes a folder with them"
        )
    if engine == "onnx" and not can_run:
        raise SettingsError(f"device '{device}' came; engine 'onnx' runs on 'cpu'")
    if engine == "torch" or not (graphs and can_run):
        return torch_engine(model, device)
    from seqcap.recognition.onnx_engine import OnnxEngine

    return model, OnnxEngine(folder)


def torch_engine(model: ModelDescription, device: str) -> tuple[ModelDescription, Engine]:
    """Makes torch's engine for a model.

    Args:
        model: With its network, or read from a folder that has it.
        device: As PyTorch names it; "auto" takes a GPU if there is one.

    Returns:
        The model with its network, and its engine.

    Raises:
        SettingsError: The device cannot be used.
        MissingExtraError: Torch is not installed.
    """
    with _torch_needed():
        from seqcap.recognition.torch_engine import TorchEngine, with_network

    complete = with_network(model)
    return complete, TorchEngine(complete.system, device)


@contextmanager
def _torch_needed() -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise MissingExtraError(
            "a model without graphs, or engine 'torch', needs PyTorch; pip install 'seqcap[train]',"
            " or run 'seqcap export' where it is installed"
        ) from error
