#!/usr/bin/env python3
"""Does each source file compile alone, without the precompiled header and the unity build that may hide a missing #include?

usage: tools/check_includes.py [FILE ..]      all of src, models, data, tools and tests, or the files named

Configures build-includes/ without both, and parses each file with the command found there. Exit code 1 when one fails.
"""
import concurrent.futures, json, os, pathlib, shlex, subprocess, sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = ROOT / "build-includes"


def configure():
    cache = (ROOT / "build" / "CMakeCache.txt").read_text() if (ROOT / "build" / "CMakeCache.txt").exists() else ""
    root = [f"-D{line}" for line in cache.splitlines() if line.startswith("LIBTORCH_ROOT:")]
    subprocess.run(["cmake", "-G", "Ninja", "-S", ROOT, "-B", BUILD, "-DUNLAZY_PCH=OFF", "-DUNLAZY_UNITY=OFF", "-DUNLAZY_CUDA=OFF",
                    "-DCMAKE_BUILD_TYPE=Release", *root], check=True, stdout=subprocess.DEVNULL)
    return json.loads((BUILD / "compile_commands.json").read_text())


def check(entry):
    words = shlex.split(entry["command"])
    at = words.index("-o")
    words = [w for w in words[:at] + words[at + 2:] if w != "-c"] + ["-fsyntax-only"]
    result = subprocess.run(words, cwd=entry["directory"], capture_output=True, text=True)
    return entry["file"], result.returncode, result.stderr


def main():
    wanted = {str(pathlib.Path(name).resolve()) for name in sys.argv[1:]}
    entries = [e for e in configure() if not wanted or e["file"] in wanted]
    missing = wanted - {e["file"] for e in entries}
    if missing:
        sys.exit("no source of this build: " + ", ".join(sorted(missing)))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for name, code, messages in pool.map(check, entries):
            if code != 0:
                failed += 1
                print(f"{os.path.relpath(name, ROOT)} does not compile alone:\n{messages}", flush=True)
    print(f"{len(entries) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


main()
