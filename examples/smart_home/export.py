"""Write the trained models for the servers: `python -m examples.smart_home.export`.

The edge model becomes `models/edge/edge.gguf` for llama.cpp, the cloud model the folder `models/cloud` for
transformers and vLLM, with `exits/exits.safetensors` for the split.
"""

import argparse
import shutil
from pathlib import Path

import torch

from examples.smart_home import shapes
from examples.smart_home.gguf_file import write_gguf
from examples.smart_home.huggingface import write_folder
from examples.smart_home.model import Llama
from examples.smart_home.train import load_tokenizer

MODELS = Path(__file__).parent / "models"
EDGE_FILE = MODELS / "edge" / "edge.gguf"
CLOUD_FOLDER = MODELS / "cloud"


def main() -> None:
    """Read the command line and export what has been trained."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=("edge", "cloud", "both"), default="both")
    parser.add_argument("--work", type=Path, default=Path(".isthmus/train"), help="folder of checkpoints")
    parser.add_argument("--out", type=Path, default=MODELS)
    arguments = parser.parse_args()
    if arguments.model != "cloud":
        edge = load_model("edge", arguments.work)
        file = arguments.out / EDGE_FILE.relative_to(MODELS)
        write_gguf(edge, load_tokenizer(arguments.work), file, name="isthmus-home-edge")
        shutil.copy(arguments.work / "edge.curve.json", file.parent / "curve.json")
    if arguments.model != "edge":
        cloud = load_model("cloud", arguments.work)
        folder = arguments.out / CLOUD_FOLDER.relative_to(MODELS)
        write_folder(cloud, load_tokenizer(arguments.work), folder, torch.float16)
        shutil.copy(arguments.work / "cloud.curve.json", folder / "curve.json")


def load_model(name: str, work: Path) -> Llama:
    """The model of the checkpoint `name` in `work`."""
    model = Llama(getattr(shapes, name.upper()))
    model.load_state_dict(torch.load(work / f"{name}.pt", weights_only=True)["model"])
    return model.eval()


if __name__ == "__main__":
    main()
