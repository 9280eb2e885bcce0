"""The small networks whose archives and references lie here.

    tools/python/export_network.py tests/models/exported/small_networks.py:SmallResNet --classes 10 \
        --out tests/models/exported/resnet.pt2 --reference tests/models/exported/resnet.safetensors
    (the same with SmallAttention and attention.pt2; PlainResNet and plain.pt2)
    PYTHONPATH=tools/python python tests/models/exported/small_networks.py     functional.pt2 and its reference
"""
import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    def __init__(self, channels_in, channels, stride, norm):
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels, 3, stride, 1, bias=not norm)
        self.bn1 = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=not norm)
        self.bn2 = nn.BatchNorm2d(channels) if norm else nn.Identity()
        self.downsample = None
        if stride != 1 or channels_in != channels:
            self.downsample = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=not norm),
                                            nn.BatchNorm2d(channels) if norm else nn.Identity())

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)), inplace=True)))
        y += x if self.downsample is None else self.downsample(x)
        return F.relu(y)


class SmallResNet(nn.Module):
    """In torchvision's style: BatchNorm, operators in place, and dropout before the last layer."""

    def __init__(self, num_classes=10, norm=True, dropout=0.3):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 1, 1, bias=not norm)
        self.bn1 = nn.BatchNorm2d(8) if norm else nn.Identity()
        self.layer1 = Block(8, 8, 1, norm)
        self.layer2 = Block(8, 16, 2, norm)
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer2(self.layer1(x))
        x = torch.flatten(F.adaptive_avg_pool2d(x, 1), 1)
        return self.fc(self.dropout(x))


def PlainResNet(num_classes=10):
    """Without normalisation and dropout: what a network is linearised as."""
    return SmallResNet(num_classes, norm=False, dropout=0)


class SmallAttention(nn.Module):
    """Patches, a class token, two blocks of attention with LayerNorm and random depth, GroupNorm in the stem; two
    projections that are tied, a buffer that is not saved, sizes that are computed, and two outputs."""

    def __init__(self, num_classes=10, width=16, heads=2):
        super().__init__()
        self.heads = heads
        self.stem = nn.Conv2d(3, width, 4, 4)
        self.norm0 = nn.GroupNorm(4, width)
        self.token = nn.Parameter(torch.randn(1, 1, width) * 0.1)
        self.position = nn.Parameter(torch.randn(1, 65, width) * 0.1)
        self.register_buffer("scale", torch.full((1,), 0.5), persistent=False)
        self.blocks = nn.ModuleList(nn.ModuleDict({
            "norm1": nn.LayerNorm(width), "qkv": nn.Linear(width, 3 * width), "project": nn.Linear(width, width),
            "norm2": nn.LayerNorm(width), "up": nn.Linear(width, 2 * width), "down": nn.Linear(2 * width, width),
        }) for _ in range(2))
        self.blocks[1]["project"].weight = self.blocks[0]["project"].weight
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def attend(self, block, x):
        batch, tokens, width = x.shape
        q, k, v = block["qkv"](x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, dropout_p=0.1 if self.training else 0.0)
        return block["project"](y.transpose(1, 2).reshape(batch, tokens, width))

    def drop(self, x):
        if not self.training:
            return x
        keep = x.new_empty((x.shape[0], 1, 1)).bernoulli_(0.9)
        return x * keep / 0.9

    def forward(self, x):
        x = self.norm0(self.stem(x))
        x = x.view(x.shape[0], x.shape[1], -1).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position * self.scale
        for block in self.blocks:
            x = x + self.drop(self.attend(block, block["norm1"](x)))
            x = x + self.drop(block["down"](F.gelu(block["up"](block["norm2"](x)))))
        x = self.norm(x)
        return self.head(x[:, 0]), x.mean(1)


def main():
    """A graph without operators in place: new statistics are results, which the program stores."""
    from pathlib import Path

    from export_network import exported, write_reference

    torch.manual_seed(0)
    model = SmallResNet(dropout=0).train()
    folder = Path(__file__).parent
    torch.export.save(exported(model, torch.randn(4, 3, 32, 32)).run_decompositions({}), folder / "functional.pt2")
    write_reference(model, folder / "functional.safetensors")


if __name__ == "__main__":
    main()
