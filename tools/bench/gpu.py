"""Checks and times this program on a machine with a GPU and PyTorch, but without a compiler or this project's packages.

usage: gpu.py --binaries FOLDER --out FOLDER [--built-in FOLDER] [--device cuda|cpu] [--seconds 450] [--only NAME,..] [--torch FOLDER]

FOLDER of --binaries holds unlazy and unlazy_tests, built elsewhere with UNLAZY_CUDA=ON, and lib/ with what they need besides LibTorch.
LibTorch's libraries are those of PyTorch, which must have the version of the build. --built-in is the build folder as it was called there:
the tests know it, so a link of that name is made. --only: some of machine, tests, suite, sanitizer, runs, speed. Writes results.json and
gpu.log. Every step has a time limit; a step that fails is told and does not end the others.
"""
import argparse
import concurrent.futures
import csv
import importlib.util
import json
import os
import pathlib
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
START = time.monotonic()


def parse_arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--built-in", default="")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=450, help="begin nothing after this time")
    parser.add_argument("--only", default="machine,tests,suite,sanitizer,runs,speed")
    parser.add_argument("--torch", default="", help="folder torch/ of the Python package; empty: that of this Python")
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


class Session:
    def __init__(self, options):
        self.options = options
        self.binaries = pathlib.Path(options.binaries).resolve()
        self.out = pathlib.Path(options.out).resolve()
        self.out.mkdir(parents=True, exist_ok=True)
        self.work = pathlib.Path(tempfile.mkdtemp(prefix="unlazy-gpu-"))
        self.log = open(self.out / "gpu.log", "w")
        self.lock = threading.Lock()
        self.results = {"device": options.device, "steps": {}, "speed": []}
        self.environment = self.make_environment()
        self.link_build()

    def make_environment(self):
        torch = self.options.torch or importlib.util.find_spec("torch").submodule_search_locations[0]
        torch = pathlib.Path(torch).resolve()
        folders = [self.binaries / "lib", torch / "lib"]
        folders += sorted({p.parent for p in (torch.parent / "nvidia").glob("**/*.so*")})
        environment = dict(os.environ)
        before = environment.get("LD_LIBRARY_PATH", "")
        environment["LD_LIBRARY_PATH"] = ":".join([str(f) for f in folders] + ([before] if before else []))
        environment["GOMP_SPINCOUNT"] = "5000"  # else the program starts itself again
        environment["TORCHINDUCTOR_CACHE_DIR"] = str(self.work / "inductor")
        return environment

    def link_build(self):
        if not self.options.built_in:
            return
        build = pathlib.Path(self.options.built_in)
        if build.exists():
            return
        source = build.parent
        if not source.exists():
            source.symlink_to(ROOT)
        if not build.exists():
            build.symlink_to(self.binaries)

    def left(self):
        return self.options.seconds - (time.monotonic() - START)

    def say(self, text):
        with self.lock:
            print(f"[{time.monotonic() - START:6.1f}] {text}", flush=True)

    def run(self, name, command, limit, environment=None, quiet=False, cwd=None):
        """Returns (exit code, output); 124 where the time was up, -1 where no time was left."""
        limit = min(limit, self.left())
        if limit < 3:
            self.say(f"{name}: left out, the time is up")
            self.results["steps"][name] = {"rc": -1}
            return -1, ""
        begin = time.monotonic()
        try:
            process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                                       env={**self.environment, **(environment or {})}, cwd=cwd or self.work, start_new_session=True)
            output, _ = process.communicate(timeout=limit)
            code = process.returncode
        except OSError as error:
            code, output = 127, str(error)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            output, _ = process.communicate()
            code = 124
        seconds = time.monotonic() - begin
        with self.lock:
            self.log.write(f"\n##### {name}: exit code {code}, {seconds:.1f} s\n$ {' '.join(map(str, command))}\n{output}\n")
            self.log.flush()
            self.results["steps"][name] = {"rc": code, "seconds": round(seconds, 2)}
        if not quiet or code != 0:
            self.say(f"{name}: {'ok' if code == 0 else f'EXIT CODE {code}'}, {seconds:.1f} s")
        return code, output

    def unlazy(self, name, words, limit, **more):
        return self.run(name, [self.binaries / "unlazy", *words], limit, **more)

    def fail(self, name, text):
        self.say(f"{name}: FAILED: {text}")
        with self.lock:
            self.results["steps"].setdefault(name, {}).setdefault("failures", []).append(text)

    def save(self):
        with self.lock:
            (self.out / "results.json").write_text(json.dumps(self.results, indent=1))


# ---- what machine

def machine(s):
    s.run("nvidia-smi", ["nvidia-smi"], 30)
    code, output = s.unlazy("info", ["info", "--device", s.options.device], 90)
    print(output)
    s.results["info"] = output
    return code == 0


# ---- tests

def suites_of(pattern):
    names = set()
    for path in (ROOT / "tests").glob(f"**/{pattern}"):
        names |= set(re.findall(r"^(?:TEST|TEST_F|TEST_P|TYPED_TEST)\((\w+)", path.read_text(), re.M))
    return sorted(names)


def filter_of(suites):
    return ":".join(f"{name}.*:*/{name}.*:{name}/*" for name in suites)


def failures_in(output):
    failed = {name.rstrip(",") for name in re.findall(r"^\[  FAILED  \] (\S+)", output, re.M) if "." in name}
    begun = re.findall(r"^\[ RUN      \] (\S+)", output, re.M)
    ended = {name.rstrip(",") for name in re.findall(r"^\[ +(?:OK|FAILED|SKIPPED) +\] (\S+)", output, re.M)}
    return sorted(failed), [name for name in begun if name not in ended]


def note_tests(s, name, output):
    failed, unfinished = failures_in(output)
    for test in failed + [f"{t} (did not end)" for t in unfinished]:
        s.fail(name, test)
    lines = [line for line in output.splitlines() if re.search(r"error|Failure|Expected|Which is|actual|what\(\)", line)]
    for line in lines[:12] if failed or unfinished else []:
        s.say("    " + line.strip()[:220])


def cuda_tests(s, pool):
    """Each in a process of its own: an error of the device spoils what comes after it."""
    code, output = s.run("list of cuda tests", [s.binaries / "unlazy_tests", "--gtest_list_tests", "--gtest_filter=" + filter_of(suites_of("*_cuda_test.cpp"))], 60)
    names, suite = [], ""
    for line in output.splitlines():
        if line.startswith("  "):
            names.append(suite + line.split("#")[0].strip())
        elif line.rstrip().endswith("."):
            suite = line.strip()
    if not names:
        s.fail("cuda tests", "no test was found")

    def one(test):
        name = "cuda test " + test
        code, output = s.run(name, [s.binaries / "unlazy_tests", "--gtest_filter=" + test], 150, {"OMP_NUM_THREADS": "2"})
        note_tests(s, name, output)

    return [pool.submit(one, test) for test in names]


def suite(s, pool, shards):
    apart = filter_of(suites_of("*_slow_test.cpp") + suites_of("*_cuda_test.cpp"))

    def one(shard):
        name = f"suite {shard}"
        code, output = s.run(name, [s.binaries / "unlazy_tests", "--gtest_filter=-" + apart], 150,
                             {"OMP_NUM_THREADS": "1", "GTEST_TOTAL_SHARDS": str(shards), "GTEST_SHARD_INDEX": str(shard)}, quiet=True)
        note_tests(s, name, output)
        passed = re.search(r"\[  PASSED  \] (\d+)", output)
        return int(passed.group(1)) if passed else 0

    return [pool.submit(one, shard) for shard in range(shards)]


def sanitizer(s):
    code, output = s.run("compute-sanitizer", ["compute-sanitizer", "--tool", "memcheck", "--error-exitcode", "9", s.binaries / "unlazy_tests",
                                               "--gtest_filter=GatherOnCuda.GivesTheBitsOfTheCpu"], 120)
    found = re.search(r"ERROR SUMMARY: .*", output)
    s.say("compute-sanitizer: " + (found.group(0) if found else "no summary; " + output.strip()[-200:]))


# ---- whole runs

def rows(path):
    with open(path) as file:
        return {(row["step"], row["name"]): float(row["value"]) for row in csv.DictReader(file)}


def largest_difference(a, b, floor=1e-12):
    if a.keys() != b.keys():
        return float("inf")
    if any((a[k] == a[k]) != (b[k] == b[k]) for k in a):  # only one of them is not a number
        return float("inf")
    return max((abs(a[k] - b[k]) / max(abs(a[k]), abs(b[k]), floor) for k in a if a[k] == a[k]), default=0)


def resumed_run(s):
    words = ["train", "--data", "cifar10-sample", "--model", "resnet18", "--batch", "128", "--epochs", "10", "--checkpoint-every", "30it", "--measure-every",
             "50it", "--device", s.options.device, "--deterministic", "--noise", "flip", "--noise-rate", "0.1", "--momentum", "0.9", "--out"]
    if s.options.device == "cpu":  # a dry run
        words = [*words[:-1], "--train-size", "96", "--batch", "32", "--model", "resnet20", "--out"]
    whole, parts = s.work / "whole", s.work / "parts"
    code, output = s.unlazy("train", [*words, whole, "--overwrite"], 120)
    s.say("train: " + output.strip().splitlines()[-1][:160] if output.strip() else "train: no output")
    # Killed after the first checkpoint, then continued.
    process = subprocess.Popen([str(w) for w in [s.binaries / "unlazy", *words, parts, "--overwrite"]], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               env=s.environment, cwd=s.work)
    limit = time.monotonic() + 90
    while process.poll() is None and time.monotonic() < limit and not any((parts / "checkpoints").glob("*[0-9]")):
        time.sleep(0.02)
    was_killed = process.poll() is None
    process.kill()
    process.wait()
    s.unlazy("train --resume", [*words, parts, "--resume"], 120)
    try:
        same = (whole / "metrics.csv").read_bytes() == (parts / "metrics.csv").read_bytes()
        s.say(f"resumed run: killed {was_killed}, same bytes {same}")
        if not same:
            s.fail("resumed run", f"metrics.csv differs, by {largest_difference(rows(whole / 'metrics.csv'), rows(parts / 'metrics.csv')):.3g} at most")
    except OSError as error:
        s.fail("resumed run", repr(error))


def comparison(s):
    kernels, tables = {}, {}
    for device in dict.fromkeys(["cpu", s.options.device]):
        folder = s.work / f"compare-{device}"
        code, _ = s.unlazy(f"compare {device}", ["compare", "--noise", "flip-any", "--noise-rate", "0.5", "--train-size", "16", "--test-size", "16", "--blocks", "1",
                                                "--epochs", "40", "--measure-every", "10it", "--precision", "fp64", "--device", device, "--threads", "4", "--out",
                                                folder, "--overwrite"], 150)
        try:
            import torch
            from safetensors.torch import load_file
            kernels[device] = load_file(folder / "seed0/kernel.safetensors")["ntk_train"]
        except Exception as error:
            s.fail(f"compare {device}", f"the kernel is not compared: {error!r}")
        for path in sorted(folder.glob("seed0/*/metrics.csv")):
            tables[device, path.parent.name] = rows(path)
    if len(kernels) == 2:
        a, b = kernels.values()
        s.results["kernel_difference"] = float((a - b).norm() / a.norm())
        s.say(f"compare: kernel differs by {s.results['kernel_difference']:.3g}")
        if not s.results["kernel_difference"] < 1e-10:
            s.fail("compare kernel", f"differs by {s.results['kernel_difference']:.3g}")
    if s.options.device != "cpu" and not any(device == s.options.device for device, _ in tables):
        s.fail("compare curves", "nothing was compared")
    for (device, kind), table in tables.items():
        if device == "cpu" and (s.options.device, kind) in tables:
            difference = largest_difference(table, tables[s.options.device, kind], 1e-6)
            s.results[f"compare_difference_{kind}"] = difference
            s.say(f"compare: {kind} on {s.options.device} differs from the CPU by {difference:.3g} at most")
            # Trained networks: the optimizers' kernels round the rate to fp32. Linearised ones: fp64 throughout.
            if not difference < (1e-10 if kind.startswith("linear") else 1e-3):
                s.fail(f"compare {kind}", f"differs by {difference:.3g}")


def other_commands(s):
    s.unlazy("synthetic", ["synthetic", "--steps", "20000", "--figures=false", "--out", s.work / "synthetic", "--overwrite"], 60)
    weights = s.work / "whole"
    common = ["--device", s.options.device]
    trained = ["--data", "cifar10-sample", *common]
    s.unlazy("measure", ["measure", weights, *common, "--samples", "64"], 120)
    s.unlazy("landscape", ["landscape", weights, *common, "--points", "5", "--samples", "256"], 120)
    s.unlazy("train vgg --deterministic", ["train", "--model", "vgg", "--deterministic", "--max-steps", "6", "--train-size", "256", "--batch", "64", *trained, "--out",
                                           s.work / "vgg", "--overwrite"], 60)
    s.unlazy("train adamw", ["train", "--model", "resnet20", "--optimizer", "sam", "--sam-base", "adamw", "--lr", "0.001", "--precision", "bf16", "--max-steps", "6",
                             "--train-size", "256", "--batch", "64", *trained, "--out", s.work / "adamw", "--overwrite"], 60)
    s.unlazy("prune", ["prune", "--run", weights, *common, "--levels", "4"], 120)


def whole_runs(s):
    resumed_run(s)
    other_commands(s)


# ---- speed

def bench(s, label, batch, words, steps=100):
    code, output = s.unlazy(f"bench {label} batch {batch}", ["bench", "train", "--device", s.options.device, "--batch", str(batch), "--steps", str(steps), *words], 90, quiet=True)
    found = re.search(r"median\s+(\S+) ms a step\s+(\S+) images/s", output)
    if not found:
        s.fail(f"bench {label} batch {batch}", output.strip()[-200:])
        return
    memory = re.search(r"peak memory\s+(.*)", output)
    reading = re.search(r"normalise\)\s+(\S+) ms", output)
    problem = re.search(r"no CUDA graph: (.*)", output)
    s.results["speed"].append({"program": "unlazy", "what": label, "batch": batch, "ms": float(found.group(1)), "images_per_second": batch / float(found.group(1)) * 1e3,
                               "memory": memory.group(1) if memory else "", "reading_ms": float(reading.group(1)) if reading else None,
                               "problem": problem.group(1) if problem else ""})
    if problem:
        s.fail(f"bench {label} batch {batch}", "no CUDA graph: " + problem.group(1))


def peer(s, modes, precisions, batches, limit, keep=True, steps=100):
    code, output = s.run(f"PyTorch {modes} {precisions} {batches}",
                         [sys.executable, ROOT / "tools/bench/peer_resnet18.py", "--device", s.options.device, "--modes", modes, "--precisions", precisions, "--batches",
                          batches, "--steps", str(steps), "--seconds", str(max(5, limit - 20))], limit,
                         {"LD_LIBRARY_PATH": os.environ.get("LD_LIBRARY_PATH", "")})
    for line in output.splitlines():
        if not line.startswith("{"):
            continue
        result = json.loads(line)
        if "error" in result:
            s.fail(f"PyTorch {result['mode']} {result['precision']} {result['batch']}", result["error"])
        elif keep:
            s.results["speed"].append({"program": "PyTorch", "what": f"{result['precision']} {result['mode']}", **result})


def table(s):
    groups = {}
    for row in s.results["speed"]:
        groups.setdefault((row["program"], row["what"], row["batch"]), []).append(row["ms"])
    print(f"\n{'program':8} {'what':28} {'batch':>5} {'ms a step':>10} {'images/s':>10} {'n':>2}  spread")
    for (program, what, batch), times in sorted(groups.items(), key=lambda g: (g[0][2], g[0][0], g[0][1])):
        median = statistics.median(times)
        print(f"{program:8} {what:28} {batch:5} {median:10.3f} {batch / median * 1e3:10.0f} {len(times):2}  {(max(times) - min(times)) / median:.1%}")
    print(flush=True)


def speed(s):
    is_dry = s.options.device == "cpu"
    batches = [8] if is_dry else [512, 128, 1024]
    listed = ",".join(map(str, batches))
    steps = 2 if is_dry else 100
    for round in range(s.options.rounds):
        for batch in batches:
            bench(s, "bf16", batch, ["--precision", "bf16"], steps)
            bench(s, "fp32 tf32", batch, ["--precision", "fp32", "--tf32"], steps)
        peer(s, "eager" if is_dry else "graph,eager", "bf16,bf16-pure,fp32", listed, 90, steps=steps)
        if round == 0:
            for batch in batches:
                bench(s, "bf16 without graph", batch, ["--precision", "bf16", "--cuda-graph=false"], steps)
                bench(s, "bf16 sam", batch, ["--precision", "bf16", "--optimizer", "sam"], steps)
            bench(s, "fp32", batches[0], ["--precision", "fp32"], steps)
            if not is_dry:
                peer(s, "graph", "ieee", str(batches[0]), 40, steps=steps)
            s.unlazy("bench linearise", ["bench", "linearise", "--blocks", "2", "--device", s.options.device], 60)
            table(s)
        s.save()
    if not is_dry:
        peer(s, "compile", "bf16,bf16-pure", listed, 120, steps=steps)
        table(s)
        s.save()
        peer(s, "autotune", "bf16", "512,128", 120, steps=steps)


def main():
    options = parse_arguments()
    only = set(options.only.split(","))
    s = Session(options)
    if "machine" in only and not machine(s):
        s.fail("info", "the program does not start; nothing else is tried")
        s.save()
        sys.exit(1)
    is_cuda = options.device == "cuda"
    with concurrent.futures.ThreadPoolExecutor(14 if is_cuda else 2) as pool:
        jobs, counts = [], []
        if "runs" in only:
            jobs += [pool.submit(whole_runs, s), pool.submit(comparison, s)]
        if "tests" in only:
            jobs += cuda_tests(s, pool)
        if "sanitizer" in only and is_cuda:
            jobs.append(pool.submit(sanitizer, s))
        if "speed" in only and is_cuda:  # fills the compiler's cache
            jobs.append(pool.submit(peer, s, "compile", "bf16", "512,128,1024", 150, False, 10))
        if "suite" in only:
            counts = suite(s, pool, 12 if is_cuda else 2)
        for job in jobs + counts:
            try:
                job.result()
            except Exception as error:
                s.fail("this script", repr(error))
        if counts:
            s.results["suite_passed"] = sum(job.result() for job in counts if not job.exception())
            s.say(f"suite: {s.results['suite_passed']} tests passed")
    s.save()
    try:
        if "speed" in only:
            speed(s)
    finally:
        table(s)
        s.save()
        failed = [f"{name}: {', '.join(step.get('failures', [])) or step.get('rc')}" for name, step in s.results["steps"].items() if step.get("failures") or step.get("rc")]
        print("FAILED:" if failed else "all steps passed", *failed, sep="\n  ", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
