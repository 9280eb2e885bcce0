"""Ten networks of other people's making, exported with what Python computes with them.

    pip install torch==2.11.0 torchvision==0.26.0 timm==1.0.31
    python tests/models/exported/make_references.py FOLDER [NAME...]
    for f in FOLDER/*.pt2; do build/unlazy model check $f --reference ${f%.pt2}.safetensors; done

models/README.md has the table of differences.
"""
import sys
from pathlib import Path

import torch
import torchvision.models as tv
from timm.models.mlp_mixer import MlpMixer
from timm.models.vision_transformer import VisionTransformer

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "tools" / "python"))
from export_network import export_network  # noqa: E402

NETWORKS = {
    "resnet18": lambda: tv.resnet18(num_classes=10),
    "resnet50": lambda: tv.resnet50(num_classes=10),
    "densenet121": lambda: tv.densenet121(num_classes=10),
    "mobilenet_v3_small": lambda: tv.mobilenet_v3_small(num_classes=10),
    "efficientnet_b0": lambda: tv.efficientnet_b0(num_classes=10),
    "vgg11_bn": lambda: tv.vgg11_bn(num_classes=10),
    "convnext_tiny": lambda: tv.convnext_tiny(num_classes=10),
    "regnet_y_400mf": lambda: tv.regnet_y_400mf(num_classes=10),
    "vit_tiny": lambda: VisionTransformer(img_size=32, patch_size=4, embed_dim=192, depth=12, num_heads=3, num_classes=10),
    "mixer_s32": lambda: MlpMixer(img_size=32, patch_size=4, embed_dim=512, num_blocks=8, num_classes=10),
}


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[2:] or NETWORKS:
        torch.manual_seed(0)
        model = NETWORKS[name]()
        export_network(model, str(folder / f"{name}.pt2"), (3, 32, 32), reference=str(folder / f"{name}.safetensors"))
        print(name, sum(p.numel() for p in model.parameters()), flush=True)


if __name__ == "__main__":
    main()
