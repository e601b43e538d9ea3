"""For MODULE.bazel, which WORKSPACE builds never load:

    requant = use_extension("@tflite_requant//:requant_module.bzl", "requant")
    use_repo(requant, "tflite_requant_python")
"""

load(":requant.bzl", "tflite_requant_python")

requant = module_extension(
    implementation = lambda _: tflite_requant_python(name = "tflite_requant_python"),
)
