"""The file format. The only package that knows flatbuffers and the generated TFLite bindings."""

from tflite_requant.flatbuffer.reader import read
from tflite_requant.flatbuffer.records import default_record
from tflite_requant.flatbuffer.source import read_file
from tflite_requant.flatbuffer.writer import write

__all__ = ["default_record", "read", "read_file", "write"]
