"""Reference values of the networks by PyTorch: logits, loss, gradient norms, and the losses of 20 SGD steps.

pip install torch==2.11.0 safetensors==0.8.0
usage: python make_pytorch_reference.py [CASE...]     (2 minutes on 2 cores; writes pytorch_reference.safetensors next to
itself; with cases named, the others stay as they are in that file)

The weights are not stored: torch.manual_seed(SEED) and the making of the modules give them, there and here. A checksum of
the bits of each parameter shows whether that still holds. Per case NAME the file has
  NAME.checksums       I64 [P]      sum over elements of bits * (1 + index mod 251), for each parameter
  NAME.logits          F32 [B, K]   in training mode (batch statistics)
  NAME.eval_logits     F32 [B, K]   in evaluation mode, after that one forward pass moved the running statistics
  NAME.loss            F32 []       cross entropy, mean over the batch
  NAME.gradient_norms  F64 [P]      in fp64: in fp32 a ReLU at its kink flips by rounding (3e-3 between PyTorch's own layouts)
  NAME.losses          F64 [20]     before each step of SGD from the initial weights (cases in TRAINED)
  metadata NAME.parameters          the names, comma-separated, in the order of [P]; NAME.count: number of parameters
All else is in fp32, except the losses of resnet20, which are in fp64: in fp32 rounding grows tenfold a step at a learning rate at
which weight decay shows. For the same reason resnet18 has a small one. The images are uint8 noise around one colour a class: x = (p - 128) / 64.
"""
import pathlib
import sys

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "python"))
from networks import make  # noqa: E402

SEED = 3
CASES = {
    "resnet18": dict(name="resnet18"),
    "resnet20": dict(name="resnet20"),
    "mlp": dict(name="mlp", hidden_width=64, hidden_layers=2),
    "vgg": dict(name="vgg"),
    "resnet20-group": dict(name="resnet20", norm="group"),
    "resnet20-none": dict(name="resnet20", norm="none"),
    "resnet20-kaiming": dict(name="resnet20", init="kaiming"),
    "wrn": dict(name="wrn", blocks=2, width_factor=2),
    "ntk-wrn": dict(name="ntk-wrn", blocks=2, width_factor=2, w_std=1.25, b_std=0.5),
    "mlp-erf-ntk": dict(name="mlp", hidden_width=64, activation="erf", parameterization="ntk", w_std=1.25, b_std=0.5),
    "mlp-erf-standard": dict(
        name="mlp", hidden_width=64, activation="erf", parameterization="standard", w_std=1.25, b_std=0.5
    ),
    "resnet20-none-ntk": dict(name="resnet20", norm="none", parameterization="ntk", w_std=1.25, b_std=0.5),
}
# case: dtype, learning rate
TRAINED = {"resnet18": (torch.float32, 2e-4), "resnet20": (torch.float64, 0.02), "mlp": (torch.float32, 0.01)}
STEPS, NUM_IMAGES, MOMENTUM, WEIGHT_DECAY = 20, 8, 0.9, 5e-4


def make_batch():
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(NUM_IMAGES)
    colours = torch.randint(64, 192, (10, 3, 1, 1), generator=generator)
    noise = torch.randint(-60, 61, (NUM_IMAGES, 3, 32, 32), generator=generator)
    return (colours[labels] + noise).clamp(0, 255).to(torch.uint8), labels


def checksum(parameter):
    bits = parameter.detach().flatten().view(torch.int32).long()
    return int((bits * (1 + torch.arange(bits.numel()) % 251)).sum())


def seeded(case):
    torch.manual_seed(SEED)
    return make(**CASES[case])


def gradient_norms(case, x, labels):
    model = seeded(case).double()
    F.cross_entropy(model(x), labels).backward()
    return torch.stack([p.grad.norm() for p in model.parameters()])


def reference(case, x, labels):
    model = seeded(case)
    parameters = dict(model.named_parameters())
    out = {"checksums": torch.tensor([checksum(p) for p in parameters.values()])}
    logits = model(x)
    out |= {"logits": logits.detach(), "loss": F.cross_entropy(logits, labels).detach()}
    out["eval_logits"] = model.eval()(x).detach()
    out["gradient_norms"] = gradient_norms(case, x.double(), labels)
    names = ",".join(parameters)
    return out, {"parameters": names, "count": str(sum(p.numel() for p in parameters.values()))}


def losses(case, x, labels):
    dtype, lr = TRAINED[case]
    model, x = seeded(case).to(dtype), x.to(dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=MOMENTUM, weight_decay=WEIGHT_DECAY)
    values = []
    for _ in range(STEPS):
        loss = F.cross_entropy(model(x), labels)
        values.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return torch.tensor(values, dtype=torch.float64)


def main():
    images, labels = make_batch()
    x = (images.float() - 128) / 64
    path = pathlib.Path(__file__).with_name("pytorch_reference.safetensors")
    tensors, metadata = {}, {}
    if sys.argv[1:]:
        tensors = load_file(path)
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
    tensors |= {"images": images, "labels": labels}
    metadata |= {"torch": torch.__version__, "seed": str(SEED)}
    for case in sys.argv[1:] or CASES:
        values, notes = reference(case, x, labels)
        if case in TRAINED:
            values["losses"] = losses(case, x, labels)
            print(case, [round(v, 5) for v in values["losses"].tolist()])
        tensors |= {f"{case}.{key}": value.contiguous() for key, value in values.items()}
        metadata |= {f"{case}.{key}": value for key, value in notes.items()}
        print(case, notes["count"], float(values["loss"]))
    save_file(tensors, path, metadata=metadata)
    print(path, path.stat().st_size, "bytes")


if __name__ == "__main__":
    main()
