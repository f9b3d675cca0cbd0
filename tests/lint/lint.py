#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The rules of the house that a compiler does not check.

usage: lint.py [--build DIR] CHECK...     CHECK: arrows headers sizes style exports (default: all)

arrows   every #include against tests/lint/arrows.txt
headers  each header compiles alone, as C11 and (public ones) as C++
sizes    files up to 800 lines, functions up to 80 lines
style    SPDX line, banned functions, no tabs, clang-format
exports  libparley exports parley_* and nothing else
"""
import argparse
import os
import re
import subprocess
import sys

ROOT = os.path.realpath(os.path.join(os.path.dirname(__file__), "..", ".."))
CODE = ("api", "client-sdk", "server", "storage", "tests")
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 80
BANNED = re.compile(
    r"(?<![\w.>])(strcpy|strcat|sprintf|vsprintf|strncpy|gets|strtok|atoi|atol|atoll|atof|alloca|rand"
    r"|srand|localtime|gmtime|signal|system|popen|malloc|calloc|realloc|free)\s*\(")
# Where the heap is the module's own business, with the reason.
RAW_HEAP = {
    "api/base/mem.c": "the door to the heap",
    "api/codegen": "a host tool that links libc and protobuf-c only",
    "server/guard/token.c": "libjwt hands out strings of the C library",
    "server/core/config_file.c": "getline has no other heap",
    "tests": "tests and the programs that are measured beside ours",
    "client-sdk/examples": "they show what a user would write",
    "client-sdk/cli": "built on the public SDK only; frees what libraries hand it",
}


def tracked(*endings):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, text=True,
                         stdout=subprocess.PIPE, check=True).stdout.split("\n")
    return sorted(p for p in out if p.endswith(endings) and p.startswith(CODE)
                  and os.path.isfile(os.path.join(ROOT, p)) and "/golden/" not in p)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def strip_comments_and_strings(text):
    def blank(match):
        return re.sub(r"[^\n]", " ", match.group(0))
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', blank, text,
                  flags=re.S)


def load_arrows():
    arrows = {}
    for line in read("tests/lint/arrows.txt").split("\n"):
        if line and not line.startswith("#"):
            folder, _, allowed = line.partition(":")
            arrows[folder] = allowed.split()
    return arrows


SYSTEM = re.compile(
    r"^(assert|ctype|errno|fcntl|float|getopt|inttypes|limits|locale|math|netdb|poll|pthread|sched"
    r"|signal|spawn|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|string|strings|termios|threads|time"
    r"|unistd|dirent|malloc|langinfo|wchar|wctype|ftw|libgen)\.h$|^(sys|netinet|arpa|linux|net)/")
OWN = {"base/": "base", "loop/": "loop", "wire/": "wire", "transport/": "transport",
       "store/": "store", "shard/": "shard", "sqlite/": "sqlite", "core/": "core", "call/": "call",
       "grpc/": "grpc", "guard/": "guard", "fanout/bus/": "bus", "fanout/": "fanout", "services/builtin/": "builtin",
       "services/": "services", "admin/": "admin"}
SDK_PUBLIC = {"parley/channel.h", "parley/client.h"}


def category(include):
    """The name that arrows.txt knows an include by; None for the C library."""
    if SYSTEM.match(include):
        return None
    if include.startswith("parley/v1/"):
        return "contract"
    if include in SDK_PUBLIC or include.startswith("parley/testing"):
        return "sdk-public"
    if include.startswith("parley/"):
        return "public"
    if include.endswith((".pb-c.h", ".parley.h")):
        return include.split("/")[0] + "-proto"  # generated
    for prefix, name in OWN.items():
        if include.startswith(prefix):
            return name
    if "/" in include:
        return include.split("/")[0]
    return include


def check_arrows():
    arrows = load_arrows()
    for path in tracked(".c", ".h"):
        if path.startswith("tests/"):
            continue
        folders = [f for f in arrows if path.startswith(f + "/")]
        if not folders:
            yield f"{path}: its folder is not in tests/lint/arrows.txt"
            continue
        folder = max(folders, key=len)
        own = {os.path.basename(folder), folder.rsplit("/", 1)[-1]}
        for number, line in enumerate(read(path).split("\n"), 1):
            match = re.match(r'\s*#\s*include\s*[<"]([^>"]+)[>"]', line)
            if not match:
                continue
            include = match.group(1)
            if "../" in include:
                yield f"{path}:{number}: include without ../: {include}"
            name = category(include)
            beside = os.path.join(os.path.dirname(path), include)
            if name is None or name in own or name in arrows[folder] or include in arrows[folder]:
                continue
            if os.path.exists(os.path.join(ROOT, beside)) or include.endswith("_generated.h"):
                continue
            yield f"{path}:{number}: {folder} may not include {include} ({name})"


def compile_flags(build):
    """Include folders of the build tree, so that generated headers are found."""
    flags = ["-Iapi", "-Iapi/include", "-Iclient-sdk/include", "-Iclient-sdk/src",
             "-Istorage/include", "-Istorage", "-Iserver", "-Itests", "-D_DEFAULT_SOURCE",
             "-D_POSIX_C_SOURCE=200809L"]
    commands = os.path.join(build, "compile_commands.json")
    if os.path.exists(commands):
        with open(commands, encoding="utf-8") as f:
            flags += sorted(set(re.findall(r"(?:-I|-isystem )(/[^\s\"]+)", f.read())))
        flags = [f if f.startswith("-") else "-I" + f for f in flags]
    return flags


def check_headers(build):
    flags = compile_flags(build)
    public = ("api/include/", "client-sdk/include/")
    for path in tracked(".h"):
        if path.startswith("tests/"):
            continue
        languages = [["-std=c11", "-xc"]]
        if path.startswith(public):
            languages.append(["-std=c++11", "-xc++"])
        for language in languages:
            run = subprocess.run(["gcc", "-fsyntax-only", "-Wall", "-Wextra", "-Wno-pragma-once-outside-header",
                                  "-Werror"] + language + flags + [path], cwd=ROOT, text=True,
                                 stderr=subprocess.PIPE, check=False)
            if run.returncode:
                first = run.stderr.strip().split("\n")[0]
                yield f"{path}: does not compile alone ({language[0]}): {first}"


def check_sizes():
    for path in tracked(".c", ".h"):
        lines = read(path).split("\n")
        if len(lines) > FILE_LINES_MAX:
            yield f"{path}: {len(lines)} lines, at most {FILE_LINES_MAX}"
        start = None
        for number, line in enumerate(lines, 1):
            if line == "{":
                start = number
            elif line.startswith("}") and start is not None:
                if number - start > FUNCTION_LINES_MAX:
                    yield (f"{path}:{start}: a function of {number - start} lines, at most "
                           f"{FUNCTION_LINES_MAX}")
                start = None


def check_style():
    files = tracked(".c", ".h")
    for path in files:
        text = read(path)
        if "SPDX-License-Identifier: Apache-2.0" not in text.split("\n", 1)[0]:
            yield f"{path}:1: no SPDX line"
        if "\t" in text:
            yield f"{path}: has tabs"
        if any(path.startswith(p) for p in RAW_HEAP):
            continue
        for number, line in enumerate(strip_comments_and_strings(text).split("\n"), 1):
            match = BANNED.search(line)
            if match:
                yield f"{path}:{number}: {match.group(1)} is banned"
    run = subprocess.run(["clang-format", "--dry-run", "--Werror"] + files, cwd=ROOT, text=True,
                         stderr=subprocess.PIPE, check=False)
    for line in run.stderr.split("\n"):
        if "error:" in line:
            yield line


def check_exports(build):
    library = os.path.join(build, "lib", "libparley.so")
    if not os.path.exists(library):
        yield f"{library}: not built"
        return
    out = subprocess.run(["nm", "-D", "--defined-only", library], text=True,
                         stdout=subprocess.PIPE, check=True).stdout
    names = [line.split()[-1] for line in out.split("\n") if line]
    if not any(n.startswith("parley_client_send") for n in names):
        yield "libparley.so does not export parley_client_send"
    for name in names:
        if not name.startswith("parley_"):
            yield f"libparley.so exports {name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "dev"))
    parser.add_argument("checks", nargs="*", metavar="CHECK")
    args = parser.parse_args()
    checks = {"arrows": check_arrows, "headers": lambda: check_headers(args.build),
              "sizes": check_sizes, "style": check_style,
              "exports": lambda: check_exports(args.build)}
    findings = 0
    for name in args.checks or checks:
        if name not in checks:
            parser.error(f"unknown check {name}; there are: {' '.join(checks)}")
        for finding in checks[name]():
            findings += 1
            print(f"{name}: {finding}")
    print(f"lint: {findings} finding{'' if findings == 1 else 's'}")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
