"""FOMM (NeurIPS 2019): keypoints with local affine maps, from which a dense flow is put together."""
