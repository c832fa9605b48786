"""MediaPipe's networks run by LiteRT, which the networks in the box are compared with."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from deploy.convert_networks.__main__ import Source, find
from harness.network_inputs import network_input


def lite_outputs(source: Source, folder: Path, photograph: str) -> dict[str, np.ndarray]:
    """Return LiteRT's outputs by our names, NCHW where they are pictures, without a batch dimension."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(find(source, folder)), num_threads=1)
    interpreter.allocate_tensors()
    (entry,) = interpreter.get_input_details()
    _, height, width, _ = entry["shape"]
    picture = network_input(photograph, source.name, (int(height), int(width)))
    interpreter.set_tensor(entry["index"], picture.permute(0, 2, 3, 1).contiguous().numpy())
    interpreter.invoke()
    given = interpreter.get_output_details()
    outputs = {
        name: interpreter.get_tensor(given[position]["index"])[0] for name, position in source.outputs.items()
    }
    return {
        name: value.transpose(2, 0, 1) if value.ndim == 3 and value.shape[0] > 1 else value
        for name, value in outputs.items()
    }
