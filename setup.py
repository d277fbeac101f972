"""The repository root is the package `talkbench`: the folders in it are found and get that name before theirs."""

from setuptools import find_packages, setup

setup(
    package_dir={"talkbench": "."},
    packages=["talkbench", *(f"talkbench.{folder}" for folder in find_packages())],
)
