"""Machines of several layers."""
