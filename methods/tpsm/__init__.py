"""TPSM (CVPR 2022): several thin-plate splines whose motions are combined."""
