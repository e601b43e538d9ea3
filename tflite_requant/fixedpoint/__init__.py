"""Integer arithmetic as TFLite does it: ranges, roundings, multipliers, exact products, tables.

NumPy only; nothing here knows tensors, models or operators.
"""
