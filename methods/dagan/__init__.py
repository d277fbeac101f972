"""DaGAN (CVPR 2022): first-order motion whose keypoints and features are guided by face depth."""
