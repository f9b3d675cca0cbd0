# SPDX-License-Identifier: Apache-2.0
"""Put the pinned buf (package-lock.json) into the build folder. A second run does nothing."""
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDER = os.environ["PARLEY_BUF_DIR"]
LISTS = ("package.json", "package-lock.json")


def read(path):
    if not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        return file.read()


def main():
    done = os.path.join(FOLDER, "installed")
    wanted = "".join(read(os.path.join(HERE, name)) for name in LISTS)
    if read(done) == wanted:
        return
    if shutil.which("npm") is None:
        sys.exit("npm is missing, so that buf cannot be installed and the contract is not checked "
                 "by it: install Node.js with npm (Debian: apt install npm)")
    for name in LISTS:
        shutil.copy(os.path.join(HERE, name), FOLDER)
    # The program is in the package of its platform: no script of the packages needs to run.
    process = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
                             cwd=FOLDER, text=True, capture_output=True)
    if process.returncode != 0:
        sys.exit("npm cannot install buf:\n" + process.stderr)
    with open(done, "w", encoding="utf-8") as file:
        file.write(wanted)


if __name__ == "__main__":
    main()
