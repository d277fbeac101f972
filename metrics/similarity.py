"""SSIM and MS-SSIM."""
