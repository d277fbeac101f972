"""face-vid2vid (CVPR 2021): three-dimensional keypoints, moved by head pose and expression."""
