"""The common ground of all packages: registry, errors, images, paths and file writing."""
