"""MRAA (CVPR 2021): regions whose motion is read off the principal axes of their heatmaps."""
