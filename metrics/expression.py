"""Head pose, action units and gaze."""
