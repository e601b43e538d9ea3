"""`python -m tflite_requant`."""

from tflite_requant.cli import console

if __name__ == "__main__":
    console()
