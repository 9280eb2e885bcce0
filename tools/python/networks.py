"""The networks of `unlazy` as ordinary PyTorch modules, to use its weights in Python.

pip install torch==2.11.0 safetensors==0.8.0

    from networks import make
    from safetensors.torch import load_file
    model = make("resnet18")
    model.load_state_dict(load_file("runs/tau0.1/checkpoints/78200/model.safetensors"), strict=True)

resnet18 is module by module the usual Python implementation for CIFAR; the small ResNets have shortcuts without
parameters (option A of He et al. 2016); vgg is VGG-16 with one linear layer. Options as the program's flags.
"""
import torch
import torch.nn.functional as F
from torch import nn


def make_norm(kind, channels, groups=32):
    if kind == "batch":
        return nn.BatchNorm2d(channels)
    if kind == "none":
        return nn.Identity()
    groups = min(groups, channels)
    while channels % groups:
        groups -= 1
    return nn.GroupNorm(groups, channels)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, norm, has_projection):
        super().__init__()
        bias = norm == "none"
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias)
        self.bn1 = make_norm(norm, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=bias)
        self.bn2 = make_norm(norm, outputs)
        self.stride, self.new_channels = stride, outputs - inputs
        if has_projection and (stride != 1 or inputs != outputs):
            self.shortcut = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=bias), make_norm(norm, outputs)
            )
        else:
            self.shortcut = None

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.shortcut is not None:
            x = self.shortcut(x)
        elif self.new_channels:
            half = self.new_channels // 2
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, half, self.new_channels - half))
        return F.relu(y + x)


class ResNet(nn.Module):
    def __init__(self, blocks, widths, has_projection, norm="batch", num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, widths[0], 3, 1, 1, bias=norm == "none")
        self.bn1 = make_norm(norm, widths[0])
        self.num_groups = len(blocks)
        inputs = widths[0]
        for group, (count, width) in enumerate(zip(blocks, widths), 1):
            layer = []
            for i in range(count):
                layer.append(Block(inputs, width, 2 if group > 1 and i == 0 else 1, norm, has_projection))
                inputs = width
            setattr(self, f"layer{group}", nn.Sequential(*layer))
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        for group in range(1, self.num_groups + 1):
            x = getattr(self, f"layer{group}")(x)
        return self.linear(x.mean((2, 3)))


class Vgg(nn.Module):
    LAYERS = (64, 64, "M", 128, 128, "M", 256, 256, 256, "M", 512, 512, 512, "M", 512, 512, 512, "M")

    def __init__(self, norm="batch", num_classes=10):
        super().__init__()
        layers, inputs = [], 3
        for width in self.LAYERS:
            if width == "M":
                layers.append(nn.MaxPool2d(2, 2))
                continue
            layers.append(nn.Conv2d(inputs, width, 3, 1, 1))
            if norm != "none":
                layers.append(make_norm(norm, width))
            layers.append(nn.ReLU())
            inputs = width
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Linear(512, num_classes)

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


class Mlp(nn.Module):
    def __init__(self, num_classes=10, hidden_width=512, hidden_layers=2, inputs=3 * 32 * 32):
        super().__init__()
        layers = []
        for _ in range(hidden_layers):
            layers.append(nn.Linear(inputs, hidden_width))
            inputs = hidden_width
        self.layers = nn.ModuleList(layers)
        self.linear = nn.Linear(inputs, num_classes)

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.linear(x)


WIDE, NARROW = (64, 128, 256, 512), (16, 32, 64)
NETWORKS = {
    "resnet18": lambda **o: ResNet((2, 2, 2, 2), WIDE, True, **o),
    "resnet34": lambda **o: ResNet((3, 4, 6, 3), WIDE, True, **o),
    "resnet20": lambda **o: ResNet((3, 3, 3), NARROW, False, **o),
    "resnet32": lambda **o: ResNet((5, 5, 5), NARROW, False, **o),
    "resnet44": lambda **o: ResNet((7, 7, 7), NARROW, False, **o),
    "resnet56": lambda **o: ResNet((9, 9, 9), NARROW, False, **o),
    "vgg": lambda **o: Vgg(**o),
    "mlp": lambda **o: Mlp(**o),
}


def make(name, init="pytorch", **options):
    """options: norm ("batch", "group", "none"), num_classes; for the mlp hidden_width, hidden_layers."""
    model = NETWORKS[name](**options)
    if init == "kaiming":
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
