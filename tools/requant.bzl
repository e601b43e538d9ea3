"""Bazel rules: a model on a scheme, its golden vectors, and itself as C source.

In a WORKSPACE (tested with Bazel 4.2.3):

    load("@tflite_requant//:requant.bzl", "tflite_requant_python")
    tflite_requant_python(name = "tflite_requant_python")

In a MODULE.bazel (Bazel 7 and later; written after Bazel's documentation, not run):

    bazel_dep(name = "tflite_requant")
    local_path_override(module_name = "tflite_requant", path = "path/to/this/folder")

In a BUILD file:

    load("@tflite_requant//:requant.bzl", "tflite_cc_array", "tflite_requant")
    tflite_requant(name = "kws", src = "kws_qat.tflite", scheme = "symmetric")
    tflite_cc_array(name = "kws_model", src = ":kws")

Actions read only what is declared, write only what is declared, and need no network. The Python
that runs them is the one thing from outside: TFLITE_REQUANT_PYTHON in the environment (by
--repo_env), or python3, with tflite_requant installed. Its version is part of every action.
"""

_TOOL = attr.label(
    default = "@tflite_requant_python//:python",
    executable = True,
    allow_single_file = True,
    cfg = "exec",
    doc = "runs Python with tflite_requant installed",
)

_WRAPPER = """\
#!/bin/sh
# {version}
exec "{python}" "$@"
"""

def _python_impl(repository_ctx):
    # From Bazel 7.1 on, only getenv is sure to notice a change.
    known = hasattr(repository_ctx, "getenv")
    getenv = repository_ctx.getenv if known else repository_ctx.os.environ.get
    name = getenv("TFLITE_REQUANT_PYTHON") or "python3"
    python = repository_ctx.path(name) if name.startswith("/") else repository_ctx.which(name)
    if not python:
        fail("no %s; set TFLITE_REQUANT_PYTHON to a Python that has tflite_requant" % name)
    asked = repository_ctx.execute([python, "-m", "tflite_requant", "--version"])
    if asked.return_code:
        fail("%s has no tflite_requant: %s" % (python, asked.stderr))
    text = _WRAPPER.format(python = python, version = asked.stdout.strip())
    repository_ctx.file("python", text, executable = True)
    repository_ctx.file("BUILD.bazel", 'exports_files(["python"])\n')

tflite_requant_python = repository_rule(
    implementation = _python_impl,
    local = True,
    environ = ["TFLITE_REQUANT_PYTHON", "PATH"],
    doc = "The Python that the rules run.",
)

def _run(ctx, module, arguments, inputs, outputs, what):
    ctx.actions.run(
        executable = ctx.executable._tool,
        arguments = ["-B", "-m", module] + arguments,
        inputs = inputs,
        outputs = outputs,
        env = {"OPENBLAS_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
        mnemonic = "TfliteRequant",
        progress_message = "%s %s" % (what, ctx.label),
    )

def _requant_impl(ctx):
    out = ctx.actions.declare_file(ctx.attr.name + ".tflite")
    scheme = ctx.file.scheme_file.path if ctx.file.scheme_file else ctx.attr.scheme
    arguments = [ctx.file.src.path, "--scheme", scheme, "--output", out.path, "--quiet"]
    inputs = [ctx.file.src] + ([ctx.file.scheme_file] if ctx.file.scheme_file else [])
    if ctx.file.calibration:
        array = ":" + ctx.attr.calibration_array if ctx.attr.calibration_array else ""
        arguments += ["--calibration", ctx.file.calibration.path + array]
        inputs.append(ctx.file.calibration)
    _run(ctx, "tflite_requant", arguments + ctx.attr.flags, inputs, [out], "Requantizing")
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

tflite_requant = rule(
    implementation = _requant_impl,
    doc = "NAME.tflite: a model put on a scheme.",
    attrs = {
        "src": attr.label(allow_single_file = [".tflite"], mandatory = True),
        "scheme": attr.string(default = "int8", doc = "a preset"),
        "scheme_file": attr.label(allow_single_file = [".toml"], doc = "instead of a preset"),
        "calibration": attr.label(allow_single_file = True, doc = ".npy or .npz, or a folder"),
        "calibration_array": attr.string(doc = "one array of an .npz"),
        "flags": attr.string_list(doc = "more flags; files must be declared, so none here"),
        "_tool": _TOOL,
    },
)

def _golden_impl(ctx):
    out = ctx.actions.declare_directory(ctx.attr.name)
    arguments = ["golden", ctx.file.src.path, "--output", out.path, "--quiet"]
    inputs = [ctx.file.src]
    if ctx.file.stimuli:
        arguments += ["--inputs", ctx.file.stimuli.path]
        inputs.append(ctx.file.stimuli)
    _run(ctx, "tflite_requant", arguments + ctx.attr.flags, inputs, [out], "Writing vectors of")
    return [DefaultInfo(files = depset([out]), runfiles = ctx.runfiles([out]))]

tflite_golden_vectors = rule(
    implementation = _golden_impl,
    doc = "A folder NAME of golden vectors.",
    attrs = {
        "src": attr.label(allow_single_file = [".tflite"], mandatory = True),
        "stimuli": attr.label(allow_single_file = True, doc = ".npy or .npz; default: directed"),
        "flags": attr.string_list(),
        "_tool": _TOOL,
    },
)

def _cc_array_impl(ctx):
    outputs = [ctx.outputs.source, ctx.outputs.header]
    arguments = [ctx.file.src.path, ctx.outputs.source.path]
    _run(ctx, "tflite_requant.c_array", arguments, [ctx.file.src], outputs, "Writing C source of")
    return [DefaultInfo(files = depset(outputs))]

_cc_array = rule(
    implementation = _cc_array_impl,
    attrs = {
        "src": attr.label(allow_single_file = [".tflite"], mandatory = True),
        "source": attr.output(mandatory = True),
        "header": attr.output(mandatory = True),
        "_tool": _TOOL,
    },
)

def tflite_cc_array(name, src, suffix = ".cc", **kwargs):
    """NAME.cc (or .c) and NAME.h: a model as C source; use them as srcs and hdrs."""
    _cc_array(name = name, src = src, source = name + suffix, header = name + ".h", **kwargs)
