"""Pickles that name globals of others, as files of `torch.save` from strange code do."""

import pickle


class Named:
    """Pickled as the global of that name, called with the arguments."""

    def __init__(self, name: str, *arguments: object) -> None:
        self.name, self.arguments = name, arguments


class Writer(pickle._Pickler):  # type: ignore[name-defined, misc]
    """Writes names of globals that need not exist."""

    def save(self, value: object, **options: object) -> None:
        if isinstance(value, Named):
            module, _, name = value.name.rpartition(".")
            self.write(pickle.GLOBAL + f"{module}\n{name}\n".encode())
            self.save(value.arguments)
            self.write(pickle.REDUCE)
        else:
            super().save(value, **options)


PICKLE = type("module", (), {"Pickler": Writer, "dump": pickle.dump, "__name__": "pickle"})
