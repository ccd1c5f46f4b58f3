"""Sections III to V: the CNN component, recurrent and capsule branches, the systems."""
