"""Domains checked against libvirt's own RELAX NG schema."""
