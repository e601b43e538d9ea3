"""Generated from schema/tflite.fbs by tools/generate_bindings; do not edit."""
