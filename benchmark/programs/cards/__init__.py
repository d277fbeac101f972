"""The cards of programs, one YAML file each, named after the program."""
