"""``python -m talkbench`` is ``bench``."""

from talkbench.benchmark.cli.main import main

if __name__ == "__main__":
    main()
