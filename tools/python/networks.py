"""The networks of `unlazy` as ordinary PyTorch modules, to use its weights in Python.

pip install torch==2.11.0 safetensors==0.8.0

    from networks import make
    from safetensors.torch import load_file
    model = make("resnet18")
    model.load_state_dict(load_file("runs/tau0.1/checkpoints/78200/model.safetensors"), strict=True)

resnet18 is module by module the usual Python implementation for CIFAR; the small ResNets have shortcuts without
parameters (option A of He et al. 2016); vgg is VGG-16 with one linear layer; wrn-D-K is xternalz/WideResNet-pytorch;
ntk-wrn is the WideResnet of neural-tangents. Options as the program's flags.
"""
import math

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


class Scaled(nn.Module):
    """A convolution or linear layer in the ntk or standard parameterisation of neural-tangents."""

    def __init__(self, shape, parameterization, w_std, b_std, stride=1, padding=0):
        super().__init__()
        scale = w_std / math.sqrt(math.prod(shape[1:]))
        is_ntk = parameterization == "ntk"
        self.weight = nn.Parameter(torch.randn(shape) * (1 if is_ntk else scale))
        self.bias = nn.Parameter(torch.randn(shape[0]) * (1 if is_ntk else b_std)) if b_std else None
        self.scales = (scale, b_std) if is_ntk else (1, 1)
        self.stride, self.padding = stride, padding  # "same": as in TensorFlow and XLA

    def forward(self, x):
        weight = self.weight * self.scales[0]
        bias = None if self.bias is None else self.bias * self.scales[1]
        if weight.dim() == 2:
            return F.linear(x, weight, bias)
        if self.padding != "same":
            return F.conv2d(x, weight, bias, self.stride, self.padding)
        kernel = weight.shape[2]
        pads = []
        for size in (x.shape[3], x.shape[2]):
            total = max((math.ceil(size / self.stride) - 1) * self.stride + kernel - size, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(F.pad(x, pads), weight, bias, self.stride)


class Layers:
    """Makes the layers of a network in the parameterisation wanted."""

    def __init__(self, parameterization="default", w_std=1.0, b_std=0.0, padding=None):
        self.scaling, self.padding = (parameterization, w_std, b_std), padding

    def conv(self, inputs, outputs, kernel, stride, bias):
        if self.scaling[0] == "default":
            return nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=bias)
        return Scaled((outputs, inputs, kernel, kernel), *self.scaling, stride, self.padding or kernel // 2)

    def linear(self, inputs, outputs):
        return nn.Linear(inputs, outputs) if self.scaling[0] == "default" else Scaled((outputs, inputs), *self.scaling)


class Block(nn.Module):
    def __init__(self, inputs, outputs, stride, norm, has_projection, layers):
        super().__init__()
        bias = norm == "none"
        self.conv1 = layers.conv(inputs, outputs, 3, stride, bias)
        self.bn1 = make_norm(norm, outputs)
        self.conv2 = layers.conv(outputs, outputs, 3, 1, bias)
        self.bn2 = make_norm(norm, outputs)
        self.stride, self.new_channels = stride, outputs - inputs
        if has_projection and (stride != 1 or inputs != outputs):
            self.shortcut = nn.Sequential(
                layers.conv(inputs, outputs, 1, stride, bias), make_norm(norm, outputs)
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
    def __init__(self, blocks, widths, has_projection, norm="batch", num_classes=10, **scaling):
        super().__init__()
        layers = Layers(**scaling)
        self.conv1 = layers.conv(3, widths[0], 3, 1, norm == "none")
        self.bn1 = make_norm(norm, widths[0])
        self.num_groups = len(blocks)
        inputs = widths[0]
        for group, (count, width) in enumerate(zip(blocks, widths), 1):
            layer = []
            for i in range(count):
                stride = 2 if group > 1 and i == 0 else 1
                layer.append(Block(inputs, width, stride, norm, has_projection, layers))
                inputs = width
            setattr(self, f"layer{group}", nn.Sequential(*layer))
        self.linear = layers.linear(inputs, num_classes)

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
    def __init__(
        self, num_classes=10, hidden_width=512, hidden_layers=2, activation="relu", inputs=3 * 32 * 32, **scaling
    ):
        super().__init__()
        make_layers, layers = Layers(**scaling), []
        for _ in range(hidden_layers):
            layers.append(make_layers.linear(inputs, hidden_width))
            inputs = hidden_width
        self.layers = nn.ModuleList(layers)
        self.linear = make_layers.linear(inputs, num_classes)
        self.activation = {"relu": F.relu, "erf": torch.erf}[activation]

    def forward(self, x):
        x = x.flatten(1)
        for layer in self.layers:
            x = self.activation(layer(x))
        return self.linear(x)


class WideBlock(nn.Module):
    def __init__(self, inputs, outputs, stride, norm):
        super().__init__()
        bias = norm == "none"
        self.bn1 = make_norm(norm, inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=bias)
        self.bn2 = make_norm(norm, outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=bias)
        self.convShortcut = nn.Conv2d(inputs, outputs, 1, stride, bias=bias) if inputs != outputs else None

    def forward(self, x):
        active = F.relu(self.bn1(x))
        y = self.conv2(F.relu(self.bn2(self.conv1(active))))
        return y + (x if self.convShortcut is None else self.convShortcut(active))


class NtkBlock(nn.Module):
    def __init__(self, layers, inputs, outputs, stride, is_first):
        super().__init__()
        self.conv1 = layers.conv(inputs, outputs, 3, stride, False)
        self.conv2 = layers.conv(outputs, outputs, 3, 1, False)
        self.convShortcut = layers.conv(inputs, outputs, 3, stride, False) if is_first else None

    def forward(self, x):
        y = self.conv2(F.relu(self.conv1(F.relu(x))))
        return y + (x if self.convShortcut is None else self.convShortcut(x))


class Group(nn.Module):
    def __init__(self, blocks):
        super().__init__()
        self.layer = nn.Sequential(*blocks)

    def forward(self, x):
        return self.layer(x)


class WideResNet(nn.Module):
    def __init__(self, blocks=1, width_factor=1, norm="batch", num_classes=10):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=norm == "none")
        inputs = 16
        for group in range(3):
            outputs, layer = 16 * width_factor * 2**group, []
            for i in range(blocks):
                layer.append(WideBlock(inputs, outputs, 2 if group > 0 and i == 0 else 1, norm))
                inputs = outputs
            setattr(self, f"block{group + 1}", Group(layer))
        self.bn1 = make_norm(norm, inputs)
        self.fc = nn.Linear(inputs, num_classes)

    def forward(self, x):
        x = self.block3(self.block2(self.block1(self.conv1(x))))
        return self.fc(F.relu(self.bn1(x)).mean((2, 3)))


class NtkWideResNet(nn.Module):
    def __init__(self, blocks=1, width_factor=1, num_classes=10, parameterization="ntk", w_std=1.0, b_std=0.0):
        super().__init__()
        layers = Layers(parameterization, w_std, b_std, padding="same")
        self.conv1 = layers.conv(3, 16, 3, 1, False)
        inputs = 16
        for group in range(3):
            outputs, layer = 16 * width_factor * 2**group, []
            for i in range(blocks):
                layer.append(NtkBlock(layers, inputs, outputs, 2 if group > 0 and i == 0 else 1, i == 0))
                inputs = outputs
            setattr(self, f"block{group + 1}", Group(layer))
        self.fc = layers.linear(inputs, num_classes)

    def forward(self, x):
        return self.fc(self.block3(self.block2(self.block1(self.conv1(x)))).mean((2, 3)))


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
    "wrn": lambda **o: WideResNet(**o),
    "ntk-wrn": lambda **o: NtkWideResNet(**o),
}


def make(name, init="pytorch", **options):
    """options: norm ("batch", "group", "none"), num_classes; for the mlp hidden_width, hidden_layers, activation;
    for wrn and ntk-wrn blocks, width_factor; parameterization, w_std, b_std for ntk-wrn, the mlp and, with norm "none",
    the resnets. Any "wrn-DEPTH-FACTOR" is a name, too."""
    if name.startswith("wrn-"):
        depth, factor = map(int, name.split("-")[1:])
        name, options = "wrn", options | {"blocks": (depth - 4) // 6, "width_factor": factor}
    model = NETWORKS[name](**options)
    if init == "kaiming":
        for module in model.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return model
