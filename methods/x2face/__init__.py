"""X2Face (ECCV 2018): the source unwrapped into a mosaic that the driver's frame samples."""
