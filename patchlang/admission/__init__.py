"""Admission: policies that allow only reviewed annotations, and policies that add plugin sidecars to pods."""
