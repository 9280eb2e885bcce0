"""Writes sam_reference.safetensors: 20 steps of SAM and its relatives on ResNet-20, in PyTorch.

Written from the papers with optimizers of torch.optim as base, parameter by parameter, in fp64:
  sam                Foret et al. 2021, Algorithm 1
  sam-unnormalized   e = rho g (Andriushchenko and Flammarion 2022)
  sam-m              one perturbation for each 4 of the 8 samples, gradients averaged
  asam, asam-weights Kwon et al. 2021; the second as their code, which scales parameters called weight only
  gsam               Zhuang et al. 2022, Algorithm 1
  adamw              torch.optim.AdamW without SAM
  sam-adamw          SAM around it
BatchNorm's running statistics move in the first pass only. The weights are those of
torch.manual_seed(5), so that they need not be stored.

  pip install torch==2.11.0 numpy safetensors
  python make_sam_reference.py
"""

import pathlib

import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import nn

SEED, STEPS, LR, MOMENTUM, DECAY = 5, 20, 0.05, 0.9, 5e-4
KEPT = ["conv1.weight", "bn1.weight", "layer2.0.bn2.bias", "linear.weight", "linear.bias"]
KEPT_BUFFERS = ["bn1.running_mean", "layer3.2.bn2.running_var"]
VARIANTS = {
    "sam": dict(rho=0.05),
    "sam-unnormalized": dict(rho=0.02),
    "sam-m": dict(rho=0.05, m=4),
    "asam": dict(rho=0.5, eta=0.01),
    "asam-weights": dict(rho=0.5, eta=0.01),
    "gsam": dict(rho=0.05, alpha=0.4),
    "adamw": dict(),
    "sam-adamw": dict(rho=0.05),
}


class Block(nn.Module):
    def __init__(self, cin, cout, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(cin, cout, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(cout)
        self.conv2 = nn.Conv2d(cout, cout, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(cout)
        self.stride, self.new = stride, cout - cin

    def forward(self, x):
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.new:
            x = F.pad(x[:, :, :: self.stride, :: self.stride],
                      (0, 0, 0, 0, self.new // 2, self.new - self.new // 2))
        return F.relu(y + x)


class ResNet20(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        widths = [16, 16, 32, 64]
        for g in range(1, 4):
            blocks = [Block(widths[g - 1], widths[g], 1 if g == 1 else 2)]
            blocks += [Block(widths[g], widths[g], 1) for _ in range(2)]
            setattr(self, f"layer{g}", nn.Sequential(*blocks))
        self.linear = nn.Linear(64, 10)

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean((2, 3)))


def norm(tensors):
    return torch.sqrt(sum((t * t).sum() for t in tensors))


def gradient(model, images, labels):
    model.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    return loss.item(), [p.grad.clone() for p in model.parameters()]


def frozen(model, momentum):
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = momentum


def perturbation(kind, model, g, options):
    rho = options["rho"]
    if kind == "sam-unnormalized":
        return [rho * gi for gi in g]
    if not kind.startswith("asam"):
        return [rho * gi / norm(g) for gi in g]
    scale = []
    for name, p in model.named_parameters():
        is_scaled = kind == "asam" or "weight" in name
        scale.append(p.detach().abs() + options["eta"] if is_scaled else torch.ones_like(p))
    scaled = [t * gi for t, gi in zip(scale, g)]
    return [rho * t * s / norm(scaled) for t, s in zip(scale, scaled)]


def sharp_gradient(kind, model, images, labels, options):
    loss, g = gradient(model, images, labels)
    if "rho" not in options:
        return loss, g
    before = [p.detach().clone() for p in model.parameters()]
    with torch.no_grad():
        for p, e in zip(model.parameters(), perturbation(kind, model, g, options)):
            p += e
    frozen(model, 0.0)
    _, g_adv = gradient(model, images, labels)
    frozen(model, 0.1)
    with torch.no_grad():
        for p, b in zip(model.parameters(), before):
            p.copy_(b)
    if kind == "gsam":
        share = sum((a * b).sum() for a, b in zip(g, g_adv)) / norm(g_adv) ** 2
        g_adv = [b - options["alpha"] * (a - share * b) for a, b in zip(g, g_adv)]
    return loss, g_adv


def run(kind, options, images, labels):
    torch.manual_seed(SEED)
    model = ResNet20().double().train()
    if kind.endswith("adamw"):
        optimizer = torch.optim.AdamW(model.parameters(), 1e-3, weight_decay=0.05)
    else:
        optimizer = torch.optim.SGD(model.parameters(), LR, MOMENTUM, weight_decay=DECAY)
    losses = []
    for _ in range(STEPS):
        m = options.get("m", len(labels))
        total, loss = None, 0
        for begin in range(0, len(labels), m):
            part = slice(begin, begin + m)
            value, g = sharp_gradient(kind, model, images[part], labels[part], options)
            share = m / len(labels)
            loss += share * value
            g = [share * gi for gi in g]
            total = g if total is None else [a + b for a, b in zip(total, g)]
        for p, gi in zip(model.parameters(), total):
            p.grad = gi
        optimizer.step()
        losses.append(loss)
    state = model.state_dict()
    out = {f"{kind}/{name}": state[name].clone() for name in KEPT + KEPT_BUFFERS}
    out[f"{kind}/loss"] = torch.tensor(losses, dtype=torch.float64)
    print(kind, losses[0], losses[-1])
    return out


def main():
    torch.manual_seed(1)
    images = torch.randn(8, 3, 16, 16)
    labels = torch.randint(10, (8,))
    tensors = {"images": images, "labels": labels}
    for kind, options in VARIANTS.items():
        tensors |= run(kind, options, images.double(), labels)
    save_file(tensors, pathlib.Path(__file__).with_name("sam_reference.safetensors"))


if __name__ == "__main__":
    main()
