"""Domains judged by libvirt's own RELAX NG schema."""
