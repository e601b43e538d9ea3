"""Algebra on arrays that it is handed: weight grids, error-compensating rounding, bias folding."""
