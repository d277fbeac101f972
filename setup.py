"""The repository root is the package `talkbench`: the folders in it are found and get that name before theirs."""

from setuptools import find_packages, setup

setup(
    script_name="setup.py",  # by which it is told from the package's modules
    package_dir={"talkbench": "."},
    packages=["talkbench", *(f"talkbench.{folder}" for folder in find_packages())],
)
