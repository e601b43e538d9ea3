"""The laws by name: what each says, and where it comes from.

Operators name those that apply to them beyond their operands; findings carry the name of the law
they speak of. "Measured" means: with LiteRT 2.3.0 on x86-64, in the reference kernels and under the
default resolver with its XNNPACK delegate. "LiteRT tflite/kernels/" are that project's sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tflite_requant.catalog import kernel_laws, scheme_laws, tensor_laws
from tflite_requant.catalog.spec import Law

LAWS: Mapping[str, Law] = MappingProxyType(
    {law.name: law for law in (*tensor_laws.LAWS, *kernel_laws.LAWS, *scheme_laws.LAWS)}
)
