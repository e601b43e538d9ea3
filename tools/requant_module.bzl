"""The extension that MODULE.bazel in this folder uses; WORKSPACE builds never load it."""

load(":requant.bzl", "tflite_requant_python")

def _requant_impl(_module_ctx):
    tflite_requant_python(name = "tflite_requant_python")

requant = module_extension(implementation = _requant_impl)
