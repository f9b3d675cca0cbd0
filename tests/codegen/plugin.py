# SPDX-License-Identifier: Apache-2.0
"""Running protoc with protoc-gen-parley-c, and compiling what it wrote."""
import os
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
PROTOS = os.path.join(HERE, "protos")
PUBLIC_HEADERS = os.path.join(HERE, "..", "..", "api", "include")
PLUGIN = os.environ["PARLEY_PLUGIN"]
C11 = ["cc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
CXX17 = ["g++", "-x", "c++", "-std=c++17", "-Wall", "-Wextra", "-Werror"]


def run(command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **options)


def generate(out, protos, folder=PROTOS, options="messages"):
    """Run protoc with the plugin. Returns the finished process."""
    command = ["protoc", f"--plugin=protoc-gen-parley-c={PLUGIN}", f"--parley-c_out={out}"]
    if options:
        command.append(f"--parley-c_opt={options}")
    return run([*command, f"-I{folder}", "-I/usr/include", *protos])


def generate_text(protos, options=""):
    """Generate from {file name: text} in a scratch folder. Returns (process, {output: text})."""
    with tempfile.TemporaryDirectory() as scratch:
        out = os.path.join(scratch, "out")
        os.mkdir(out)
        for name, text in protos.items():
            path = os.path.join(scratch, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
        process = generate(out, list(protos), scratch, options)
        return process, read_tree(out)


def read_tree(folder):
    """The .c and .h files of a folder as {path: text}."""
    texts = {}
    for base, _, names in os.walk(folder):
        for name in (n for n in names if n.endswith((".c", ".h"))):
            path = os.path.join(base, name)
            with open(path, encoding="utf-8") as file:
                texts[os.path.relpath(path, folder)] = file.read()
    return texts


def compile_all(compiler, folder, sources, extra=()):
    """Compile each source of the folder to an object; returns what the compiler said."""
    said = ""
    for source in sources:
        said += run([*compiler, *extra, f"-I{folder}", f"-I{PUBLIC_HEADERS}", "-c",
                     os.path.join(folder, source), "-o",
                     os.path.join(folder, source + ".o")]).stderr
    return said
