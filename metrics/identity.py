"""AED and CSIM."""
